"""LocalLeap in two dimensions: near a very confident cell, less confidence is enough.

LocalLeap, arXiv 2510.07081, lowers its threshold within a window of a token sequence. A reconstruction: here the window
is a square on the grid.
"""

from __future__ import annotations

from torch import Tensor

from ..settings import SamplerSettings, Setting
from ..step import Choice, Prediction, Rule, StepState
from .frontier import count_neighbors
from .threshold import THRESHOLD, DensityClock, with_most_confident

NEAR_THRESHOLD = Setting(
    "near_threshold", 0.75, "float",
    "confidence from which a cell near a sure one is unmasked",
    "Cells near one that reaches the threshold need only this probability. Higher is slower and more careful.",
    minimum=0.0, maximum=1.0, step=0.01, on_node=False,
)  # fmt: skip
REACH = Setting(
    "reach", 4, "int",
    "how near, in cells, along rows and columns",
    "Half the side of the square in which the lower threshold holds. Higher is faster and riskier.",
    minimum=1, maximum=16, step=1, on_node=False,
)  # fmt: skip


class LocalLeapRule(Rule):
    """Masked cells above the threshold, those above the lower one near them, and always the most confident."""

    name = "local_leap"
    limited_by = "cells"

    def __init__(
        self,
        settings: SamplerSettings,
        *,
        threshold: float = THRESHOLD.default,
        near_threshold: float = NEAR_THRESHOLD.default,
        reach: int = REACH.default,
    ) -> None:
        self._clock = DensityClock(settings)
        self._threshold = threshold
        self._near_threshold = near_threshold
        self._reach = reach

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        anchors = state.is_masked & (prediction.confidence >= self._threshold)
        near = count_neighbors(anchors, state.grid, "square", self._reach) > 0
        leaping = near & (prediction.confidence >= self._near_threshold)
        return Choice(with_most_confident(anchors | leaping, prediction.confidence, state))

    def advance(self, state: StepState, scheduled: Tensor, rescued: Tensor) -> Tensor:
        """See Rule."""
        return self._clock.time_after(state, scheduled)
