"""Reading the weight of a layer wherever and in whatever form it is kept."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def leaf_weight(leaf: nn.Module, like: Tensor, rows: slice | None = None) -> Tensor:
    """Weight of a leaf module, or only some of its rows, on the device and in the dtype of ``like``.

    Leaves that keep their weight elsewhere or in another form offer ``read_weight(like, rows)``; this asks them.
    """
    read = getattr(leaf, "read_weight", None)
    if read is not None:
        return read(like, rows)
    stored: Any = leaf.weight
    weight = stored if rows is None else stored[rows]
    return weight.to(device=like.device, dtype=like.dtype)
