"""Correction by re-masking: known tokens that have become improbable are taken back and drawn again.

The loop only unmasks, so a revised run is many calls of it. Two forms:

*during the run* (after FreeCorrection, arXiv 2602.02927): every evaluation also reads the known tokens; after it those
with the lowest readings, averaged since they were drawn, are masked again, and the schedule takes as many more next
time. Evaluations are not counted for the readings, which a network gives for nothing at best.

*draft and revise*: a run, an evaluation that reads all its tokens (counted), and a short run that draws a share of
them again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...denoising_loop import LoopCallbacks, StepEvent, denoise
from ...guidance import Guidance
from ...noise import PerImageNoise
from ...sampler_setup import SamplerSetup
from ...samplers.registry import find_sampler
from ...step import Choice, Prediction, Rule, StepState
from ...token_draw import TokenDraw
from ...token_grid import MASKED, TokenGrid
from .contract import Oracle, OracleRun
from .forgiving import Reader

# FreeCorrection's: by the share of its steps that are done (as the cosine's share of known cells), how many of 4,096.
PUBLISHED = ((0.19, 16), (0.41, 8), (0.69, 4))
PUBLISHED_CELLS = 4096


@dataclass(frozen=True)
class Correction:
    """How many known tokens are taken back after each evaluation: the published number times a factor."""

    factor: float
    early: bool = False  # from the second evaluation on, not only once a fifth is known
    below: float = 1.0  # only those with a lower reading

    def count(self, known_share: float, cells: int) -> int:
        """How many tokens of an image with this share known."""
        steps = ((0.0, PUBLISHED[0][1]), *PUBLISHED) if self.early else PUBLISHED
        wanted = [count for start, count in steps if known_share >= start]
        if not wanted or self.factor == 0:
            return 0
        return max(1, round(self.factor * wanted[-1] * cells / PUBLISHED_CELLS))


@dataclass(frozen=True)
class Redraft:
    """Of a finished picture, which share of the tokens is drawn again, in how many steps."""

    share: float
    steps: int


class _Pause(Exception):
    """Ends a call of the loop after one evaluation."""


class ResumedRule(Rule):
    """A rule that remembers, over several calls of the loop, which step it is in."""

    def __init__(self, inner: Rule) -> None:
        self._inner, self._step = inner, -1
        self.name, self.limited_by = inner.name, inner.limited_by
        self.needs_entropy, self.needs_divergence = inner.needs_entropy, inner.needs_divergence

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        self._step += 1
        return self._inner.choose(replace(state, step=self._step), prediction)

    def advance(self, state: StepState, scheduled: Tensor, rescued: Tensor) -> Tensor:
        """See Rule."""
        return self._inner.advance(replace(state, step=self._step), scheduled, rescued)


class Readings:
    """The mean reading of every known token since it was drawn."""

    def __init__(self, cells: Tensor) -> None:
        self._sum, self._count = torch.zeros(cells.shape), torch.zeros(cells.shape)

    def add(self, readings: Tensor, known: Tensor) -> None:
        """Add readings [B, N] of the known cells."""
        self._sum += torch.where(known, readings, 0.0)
        self._count += known

    def forget(self, cells: Tensor) -> None:
        """Forget what was read in these cells [B, N]."""
        self._sum[cells], self._count[cells] = 0, 0

    def lowest(self, row: int, count: int, below: float) -> Tensor:
        """Which of the cells [N] have the lowest means, at most so many and all below."""
        means = torch.where(self._count[row] > 0, self._sum[row] / self._count[row].clamp_min(1), torch.inf)
        chosen = means.topk(min(count, len(means)), largest=False).indices
        found = torch.zeros(len(means), dtype=torch.bool)
        found[chosen[means[chosen] < below]] = True
        return found


@dataclass
class Parts:
    """What a run needs beside its denoiser."""

    setup: SamplerSetup
    grid: TokenGrid
    noise: PerImageNoise
    rule: Rule
    draw: TokenDraw | None
    guidance: Guidance | None

    @classmethod
    def of(cls, setup: SamplerSetup, grid: TokenGrid, noise: PerImageNoise) -> Parts:
        """A fresh rule and draw of the setup's sampler."""
        recipe = find_sampler(setup.sampler).recipe(setup.settings, setup.rescue, setup.options)
        return cls(setup, grid, noise, recipe.rule, recipe.draw, recipe.guidance)

    def run(self, denoiser: Any, cells: Tensor, editable: Tensor, **more: Any) -> tuple[Tensor, Tensor]:
        """Tokens [B, N] and evaluations [B] of a call of the loop."""
        drawn, report = denoise(
            denoiser, cells, self.grid, editable=editable, rule=self.rule, settings=self.setup.settings,
            noise=self.noise, draw=self.draw, guidance=self.guidance, **more,
        )  # fmt: skip
        return drawn, torch.tensor(report.nfe_per_row, dtype=torch.float32)


