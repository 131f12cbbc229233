"""Threshold: unmask every cell whose confidence reaches a fixed value, and always the most confident one.

Wu et al., "Fast-dLLM", arXiv 2505.22618 (confidence-aware parallel decoding), without its blocks and caches.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..cell_ranking import take_best
from ..mask_schedule import mask_schedule
from ..settings import SamplerSettings, Setting
from ..step import Choice, Prediction, Rule, StepState

THRESHOLD = Setting(
    "threshold", 0.9, "float",
    "confidence from which a cell is unmasked",
    "Cells whose drawn token has at least this probability are unmasked. Higher is slower and more careful.",
    minimum=0.0, maximum=1.0, step=0.01, on_node=False,
)  # fmt: skip


class ThresholdRule(Rule):
    """All masked cells that reach the threshold, and the most confident; the schedule only sets the time."""

    name = "threshold"
    limited_by = "cells"

    def __init__(self, settings: SamplerSettings, *, threshold: float = THRESHOLD.default) -> None:
        self._clock = DensityClock(settings)
        self._threshold = threshold

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        return Choice(with_most_confident(prediction.confidence >= self._threshold, prediction.confidence, state))

    def advance(self, state: StepState, scheduled: Tensor, rescued: Tensor) -> Tensor:
        """See Rule."""
        return self._clock.time_after(state, scheduled)


class DensityClock:
    """The clock of rules that unmask as many cells as they find fit: the time at which the schedule is as dense."""

    def __init__(self, settings: SamplerSettings) -> None:
        self._schedule = mask_schedule(settings.mask_schedule)

    def time_after(self, state: StepState, unmasked: Tensor) -> Tensor:
        """Time [b] float32, given how many cells were unmasked [b]."""
        return self._schedule.time_at((state.masked_counts - unmasked) / state.editable_counts)


def with_most_confident(chosen: Tensor, score: Tensor, state: StepState, count: int = 1) -> Tensor:
    """The masked cells among the chosen [b, N], and in any case the `count` with the highest score."""
    counts = torch.full((len(state.rows),), count)
    return (chosen & state.is_masked) | take_best(score, state.is_masked, counts)
