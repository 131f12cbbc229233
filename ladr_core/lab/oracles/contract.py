"""What an oracle is: a denoiser whose every probability is exact, and a judge of what a sampler draws from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ...token_grid import MASKED, TokenGrid

NEVER = 1e-13  # stands for a probability of 0, whose logarithm no network gives


@dataclass
class Verdict:
    """What came out of each of B images; NaN where an oracle does not measure it."""

    valid: Tensor  # float [B]: 1 where the tokens are possible at all
    divergence: Tensor  # [B] KL from the truth, nats per cell: sum of log p(x_i | O) - log p(x_S | O) over steps S
    divergence_bound: Tensor  # [B] its bound, sum H - max H of each step, in the same unit
    histogram: Tensor = field(default_factory=lambda: torch.zeros(0))  # [K] of the tokens drawn
    expected_histogram: Tensor = field(default_factory=lambda: torch.zeros(0))  # [K] exact


class OracleRun(Protocol):
    """An oracle bound to B images: a `Denoiser`, and their truth."""

    codebook_size: int
    device: torch.device
    truth: Tensor  # [B, N] int64: exact draws, of which a run may know a part

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """Exact log probabilities of the masked cells; see `Denoiser`."""
        ...

    def judge(self, drawn: Tensor) -> Verdict:
        """What the finished tokens [B, N] are worth."""
        ...


class Oracle(Protocol):
    """A distribution of token grids in which everything can be computed."""

    name: str
    grid: TokenGrid
    codebook_size: int

    def begin(self, seeds: list[int]) -> OracleRun:
        """A run of one image per seed."""
        ...


def hole(grid: TokenGrid, share: float) -> Tensor:
    """Editable cells bool [N]: a square in the middle with sides of this share of the grid's."""
    height, width = max(1, round(grid.height * share)), max(1, round(grid.width * share))
    top, left = (grid.height - height) // 2, (grid.width - width) // 2
    cells = torch.zeros(grid.height, grid.width, dtype=torch.bool)
    cells[top : top + height, left : left + width] = True
    return cells.flatten()


def masked_rows(probability: Tensor, codebook_indices: Tensor) -> Tensor:
    """Log probabilities [M, K] of the masked cells, of probabilities [b, N, K]."""
    return probability[codebook_indices == MASKED].clamp_min(NEVER).log()