def correct(run: Reader, parts: Parts, correction: Correction, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens [B, N] and evaluations [B] of a run that is corrected as it goes, from cells [B, N]."""
    editable, readings = torch.ones_like(cells, dtype=torch.bool), Readings(cells)
    parts.rule = ResumedRule(parts.rule)
    nfe, steps, after = torch.zeros(len(cells)), parts.setup.settings.steps, cells

    def pause(event: StepEvent) -> None:
        nonlocal after
        after = event.codebook_indices.clone()
        raise _Pause

    while bool((cells == MASKED).any()):
        active, known = (cells == MASKED).any(dim=1), cells != MASKED
        start = torch.full((len(cells),), min(1.0, float(nfe.max()) / steps), dtype=torch.float64)
        with suppress(_Pause):
            parts.run(run, cells, editable, start_time=start, callbacks=LoopCallbacks(on_step=pause))
        nfe += active
        readings.add(run.readings, known & active[:, None])
        for row in (active & (after == MASKED).any(dim=1)).nonzero().flatten().tolist():
            count = correction.count(float(known[row].float().mean()), cells.shape[1])
            taken_back = readings.lowest(row, count, correction.below) if count else torch.zeros_like(known[row])
            after[row] = after[row].masked_fill(taken_back, MASKED)
        readings.forget(after == MASKED)
        cells = after
    return cells, nfe


# Readings [B, N] of finished tokens [B, N], and the evaluations they cost.
Rate = Callable[[Tensor], tuple[Tensor, int]]


def redraft(
    denoiser: Any, parts: Parts, refill: Parts, plan: Redraft, cells: Tensor, rate: Rate
) -> tuple[Tensor, Tensor]:
    """Tokens [B, N] and evaluations [B] of a draft whose improbable tokens are drawn again by the refill."""
    drawn, nfe = parts.run(denoiser, cells, torch.ones_like(cells, dtype=torch.bool))
    readings, cost = rate(drawn)
    lowest = readings.topk(round(plan.share * drawn.shape[1]), dim=1, largest=False).indices
    again = torch.zeros_like(drawn, dtype=torch.bool).scatter(1, lowest, True)
    nfe = nfe + cost
    if not bool(again.any()):
        return drawn, nfe
    drawn, more = refill.run(denoiser, drawn.masked_fill(again, MASKED), again)
    return drawn, nfe + more


def read_at_once(run: Reader) -> Rate:
    """Readings of all tokens from one evaluation, as only an oracle gives them."""

    def rate(drawn: Tensor) -> tuple[Tensor, int]:
        run.predict(drawn, torch.arange(len(drawn)), guided=False, step=1)
        return run.readings, 1

    return rate


def read_hidden(denoiser: Any, grid: TokenGrid, groups: int) -> Rate:
    """Readings of tokens while they are hidden, one group of cells spread over the grid per evaluation."""
    index = torch.arange(grid.cells)
    row, column = index // grid.width, index % grid.width
    group = (row + column) % 2 if groups == 2 else (row % 2) * 2 + column % 2

    def rate(drawn: Tensor) -> tuple[Tensor, int]:
        readings = torch.ones(drawn.shape)
        for number in range(groups):
            hidden = (group == number).expand_as(drawn)
            (logits, *_) = denoiser.predict(
                drawn.masked_fill(hidden, MASKED), torch.arange(len(drawn)), guided=False, step=1
            )
            own = logits.float().softmax(-1).gather(1, drawn[hidden][:, None])[:, 0]
            readings[hidden] = own
        return readings, groups

    return rate


def draw_revised(plan: Correction | Redraft, refill: SamplerSetup | None = None) -> Callable[..., Any]:
    """A way of drawing for `measure`, with the plan's revision; refill: the sampler that draws again."""

    def draw(oracle: Oracle, run: OracleRun, setup: SamplerSetup, seeds: Sequence[int], _: str) -> tuple[Tensor, ...]:
        reading: Any = run
        noise, cells = PerImageNoise(seeds), torch.full_like(run.truth, MASKED)
        parts = Parts.of(setup, oracle.grid, noise)
        if isinstance(plan, Correction):
            drawn, nfe = correct(reading, parts, plan, cells)
        else:
            again = refill or setup
            again = replace(again, settings=replace(again.settings, steps=plan.steps))
            more = Parts.of(again, oracle.grid, noise)
            drawn, nfe = redraft(run, parts, more, plan, cells, read_at_once(reading))
        return drawn, nfe, cells == MASKED

    return draw
