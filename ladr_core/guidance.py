"""Classifier-free guidance over one, two or more branches of logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


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
        """Logits [M, K] from the branches [M, K] each, the conditional one first."""
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
                logits = logits + (scale - 1) * (conditional - other.to(torch.float32))
        return logits
