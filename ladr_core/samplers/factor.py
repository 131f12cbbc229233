"""Factor rule: the more cells are unmasked at once, the surer each of them has to be.

Wu et al., "Fast-dLLM", arXiv 2505.22618, the rule beside its threshold, without its blocks and caches. A reconstruction
from the paper's statement: n cells may go together while (n + 1) (1 - confidence of the n-th) stays within the factor.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..cell_ranking import rank_cells
from ..settings import SamplerSettings, Setting
from ..step import Choice, Prediction, Rule, StepState
from .threshold import DensityClock

FACTOR = Setting(
    "factor", 1.0, "float",
    "most doubt in a set of cells: one more than their number, times the doubt of the least confident",
    "Cells are unmasked in order of confidence, the n-th while its confidence is at least 1 - factor / (n + 1). "
    "Higher is faster and riskier.",
    minimum=0.0, maximum=100.0, step=0.1, on_node=False,
)  # fmt: skip


class FactorRule(Rule):
    """The longest run of masked cells in descending confidence within the factor; the first always is."""

    name = "factor"
    limited_by = "cells"

    def __init__(self, settings: SamplerSettings, *, factor: float = FACTOR.default) -> None:
        self._clock = DensityClock(settings)
        self._factor = factor

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        rank = rank_cells(prediction.confidence, state.is_masked)
        allowed = state.is_masked & (prediction.confidence >= 1 - self._factor / (rank + 2))
        allowed = allowed | (state.is_masked & (rank == 0))
        in_order = torch.zeros_like(rank).scatter_(1, rank, allowed.to(rank.dtype))
        return Choice(in_order.cumprod(dim=1).gather(1, rank) > 0)

    def advance(self, state: StepState, scheduled: Tensor, rescued: Tensor) -> Tensor:
        """See Rule."""
        return self._clock.time_after(state, scheduled)
