"""ComfyUI's layers, which load in part and carry weight patches, with the reads the transformer asks of its leaves."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.ops
import torch
from torch import Tensor

from .core_features import needs_cast

_layers = comfy.ops.disable_weight_init


class ReadableWeight:
    """Gives a leaf's weight, or some of its rows, wherever and however ComfyUI keeps it."""

    stays_in_place = False  # where it was loaded: nothing moves it to the card

    def _load_from_state_dict(self, *args: Any) -> None:
        """torch's own way of taking weights; layers with one of their own are made whole by ComfyUI.

        Newer cores else make a layer without weights, to save the memory of the empty ones. Ours are made on the meta
        device, where they take none, and get the mapped tensors of the file, which takes none either.
        """
        torch.nn.Module._load_from_state_dict(self, *args)  # type: ignore[arg-type]

    def read_weight(self, like: Tensor, rows: slice | None = None) -> Tensor:
        """The weight on the device and in the dtype of `like`; only the rows asked for are moved."""
        if needs_cast(self):  # a LoRA on a layer that is not loaded: the patch needs the whole weight
            weight, _ = comfy.ops.cast_bias_weight(self, like)
            return weight if rows is None else weight[rows]
        weight = self.weight if rows is None else self.weight[rows]
        return comfy.model_management.cast_to(weight, like.dtype, like.device)

    def _apply(self, move: Any, recurse: bool = True) -> Any:
        """What torch calls to move a module."""
        return self if self.stays_in_place else super()._apply(move, recurse)  # type: ignore[misc]


class TokenEmbedding(ReadableWeight, _layers.Embedding):
    """Looks rows up where the table is and moves those, not the table.

    Rows of an 8-bit table come in a dtype to calculate in: bfloat16 where the device is good at it, else float32.
    """

    def forward(self, ids: Tensor) -> Tensor:
        """Rows [..., d] of the table for ids [...], on the device of the ids."""
        if needs_cast(self):
            weight, _ = comfy.ops.cast_bias_weight(self, dtype=self._dtype_of_rows(ids.device), device=ids.device)
        else:
            weight = self.weight
        places = ids.to(weight.device)
        if weight.dtype.itemsize > 1:
            return weight[places].to(ids.device)
        rows = weight.view(torch.uint8)[places].view(weight.dtype)
        return rows.to(ids.device, self._dtype_of_rows(ids.device))

    def _dtype_of_rows(self, device: torch.device) -> torch.dtype:
        if self.weight.dtype.itemsize > 1:
            return self.weight.dtype
        return torch.bfloat16 if comfy.model_management.should_use_bf16(device) else torch.float32


class Layers(_layers):
    """Layers that cast their weights to the dtype of their input, so that weights kept in 8 bits work too."""

    Embedding = TokenEmbedding

    class Linear(ReadableWeight, _layers.Linear):
        """Linear layer."""

        comfy_cast_weights = True

    class RMSNorm(ReadableWeight, _layers.RMSNorm):
        """RMS norm."""

        comfy_cast_weights = True
