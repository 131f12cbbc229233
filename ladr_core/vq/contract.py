"""What the pack asks of an image tokenizer."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

VQ_PREFIX = "vq."  # of an image tokenizer's tensors in a file that holds the transformer too


class VQTokenizer(Protocol):
    """Pixels to codebook indices and back; H = h * cell_pixels, W = w * cell_pixels."""

    codebook_size: int
    cell_pixels: int

    def features(self, pixels: Tensor) -> Tensor:
        """Features [B, C, h, w] before quantization of pixels [B, 3, H, W] in 0..1."""
        ...

    def to_indices(self, features: Tensor) -> Tensor:
        """Codebook indices int64 [B, h, w] of features [B, C, h, w]."""
        ...

    def encode(self, pixels: Tensor) -> Tensor:
        """Codebook indices int64 [B, h, w] of pixels [B, 3, H, W] float32 in 0..1."""
        ...

    def decode(self, indices: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] float32 in 0..1 of codebook indices int64 [B, h, w]."""
        ...

    def encode_memory(self, height: int, width: int) -> int:
        """Bytes to keep free beside the weights for each picture of H x W pixels that is encoded at once."""
        ...

    def decode_memory(self, height: int, width: int) -> int:
        """Bytes to keep free beside the weights for each grid of h x w cells that is decoded at once."""
        ...
