"""What the published samplers of the large models share: they compute in the dtype of the logits, noise included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SMALLEST = 1e-20  # the constant of the published code in every logarithm


@dataclass(frozen=True)
class UpstreamGuidance:
    """Guidance as published, in the dtype of the logits.

    One scale: (1 + s) c - s u. Two scales: c + s (c - u) + s_image (c - v), v without the reference images. The
    published scale s is `cfg` - 1.
    """

    scale: float
    image_scale: float = 0.0

    @property
    def guided(self) -> bool:
        """False where every scale is off."""
        return self.scale > 0 or self.image_scale > 0

    @property
    def unused(self) -> frozenset[int]:
        """Branches whose scale is 0; the published code computes them and multiplies them by 0."""
        return frozenset(number for number, scale in enumerate((self.scale, self.image_scale), 1) if scale == 0)

    def combine(self, branches: Sequence[Tensor]) -> Tensor:
        """Logits [M, K] from the branches [M, K] each, the conditional one first."""
        conditional, *others = branches
        if len(others) == 2:
            text_part = self.scale * (conditional - others[0])
            return conditional + text_part + self.image_scale * (conditional - others[1])
        return ((1 + self.scale) * conditional).sub_(self.scale * others[0]) if others else conditional


def without_float16(logits: Tensor) -> Tensor:
    """The logits in bfloat16 where they are float16: there the constant is 0, and noise and logarithms reach -inf."""
    return logits.to(torch.bfloat16) if logits.dtype == torch.float16 else logits


def gumbel_added(uniform: Tensor) -> Tensor:
    """Gumbel noise with the constant added inside both logarithms (Lumina-DiMOO), in the dtype of `uniform`.

    In bfloat16 it never exceeds 5.53, which keeps improbable tokens from being drawn; the model's published pictures
    depend on that.
    """
    noise = uniform + SMALLEST  # one new tensor: there is a number for every cell and code
    return noise.log_().neg_().add_(SMALLEST).log_().neg_()


def gumbel_clamped(uniform: Tensor) -> Tensor:
    """Gumbel noise with the arguments of both logarithms kept above the constant (MMaDA), in the dtype of `uniform`."""
    return -log_clamped(-log_clamped(uniform))


def log_clamped(values: Tensor) -> Tensor:
    """Logarithm of the values, kept above the constant."""
    return torch.log(values.clamp(min=SMALLEST))


def stays_masked(confidence: Tensor, ranks: Tensor) -> Tensor:
    """Places [b, n] with a confidence strictly below that of the given rank [b] from the bottom, bool.

    Equal values at the cut are all unmasked, so that fewer places than `ranks` may stay.
    """
    ascending = confidence.sort(dim=1).values
    cut = ascending.gather(1, ranks.to(confidence.device).unsqueeze(1))
    return confidence < cut
