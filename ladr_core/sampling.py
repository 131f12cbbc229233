"""The one entry to sampling for nodes and command line: check the inputs, mask what is to be drawn, run the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .models.contract import DLLM, Prompt
from .report import SamplingReport
from .settings import RescueSettings, SamplerSettings
from .token_grid import TokenGrid


@dataclass(frozen=True)
class StepEvent:
    """What `on_step` is told after each network evaluation, for progress and preview."""

    codebook_indices: Tensor  # [B, N], MASKED (-1) where still unknown; must not be changed
    step: int  # network evaluations done, 1 after the first
    steps: int  # the most there can be
    time: float  # 0 = start, 1 = done; the slowest image of the batch
    mask_ratio: float  # masked / editable cells of the whole batch


def sample_tokens(
    model: DLLM,
    positive: Sequence[Prompt],
    negative: Sequence[Prompt],
    grid: TokenGrid,
    *,
    sampler: str = "ladr",
    settings: SamplerSettings | None = None,
    rescue: RescueSettings | None = None,
    seeds: Sequence[int] = (0,),
    codebook_indices: Tensor | None = None,
    editable: Tensor | None = None,
    device: Any = "cpu",
    before_forward: Callable[[], None] | None = None,
    on_step: Callable[[StepEvent], None] | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[Tensor, SamplingReport]:
    """Draw B token grids: codebook indices [B, H, W] on `device`, and the report of the run.

    positive, negative: one prompt per image; seeds: one per image; codebook_indices [B, H, W]: tokens to start from,
    MASKED (-1) where unknown, None = all masked; editable [B, H, W] bool: cells that may change, None = all;
    before_forward: called before each network evaluation and may raise to stop; on_step: called after each;
    options: extra parameters of samplers other than `ladr` and `baseline`.
    """
    raise NotImplementedError("sampling is being written")
