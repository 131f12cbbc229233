"""KLASS: unmask confident cells whose distribution has stopped changing.

Kim et al., "KLASS: KL-guided fast inference in masked diffusion models", NeurIPS 2025, arXiv 2511.05664.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..settings import SamplerSettings, Setting
from ..step import Choice, Prediction, Rule, StepState
from .row_memory import RowMemory
from .threshold import THRESHOLD, DensityClock, with_most_confident

LARGEST_DIVERGENCE = Setting(
    "largest_divergence", 0.01, "float",
    "most change (KL in nats) between two steps for a cell to count as settled",
    "A cell is settled while its distribution changes by no more than this from step to step. Higher is faster and "
    "riskier.",
    minimum=0.0, maximum=1000.0, step=0.01, on_node=False,
)  # fmt: skip
SETTLED_STEPS = Setting(
    "settled_steps", 2, "int",
    "steps in a row for which a cell must have been settled",
    "A cell is unmasked once it has been settled for this many steps. Higher is slower and more careful.",
    minimum=1, maximum=16, step=1, on_node=False,
)  # fmt: skip
AT_LEAST = Setting(
    "at_least", 1, "int",
    "most confident cells that are unmasked in every step",
    "This many of the most confident cells are unmasked even if none is settled. Higher is faster and riskier.",
    minimum=1, maximum=4096, step=1, on_node=False,
)  # fmt: skip


class KlassRule(Rule):
    """Masked cells above the threshold that have been settled long enough, or else the few most confident.

    One object serves one run.
    """

    name = "klass"
    needs_divergence = True
    limited_by = "cells"

    def __init__(
        self,
        settings: SamplerSettings,
        *,
        threshold: float = THRESHOLD.default,
        largest_divergence: float = LARGEST_DIVERGENCE.default,
        settled_steps: int = SETTLED_STEPS.default,
        at_least: int = AT_LEAST.default,
    ) -> None:
        self._clock = DensityClock(settings)
        self._threshold = threshold
        self._largest_divergence = largest_divergence
        self._settled_steps = settled_steps
        self._at_least = at_least
        self._settled_for = RowMemory()  # [b, N]: steps in a row

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        if prediction.divergence is None:
            raise RuntimeError("klass needs a token draw that returns divergences")
        before = self._settled_for.recall(state, torch.zeros_like(prediction.tokens))
        settled = state.is_masked & (prediction.divergence <= self._largest_divergence)
        settled_for = torch.where(settled, before + 1, 0)
        self._settled_for.keep(state, settled_for)
        ready = (settled_for >= self._settled_steps) & (prediction.confidence >= self._threshold)
        # The few most confident stand in only for images in which nothing is ready.
        ready = ready & state.is_masked
        most_confident = with_most_confident(torch.zeros_like(ready), prediction.confidence, state, self._at_least)
        return Choice(torch.where(ready.any(dim=1, keepdim=True), ready, most_confident))

    def advance(self, state: StepState, scheduled: Tensor, rescued: Tensor) -> Tensor:
        """See Rule."""
        return self._clock.time_after(state, scheduled)
