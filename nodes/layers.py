"""ComfyUI's layers, which load in part and carry weight patches, with the reads the transformer asks of its leaves."""

from __future__ import annotations

import comfy.model_management
import comfy.ops
import torch
from torch import Tensor

_layers = comfy.ops.disable_weight_init


class ReadableWeight:
    """Gives a leaf's weight, or some of its rows, wherever and however ComfyUI keeps it."""

    def read_weight(self, like: Tensor, rows: slice | None = None) -> Tensor:
        """The weight on the device and in the dtype of `like`; only the rows asked for are moved."""
        if self.weight_function:  # a LoRA on a layer that is not loaded: the patch needs the whole weight
            weight, _ = comfy.ops.cast_bias_weight(self, like)
            return weight if rows is None else weight[rows]
        weight = self.weight if rows is None else self.weight[rows]
        return comfy.model_management.cast_to(weight, like.dtype, like.device)


class TokenEmbedding(ReadableWeight, _layers.Embedding):
    """Looks rows up where the table is and moves those, not the table; 8-bit tables are looked up as bytes."""

    def forward(self, ids: Tensor) -> Tensor:
        """Rows [..., d] of the table for ids [...], on the device of the ids."""
        if self.weight_function:
            weight, _ = comfy.ops.cast_bias_weight(self, device=ids.device)
        else:
            weight = self.weight
        places = ids.to(weight.device)
        if weight.dtype.itemsize == 1:
            return weight.view(torch.uint8)[places].view(weight.dtype).to(ids.device)
        return weight[places].to(ids.device)


class Layers(_layers):
    """Layers that compute in the dtype their weights are kept in."""

    Embedding = TokenEmbedding

    class Linear(ReadableWeight, _layers.Linear):
        """Linear layer."""

    class RMSNorm(ReadableWeight, _layers.RMSNorm):
        """RMS norm."""


class CastingLayers(Layers):
    """Layers that cast their weights to the dtype of their input, for weights kept in 8 bits."""

    class Embedding(TokenEmbedding):
        """Gives the stream its dtype: bfloat16 where the device calculates well in it, else float32."""

        def forward(self, ids: Tensor) -> Tensor:
            """Rows [..., d] of the table for ids [...]."""
            half = comfy.model_management.should_use_bf16(ids.device)
            return super().forward(ids).to(torch.bfloat16 if half else torch.float32)

    class Linear(Layers.Linear):
        """Linear layer."""

        comfy_cast_weights = True

    class RMSNorm(Layers.RMSNorm):
        """RMS norm."""

        comfy_cast_weights = True
