"""In which order the schedule takes cells: the most confident or the least confident first, or spread over the grid."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Protocol

import numpy
import torch
from torch import Tensor

from ..noise import gumbel
from ..settings import SamplerSettings
from ..step import Prediction, StepState
from ..token_grid import TokenGrid
from .row_memory import RowMemory

OPEN_SHARE = 0.5
OPEN_FIRST_SHARE = 0.25
TIE = 1e-4  # nats: cells with about the same entropy are equal


class CellOrder(Protocol):
    """A way of ranking cells. One object serves one run."""

    needs_entropy: bool  # of each cell's distribution, in the prediction

    def score(self, state: StepState, prediction: Prediction, confidence: Tensor, time_left: Tensor) -> Tensor:
        """Score [b, N] of each cell, the highest first; confidence [b, N]; time_left [b, 1]: what fades out."""
        ...


class ConfidenceOrder:
    """Confidence with Gumbel noise that fades out with time (MaskGIT, arXiv 2202.04200)."""

    needs_entropy = False

    def __init__(self, choice_temperature: float) -> None:
        self._choice_temperature = choice_temperature

    def score(self, state: StepState, prediction: Prediction, confidence: Tensor, time_left: Tensor) -> Tensor:
        """See CellOrder."""
        score = confidence.clamp_min(torch.finfo(torch.float32).tiny).log()
        if self._choice_temperature > 0:
            score = score + self._choice_temperature * time_left * gumbel(state.uniform())
        return score


class HaltonOrder:
    """A fixed order that covers the grid evenly, whatever the confidence (arXiv 2503.17076).

    roll: each image starts the order at a place chosen by its seed; else all images unmask the same cells first.
    """

    needs_entropy = False

    def __init__(self, roll: bool = True) -> None:
        self._roll = roll
        self._starts = RowMemory()

    def score(self, state: StepState, prediction: Prediction, confidence: Tensor, time_left: Tensor) -> Tensor:
        """See CellOrder."""
        starts = torch.zeros(len(state.rows), 1, dtype=torch.int64)
        if self._roll and state.step == 0:
            starts = (state.noise.uniform(state.rows, (1,)) * state.grid.cells).to(torch.int64)
        starts = self._starts.recall(state, starts.to(state.device))
        self._starts.keep(state, starts)
        ranks = halton_ranks(state.grid).to(state.device)
        return -((ranks - starts) % state.grid.cells).to(torch.float32)


class LeastConfidentOrder(HaltonOrder):
    """The least confident cell first, then open cells in Halton order, then the others: those are decided by them.

    The least confident cell has the highest entropy and decides the most ("From Bits to Rounds", arXiv 2511.21103).
    Open is a cell whose largest probability misses 1 by at least OPEN_SHARE times the most that one of the image does.
    Where no cell is confident, as in texture, this is the Halton order but for one cell in each step.
    """

    needs_entropy = True

    def score(self, state: StepState, prediction: Prediction, confidence: Tensor, time_left: Tensor) -> Tensor:
        """See CellOrder."""
        even = super().score(state, prediction, confidence, time_left)
        score, _ = open_before_others(even, state, prediction, OPEN_SHARE)
        return put_least_confident_first(score, state, prediction)


class OpenFirstOrder(HaltonOrder):
    """The least confident cell first while some cells are nearly decided, then open cells in Halton order, then those.

    As LeastConfidentOrder, but where no cell is nearly decided, as in texture, it is the Halton order: there one cell
    moved to the front in each step makes the first ones uneven. In the first step the least confident cell goes first
    too; in texture all are equal then. Open is a cell whose largest probability misses 1 by at least OPEN_FIRST_SHARE
    times the most that one of the image does; with a smaller share fewer cells are kept for the end, where many are
    taken at once.
    """

    needs_entropy = True

    def score(self, state: StepState, prediction: Prediction, confidence: Tensor, time_left: Tensor) -> Tensor:
        """See CellOrder."""
        even = super().score(state, prediction, confidence, time_left)
        score, is_open = open_before_others(even, state, prediction, OPEN_FIRST_SHARE)
        has_others = (state.is_masked & ~is_open).any(dim=1, keepdim=True)
        least_first = put_least_confident_first(score, state, prediction)
        return least_first if state.step == 0 else torch.where(has_others, least_first, score)


def open_before_others(even: Tensor, state: StepState, prediction: Prediction, share: float) -> tuple[Tensor, Tensor]:
    """The score [b, N] with open cells before the others, and which cells are open, bool [b, N]."""
    doubt = torch.where(state.is_masked, 1 - prediction.max_probability, 0.0)
    is_open = doubt >= share * doubt.amax(dim=1, keepdim=True)
    return torch.where(is_open, even, even - state.grid.cells), is_open


def put_least_confident_first(score: Tensor, state: StepState, prediction: Prediction) -> Tensor:
    """The score [b, N] with the cell of the highest entropy before all; of equal ones, that of the highest score."""
    if prediction.entropy is None:
        raise RuntimeError("the least confident cell needs a token draw that returns entropies")
    entropy = torch.where(state.is_masked, prediction.entropy, -torch.inf)
    is_least = entropy >= entropy.amax(dim=1, keepdim=True) - TIE
    first = torch.where(is_least, score, -torch.inf).argmax(dim=1, keepdim=True)
    return score.scatter(1, first, 1.0)


_ORDERS: dict[str, Callable[[SamplerSettings], CellOrder]] = {
    "confidence": lambda settings: ConfidenceOrder(settings.choice_temperature),
    "halton": lambda settings: HaltonOrder(),
    "least_confident": lambda settings: LeastConfidentOrder(),
    "open_first": lambda settings: OpenFirstOrder(),
}


def cell_order(settings: SamplerSettings) -> CellOrder:
    """The order that the settings name."""
    return _ORDERS[settings.cell_order](settings)


@functools.lru_cache(maxsize=16)
def halton_ranks(grid: TokenGrid) -> Tensor:
    """Place of each cell in the Halton order of the grid (bases 2 and 3, repeated cells dropped), int64 [N]."""
    count = 4 * grid.cells
    while True:
        index = numpy.arange(1, count + 1)
        row = (_radical_inverse(index, 3) * grid.height).astype(numpy.int64)
        column = (_radical_inverse(index, 2) * grid.width).astype(numpy.int64)
        cells, first = numpy.unique(row * grid.width + column, return_index=True)
        if len(cells) == grid.cells:
            return torch.from_numpy(numpy.argsort(numpy.argsort(first)))
        count *= 2


def _radical_inverse(index: numpy.ndarray, base: int) -> numpy.ndarray:
    """The digits of each number mirrored at the point: the van der Corput sequence of the base."""
    result, share, rest = numpy.zeros(len(index)), 1.0 / base, index.copy()
    while rest.any():
        result += share * (rest % base)
        rest //= base
        share /= base
    return result
