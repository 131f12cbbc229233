"""Lumina-DiMOO's own sampler, token for token: `generate_image` and `generate_i2i` of its published code.

It differs from the baseline in where the noise comes from (a number per cell and code, in the dtype of the logits), in
a choice temperature that does not fade, in counts from the cells masked at first, and in unmasking equals at the cut.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ...models.contract import DLLM
from ...models.ml_cache import MLCacheSettings
from ...settings import SamplerSettings, Setting
from ...step import Choice, Prediction, Rule, StepState
from ...token_draw import TokenDraws, effective_temperature
from .arithmetic import gumbel_added, log_clamped, stays_masked, without_float16

ML_CACHE = Setting(
    "ml_cache", False, "bool",
    "compute most positions only every few steps (ML-Cache)",
    "On: between full steps only the least confident positions are computed; about twice as fast, but other pictures "
    "and more memory. Off: every position at every step. Only for Lumina-DiMOO with the method lumina-dimoo.",
)  # fmt: skip
CACHE_RATIO = Setting(
    "cache_ratio", 0.9, "float",
    "share of positions that a partial step does not compute",
    "Share of positions that a partial step copies from the step before. Higher is faster and less exact.",
    minimum=0.0, maximum=1.0, step=0.01, on_node=False,
)  # fmt: skip
REFRESH_INTERVAL = Setting(
    "refresh_interval", 5, "int",
    "steps from one full step to the next",
    "After the warm-up, one step in this many computes all positions. Higher is faster and less exact. 1 = no caching.",
    minimum=1, maximum=1000, step=1, on_node=False,
)  # fmt: skip
WARMUP_RATIO = Setting(
    "warmup_ratio", 0.3, "float",
    "share of the steps before any position is left out",
    "The first steps settle the layout and are always full. Higher is slower and more exact.",
    minimum=0.0, maximum=1.0, step=0.01, on_node=False,
)  # fmt: skip
ML_CACHE_OPTIONS = (ML_CACHE, CACHE_RATIO, REFRESH_INTERVAL, WARMUP_RATIO)


def with_ml_cache(model: DLLM, *, settings: SamplerSettings, options: Mapping[str, Any]) -> DLLM:
    """The model with ML-Cache where the options ask for it."""
    if not options[ML_CACHE.name]:
        return model
    change = getattr(model, "with_ml_cache", None)
    if change is None:
        raise InputError(ML_CACHE.name, "true", f"false for {model.name}", "Turn ml_cache off, or load Lumina-DiMOO")
    values = (options[option.name] for option in ML_CACHE_OPTIONS[1:])
    return change(MLCacheSettings(settings.steps, *values))


def kept_count(first_masked: Tensor, step: int, steps: int) -> Tensor:
    """Cells [b] that the schedule leaves masked after a step, int64, from the cells masked at first [b]; float32."""
    if step >= steps - 1:
        return torch.zeros_like(first_masked)
    ratio = torch.cos(0.5 * math.pi * torch.tensor((step + 1) / steps, dtype=torch.float32))
    return torch.floor(first_masked.to(torch.float32) * ratio).to(torch.int64).clamp_min(1)


class GumbelArgmaxDraw:
    """Argmax of logits / temperature + Gumbel noise, one number per masked cell and code; 0 = the first maximum."""

    def __init__(self, temperature: float) -> None:
        self._temperature = effective_temperature(temperature)

    def draw(self, logits: Tensor, state: StepState, positions: Tensor) -> TokenDraws:
        """See TokenDraw; the confidence is the probability without temperature and without noise."""
        logits = without_float16(logits)
        if self._temperature == 0:
            tokens = logits.argmax(dim=-1)
        else:
            counts = state.masked_counts.tolist()
            shapes = [(row, (count, logits.shape[1])) for row, count in zip(state.rows, counts)]
            parts = [state.noise.uniform((row,), shape, logits.dtype)[0] for row, shape in shapes]
            uniform = parts[0] if len(parts) == 1 else torch.cat(parts)
            scaled = logits if self._temperature == 1 else logits / self._temperature
            tokens = gumbel_added(uniform.to(logits.device)).add_(scaled).argmax(dim=-1)
        probabilities = torch.softmax(logits, dim=-1)
        confidence = probabilities.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
        return TokenDraws(tokens, confidence, probabilities.amax(dim=-1))


class LuminaDiMOORule(Rule):
    """Keep as many masked as the float32 cosine schedule says, those with the lowest noisy log confidence."""

    name = "lumina-dimoo"
    limited_by = "steps"

    def __init__(self, settings: SamplerSettings) -> None:
        self._temperature = settings.choice_temperature

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        keep = kept_count(state.first_masked_counts, state.step, state.steps)
        ranks = torch.minimum(keep, state.masked_counts - 1)
        stay = torch.zeros_like(state.is_masked)
        for place, row in enumerate(state.rows):
            count = int(state.masked_counts[place])
            # Places in ascending order; the sort tells them without asking the device for their number.
            cells = torch.sort(state.is_masked[place].logical_not().to(torch.uint8), stable=True).indices[:count]
            confidence = log_clamped(prediction.confidence[place, cells])[None]
            # The published code draws this noise at temperature 0 as well.
            uniform = state.noise.uniform((row,), (count,), confidence.dtype).to(confidence.device)
            if self._temperature != 0:
                confidence = confidence + self._temperature * gumbel_added(uniform)
            stay[place, cells] = stays_masked(confidence, ranks[place : place + 1])[0]
        return Choice(state.is_masked & ~stay)
