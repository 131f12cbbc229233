"""The frontier: masked cells beside known ones, by morphological dilation on the H x W grid."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..token_grid import TokenGrid, to_cells, to_grid


def neighborhood(shape: str, radius: int, device: torch.device | str = "cpu") -> Tensor:
    """Structuring element without its center, float32 [2 * radius + 1, 2 * radius + 1] of zeros and ones."""
    offset = torch.arange(-radius, radius + 1, device=device)
    y, x = offset.unsqueeze(1), offset.unsqueeze(0)
    square = y * y + x * x
    inside = {"cross": (y == 0) | (x == 0), "square": square >= 0, "disc": square <= radius * radius}[shape]
    return (inside & (square > 0)).to(torch.float32)


def count_neighbors(cells: Tensor, grid: TokenGrid, shape: str, radius: int) -> Tensor:
    """Number of true cells in the neighborhood of each cell, float32 [B, N], given bool cells [B, N].

    Nothing lies beyond the edge of the grid.
    """
    element = neighborhood(shape, radius, cells.device)
    planes = to_grid(cells.to(torch.float32), grid).unsqueeze(1)  # [B, 1, H, W]
    return to_cells(functional.conv2d(planes, element[None, None], padding=radius).squeeze(1)).round()


def find_frontier(
    is_masked: Tensor, is_observed: Tensor, grid: TokenGrid, shape: str, radius: int, min_neighbors: int = 1
) -> Tensor:
    """Masked cells with at least `min_neighbors` observed neighbors, bool [B, N].

    With min_neighbors = 1 this is dilate(O) minus O: LADR's morphological neighbor identification as we read it.
    """
    return is_masked & (count_neighbors(is_observed, grid, shape, radius) >= max(1, min_neighbors))


def keep_apart(rank: Tensor, candidates: Tensor, grid: TokenGrid, spacing: int) -> Tensor:
    """Go through the candidates by rank; keep those at least `spacing` (Chebyshev) from all kept before, bool [B, N].

    rank [B, N]: each cell's place in its image, 0 first. Done in parallel: a cell that is first within its
    surroundings is kept and removes these. H + W rounds settle every chain but one that winds through the grid; what is
    then left is dropped, so the distance always holds.
    """
    if spacing < 2:
        return candidates
    reach = spacing - 1
    window = 2 * reach + 1
    urgency = to_grid((rank.shape[1] - rank).to(torch.float32), grid)  # unique per image, above zero
    left = to_grid(candidates, grid)
    kept = torch.zeros_like(left)
    for _ in range(grid.height + grid.width):
        if left.device.type == "cpu" and not left.any():
            break  # elsewhere this test would wait for the device, and idle rounds are cheap
        standing = torch.where(left, urgency, 0.0)
        first = left & (functional.max_pool2d(standing, window, stride=1, padding=reach) == standing)
        kept |= first
        left = left & (functional.max_pool2d(first.to(torch.float32), window, stride=1, padding=reach) == 0)
    return to_cells(kept)
