"""Picking the best cells of each image, batched and without waiting for the device."""

from __future__ import annotations

import torch
from torch import Tensor


def rank_cells(score: Tensor, candidates: Tensor) -> Tensor:
    """Rank of each cell [B, N], 0 for the highest score among the candidates; equal scores go by cell number.

    Cells that are no candidates come last.
    """
    score = torch.where(candidates, score, -torch.inf)
    order = torch.sort(score, dim=1, descending=True, stable=True).indices
    places = torch.arange(score.shape[1], device=score.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)


def take_best(score: Tensor, candidates: Tensor, counts: Tensor) -> Tensor:
    """The `counts` [B] candidates with the highest score of each image, bool [B, N]; fewer where there are fewer."""
    return candidates & (rank_cells(score, candidates) < counts.to(score.device).unsqueeze(1))
