"""Weights stored in 8 bits: float8 e4m3 with a scale, by ComfyUI's convention one number for each layer.

A stored weight times its layer's ``scale_weight`` is the weight; an empty tensor ``scaled_fp8`` marks the file. Files
of others may have a scale for each row or block instead; see `scales`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import CheckpointError
from .scales import expand_scale

FLOAT8 = torch.float8_e4m3fn
LARGEST = 448.0  # of float8 e4m3
ROWS_AT_ONCE = 2048  # keeps the float32 copies of a large layer small
SCALE = "scale_weight"


def quantize_weight(weight: Tensor, name: str = "A weight") -> tuple[Tensor, Tensor]:
    """A weight in float8 and its scale (float32, no axes), the smallest power of two that makes all numbers fit."""
    weight = weight.float()
    largest = float(weight.abs().max()) / LARGEST
    if not math.isfinite(largest):
        raise CheckpointError(f"{name} holds numbers that are not finite; download the weights again.")
    largest = max(largest, torch.finfo(torch.float32).tiny)
    # A power of two is exact in every dtype, and float8 has the same relative spacing below its largest number.
    scale = torch.tensor(2.0 ** math.ceil(math.log2(largest)), device=weight.device)
    return (weight / scale).clamp(-LARGEST, LARGEST).to(FLOAT8), scale


def round_randomly(weight: Tensor, seed: int) -> Tensor:
    """Float8 of a weight, up or down by chance so that the mean is kept: a small LoRA would vanish in the nearest."""
    generator = torch.Generator(weight.device).manual_seed(seed)
    stored = torch.empty_like(weight, dtype=FLOAT8)
    for target, rows in zip(stored.split(ROWS_AT_ONCE), weight.float().split(ROWS_AT_ONCE)):
        rows = rows.clamp(-LARGEST, LARGEST)
        exponent = torch.frexp(rows).exponent.clamp_min(-5)  # below 2 ** -6 the spacing stays 2 ** -9
        spacing = torch.exp2((exponent - 4).float())
        below = (rows / spacing).floor()
        chance = torch.rand(rows.shape, generator=generator, device=rows.device)
        target.copy_((below + (chance < rows / spacing - below)) * spacing)
    return stored


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
            """Map x [..., inputs] to [..., outputs]."""
            if x.dtype == torch.float16 or self.scale_weight.dim():
                # In float16 a scaled input would be too small, an unscaled output too large.
                return F.linear(x, self.read_weight(x), None if self.bias is None else self.bias.to(x))
            # The input is scaled because the weight is larger; in float32 because 16 bits may not hold the scale.
            return super().forward((x.float() * self.scale_weight.to(x.device)).to(x))

        def read_weight(self, like: Tensor, rows: slice | None = None) -> Tensor:
            """See leaf_weight."""
            read = getattr(super(), "read_weight", None)
            if read is not None:
                return self._scaled(read(like, rows), rows).to(like)
            weight = self.weight if rows is None else self.weight[rows]
            return self._scaled(weight.to(like.device), rows).to(like)

        def convert_weight(self, weight: Tensor, inplace: bool = False, **_: Any) -> Tensor:
            """The weight that a stored one stands for; ComfyUI asks for it before it applies a LoRA."""
            plain = self._scaled(weight)
            return plain if weight.dtype.itemsize == 1 else plain.to(weight)  # 8 bits cannot hold it without the scale

        def _scale(self, device: Any, rows: slice | None = None) -> Tensor:
            """Without axes, or for the rows asked for."""
            scale = expand_scale(self.scale_weight.to(device), (self.out_features, self.in_features))
            return scale if rows is None or not scale.dim() else scale[rows]

        def _scaled(self, weight: Tensor, rows: slice | None = None) -> Tensor:
            return weight.float() * self._scale(weight.device, rows)

        def set_weight(
            self, weight: Tensor, inplace_update: bool = False, seed: Any = None, return_weight: bool = False, **_: Any
        ) -> Tensor | None:
            """Store a changed weight; ComfyUI calls this after it has applied a LoRA."""
            stored = weight.float() / self._scale(weight.device).clamp_min(torch.finfo(torch.float32).tiny)
            stored = round_randomly(stored, seed or 0) if self.weight.dtype == FLOAT8 else stored.to(self.weight.dtype)
            if return_weight:
                return stored
            if inplace_update:
                self.weight.data.copy_(stored)
            else:
                self.weight = nn.Parameter(stored, requires_grad=False)
            return None

        def set_scale_weight(self, scale: Tensor, return_weight: bool = False, **_: Any) -> Tensor | None:
            """Keep the scale where ComfyUI would merge it: merged weights are stored by the scale that is here."""
            return self.scale_weight if return_weight else None

    return type("ScaledLayers", (operations,), {"Linear": Linear})
