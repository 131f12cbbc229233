"""The one denoising loop: predict, guide, draw, choose, unmask; every sampler is a rule of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from .cell_state import CellState
from .clocks import Clocks
from .errors import InputError
from .guidance import ClassifierFreeGuidance, Guidance, GuidanceOverDensity
from .models.contract import Denoiser, LeavesOutBranches
from .noise import NoiseSource
from .recording import Recording
from .report import SamplingReport
from .settings import SamplerSettings
from .step import Prediction, Rule, StepState
from .token_draw import InverseCdfDraw, TokenDraw, TokenDraws
from .token_grid import TokenGrid, masked_positions


@dataclass(frozen=True)
class StepEvent:
    """What `on_step` is told after each network evaluation, for progress and preview."""

    codebook_indices: Tensor  # [B, N], MASKED (-1) where still unknown; must not be changed
    step: int  # network evaluations done, 1 after the first
    steps: int  # the most the run can take
    time: float  # 0 = start, 1 = done; the slowest image of the batch
    mask_ratio: float  # masked / editable cells of the whole batch
    unmasked_at: Tensor | None = (
        None  # [B, N]: evaluations done before the one that unmasked the cell, -1 where none did
    )
    unmasked_by: Tensor | None = None  # [B, N]: GIVEN, SCHEDULED or RESCUED; GIVEN also where still masked


def _ignore(*_: object) -> None:
    """What a run does where nobody listens."""


@dataclass(frozen=True)
class LoopCallbacks:
    """Whom the loop tells what it does."""

    on_start: Callable[[int | None], None] = _ignore  # the most network evaluations; None where only cells limit them
    before_forward: Callable[[], None] = _ignore  # before each network evaluation; may raise to stop
    on_step: Callable[[StepEvent], None] = _ignore  # after each network evaluation


@torch.no_grad()
def denoise(
    denoiser: Denoiser,
    codebook_indices: Tensor,
    grid: TokenGrid,
    *,
    editable: Tensor,
    rule: Rule,
    settings: SamplerSettings,
    noise: NoiseSource,
    draw: TokenDraw | None = None,
    guidance: Guidance | None = None,
    start_time: Tensor | None = None,
    callbacks: LoopCallbacks | None = None,
) -> tuple[Tensor, SamplingReport]:
    """Fill the masked cells of codebook_indices [B, N]: the filled copy, on the denoiser's device, and the report.

    editable [B, N] bool: the cells the schedule counts; masked cells always belong to them. draw, guidance: default to
    those of `settings`. start_time [B]: clock of each image, default from its mask ratio. Raises InputError for logits
    that are not finite.
    """
    tell = callbacks or LoopCallbacks()
    draw = draw or _default_draw(settings, rule)
    guidance = guidance or ClassifierFreeGuidance((settings.cfg, settings.image_cfg))
    if isinstance(denoiser, LeavesOutBranches):
        denoiser.leave_out(guidance.unused)
    guidance_of_run = GuidanceOverDensity(guidance, settings.cfg_start, settings.cfg_end)
    cells = CellState(codebook_indices, editable, denoiser.device)
    clocks = Clocks(cells.count(), settings, start_time, rule.limited_by)
    record = Recording(grid, len(codebook_indices), clocks.most_nfe)
    tell.on_start(clocks.most_nfe)
    while rows := clocks.active_rows():
        _stop_when_stuck(rule, record.nfe, max(settings.steps, grid.cells))
        tell.before_forward()
        record.begin()
        state = clocks.state(rows, cells.is_masked(rows), grid, record.nfe, noise)
        guidance_now = guidance_of_run.at(state)
        logits, before_switch = guidance_now.combine(_predict(denoiser, cells, state, guided=guidance_now.guided))
        record.count_evaluation(rows)
        prediction = _draw_tokens(draw, logits, before_switch, state)
        choice = rule.choose(state, prediction)
        outcome = cells.unmask(state, prediction, choice, logits)
        if not outcome.finite:
            raise _not_finite(logits, state)
        del logits, before_switch  # not alive beside those of the next step
        after = clocks.advance(rule, state, outcome)
        record.end(state, outcome, after)
        progress = clocks.progress(record.nfe)
        tell.on_step(StepEvent(cells.codebook_indices, record.nfe, *progress, cells.unmasked_at, cells.unmasked_by))
    return cells.codebook_indices, record.report(rule.name, asdict(settings), cells)


def _default_draw(settings: SamplerSettings, rule: Rule) -> TokenDraw:
    return InverseCdfDraw(
        settings.temperature,
        settings.top_k,
        settings.top_p,
        needs_entropy=rule.needs_entropy,
        needs_divergence=rule.needs_divergence,
    )


def _stop_when_stuck(rule: Rule, nfe: int, most: int) -> None:
    """A rule that unmasks nothing would run for ever."""
    if nfe >= most:
        raise RuntimeError(f"sampler {rule.name} left cells masked after {nfe} network evaluations")


def _predict(denoiser: Denoiser, cells: CellState, state: StepState, *, guided: bool) -> tuple[Tensor, ...]:
    """The branches of logits [M, K] for the masked cells: one network evaluation."""
    rows = torch.tensor(state.rows, device=denoiser.device)
    branches = denoiser.predict(cells.indices(state.rows), rows, guided=guided, step=state.step)
    expected = (int(state.masked_counts.sum()), denoiser.codebook_size)
    for branch in branches:
        if tuple(branch.shape) != expected:
            raise RuntimeError(f"the model gave logits of shape {tuple(branch.shape)}; {expected} are needed")
    return branches


def _draw_tokens(draw: TokenDraw, logits: Tensor, before_switch: Tensor | None, state: StepState) -> Prediction:
    """Draw a token for every masked cell and put the draws [M] back on the grid [b, N].

    before_switch: the logits as they would be had guidance not just been switched; None where it was not.
    """
    positions = masked_positions(state.is_masked, logits.shape[0])
    draws: TokenDraws = draw.draw(logits, state, positions)
    if before_switch is not None and isinstance(draw, InverseCdfDraw):  # published draws stay as published
        draws = draw.as_sure_as(draws, before_switch)

    def on_grid(values: Tensor) -> Tensor:
        flat = torch.zeros(state.is_masked.numel(), dtype=values.dtype, device=values.device)
        return flat.scatter_(0, positions, values).reshape(state.is_masked.shape)

    return Prediction(
        tokens=on_grid(draws.tokens),
        confidence=on_grid(draws.confidence),
        max_probability=on_grid(draws.max_probability),
        entropy=None if draws.entropy is None else on_grid(draws.entropy),
        divergence=None if draws.divergence is None else on_grid(draws.divergence),
    )


def _not_finite(logits: Tensor, state: StepState) -> InputError:
    """The error for NaN or infinite logits, with the step and the image."""
    wrong = masked_positions(state.is_masked, logits.shape[0])[~torch.isfinite(logits).all(dim=1)]
    image = state.rows[int(wrong[0]) // state.grid.cells] + 1
    kind = "NaN" if bool(torch.isnan(logits).any()) else "infinite numbers"
    return InputError(
        "model",
        f"{kind} in the logits of step {state.step + 1}, image {image}",
        "finite numbers",
        "Check the model file and any LoRA or merge on it, or load the model in bfloat16 or float32",
    )
