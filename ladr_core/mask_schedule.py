"""Mask schedules: the share of masked cells as a function of time, and its inverse."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import InputError


@dataclass(frozen=True)
class MaskSchedule:
    """A falling curve from mask ratio 1 at time 0 to 0 at time 1, with its inverse.

    All arithmetic is in float32 on the CPU: float64, or the cosine of another device, moves a count by one cell where
    the curve meets a whole number of cells.
    """

    name: str
    curve: Callable[[Tensor], Tensor]
    inverse_curve: Callable[[Tensor], Tensor]

    def mask_ratio(self, time: Tensor) -> Tensor:
        """Share of cells still masked at each time, float32 [...]."""
        time = time.to("cpu", torch.float32).clamp(0, 1)
        ratio = self.curve(time).clamp(0, 1)
        # The ends are exact whatever the curve rounds to.
        return torch.where(time >= 1, 0.0, torch.where(time <= 0, 1.0, ratio))

    def time_at(self, mask_ratio: Tensor) -> Tensor:
        """Time at which this share of cells is masked, float32 [...]; the inverse of `mask_ratio`."""
        ratio = mask_ratio.to("cpu", torch.float32).clamp(0, 1)
        time = self.inverse_curve(ratio).clamp(0, 1)
        return torch.where(ratio >= 1, 0.0, torch.where(ratio <= 0, 1.0, time))

    def masked_cells(self, time: Tensor, editable_counts: Tensor) -> Tensor:
        """Number of cells still masked at each time, int64 [...], given the number that may change."""
        return torch.floor(editable_counts.to("cpu", torch.float32) * self.mask_ratio(time)).to(torch.int64)


_HALF_PI = 0.5 * math.pi

_SCHEDULES = (
    MaskSchedule("cosine", lambda t: torch.cos(_HALF_PI * t), lambda r: torch.acos(r) / _HALF_PI),
    MaskSchedule("linear", lambda t: 1 - t, lambda r: 1 - r),
    MaskSchedule("square", lambda t: 1 - t * t, lambda r: torch.sqrt(1 - r)),
    MaskSchedule("arccos", lambda t: torch.acos(t) / _HALF_PI, lambda r: torch.cos(_HALF_PI * r)),
    MaskSchedule("sqrt", lambda t: 1 - torch.sqrt(t), lambda r: (1 - r) * (1 - r)),
)


def mask_schedule(name: str) -> MaskSchedule:
    """The schedule of this name (see MaskGIT, arXiv 2202.04200, section 3.3 for the family)."""
    for schedule in _SCHEDULES:
        if schedule.name == name:
            return schedule
    names = ", ".join(s.name for s in _SCHEDULES)
    raise InputError("mask_schedule", repr(name), f"one of {names}", "Set mask_schedule to cosine")
