"""Drawing one token for every masked cell, with its confidence and entropy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from .step import StepState

LEAST_TEMPERATURE = 1e-6  # a lower one acts as 0: logits divided by it would leave the range of float32
# Rows are drawn in parts of this many probabilities: memory stays bounded, and a CPU allocates and caches small tensors
# again and again, where each large one is new memory.
MOST_NUMBERS_AT_ONCE = 2**21
FIRST_CODES = 64  # how many top-p looks at before all


@dataclass(frozen=True)
class TokenDraws:
    """The draws of M masked cells, each [M]; see Prediction for the meaning."""

    tokens: Tensor
    confidence: Tensor
    max_probability: Tensor
    entropy: Tensor | None = None
    divergence: Tensor | None = None


class TokenDraw(Protocol):
    """A way of drawing tokens from logits."""

    def draw(self, logits: Tensor, state: StepState, positions: Tensor) -> TokenDraws:
        """Draw a token for each row of logits [M, K]; positions [M]: its cell in the flattened [b, N] of the state."""
        ...


class InverseCdfDraw:
    """Draws with one uniform number per cell: the token at which the cumulated probability passes it.

    All N cells get a number in every step, known or not, so that a cell's number does not depend on the other cells.
    Probabilities are those after guidance and temperature; top-k and top-p limit the draw, not the confidence.
    Temperature 0, and any below LEAST_TEMPERATURE, takes the most probable token, draws nothing, and reads its
    confidence at temperature 1.
    One object serves one run, as the divergence needs the step before.
    """

    def __init__(
        self,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        *,
        needs_entropy: bool = False,
        needs_divergence: bool = False,
    ) -> None:
        self._temperature = effective_temperature(temperature)
        self._top_k = top_k
        self._top_p = top_p
        self._needs_entropy = needs_entropy
        self._needs_divergence = needs_divergence
        self._previous = torch.empty(0)  # log probabilities [M, K] of the step before
        self._previous_cells = torch.empty(0, dtype=torch.int64)  # and their places in the flattened batch

    def draw(self, logits: Tensor, state: StepState, positions: Tensor) -> TokenDraws:
        """See TokenDraw."""
        uniform = state.uniform().flatten()[positions] if self._temperature > 0 else None
        rows_at_once = max(1, MOST_NUMBERS_AT_ONCE // logits.shape[1])
        parts = []
        kept = []
        for start in range(0, logits.shape[0], rows_at_once):
            part = slice(start, start + rows_at_once)
            log_probabilities = self._log_probabilities(logits[part])
            parts.append(self._draw_part(log_probabilities, None if uniform is None else uniform[part]))
            if self._needs_divergence:
                kept.append(log_probabilities)
        divergence = self._divergence(torch.cat(kept), state, positions) if kept else None
        return TokenDraws(
            tokens=torch.cat([p.tokens for p in parts]),
            confidence=torch.cat([p.confidence for p in parts]),
            max_probability=torch.cat([p.max_probability for p in parts]),
            entropy=torch.cat([p.entropy for p in parts if p.entropy is not None]) if self._needs_entropy else None,
            divergence=divergence,
        )

    def as_sure_as(self, draws: TokenDraws, logits: Tensor) -> TokenDraws:
        """The same tokens, each cell no surer than these other logits [M, K] make it."""
        log_probabilities = self._log_probabilities(logits)
        probabilities = log_probabilities.exp()
        confidence = probabilities.gather(-1, draws.tokens.unsqueeze(-1)).squeeze(-1)
        entropy = draws.entropy
        if entropy is not None:
            entropy = torch.maximum(entropy, -(probabilities * log_probabilities).sum(dim=-1))
        return replace(
            draws,
            confidence=torch.minimum(draws.confidence, confidence),
            max_probability=torch.minimum(draws.max_probability, probabilities.amax(dim=-1)),
            entropy=entropy,
        )

    def _log_probabilities(self, logits: Tensor) -> Tensor:
        scaled = logits.to(torch.float32)
        if self._temperature not in (0, 1):
            scaled = scaled / self._temperature
        return torch.log_softmax(scaled, dim=-1)

    def _draw_part(self, log_probabilities: Tensor, uniform: Tensor | None) -> TokenDraws:
        probabilities = log_probabilities.exp()
        max_probability, most_probable = probabilities.max(dim=-1)
        if uniform is None:
            tokens = most_probable
        else:
            tokens = draw_by_inverse_cdf(restrict(probabilities, self._top_k, self._top_p), uniform)
        entropy = None
        if self._needs_entropy:
            entropy = -(probabilities * log_probabilities).sum(dim=-1)
        confidence = probabilities.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
        return TokenDraws(tokens, confidence, max_probability, entropy)

    def _divergence(self, log_probabilities: Tensor, state: StepState, positions: Tensor) -> Tensor:
        """KL [M] of these probabilities from those the same cells had in the step before, inf where they had none."""
        cells = state.grid.cells
        batch_rows = torch.tensor(state.rows, device=positions.device)
        places = batch_rows[positions // cells] * cells + positions % cells
        result = torch.full(places.shape, torch.inf, device=places.device)
        if self._previous_cells.numel():
            # Masked cells stay a subset of those of the step before, so all of them are found.
            index = torch.searchsorted(self._previous_cells, places)
            result = (log_probabilities.exp() * (log_probabilities - self._previous[index])).sum(dim=-1).clamp_min(0)
        self._previous, self._previous_cells = log_probabilities, places
        return result


def effective_temperature(temperature: float) -> float:
    """The temperature, or 0 where it is too small to divide by."""
    return temperature if temperature >= LEAST_TEMPERATURE else 0.0


def restrict(probabilities: Tensor, top_k: int, top_p: float) -> Tensor:
    """Set to zero all but the top_k most probable and the smallest set that reaches top_p; [M, K], not rescaled.

    Codes as probable as the last one kept are kept too, so that the result does not depend on the order of a sort.
    """
    codes = probabilities.shape[-1]
    most = min(top_k, codes) if top_k > 0 else codes
    if most == codes and top_p >= 1:
        return probabilities
    # A CPU finds the first few much faster than it sorts all; on a GPU, asking whether they are enough would wait.
    first = min(most, FIRST_CODES) if top_p < 1 and probabilities.device.type == "cpu" else most
    least, reached = _least_kept(probabilities, first, top_p)
    if first < most and not reached.all():
        least[~reached], _ = _least_kept(probabilities[~reached], most, top_p)
    return torch.where(probabilities >= least, probabilities, 0.0)


def _least_kept(probabilities: Tensor, most: int, top_p: float) -> tuple[Tensor, Tensor]:
    """Least probability [M, 1] that stays when at most `most` do, and whether those reach top_p, bool [M]."""
    whole = most == probabilities.shape[-1]
    highest = (probabilities.sort(descending=True) if whole else probabilities.topk(most)).values
    total = highest.cumsum(dim=-1)
    kept = (total - highest < top_p).sum(dim=-1, keepdim=True).clamp_min(1)
    return highest.gather(-1, kept - 1), total[:, -1] >= top_p


def draw_by_inverse_cdf(weights: Tensor, uniform: Tensor) -> Tensor:
    """Index [M] at which the cumulated weights [M, K] pass the uniform number [M] times their sum.

    A weight of zero is never drawn.
    """
    cumulated = weights.cumsum(dim=-1)
    total = cumulated[:, -1]
    # Rounding may lift u * total to the total itself, beyond every cell of the sum.
    target = torch.minimum(uniform.to(total) * total, torch.nextafter(total, torch.zeros_like(total)))
    tokens = torch.searchsorted(cumulated, target.unsqueeze(-1), right=True).squeeze(-1)
    return tokens.clamp_max(weights.shape[-1] - 1)
