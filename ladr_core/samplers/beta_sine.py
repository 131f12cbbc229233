"""Few-step schedule: the baseline with a mask schedule of two free numbers.

After arXiv 2509.13866 (NeurIPS 2025), whose abstract gives the share of known cells as sin^2(pi/2 F) with F the
distribution function of a Beta distribution. A reconstruction: time is the step's share of all steps.
"""

from __future__ import annotations

import functools
import math

import numpy
import torch
from torch import Tensor

from ..mask_schedule import MaskSchedule
from ..settings import SamplerSettings, Setting
from .baseline import BaselineRule

BETA_FIRST = Setting(
    "beta_first", 1.0, "float",
    "first number of the Beta distribution",
    "Higher unmasks fewer tokens in the first steps.",
    minimum=0.1, maximum=10.0, step=0.1, on_node=False,
)  # fmt: skip
BETA_SECOND = Setting(
    "beta_second", 1.0, "float",
    "second number of the Beta distribution",
    "Higher unmasks fewer tokens in the last steps.",
    minimum=0.1, maximum=10.0, step=0.1, on_node=False,
)  # fmt: skip
_POINTS = 8192


class BetaSineRule(BaselineRule):
    """The baseline with the few-step schedule in place of `mask_schedule`."""

    name = "beta_sine"

    def __init__(
        self,
        settings: SamplerSettings,
        *,
        beta_first: float = BETA_FIRST.default,
        beta_second: float = BETA_SECOND.default,
    ) -> None:
        super().__init__(settings)
        self._schedule = beta_sine_schedule(beta_first, beta_second)


@functools.lru_cache(maxsize=16)
def beta_sine_schedule(first: float, second: float) -> MaskSchedule:
    """Mask ratio cos^2(pi/2 F(t)) with F the distribution function of Beta(first, second), from a table."""
    edges = numpy.linspace(0.0, 1.0, _POINTS + 1)
    middles = (edges[1:] + edges[:-1]) / 2  # the density may be infinite at the ends
    density = middles ** (first - 1) * (1 - middles) ** (second - 1)
    reached = numpy.concatenate([[0.0], density.cumsum() / density.sum()])

    def look_up(at: Tensor, arguments: numpy.ndarray, values: numpy.ndarray) -> Tensor:
        return torch.from_numpy(numpy.interp(at.double().numpy(), arguments, values)).to(torch.float32)

    return MaskSchedule(
        "beta_sine",
        lambda time: torch.cos(0.5 * math.pi * look_up(time, edges, reached)) ** 2,
        lambda ratio: look_up(torch.acos(ratio.sqrt()) / (0.5 * math.pi), reached, edges),
    )
