"""Headers of safetensors files, read without the data: names, shapes, dtypes, metadata, and whether a file is whole."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, cut, shown
from ..file_reading import ELSEWHERE, open_regular, reason

LARGEST_HEADER = 100 * 1024**2
MOST_AXES, LONGEST_AXIS = 8, 2**40
_POINTER = b"version https://git-lfs.github.com/spec/v1"
DTYPE_BITS = {
    "F64": 64, "I64": 64, "U64": 64, "C64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16,
    "U16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I8": 8, "U8": 8,
    "BOOL": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as the header describes it."""

    dtype: str  # the format's own name, such as BF16
    shape: tuple[int, ...]
    start: int = 0  # first byte of its data, counted from the first byte of all data

    @property
    def bytes(self) -> int:
        """Size of its data."""
        return prod(self.shape) * DTYPE_BITS.get(self.dtype, 0) // 8


@dataclass(frozen=True)
class Header:
    """What one file holds."""

    path: Path
    tensors: dict[str, StoredTensor]
    metadata: dict[str, str]
    data_start: int = 0  # first byte of all data in the file


def read_header(path: Path, page: str = ELSEWHERE, about_bytes: int = 0) -> Header:
    """Header of a file; CheckpointError, naming sizes and the page to get it from, where it is damaged or not whole.

    about_bytes: what the file should have as far as the model's shapes tell, 0 = not known.
    """
    should = f", expected about {readable_bytes(about_bytes)}" if about_bytes else ""
    remedy = f"download it again from {page}"
    again = f"; {remedy}."
    with open_regular(path, remedy) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            first = file.read(8)
            length = int.from_bytes(first, "little")
            if first == _POINTER[:8]:
                raise CheckpointError(f"{path} is {_pointer(first + file.read(1024), size, should)}{again}")
            if len(first) < 8 or not 2 <= length <= LARGEST_HEADER:
                raise CheckpointError(f"{path} is not a safetensors file: it has {size} bytes{should}{again}")
            if 8 + length > size:
                least = should or f", expected more than {8 + length}"
                raise CheckpointError(f"{path} is cut off: it has {size} bytes{least}{again}")
            content = file.read(length)
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read ({reason(error)}){again}") from error
    try:
        tensors, metadata, end = _read_entries(_parse(content))
    except (ValueError, RecursionError) as error:
        why = f" ({error})" if isinstance(error, _BadEntry) else ""
        raise CheckpointError(f"{path} has a damaged header{why}: it has {size} bytes{should}{again}") from error
    expected = 8 + length + end
    if expected != size:
        what = "cut off" if size < expected else "damaged"
        whole = f"it has {size} bytes of {expected} ({readable_bytes(size)} of {readable_bytes(expected)})"
        raise CheckpointError(f"{path} is {what}: {whole}{again}")
    return Header(path, tensors, metadata, 8 + length)


class _BadEntry(ValueError):
    """What is wrong with one entry of a header."""


def _parse(content: bytes) -> dict[str, Any]:
    def refuse(name: str) -> None:
        raise _BadEntry(f"it holds the number {name}")

    fields = json.loads(content.decode("utf-8"), parse_constant=refuse)
    if not isinstance(fields, dict):
        raise _BadEntry(f"it is {shown(fields)}, expected an object")
    return fields


def _read_entries(fields: dict[str, Any]) -> tuple[dict[str, StoredTensor], dict[str, str], int]:
    """Tensors, metadata, and the size of all data; the data of the tensors must lie end to end."""
    metadata = fields.pop("__metadata__", None)
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict):
        raise _BadEntry(f"__metadata__ is {shown(metadata)}, expected an object")
    for name, value in metadata.items():
        if not isinstance(value, str):
            raise _BadEntry(f"{cut(name, 60)} in __metadata__ is {shown(value)}, expected a text")
    ends: dict[str, int] = {}
    tensors = {}
    for name, entry in fields.items():
        tensors[name], ends[name] = _read_entry(name, entry)
    for text in (*tensors, *metadata, *metadata.values()):
        text.encode("utf-8")  # half a character is an error here, a ValueError too
    places = sorted((tensor.start, ends[name], name) for name, tensor in tensors.items())
    for (_, end, _), (start, _, name) in pairwise([(0, 0, ""), *places]):
        if start != end:
            raise _BadEntry(f"the data of {cut(name, 60)} begins at {shown(start)}, expected {shown(end)}")
    return tensors, metadata, places[-1][1] if places else 0


def _read_entry(name: str, entry: Any) -> tuple[StoredTensor, int]:
    """A tensor and the end of its data."""
    called = cut(name, 60)
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= set(entry):
        raise _BadEntry(f"{called} needs dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise _BadEntry(f"the dtype of {called} is {shown(dtype)}")
    if not _are_wholes(shape) or len(shape) > MOST_AXES:
        raise _BadEntry(
            f"the shape of {called} is {shown(shape)}, expected a list of at most {MOST_AXES} whole numbers"
        )
    if not _are_wholes(offsets) or len(offsets) != 2:
        raise _BadEntry(f"the data_offsets of {called} are {shown(offsets)}, expected a list of two whole numbers")
    start, end = offsets
    bits = prod(shape) * DTYPE_BITS[dtype]
    if 8 * (end - start) != bits:
        raise _BadEntry(f"{called} has {end - start} bytes, expected {shown(bits // 8)} for {dtype} {cut(shape, 60)}")
    return StoredTensor(dtype, tuple(shape), start), end


def _are_wholes(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LONGEST_AXIS for value in values
    )


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
