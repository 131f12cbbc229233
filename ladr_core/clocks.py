"""The clock of each image of a run and its counts of cells, on the CPU, known without waiting for the device."""

from __future__ import annotations

import torch
from torch import Tensor

from .cell_state import StepOutcome
from .mask_schedule import mask_schedule
from .noise import NoiseSource
from .settings import SamplerSettings
from .step import Limit, Rule, StepState
from .token_grid import TokenGrid


class Clocks:
    """Time, masked cells and the most evaluations of B images."""

    def __init__(self, counts: Tensor, settings: SamplerSettings, start_time: Tensor | None, limited_by: Limit) -> None:
        """counts int64 [2, B]: masked and editable cells; start_time [B], default from the mask ratio."""
        self._steps = settings.steps
        self._masked_counts, self._editable_counts = counts[0], counts[1]
        self._first_masked_counts = counts[0].clone()
        if start_time is None:
            mask_ratio = self._masked_counts / self._editable_counts.clamp_min(1)
            start_time = mask_schedule(settings.mask_schedule).time_at(mask_ratio)
        # The clock counts steps, not time: whole numbers stay exact in float32 where sums of 1/T do not.
        self._ticks = (start_time.to("cpu", torch.float64) * self._steps).to(torch.float32)
        self.most_nfe = self._most_evaluations(limited_by)  # None where only the number of cells limits them

    def _most_evaluations(self, limited_by: Limit) -> int | None:
        if limited_by == "cells":
            return None
        if limited_by == "steps":
            return self._steps
        # Each of them unmasks a cell at least.
        return int(torch.minimum(torch.ceil(self._steps - self._ticks), self._masked_counts).max())

    def active_rows(self) -> tuple[int, ...]:
        """Rows of the batch that still have masked cells."""
        return tuple(self._masked_counts.nonzero().flatten().tolist())

    def state(
        self, rows: tuple[int, ...], is_masked: Tensor, grid: TokenGrid, step: int, noise: NoiseSource
    ) -> StepState:
        """The step as the rule sees it, for these rows of the batch."""
        index = torch.tensor(rows)
        ticks = self._ticks[index]
        return StepState(
            grid=grid,
            rows=rows,
            step=step,
            steps=self._steps,
            is_masked=is_masked,
            masked_counts=self._masked_counts[index],
            editable_counts=self._editable_counts[index],
            first_masked_counts=self._first_masked_counts[index],
            time=ticks / self._steps,
            next_time=self._one_step_on(ticks) / self._steps,
            noise=noise,
        )

    def advance(self, rule: Rule, state: StepState, outcome: StepOutcome) -> Tensor:
        """Count what was unmasked and move the clocks as the rule says; the time after the step, [b]."""
        index = torch.tensor(state.rows)
        self._masked_counts[index] = state.masked_counts - outcome.scheduled - outcome.rescued
        after = rule.advance(state, outcome.scheduled, outcome.rescued)
        ticks = self._one_step_on(self._ticks[index])
        self._ticks[index] = torch.where(after == state.next_time, ticks, after * self._steps)
        return after

    def progress(self, nfe: int) -> tuple[int, float, float]:
        """The most evaluations the run can take, the time of the slowest image, and the mask ratio of the batch."""
        times = torch.where(self._masked_counts > 0, self._ticks / self._steps, 1.0)
        most = max(nfe, self.most_nfe or int(self._first_masked_counts.max()))
        return most, float(times.min()), int(self._masked_counts.sum()) / max(1, int(self._editable_counts.sum()))

    def _one_step_on(self, ticks: Tensor) -> Tensor:
        return (ticks + 1).clamp_max(self._steps)
