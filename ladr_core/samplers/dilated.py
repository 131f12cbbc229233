"""Dilated groups: fixed groups of cells, from a coarse lattice to a fine one, each unmasked at once.

DUS, arXiv 2506.19037, has dilated groups of a token sequence. A reconstruction: here they are lattices of the grid.
Each group lies in the middle of the gaps that those before it have left; its cells touch at most by their corners.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ..settings import SamplerSettings, Setting
from ..step import Choice, Prediction, Rule, StepState
from ..token_grid import TokenGrid
from .threshold import DensityClock

DILATION = Setting(
    "dilation", 16, "int",
    "gap of the first lattice in cells, a power of two",
    "The first group holds every so many cells of every so many rows; each pair of further groups halves the gap. "
    "Numbers between are rounded down. Higher is slower and more careful.",
    minimum=1, maximum=128, step=1, on_node=False,
)  # fmt: skip


class DilatedRule(Rule):
    """The first group that still has masked cells, whole."""

    name = "dilated"
    limited_by = "cells"

    def __init__(self, settings: SamplerSettings, *, dilation: int = DILATION.default) -> None:
        self._clock = DensityClock(settings)
        self._dilation = dilation

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        groups = dilated_groups(state.grid, self._dilation).to(state.device)
        waiting = torch.where(state.is_masked, groups, state.grid.cells)
        return Choice(state.is_masked & (groups == waiting.amin(dim=1, keepdim=True)))

    def advance(self, state: StepState, scheduled: Tensor, rescued: Tensor) -> Tensor:
        """See Rule."""
        return self._clock.time_after(state, scheduled)


@functools.lru_cache(maxsize=16)
def dilated_groups(grid: TokenGrid, dilation: int) -> Tensor:
    """Number of each cell's group, int64 [N]: 0 for the coarsest lattice, then the middles of its gaps, and so on."""
    gap = 1 << (max(1, dilation).bit_length() - 1)
    row, column = torch.arange(grid.height).unsqueeze(1), torch.arange(grid.width).unsqueeze(0)
    groups = torch.zeros(grid.height, grid.width, dtype=torch.int64)
    number = 0
    while gap > 1:
        half = gap // 2
        down, right = row % gap == half, column % gap == half
        groups = torch.where(down & right, number + 1, groups)
        groups = torch.where((down & (column % gap == 0)) | ((row % gap == 0) & right), number + 2, groups)
        gap, number = half, number + 2
    return groups.flatten()
