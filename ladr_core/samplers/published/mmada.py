"""MMaDA's own sampler, token for token: `t2i_generate` of its published code.

It differs from the baseline in drawing tokens by an exponential race over all cells, known ones included, in a choice
temperature that fades as a running product, in counts from the whole grid, and in keeping the last step's whole sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ...models.contract import DLLM
from ...settings import SamplerSettings, Setting
from ...step import Choice, Prediction, Rule, StepState
from ...token_draw import TokenDraws
from .arithmetic import gumbel_clamped, log_clamped, stays_masked, without_float16

PADDED = Setting(
    "padded", False, "bool",
    "pad the text as published",
    "On: the text is padded to 513 tokens as in the published code, for the same rounding to the last bit. Off: no "
    "padding, faster.",
    on_node=False,
)  # fmt: skip

MaskRatio = Callable[[Tensor], Tensor]


def with_padding(model: DLLM, *, options: Mapping[str, Any]) -> DLLM:
    """The model with its text padded where the options ask for it."""
    if not options[PADDED.name]:
        return model
    change = getattr(model, "with_padding", None)
    if change is None:
        raise InputError(PADDED.name, "true", f"false for {model.name}", "Turn padded off, or load MMaDA")
    return change(True)


def cosine(time: Tensor) -> Tensor:
    """cos(pi t / 2), not clamped: at t = 1 float32 gives a number below 0."""
    return torch.cos(0.5 * math.pi * time)


def power(exponent: float) -> MaskRatio:
    """1 - t ** exponent, kept above 1e-6."""

    def ratio(time: Tensor) -> Tensor:
        # torch's own float32 square root is off by one bit on some processors, which can move a count.
        raised = time.double().sqrt().float() if exponent == 0.5 else time**exponent
        return (1 - raised).clamp(1e-6, 1)

    return ratio


def sigmoid(start: float = -3.0, end: float = 3.0, tau: float = 1.0) -> MaskRatio:
    """A falling sigmoid between two ends, scaled to 1 ... 0, kept above 1e-6."""

    def ratio(time: Tensor) -> Tensor:
        first, last = (torch.sigmoid(torch.tensor(x / tau)) for x in (start, end))
        value = torch.sigmoid((time * (end - start) + start) / tau)
        return ((last - value) / (last - first)).clamp(1e-6, 1)

    return ratio


MASK_RATIOS: dict[str, MaskRatio] = {
    "cosine": cosine,
    "linear": power(1.0),
    "square": power(2.0),
    "sqrt": power(0.5),
}


def still_masked_counts(unknown: Tensor, cells: int, mask_ratio: MaskRatio, step: int, steps: int) -> Tensor:
    """Cells [b] that stay masked after a step, int64: by the whole grid's schedule, at least 1, fewer than before."""
    time = torch.tensor((step + 1) / steps, dtype=torch.float32)
    wanted = torch.floor(cells * mask_ratio(time)).to(torch.int64)
    return torch.minimum(unknown - 1, wanted).clamp_min(1)


def annealed_temperature(temperature: float, step: int, steps: int) -> float:
    """The choice temperature of a step: what is left after every step so far took its share of what was left."""
    for done in range(step + 1):
        temperature *= 1.0 - (done + 1) / steps
    return temperature


class ExponentialRaceDraw:
    """Largest p / E with E exponential, one number per cell and code: a draw from p, the way torch.multinomial does it.

    Known cells take part in the race so that the stream of random numbers is the published one.
    """

    def draw(self, logits: Tensor, state: StepState, positions: Tensor) -> TokenDraws:
        """See TokenDraw."""
        logits = without_float16(logits)
        probabilities = torch.softmax(logits, dim=-1)
        shape = (state.grid.cells, logits.shape[1])
        exponential = state.noise.exponential(state.rows, shape, logits.dtype).to(logits.device)
        tokens = (probabilities / exponential.flatten(0, 1)[positions]).argmax(dim=-1)
        confidence = probabilities.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
        return TokenDraws(tokens, confidence, probabilities.amax(dim=-1))


class MMaDARule(Rule):
    """Keep as many masked as the float32 schedule of the whole grid says; the last step unmasks everything."""

    name = "mmada"
    limited_by = "steps"

    def __init__(self, settings: SamplerSettings, mask_ratio: MaskRatio | None = None) -> None:
        if mask_ratio is None:
            if settings.mask_schedule not in MASK_RATIOS:
                raise InputError(
                    "mask_schedule", repr(settings.mask_schedule), "one of " + ", ".join(MASK_RATIOS) + " for mmada",
                    "Set mask_schedule to cosine",
                )  # fmt: skip
            mask_ratio = MASK_RATIOS[settings.mask_schedule]
        self._mask_ratio = mask_ratio
        self._temperature = settings.choice_temperature

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        dtype, cells = prediction.confidence.dtype, state.grid.cells
        uniform = state.noise.uniform(state.rows, (cells,), dtype).to(state.device)
        if state.step >= state.steps - 1:
            return Choice(state.is_masked)
        score = torch.where(state.is_masked, prediction.confidence, torch.finfo(dtype).max)
        temperature = annealed_temperature(self._temperature, state.step, state.steps)
        confidence = log_clamped(score) + temperature * gumbel_clamped(uniform)
        keep = still_masked_counts(state.masked_counts, cells, self._mask_ratio, state.step, state.steps)
        return Choice(state.is_masked & ~stays_masked(confidence, keep.clamp_max(cells - 1)))
