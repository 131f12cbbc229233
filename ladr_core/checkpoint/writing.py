"""Writing a safetensors file one tensor at a time, so that a model need not fit into memory."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..file_reading import reason
from .header import DTYPE_BITS, LARGEST_HEADER, StoredTensor, readable_bytes

DTYPE_NAMES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.int64: "I64",
}


@dataclass(frozen=True)
class PendingTensor:
    """A tensor that is made when its turn comes."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    make: Callable[[], Tensor]

    @property
    def stored(self) -> StoredTensor:
        """How the header describes it."""
        return StoredTensor(DTYPE_NAMES[self.dtype], self.shape)


def write_file(
    path: Path,
    tensors: Sequence[PendingTensor],
    metadata: dict[str, str],
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write a file and return its size in bytes; what is unfinished has a name of its own and goes on any error.

    progress: called with the bytes written and all bytes after each tensor. Raises CheckpointError where the file
    would not fit on the disk, or cannot be written.
    """
    # Wide numbers first, so that every tensor starts at a multiple of its own number's size.
    ordered = sorted(tensors, key=lambda t: (-DTYPE_BITS[t.stored.dtype], t.name))
    entries: dict[str, object] = {"__metadata__": metadata}
    end = 0
    for tensor in ordered:
        start, end = end, end + tensor.stored.bytes
        entries[tensor.name] = {"dtype": tensor.stored.dtype, "shape": list(tensor.shape), "data_offsets": [start, end]}
    header = json.dumps(entries, ensure_ascii=False).encode("utf-8")
    header += b" " * (-len(header) % 8)
    if len(header) > LARGEST_HEADER:
        raise CheckpointError(f"{path} would have a header of {len(header)} bytes, more than readers accept.")
    whole = 8 + len(header) + end
    try:
        free = shutil.disk_usage(path.parent).free
        if free < whole:
            raise CheckpointError(
                f"{path} would have {readable_bytes(whole)}, but only {readable_bytes(free)} are free there; free some "
                "space or name a place on another disk."
            )
        descriptor, name = tempfile.mkstemp(suffix=".part", prefix=path.stem[:100] + "-", dir=path.parent)
        part = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(len(header).to_bytes(8, "little") + header)
                _write_tensors(file, ordered, end, progress)
            part.chmod(0o666 & ~_umask())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written ({reason(error)}); free some space there or name another place."
        ) from error
    return whole


def _write_tensors(
    file: IO[bytes], tensors: Sequence[PendingTensor], end: int, progress: Callable[[int, int], None] | None
) -> None:
    written = 0
    for tensor in tensors:
        value = tensor.make().to(tensor.dtype).contiguous()
        if tuple(value.shape) != tensor.shape:
            raise CheckpointError(f"{tensor.name} has the shape {list(value.shape)}, not {list(tensor.shape)}.")
        file.write(value.reshape(-1).view(torch.uint8).numpy().data)
        written += tensor.stored.bytes
        if progress is not None:
            progress(written, end)


def _umask() -> int:
    """The permissions that new files lack; the system tells only while it is set."""
    current = os.umask(0o022)
    os.umask(current)
    return current
