"""The layers of ComfyUI's cores in miniature: made whole (0.3.64), or without weights until loaded (0.33 on a card)."""

from __future__ import annotations

import types

import torch
from torch import nn


def cast_bias_weight(leaf, input=None, dtype=None, device=None, **_):
    """A leaf's weight in the dtype and on the device asked for, through the functions that the core left on it."""
    dtype, device = dtype or (leaf.weight.dtype if input is None else input.dtype), device or input.device
    weight = leaf.weight.to(device=device, dtype=dtype)
    for function in (getattr(leaf, "weight_lowvram_function", None), *leaf.weight_function):
        weight = weight if function is None else function(weight)
    return weight, None


class CastWeightBiasOp:
    """What the core's own layers share."""

    comfy_cast_weights = False
    weight_function: list = []
    bias_function: list = []

    def forward(self, x):
        """Through the cast where the core asked for one."""
        if not self.comfy_cast_weights and not self.weight_function:
            return super().forward(x)
        return nn.functional.linear(x, cast_bias_weight(self, x)[0])


def make_ops(lazy: bool) -> types.ModuleType:
    """comfy.ops; lazy: Linear and Embedding have no weight until loaded, unless a subclass loads by itself."""
    ops = types.ModuleType("comfy.ops")

    class Lazy:
        def __init__(self, first, second, bias=False, device=None, dtype=None):
            if not lazy or type(self)._load_from_state_dict is not Lazy._load_from_state_dict:
                words = {"bias": bias} if isinstance(self, nn.Linear) else {}
                super().__init__(first, second, **words, device=device, dtype=dtype)
                return
            nn.Module.__init__(self)
            self.weight = None

        def _load_from_state_dict(self, state, prefix, metadata, strict, missing, unexpected, errors):
            if not lazy or type(self)._load_from_state_dict is not Lazy._load_from_state_dict:
                super()._load_from_state_dict(state, prefix, metadata, strict, missing, unexpected, errors)
                return
            for name, value in state.items():
                if name == prefix + "weight":
                    self.weight = nn.Parameter(value, requires_grad=False)
                elif name.startswith(prefix):
                    unexpected.append(name)

    class Linear(CastWeightBiasOp, Lazy, nn.Linear):
        pass

    class Embedding(Lazy, nn.Embedding):
        weight_function: list = []

    class RMSNorm(CastWeightBiasOp, nn.RMSNorm):
        pass

    names = {"Linear": Linear, "Embedding": Embedding, "RMSNorm": RMSNorm}
    names |= {name: getattr(nn, name) for name in ("Conv2d", "GroupNorm")}
    ops.disable_weight_init = type("disable_weight_init", (), names)
    ops.cast_bias_weight = cast_bias_weight
    return ops


def cast_to(weight, dtype, device, **_) -> torch.Tensor:
    """comfy.model_management.cast_to."""
    return weight.to(device=device, dtype=dtype)
