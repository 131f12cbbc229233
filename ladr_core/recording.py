"""What a run writes down while it goes, and the report that it becomes."""

from __future__ import annotations

import time
from typing import Any

from torch import Tensor

from .cell_state import CellState, StepOutcome
from .report import SamplingReport, StepRecord
from .step import StepState
from .token_grid import TokenGrid


class Recording:
    """Evaluations, seconds and a record of every step of B images."""

    def __init__(self, grid: TokenGrid, batch: int, most_nfe: int | None) -> None:
        self.nfe = 0
        self._grid, self._most_nfe = grid, most_nfe
        self._nfe_per_row = [0] * batch
        self._steps: list[StepRecord] = []
        self._step_seconds: list[float] = []
        self._started = self._step_started = time.perf_counter()

    def begin(self) -> None:
        """A step begins."""
        self._step_started = time.perf_counter()

    def count_evaluation(self, rows: tuple[int, ...]) -> None:
        """Count one network evaluation of these rows of the batch."""
        self.nfe += 1
        for row in rows:
            self._nfe_per_row[row] += 1

    def end(self, state: StepState, outcome: StepOutcome, after: Tensor) -> None:
        """A step has ended; after [b]: the clock of each image."""
        self._step_seconds.append(time.perf_counter() - self._step_started)
        scheduled, rescued = outcome.scheduled.tolist(), outcome.rescued.tolist()
        risk, before, later = outcome.accepted_risk.tolist(), state.time.tolist(), after.tolist()
        bounds = [None] * len(state.rows) if outcome.distance_bound is None else outcome.distance_bound.tolist()
        masked, editable = state.masked_counts.tolist(), state.editable_counts.tolist()
        for place, row in enumerate(state.rows):
            self._steps.append(
                StepRecord(
                    row=row,
                    step=state.step,
                    time_before=before[place],
                    time_after=later[place],
                    mask_ratio=masked[place] / editable[place],
                    masked=masked[place],
                    scheduled=scheduled[place],
                    rescued=rescued[place],
                    accepted_risk=risk[place],
                    distance_bound=bounds[place],
                )
            )

    def report(self, sampler: str, settings: dict[str, Any], cells: CellState) -> SamplingReport:
        """The report of the run so far."""
        return SamplingReport(
            sampler=sampler,
            grid=self._grid,
            settings=settings,
            nfe=self.nfe,
            most_nfe=self._most_nfe,
            nfe_per_row=self._nfe_per_row,
            seconds=time.perf_counter() - self._started,
            steps=self._steps,
            unmasked_at=cells.unmasked_at.cpu(),
            unmasked_by=cells.unmasked_by.cpu(),
            step_seconds=self._step_seconds,
            codebook_indices=cells.codebook_indices.cpu(),
            confidence=cells.confidence.cpu(),
            risk=cells.risk.cpu(),
        )
