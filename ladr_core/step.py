"""What a sampler rule sees of a step and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from .noise import NoiseSource
from .token_grid import TokenGrid

# What limits the network evaluations of a run: the steps left on the clock, all steps, or the number of cells alone.
Limit = Literal["clock", "steps", "cells"]


@dataclass(frozen=True)
class StepState:
    """One step as the rule sees it; all tensors hold the b images that are still active.

    Counts and clocks lie on the CPU, where they are known without waiting for the device; masks lie on the device.
    """

    grid: TokenGrid
    rows: tuple[int, ...]  # of the batch
    step: int  # network evaluations done before
    steps: int  # steps of the schedule
    is_masked: Tensor  # [b, N] bool, device
    masked_counts: Tensor  # [b] int64, CPU
    editable_counts: Tensor  # [b] int64, CPU
    first_masked_counts: Tensor  # [b] int64, CPU: before the first step
    time: Tensor  # [b] float32, CPU: the clock before the step, 0 ... 1
    next_time: Tensor  # [b] float32, CPU: one step of the schedule later
    noise: NoiseSource

    @cached_property
    def device(self) -> torch.device:
        """Where the masks lie."""
        return self.is_masked.device

    @cached_property
    def time_left(self) -> Tensor:
        """1 - time on the device, [b, 1]: the factor of whatever fades out."""
        return (1 - self.time).to(self.device).unsqueeze(1)

    def uniform(self) -> Tensor:
        """One random number per cell from each image's own noise, [b, N] on the device, float32."""
        return self.noise.uniform(self.rows, (self.grid.cells,)).to(self.device)


@dataclass(frozen=True)
class Prediction:
    """What the model and the token draw say of every masked cell, [b, N] on the device; zero where not masked."""

    tokens: Tensor  # int64: the codebook index drawn
    confidence: Tensor  # probability of that token
    max_probability: Tensor  # probability of the most probable token
    entropy: Tensor | None = None  # nats; where the rule needs it
    divergence: Tensor | None = None  # KL from the step before, inf at the first; where the rule needs it


@dataclass(frozen=True)
class Choice:
    """The cells a rule unmasks in this step: [b, N] bool masks on the device, and the risk it accepts with them."""

    scheduled: Tensor
    rescued: Tensor | None = None
    accepted_risk: Tensor | None = None  # [b]
    distance_bound: Tensor | None = None  # [b], only where cells are chosen before tokens are drawn


class Rule(ABC):
    """A sampler: which cells to unmask, and where the clock goes. One object serves one run."""

    name: str
    needs_entropy: bool = False  # of each cell's distribution, in the prediction
    needs_divergence: bool = False  # from the step before, in the prediction
    limited_by: Limit = "clock"

    @abstractmethod
    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """The cells to unmask, on the device; nothing here may wait for it."""

    def advance(self, state: StepState, scheduled: Tensor, rescued: Tensor) -> Tensor:
        """The clock after the step, [b] float32 CPU, given how many cells were unmasked ([b] int64 CPU each)."""
        return state.next_time
