"""Convolutional pieces shared by the two image tokenizers of the large models."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPS = 1e-6


class ResidualBlock(nn.Module):
    """Two normalized 3x3 convolutions added to the input x [B, C, h, w] (Esser et al., VQGAN, arXiv 2012.09841)."""

    def __init__(self, inputs: int, outputs: int, groups: int, shortcut: str, operations: Any, **factory: Any):
        super().__init__()
        self.norm1 = operations.GroupNorm(groups, inputs, eps=NORM_EPS, **factory)
        self.conv1 = operations.Conv2d(inputs, outputs, 3, padding=1, **factory)
        self.norm2 = operations.GroupNorm(groups, outputs, eps=NORM_EPS, **factory)
        self.conv2 = operations.Conv2d(outputs, outputs, 3, padding=1, **factory)
        self.shortcut_name = shortcut if inputs != outputs else None
        if self.shortcut_name:
            self.add_module(self.shortcut_name, operations.Conv2d(inputs, outputs, 1, **factory))

    def forward(self, x: Tensor) -> Tensor:
        """Map x [B, inputs, h, w] to [B, outputs, h, w]."""
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return (x if self.shortcut_name is None else self.get_submodule(self.shortcut_name)(x)) + h


class Downsample(nn.Module):
    """Halve both sides with a strided convolution that pads one zero on the right and at the bottom only."""

    def __init__(self, channels: int, operations: Any, **factory: Any):
        super().__init__()
        self.conv = operations.Conv2d(channels, channels, 3, stride=2, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [B, C, h, w] to [B, C, h / 2, w / 2]."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double both sides by repetition, then a 3x3 convolution."""

    def __init__(self, channels: int, operations: Any, **factory: Any):
        super().__init__()
        self.conv = operations.Conv2d(channels, channels, 3, padding=1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [B, C, h, w] to [B, C, 2h, 2w]."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
