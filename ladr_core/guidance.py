"""Classifier-free guidance over one, two or more branches of logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .step import StepState


class Guidance(Protocol):
    """How the branches of one prediction become one set of logits."""

    @property
    def guided(self) -> bool:
        """False where the conditional branch alone is enough."""
        ...

    @property
    def unused(self) -> frozenset[int]:
        """Numbers of the branches, 1 and up, that have no effect; what is given for them may be any finite numbers."""
        ...

    def combine(self, branches: Sequence[Tensor]) -> Tensor:
        """Logits [M, K] from the branches [M, K] each, the conditional one first, which stays; others may not."""
        ...


@dataclass(frozen=True)
class ClassifierFreeGuidance:
    """One scale per branch after the first, each as in KSampler: 1 = off."""

    scales: tuple[float, ...]

    @property
    def guided(self) -> bool:
        """False where every scale is 1."""
        return any(scale != 1 for scale in self.scales)

    @property
    def unused(self) -> frozenset[int]:
        """Branches whose scale is 1."""
        return frozenset(number for number, scale in enumerate(self.scales, 1) if scale == 1)

    def combine(self, branches: Sequence[Tensor]) -> Tensor:
        """Logits [M, K] in float32: c + sum of (scale - 1) (c - u) over the u; for one of them u + scale (c - u)."""
        conditional = branches[0].to(torch.float32)
        logits = conditional
        for scale, other in zip(self.scales, branches[1:], strict=False):
            if scale != 1:
                # In place, in the branch itself where it is float32: there is a number for every cell and code.
                written = other.to(torch.float32)
                logits = torch.sub(conditional, written, out=written).mul_(scale - 1).add_(logits)
        return logits


class GuidanceOverDensity:
    """Guidance of one run that acts on an image while the share of its known cells is from `start` to `end`.

    Elsewhere its scale is 1, and where that holds for all images the other branches are not computed.
    """

    def __init__(self, guidance: Guidance, start: float, end: float) -> None:
        self._guidance, self._start, self._end = guidance, start, end
        self._acted: dict[int, bool] = {}  # by row, at the evaluation before

    def at(self, state: StepState) -> StepGuidance:
        """What holds in this step."""
        known = 1 - state.masked_counts / state.editable_counts.clamp_min(1)
        acts = ((known >= self._start) & (known <= self._end)).tolist()
        switched = [self._acted.get(row, act) != act for row, act in zip(state.rows, acts)]
        self._acted.update(zip(state.rows, acts))
        return StepGuidance(self._guidance, tuple(acts), tuple(switched), state.masked_counts)


@dataclass(frozen=True)
class StepGuidance:
    """Guidance in one step, of b images."""

    guidance: Guidance
    acts: tuple[bool, ...]
    switched: tuple[bool, ...]  # whether it acts now and did not at the evaluation before, or the other way round
    masked_counts: Tensor  # [b] int64, CPU

    @property
    def guided(self) -> bool:
        """Whether branches beside the conditional one are needed."""
        return self.guidance.guided and (any(self.acts) or any(self.switched))

    def combine(self, branches: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Logits [M, K], and where guidance was switched those of the evaluation before's guidance, else None.

        A cell's confidence is the lower one of the two, so that none is high only because guidance was switched.
        """
        if len(branches) == 1 or all(self.acts) and not any(self.switched):
            return self.guidance.combine(branches), None
        guided, plain = self.guidance.combine(branches), self.guidance.combine(branches[:1])
        acts = self._of_cells(self.acts, plain.device)
        logits = torch.where(acts, guided, plain)
        if not any(self.switched):
            return logits, None
        switched = self._of_cells(self.switched, plain.device)
        return logits, torch.where(acts ^ switched, guided, plain)

    def _of_cells(self, of_images: tuple[bool, ...], device: torch.device) -> Tensor:
        return torch.tensor(of_images).repeat_interleave(self.masked_counts)[:, None].to(device)
