"""Halton order: unmask cells in a fixed order that covers the grid evenly, whatever their confidence.

Besnier et al., "Halton Scheduler for Masked Generative Image Transformer", ICLR 2025, arXiv 2503.17076.
"""

from __future__ import annotations

import functools

import numpy
import torch
from torch import Tensor

from ..cell_ranking import take_best
from ..mask_schedule import mask_schedule
from ..settings import SamplerSettings, Setting
from ..step import Choice, Prediction, Rule, StepState
from ..token_grid import TokenGrid
from .baseline import scheduled_counts

ROLL = Setting(
    "roll", True, "bool",
    "start the order at a place of its own in each image",
    "On: each image starts the order at a place chosen by its seed. Off: all images unmask the same cells first.",
    on_node=False,
)  # fmt: skip


@functools.lru_cache(maxsize=16)
def halton_ranks(grid: TokenGrid) -> Tensor:
    """Place of each cell in the Halton order of the grid (bases 2 and 3, repeated cells dropped), int64 [N]."""
    count = 4 * grid.cells
    while True:
        index = numpy.arange(1, count + 1)
        row = (_radical_inverse(index, 3) * grid.height).astype(numpy.int64)
        column = (_radical_inverse(index, 2) * grid.width).astype(numpy.int64)
        cells, first = numpy.unique(row * grid.width + column, return_index=True)
        if len(cells) == grid.cells:
            return torch.from_numpy(numpy.argsort(numpy.argsort(first)))
        count *= 2


def _radical_inverse(index: numpy.ndarray, base: int) -> numpy.ndarray:
    """The digits of each number mirrored at the point: the van der Corput sequence of the base."""
    result, share, rest = numpy.zeros(len(index)), 1.0 / base, index.copy()
    while rest.any():
        result += share * (rest % base)
        rest //= base
        share /= base
    return result


class HaltonRule(Rule):
    """As many cells as the mask schedule asks for, the next ones in Halton order."""

    name = "halton"

    def __init__(self, settings: SamplerSettings, *, roll: bool = ROLL.default) -> None:
        self._schedule = mask_schedule(settings.mask_schedule)
        self._roll = roll
        self._starts: dict[int, int] = {}  # by place in the batch

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        if self._roll and state.step == 0:
            numbers = state.noise.uniform(state.rows, (1,)).flatten().tolist()
            self._starts = {row: int(u * state.grid.cells) for row, u in zip(state.rows, numbers, strict=True)}
        starts = torch.tensor([self._starts.get(row, 0) for row in state.rows])
        waiting = (halton_ranks(state.grid) - starts.unsqueeze(1)) % state.grid.cells
        score = -waiting.to(torch.float32).to(state.device)
        return Choice(take_best(score, state.is_masked, scheduled_counts(state, self._schedule)))
