"""The state of one step, made by hand for the tests of single parts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ladr_core.noise import NoiseSource, RecordedNoise
from ladr_core.step import StepState
from ladr_core.token_grid import TokenGrid


def make_state(
    is_masked: Tensor,
    noise: NoiseSource | None = None,
    rows: Sequence[int] | None = None,
    time: float = 0.0,
    grid: TokenGrid | None = None,
    steps: int = 8,
) -> StepState:
    """A step at `time` for is_masked [b, N]; without a grid, one row of cells."""
    count, cells = is_masked.shape
    masked_counts = is_masked.sum(dim=1)
    return StepState(
        grid=grid or TokenGrid(1, cells),
        rows=tuple(range(count) if rows is None else rows),
        step=0,
        steps=steps,
        is_masked=is_masked,
        masked_counts=masked_counts,
        editable_counts=torch.full((count,), cells),
        first_masked_counts=masked_counts,
        time=torch.full((count,), time),
        next_time=torch.full((count,), time + 1 / steps),
        noise=RecordedNoise([]) if noise is None else noise,
    )
