"""Ancestral sampling: every cell has a random time of its own, and steps in which nothing happens are not evaluated.

RADD, arXiv 2406.03736: while the tokens do not change, neither does the network's answer. With N cells and T steps the
expected number of evaluations is the sum over steps of 1 - (1 - share of the step)^N.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..mask_schedule import mask_schedule
from ..settings import SamplerSettings
from ..step import Choice, Prediction, Rule, StepState
from .row_memory import RowMemory
from .threshold import DensityClock


class AncestralRule(Rule):
    """The masked cells whose step comes next; their steps are drawn by the mask schedule."""

    name = "ancestral"
    limited_by = "steps"

    def __init__(self, settings: SamplerSettings) -> None:
        self._clock = DensityClock(settings)
        self._schedule = mask_schedule(settings.mask_schedule)
        self._steps_of_cells = RowMemory()  # [b, N] int64

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        own = torch.zeros(len(state.rows), state.grid.cells, dtype=torch.int64)
        if state.step == 0:
            times = self._schedule.time_at(state.noise.uniform(state.rows, (state.grid.cells,)))
            own = torch.floor(times * state.steps).to(torch.int64).clamp(0, state.steps - 1)
        own = self._steps_of_cells.recall(state, own.to(state.device))
        self._steps_of_cells.keep(state, own)
        waiting = torch.where(state.is_masked, own, state.steps)
        return Choice(state.is_masked & (own == waiting.amin(dim=1, keepdim=True)))

    def advance(self, state: StepState, scheduled: Tensor, rescued: Tensor) -> Tensor:
        """See Rule."""
        return self._clock.time_after(state, scheduled)
