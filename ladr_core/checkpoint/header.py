"""Headers of safetensors files, read without the data: names, shapes, dtypes, metadata, and whether a file is whole."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from math import prod
from pathlib import Path

from ..errors import CheckpointError

LARGEST_HEADER = 100 * 1024**2
_POINTER = b"version https://git-lfs.github.com/spec/v1"
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


def read_header(path: Path, page: str = "where it came from", about_bytes: int = 0) -> Header:
    """Header of a file; CheckpointError, naming sizes and the page to get it from, where it is damaged or not whole.

    about_bytes: what the file should have as far as the model's shapes tell, 0 = not known.
    """
    size = path.stat().st_size
    should = f", expected about {readable_bytes(about_bytes)}" if about_bytes else ""
    again = f"; download it again from {page}."
    with path.open("rb") as file:
        first = file.read(8)
        length = int.from_bytes(first, "little")
        if first == _POINTER[:8]:
            raise CheckpointError(f"{path} is {_pointer(first + file.read(1024), size, should)}{again}")
        if not 2 <= length <= LARGEST_HEADER:
            raise CheckpointError(f"{path} is not a safetensors file: it has {size} bytes{should}{again}")
        if 8 + length > size:
            least = should or f", expected more than {8 + length}"
            raise CheckpointError(f"{path} is cut off: it has {size} bytes{least}{again}")
        try:
            fields = json.loads(file.read(length))
            metadata = fields.pop("__metadata__", {})
            tensors = {name: StoredTensor(entry["dtype"], tuple(entry["shape"])) for name, entry in fields.items()}
            end = max((int(entry["data_offsets"][1]) for entry in fields.values()), default=0)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} has a damaged header: it has {size} bytes{should}{again}") from error
    expected = 8 + length + end
    if expected != size:
        what = "cut off" if size < expected else "damaged"
        whole = f"it has {size} bytes of {expected} ({readable_bytes(size)} of {readable_bytes(expected)})"
        raise CheckpointError(f"{path} is {what}: {whole}{again}")
    return Header(path, tensors, metadata)


def readable_bytes(count: float) -> str:
    """A size for people, in decimal units as download pages give it."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count:.0f} bytes"


def _pointer(text: bytes, size: int, should: str) -> str:
    """What a Git LFS pointer is, with the size of the real file that it names."""
    found = re.search(rb"^size (\d+)$", text, re.MULTILINE)
    real = f", the file has {int(found[1])} ({readable_bytes(int(found[1]))})" if found else should
    return f"only the Git LFS pointer to the file: it has {size} bytes{real}"
