"""Weights stored in 8 bits: float8 e4m3 with one scale per layer, by ComfyUI's convention.

A stored weight times its layer's ``scale_weight`` is the weight; an empty tensor ``scaled_fp8`` marks the file.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FLOAT8 = torch.float8_e4m3fn
LARGEST = 448.0  # of float8 e4m3
MARKER, SCALE = "scaled_fp8", "scale_weight"


def quantise_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A weight in float8 and its scale (float32, no axes), so that the largest number becomes the largest float8."""
    weight = weight.float()
    scale = (weight.abs().max() / LARGEST).clamp_min(torch.finfo(torch.float32).tiny)
    return (weight / scale).clamp(-LARGEST, LARGEST).to(FLOAT8), scale


class CastingLayers:
    """torch.nn's layers, with a Linear that casts its weight to the dtype of its input."""

    Embedding = nn.Embedding
    RMSNorm = nn.RMSNorm
    Conv2d = nn.Conv2d
    GroupNorm = nn.GroupNorm

    class Linear(nn.Linear):
        """Linear layer whose weight may be kept in another dtype than it computes in."""

        def forward(self, x: Tensor) -> Tensor:
            """Map x [..., inputs] to [..., outputs]."""
            bias = None if self.bias is None else self.bias.to(x)
            return F.linear(x, self.weight.to(x), bias)


@lru_cache(maxsize=8)
def scaled_layers(operations: Any) -> Any:
    """The same layers with a Linear that multiplies by its scale; they must cast weights to their input's dtype."""

    class Linear(operations.Linear):  # type: ignore[misc, name-defined]
        weight: nn.Parameter

        def __init__(self, *args: Any, **kwargs: Any):
            super().__init__(*args, **kwargs)
            device = kwargs.get("device")
            self.scale_weight = nn.Parameter(torch.ones((), device=device, dtype=torch.float32), requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            """Map x [..., inputs] to [..., outputs]; the scale goes to the smaller side, the input."""
            return super().forward(x * self.scale_weight.to(x))

        def read_weight(self, like: Tensor, rows: slice | None = None) -> Tensor:
            """See leaf_weight."""
            read = getattr(super(), "read_weight", None)
            if read is not None:
                return read(like, rows) * self.scale_weight.to(like)
            weight = self.weight if rows is None else self.weight[rows]
            return weight.to(like) * self.scale_weight.to(like)

        def convert_weight(self, weight: Tensor, inplace: bool = False, **_: Any) -> Tensor:
            """The weight that a stored one stands for; ComfyUI asks for it before it applies a LoRA."""
            return weight * self.scale_weight.to(weight)

        def set_weight(
            self, weight: Tensor, inplace_update: bool = False, seed: Any = None, return_weight: bool = False, **_: Any
        ) -> Tensor | None:
            """Store a changed weight; ComfyUI calls this after it has applied a LoRA."""
            stored = (weight / self.scale_weight.to(weight)).clamp(-LARGEST, LARGEST).to(self.weight.dtype)
            if return_weight:
                return stored
            if inplace_update:
                self.weight.data.copy_(stored)
            else:
                self.weight = nn.Parameter(stored, requires_grad=False)
            return None

    return type("ScaledLayers", (operations,), {"Linear": Linear})
