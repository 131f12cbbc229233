"""LADR: the schedule opens the picture with anchors, and the rescue fills in what they have decided.

Locality-Aware Dynamic Rescue, Wang et al., ACL 2026, arXiv 2603.13450. A reconstruction: the paper's abstract names the
parts (frontier, risk bound, inverse scheduling) and gives neither formulas nor thresholds. Two readings of the inverse
scheduling are here. In both the frontier cells whose risk is low are unmasked beside those of the schedule.

`field`, ours: rescued cells leave the schedule. They were decided by what is known, so the number of cells that the
schedule takes at once does not grow because they were filled in; what fades out follows the density of the field that
is left. Every run ends within its steps.

`jump`, our first: the clock jumps to where the schedule has the density that the grid has reached.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..cell_ranking import take_best
from ..settings import RescueSettings, SamplerSettings
from ..step import Choice, Prediction, StepState
from .baseline import BaselineRule, scheduled_counts
from .risk import all_sure, cell_risk, rescue_cells, running_standard
from .row_memory import RowMemory


class LadrRule(BaselineRule):
    """The baseline with the rescue; with the rescue off, or rescuing nothing, it is the baseline token for token."""

    name = "ladr"

    def __init__(self, settings: SamplerSettings, rescue: RescueSettings) -> None:
        super().__init__(settings)
        self._rescue = rescue
        self._has_field = rescue.rescue and rescue.rescue_scheduling == "field"
        self._field = RowMemory()  # [b] float32, CPU: cells that the schedule has to open in all
        self._standard = RowMemory()  # [b, 1]: the highest probability seen in the run so far
        self.needs_entropy |= rescue.rescue and rescue.risk_filter == "entropy"

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        if not self._rescue.rescue:
            return super().choose(state, prediction)
        field = self._field.recall(state, state.editable_counts.to(torch.float32))
        self._field.keep(state, field)
        confidence = self._confidence(prediction)
        score = self._order.score(state, prediction, confidence, self._time_left(state, field))
        scheduled = take_best(score, state.is_masked, self._open_counts(state, field))
        standard = running_standard(prediction, state, self._standard)
        rescued, accepted_risk = rescue_cells(
            state, prediction, scheduled, confidence, standard, self._rescue, among_scheduled=self._has_field
        )
        if self._has_field:
            left = state.is_masked & ~rescued
            scheduled = take_best(score, left, self._open_counts(state, field, rescued.sum(dim=1)))
        if self._rescue.finish_sure:
            last = all_sure(state, prediction) & ~scheduled
            risk = torch.where(rescued | last, cell_risk(prediction, self._rescue.risk_filter), 0.0)
            accepted_risk = torch.where(last.any(dim=1), risk.sum(dim=1), accepted_risk)
            rescued = rescued | last
        return Choice(scheduled, rescued, accepted_risk, self._bound(prediction, scheduled | rescued))

    def advance(self, state: StepState, scheduled: Tensor, rescued: Tensor) -> Tensor:
        """See Rule; with `jump`, after a rescue, the time at which the schedule is as dense as the grid has become.

        The density is the schedule's own less what was rescued, never the floored count, so that without a rescue the
        clock is the baseline's to the last bit.
        """
        if not self._rescue.rescue:
            return state.next_time
        field = self._field.recall(state, state.editable_counts.to(torch.float32))
        if self._has_field:
            self._field.keep(state, shrink_field(field, state.masked_counts, rescued))
            return state.next_time
        if not self._rescue.inverse_scheduling:
            return state.next_time
        dense = self._schedule.mask_ratio(state.next_time) - rescued / state.editable_counts
        jumped = torch.maximum(state.next_time, self._schedule.time_at(dense))
        return torch.where(rescued > 0, jumped, state.next_time)

    def _open_counts(self, state: StepState, field: Tensor, rescued: Tensor | None = None) -> Tensor:
        """Cells [b] that the schedule takes in this step, at least 1; rescued [b] on the device."""
        if rescued is None and not self._has_field:
            return scheduled_counts(state, self._schedule)
        device = state.device if rescued is not None else field.device
        masked = state.masked_counts.to(device)
        taken = torch.zeros_like(masked) if rescued is None else rescued
        left = shrink_field(field.to(device), masked, taken) * self._schedule.mask_ratio(state.next_time).to(device)
        return (masked - taken - torch.floor(left).to(torch.int64)).clamp_min(1)

    def _time_left(self, state: StepState, field: Tensor) -> Tensor:
        """1 - time [b, 1] of what fades out: the time at which the schedule is as dense as the field is."""
        if not self._has_field:
            return state.time_left
        dense = self._schedule.mask_ratio(state.time) * field / state.editable_counts
        time = torch.maximum(state.time, self._schedule.time_at(dense))
        time = torch.where(field == state.editable_counts, state.time, time)  # the baseline's to the last bit
        return (1 - time).to(state.device).unsqueeze(1)


def shrink_field(field: Tensor, masked: Tensor, rescued: Tensor) -> Tensor:
    """The field [b] without the rescued cells: its share of masked cells [b] that were not rescued, [b]."""
    return torch.where(rescued > 0, field * ((masked - rescued) / masked.clamp_min(1)), field)
