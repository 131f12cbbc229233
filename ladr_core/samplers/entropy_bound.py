"""Entropy bound: the most cells, lowest entropy first, whose summed entropies without the largest stay below a bound.

Ben-Hamu et al., "Accelerated Sampling from Masked Diffusion Models via Entropy Bounded Unmasking" (EB-Sampler),
arXiv 2505.24857.
"""

from __future__ import annotations

from torch import Tensor

from ..cell_ranking import rank_cells
from ..settings import SamplerSettings, Setting
from ..step import Choice, Prediction, Rule, StepState
from .risk import accumulate_risk, cell_risk
from .threshold import DensityClock

ENTROPY_BOUND = Setting(
    "entropy_bound", 0.1, "float",
    "most entropy in nats that is drawn at once, not counting the largest",
    "Cells are unmasked in order of their entropy while the sum without the largest stays within this. Higher is "
    "faster and riskier.",
    minimum=0.0, maximum=100_000.0, step=0.1, on_node=False,
)  # fmt: skip


class EntropyBoundRule(Rule):
    """The longest run of masked cells in ascending entropy within the bound; the first always is."""

    name = "entropy_bound"
    needs_entropy = True
    limited_by = "cells"

    def __init__(self, settings: SamplerSettings, *, entropy_bound: float = ENTROPY_BOUND.default) -> None:
        self._clock = DensityClock(settings)
        self._bound = entropy_bound

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        entropy = cell_risk(prediction, "entropy")
        rank = rank_cells(-entropy, state.is_masked)
        accepted = accumulate_risk(entropy, rank, state.is_masked, "entropy")
        return Choice(state.is_masked & (accepted <= self._bound))

    def advance(self, state: StepState, scheduled: Tensor, rescued: Tensor) -> Tensor:
        """See Rule."""
        return self._clock.time_after(state, scheduled)
