"""The dtypes in which a transformer's weights can be kept, by the names that nodes and command line offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    import torch

AUTO = "auto"
DTYPES = (AUTO, "bfloat16", "float16", "float32", "float8_e4m3fn")


def find_dtype(name: str) -> torch.dtype | None:
    """The dtype of this name, None for auto, or an InputError that lists the names."""
    if name not in DTYPES:
        raise InputError("dtype", repr(name), "one of " + ", ".join(DTYPES), f"Set dtype to {AUTO}")
    if name == AUTO:
        return None
    import torch  # here, as --help does without it

    return getattr(torch, name)
