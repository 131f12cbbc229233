"""The one entry to sampling for nodes and command line: check the inputs, mask what is to be drawn, run the loop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .cell_ranking import take_best
from .denoising_loop import LoopCallbacks, StepEvent, denoise
from .errors import InputError
from .mapped_files import check_mapped
from .mask_schedule import mask_schedule
from .models.contract import DLLM, Prompt
from .models.kv_cache import with_kv_cache
from .noise import NoiseSource, PerImageNoise
from .prompt_notices import plain_text
from .report import SamplingReport
from .run_notices import grid_notices, masking_notices, prompt_notices, reference_notices, setting_notices
from .sampler_setup import SamplerSetup
from .samplers.registry import find_sampler
from .settings import SEED, RescueSettings, SamplerSettings
from .token_grid import MASKED, TokenGrid, to_cells, to_grid

__all__ = ["ImageRequest", "RunCallbacks", "RunStart", "SamplerSetup", "StepEvent", "mask_for_denoise", "sample_tokens"]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageRequest:
    """What to draw: B images of one grid, each with its prompt, its negative prompt and its seed."""

    positive: Sequence[Prompt]
    negative: Sequence[Prompt]
    grid: TokenGrid
    seeds: Sequence[int] = (0,)
    codebook_indices: Tensor | None = None  # [B, H, W] to start from, MASKED (-1) where unknown; None = all masked
    editable: Tensor | None = None  # [B, H, W] bool: cells that may change; None = all


@dataclass(frozen=True)
class RunStart:
    """What `on_start` is told before the first network evaluation."""

    most_nfe: int | None  # the most network evaluations the run can take; None where no schedule limits it
    notices: list[str]  # what of the inputs has no effect, a sentence each


def _ignore(*_: object) -> None:
    """What a run does where nobody listens."""


@dataclass(frozen=True)
class RunCallbacks:
    """Whom a run tells what it does."""

    on_start: Callable[[RunStart], None] = _ignore
    before_forward: Callable[[], None] = _ignore  # before each network evaluation; may raise to stop
    on_step: Callable[[StepEvent], None] = _ignore  # after each network evaluation


def sample_tokens(
    model: DLLM,
    request: ImageRequest,
    setup: SamplerSetup | None = None,
    *,
    device: Any = "cpu",
    callbacks: RunCallbacks | None = None,
) -> tuple[Tensor, SamplingReport]:
    """Draw B token grids: codebook indices [B, H, W] on `device`, and the report of the run.

    Raises InputError for inputs that do not fit each other or the model.
    """
    setup, tell = setup or SamplerSetup(), callbacks or RunCallbacks()
    grid, settings = request.grid, setup.settings
    chosen = find_sampler(setup.sampler)
    options = chosen.check_options(setup.options)
    seeds = [SEED.check(seed) for seed in request.seeds]
    batch = _check_batch(request.positive, request.negative, seeds)
    model.check_grid(grid)
    cells = _check_indices(request.codebook_indices, batch, grid, model.codebook_size)
    editable = _check_editable(request.editable, batch, grid)

    recipe = chosen.recipe(settings, setup.rescue, options)
    noise = PerImageNoise(seeds, device if recipe.noise_on_device else "cpu")
    cells, start_time = mask_for_denoise(cells, editable, settings, noise)
    sides = request.positive, request.negative
    positive, negative = ([replace(prompt, text=plain_text(prompt.text)) for prompt in side] for side in sides)
    denoiser = recipe.prepare(model).bind(positive, negative, grid, device=device)
    if settings.kv_cache:
        denoiser = with_kv_cache(denoiser, settings.kv_cache_refresh)
    notices = _notices(model, request, settings, setup.rescue if chosen.uses_rescue else None, cells)

    def before_forward() -> None:
        tell.before_forward()
        check_mapped(model.transformer)

    result, report = denoise(
        denoiser, cells, grid, editable=editable, rule=recipe.rule, settings=settings, noise=noise, draw=recipe.draw,
        guidance=recipe.guidance, start_time=start_time,
        callbacks=LoopCallbacks(
            lambda most: tell.on_start(RunStart(most, notices)), before_forward, tell.on_step
        ),
    )  # fmt: skip
    report.settings = asdict(settings) | (asdict(setup.rescue) if chosen.uses_rescue else {}) | options
    report.seeds = seeds
    report.model, report.notices = model.name, notices
    report.prompts = [prompt.text for prompt in positive]
    report.negative_prompts = [prompt.text for prompt in negative]
    return to_grid(result, grid), report


def _notices(model: DLLM, request: ImageRequest, settings: SamplerSettings, rescue: RescueSettings | None,
             cells: Tensor) -> list[str]:
    """What of the inputs has no effect, a sentence each; also logged."""
    notices = setting_notices(settings, rescue, request.negative)
    notices += prompt_notices(model, request.positive, request.negative if settings.cfg != 1 else ())
    notices += grid_notices(model, request.positive, request.grid)
    notices += masking_notices(cells == MASKED, settings.denoise)
    notices += reference_notices(model, request.positive)
    for notice in notices:
        logger.warning("%s", notice)
    return notices


def mask_for_denoise(
    codebook_indices: Tensor, editable: Tensor, settings: SamplerSettings, noise: NoiseSource
) -> tuple[Tensor, Tensor]:
    """Mask the share of editable cells that `denoise` asks for: cells [B, N] and the clock of each image, [B] float64.

    The clock starts at 1 - denoise, and the cells masked there are picked by the image's own noise; cells that come
    masked count first. An image with more of these than the schedule has at that time starts earlier, where it fits.
    """
    schedule = mask_schedule(settings.mask_schedule)
    is_masked = codebook_indices == MASKED
    editable = editable | is_masked
    editable_counts, masked_counts = editable.sum(dim=1), is_masked.sum(dim=1)
    start = torch.full((codebook_indices.shape[0],), 1 - settings.denoise, dtype=torch.float64)
    target = schedule.masked_cells(start, editable_counts)
    if settings.denoise > 0:
        target = torch.maximum(target, editable_counts.clamp_max(1))
    if settings.denoise == 1:
        chosen = editable
    elif settings.denoise == 0:
        chosen = is_masked
    else:
        order = noise.uniform(range(len(start)), (codebook_indices.shape[1],)).to(codebook_indices.device)
        chosen = is_masked | take_best(-order, editable & ~is_masked, target - masked_counts)
    fits = schedule.time_at(masked_counts / editable_counts.clamp_min(1)).to(torch.float64)
    return codebook_indices.masked_fill(chosen, MASKED), torch.where(masked_counts > target, fits, start)


def _check_batch(positive: Sequence[Prompt], negative: Sequence[Prompt], seeds: Sequence[int]) -> int:
    batch = len(positive)
    if batch < 1:
        raise InputError("batch size", 0, "1 or more images", "Give at least one prompt")
    for name, given in (("negative prompts", negative), ("seeds", seeds)):
        if len(given) != batch:
            remedy = f"Give as many {name} as images"
            raise InputError(name, f"{len(given)} for {batch} images", f"exactly {batch}", remedy)
    return batch


def _check_indices(codebook_indices: Tensor | None, batch: int, grid: TokenGrid, codebook_size: int) -> Tensor:
    """Cells [B, N] int64 on the CPU."""
    if codebook_indices is None:
        return torch.full((batch, grid.cells), MASKED)
    _check_shape("codebook_indices", codebook_indices, batch, grid)
    dtype = codebook_indices.dtype
    if dtype == torch.bool or dtype.is_floating_point or dtype.is_complex:
        raise InputError("codebook_indices", dtype, "whole numbers (int64)", "Convert the codebook indices to int64")
    cells = to_cells(codebook_indices).to("cpu", torch.int64)
    for number in (int(cells.min()), int(cells.max())):
        if not MASKED <= number < codebook_size:
            allowed = f"{MASKED} (masked) to {codebook_size - 1}"
            raise InputError("codebook_indices", number, allowed, "Use the tokens of the model that is loaded")
    return cells


def _check_editable(editable: Tensor | None, batch: int, grid: TokenGrid) -> Tensor:
    """Editable cells [B, N] bool on the CPU."""
    if editable is None:
        return torch.ones(batch, grid.cells, dtype=torch.bool)
    _check_shape("editable", editable, batch, grid)
    if editable.dtype != torch.bool:
        raise InputError("editable", editable.dtype, "true or false for each cell (bool)", "Convert the mask to bool")
    return to_cells(editable).cpu()


def _check_shape(name: str, values: Tensor, batch: int, grid: TokenGrid) -> None:
    expected = (batch, grid.height, grid.width)
    if tuple(values.shape) != expected:
        allowed = f"shape {list(expected)} (images, height, width)"
        remedy = "Make the grid and the batch fit the given tokens"
        raise InputError(name, f"shape {list(values.shape)}", allowed, remedy)
