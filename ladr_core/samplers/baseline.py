"""The baseline: as many cells as the mask schedule asks for, the most confident first (MaskGIT, arXiv 2202.04200)."""

from __future__ import annotations

from torch import Tensor

from ..cell_ranking import take_best
from ..mask_schedule import MaskSchedule, mask_schedule
from ..settings import SamplerSettings
from ..step import Choice, Prediction, Rule, StepState
from .cell_order import CellOrder, cell_order
from .risk import distance_bound


class BaselineRule(Rule):
    """The mask schedule with an order of cells; the clock goes one step of the schedule.

    With choose_then_sample cells are chosen by their largest probability, which does not depend on the token drawn.
    """

    name = "baseline"

    def __init__(self, settings: SamplerSettings) -> None:
        self._schedule = mask_schedule(settings.mask_schedule)
        self._order: CellOrder = cell_order(settings)
        self.needs_entropy = self._order.needs_entropy
        self._choose_then_sample = settings.choose_then_sample
        # The bound is about tokens drawn from p itself.
        whole = settings.temperature > 0 and settings.top_k == 0 and settings.top_p == 1
        self._has_bound = settings.choose_then_sample and whole

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        score = self._order.score(state, prediction, self._confidence(prediction), state.time_left)
        scheduled = take_best(score, state.is_masked, scheduled_counts(state, self._schedule))
        return Choice(scheduled, distance_bound=self._bound(prediction, scheduled))

    def _confidence(self, prediction: Prediction) -> Tensor:
        return prediction.max_probability if self._choose_then_sample else prediction.confidence

    def _bound(self, prediction: Prediction, unmasked: Tensor) -> Tensor | None:
        return distance_bound(prediction, unmasked) if self._has_bound else None


def scheduled_counts(state: StepState, schedule: MaskSchedule) -> Tensor:
    """Number of cells [b] that bring each image down to the schedule's mask ratio at the next time; at least 1."""
    masked_after = schedule.masked_cells(state.next_time, state.editable_counts)
    return (state.masked_counts - masked_after).clamp_min(1)
