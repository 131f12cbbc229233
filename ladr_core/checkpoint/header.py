"""Headers of safetensors files, read without the data: names, shapes, dtypes, metadata, and whether a file is whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path

from ..errors import CheckpointError

LARGEST_HEADER = 100 * 1024**2
DTYPE_BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as the header describes it."""

    dtype: str  # the format's own name, such as BF16
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Size of its data."""
        return prod(self.shape) * DTYPE_BYTES.get(self.dtype, 0)


@dataclass(frozen=True)
class Header:
    """What one file holds."""

    path: Path
    tensors: dict[str, StoredTensor]
    metadata: dict[str, str]


def read_header(path: Path, page: str = "where it came from") -> Header:
    """Header of a file; CheckpointError, naming the page to get it from, where it is damaged or ends too early."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= LARGEST_HEADER:
            raise CheckpointError(f"{path} is not a safetensors file; download it again from {page}.")
        if 8 + length > size:
            raise _cut(path, size, 8 + length, page)
        try:
            fields = json.loads(file.read(length))
        except ValueError as error:
            raise CheckpointError(f"{path} has a damaged header; download it again from {page}.") from error
    metadata = fields.pop("__metadata__", {})
    tensors = {name: StoredTensor(entry["dtype"], tuple(entry["shape"])) for name, entry in fields.items()}
    end = max((entry["data_offsets"][1] for entry in fields.values()), default=0)
    if 8 + length + end > size:
        raise _cut(path, size, 8 + length + end, page)
    return Header(path, tensors, metadata)


def readable_bytes(count: float) -> str:
    """A size for people, in decimal units as download pages give it."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count:.0f} bytes"


def _cut(path: Path, size: int, expected: int, page: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is cut off: it has {size} bytes of {expected} ({readable_bytes(expected)}); "
        f"download it again from {page}."
    )
