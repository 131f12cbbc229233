"""The H x W grid of image tokens: its size, the mask marker, and where the masked cells are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MASKED = -1  # marks a cell whose codebook index is not known yet


@dataclass(frozen=True)
class TokenGrid:
    """Height and width of the grid in cells; cells are numbered row by row, so cell = y * width + x."""

    height: int
    width: int

    @property
    def cells(self) -> int:
        """Number of cells N = H * W."""
        return self.height * self.width

    def __str__(self) -> str:
        return f"{self.height} x {self.width} cells"


def to_grid(values: Tensor, grid: TokenGrid) -> Tensor:
    """Give cells [..., N] their two dimensions: [..., H, W]."""
    return values.reshape(*values.shape[:-1], grid.height, grid.width)


def to_cells(values: Tensor) -> Tensor:
    """Flatten a grid [..., H, W] to cells [..., N]."""
    return values.reshape(*values.shape[:-2], values.shape[-2] * values.shape[-1])


def masked_positions(is_masked: Tensor, count: int) -> Tensor:
    """Flat positions [M] of the masked cells of [B, N] in row-major order, given their number M.

    Same result as `is_masked.flatten().nonzero()`, but as M is known on the host nothing waits for the device.
    """
    return torch.sort(is_masked.flatten().logical_not().to(torch.uint8), stable=True).indices[:count]
