"""The token grids of a run on the device: what each cell holds, when it was unmasked, and by what."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .report import GIVEN, RESCUED, SCHEDULED
from .step import Choice, Prediction, StepState
from .token_grid import MASKED


@dataclass(frozen=True)
class StepOutcome:
    """What a step did to each of the b active images; [b] tensors on the CPU."""

    scheduled: Tensor  # int64: cells unmasked by the schedule
    rescued: Tensor  # int64: cells unmasked by the rescue
    accepted_risk: Tensor  # float32: risk of the rescued cells together
    distance_bound: Tensor | None  # float32; None where the rule gives none
    finite: bool  # whether all logits were


class CellState:
    """B grids of N cells; known cells never change."""

    def __init__(self, codebook_indices: Tensor, editable: Tensor, device: torch.device) -> None:
        self.codebook_indices = codebook_indices.to(device, torch.int64, copy=True)  # [B, N], MASKED where unknown
        self._editable = editable.to(device) | (self.codebook_indices == MASKED)
        self.unmasked_at = torch.full_like(self.codebook_indices, -1)  # the step, -1 where given
        self.unmasked_by = torch.full_like(self.codebook_indices, GIVEN)
        self.confidence = torch.full_like(
            self.codebook_indices, -1, dtype=torch.float32
        )  # when unmasked, -1 where given
        self.risk = self.confidence  # 1 - the largest probability when unmasked, -1 where given

    def count(self) -> Tensor:
        """Masked and editable cells of each image, int64 [2, B] on the CPU."""
        is_masked = self.codebook_indices == MASKED
        return torch.stack([is_masked.sum(dim=1), self._editable.sum(dim=1)]).cpu()

    def indices(self, rows: tuple[int, ...]) -> Tensor:
        """Codebook indices [b, N] of these rows of the batch."""
        return self._take(self.codebook_indices, rows)

    def is_masked(self, rows: tuple[int, ...]) -> Tensor:
        """Masked cells [b, N] of these images."""
        return self.indices(rows) == MASKED

    def unmask(self, state: StepState, prediction: Prediction, choice: Choice, logits: Tensor) -> StepOutcome:
        """Make the chosen cells final.

        The loop itself waits for the device only here; a denoiser may wait too, for the lengths of its sequences.
        """
        scheduled = choice.scheduled & state.is_masked
        rescued = torch.zeros_like(scheduled)
        if choice.rescued is not None:
            rescued = choice.rescued & state.is_masked & ~scheduled
        self._write(state, prediction, scheduled | rescued, rescued)
        zero = torch.zeros(len(state.rows), device=state.device)
        facts = torch.stack(
            [
                scheduled.sum(dim=1).to(torch.float32),
                rescued.sum(dim=1).to(torch.float32),
                zero if choice.accepted_risk is None else choice.accepted_risk.to(torch.float32),
                zero if choice.distance_bound is None else choice.distance_bound.to(torch.float32),
                _all_finite(logits).to(torch.float32).expand_as(zero),
            ]
        ).cpu()
        bound = None if choice.distance_bound is None else facts[3]
        counts = facts[:2].to(torch.int64)
        return StepOutcome(counts[0], counts[1], facts[2], bound, bool(facts[4, 0]))

    def _write(self, state: StepState, prediction: Prediction, chosen: Tensor, rescued: Tensor) -> None:
        """Write what is known of the chosen cells [b, N]; the others stay as they are."""
        rows, tokens = state.rows, prediction.tokens
        self.codebook_indices = self._put(self.codebook_indices, rows, chosen, tokens)
        self.unmasked_at = self._put(self.unmasked_at, rows, chosen, torch.full_like(tokens, state.step))
        self.unmasked_by = self._put(self.unmasked_by, rows, chosen, torch.where(rescued, RESCUED, SCHEDULED))
        self.confidence = self._put(self.confidence, rows, chosen, prediction.confidence.to(torch.float32))
        self.risk = self._put(self.risk, rows, chosen, 1 - prediction.max_probability.to(torch.float32))

    def _take(self, values: Tensor, rows: tuple[int, ...]) -> Tensor:
        if len(rows) == len(values):
            return values
        return values.index_select(0, torch.tensor(rows, device=values.device))

    def _put(self, values: Tensor, rows: tuple[int, ...], chosen: Tensor, new: Tensor) -> Tensor:
        changed = torch.where(chosen, new, self._take(values, rows))
        if len(rows) == len(values):
            return changed
        return values.index_copy(0, torch.tensor(rows, device=values.device), changed)


def _all_finite(logits: Tensor) -> Tensor:
    """Whether all logits [M, K] are finite, bool; least and largest say it in one pass, without a copy of them."""
    return torch.isfinite(torch.stack(torch.aminmax(logits))).all()
