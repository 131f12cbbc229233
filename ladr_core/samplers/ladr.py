"""LADR: the baseline's cells, further cells on the frontier whose risk is low, and a clock that jumps with them.

Locality-Aware Dynamic Rescue, Wang et al., ACL 2026, arXiv 2603.13450. A reconstruction: only the paper's
abstract was available, which names the parts but gives no formulas or thresholds.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..settings import RescueSettings, SamplerSettings
from ..step import Choice, Prediction, StepState
from .baseline import BaselineRule
from .risk import distance_bound, rescue_cells


class LadrRule(BaselineRule):
    """The baseline with the rescue; with the rescue off, or rescuing nothing, it is the baseline token for token."""

    name = "ladr"

    def __init__(self, settings: SamplerSettings, rescue: RescueSettings) -> None:
        super().__init__(settings)
        self._rescue = rescue
        self.needs_entropy = rescue.rescue and rescue.risk_filter == "entropy"

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        if not self._rescue.rescue:
            return super().choose(state, prediction)
        confidence = self._confidence(prediction)
        scheduled = self._scheduled_cells(state, confidence)
        rescued, accepted_risk = rescue_cells(state, prediction, scheduled, confidence, self._rescue)
        bound = distance_bound(prediction, scheduled | rescued) if self._has_bound else None
        return Choice(scheduled, rescued, accepted_risk, bound)

    def advance(self, state: StepState, scheduled: Tensor, rescued: Tensor) -> Tensor:
        """See Rule; after a rescue, the time at which the schedule is as dense as the grid has become.

        The density is the schedule's own less what was rescued, never the floored count, so that without a rescue the
        clock is the baseline's to the last bit.
        """
        if not self._rescue.inverse_scheduling:
            return state.next_time
        dense = self._schedule.mask_ratio(state.next_time) - rescued / state.editable_counts
        jumped = torch.maximum(state.next_time, self._schedule.time_at(dense))
        return torch.where(rescued > 0, jumped, state.next_time)
