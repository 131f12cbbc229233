"""The one denoising loop: forward, guidance, draw, rule, unmask; every sampler is a rule of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from .errors import InputError
from .guidance import ClassifierFreeGuidance, Guidance
from .mask_schedule import mask_schedule
from .models.contract import Denoiser, LeavesOutBranches
from .noise import NoiseSource
from .report import GIVEN, RESCUED, SCHEDULED, SamplingReport, StepRecord
from .settings import SamplerSettings
from .step import Choice, Limit, Prediction, Rule, StepState
from .token_draw import InverseCdfDraw, TokenDraw, TokenDraws
from .token_grid import MASKED, TokenGrid, masked_positions


@dataclass(frozen=True)
class StepEvent:
    """What `on_step` is told after each network evaluation, for progress and preview."""

    codebook_indices: Tensor  # [B, N], MASKED (-1) where still unknown; must not be changed
    step: int  # network evaluations done, 1 after the first
    steps: int  # the most the run can take
    time: float  # 0 = start, 1 = done; the slowest image of the batch
    mask_ratio: float  # masked / editable cells of the whole batch


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
    limited_by: Limit = "clock",
    seeds: Sequence[int] = (),
    reported_settings: Mapping[str, Any] | None = None,
    on_start: Callable[[int | None], None] | None = None,
    before_forward: Callable[[], None] | None = None,
    on_step: Callable[[StepEvent], None] | None = None,
) -> tuple[Tensor, SamplingReport]:
    """Fill the masked cells of codebook_indices [B, N]: the filled copy, on the denoiser's device, and the report.

    editable [B, N] bool: the cells the schedule counts; masked cells always belong to them. draw, guidance: default to
    those of `settings`. start_time [B]: clock of each image, default from its mask ratio. limited_by: what limits the
    rule. on_start: called once with the most evaluations the run can take, None where only the cells limit it.
    before_forward: called before each network evaluation and may raise to stop. on_step: called after each.
    """
    started = time.perf_counter()
    draw = draw or InverseCdfDraw(
        settings.temperature,
        settings.top_k,
        settings.top_p,
        needs_entropy=rule.needs_entropy,
        needs_divergence=rule.needs_divergence,
    )
    guidance = guidance or ClassifierFreeGuidance((settings.cfg, settings.image_cfg))
    if isinstance(denoiser, LeavesOutBranches):
        denoiser.leave_out(guidance.unused)
    progress = _Progress(denoiser, codebook_indices, grid, editable, settings, start_time, limited_by)
    if on_start is not None:
        on_start(progress.most_nfe)
    most_forwards = max(settings.steps, grid.cells)
    while rows := progress.active_rows():
        if progress.nfe >= most_forwards:
            raise RuntimeError(f"sampler {rule.name} left cells masked after {progress.nfe} network evaluations")
        if before_forward is not None:
            before_forward()
        state = progress.state(rows, noise)
        logits = guidance.combine(progress.predict(denoiser, state, guided=guidance.guided))
        positions = masked_positions(state.is_masked, int(state.masked_counts.sum()))
        prediction = _unpack(draw.draw(logits, state, positions), positions, state)
        choice = rule.choose(state, prediction)
        progress.unmask(state, prediction, choice, rule, logits)
        del logits  # not alive beside those of the next step
        if on_step is not None:
            on_step(progress.event())
    return progress.codebook_indices, SamplingReport(
        sampler=rule.name,
        grid=grid,
        settings=dict(asdict(settings) if reported_settings is None else reported_settings),
        seeds=list(seeds),
        nfe=progress.nfe,
        most_nfe=progress.most_nfe,
        nfe_per_row=progress.nfe_per_row,
        seconds=time.perf_counter() - started,
        steps=progress.records,
        unmasked_at=progress.unmasked_at.cpu(),
        unmasked_by=progress.unmasked_by.cpu(),
        step_seconds=progress.step_seconds,
    )


class _Progress:
    """The state of a run: grids on the device; on the CPU counts and clocks, from one small copy per step."""

    def __init__(
        self,
        denoiser: Denoiser,
        codebook_indices: Tensor,
        grid: TokenGrid,
        editable: Tensor,
        settings: SamplerSettings,
        start_time: Tensor | None,
        limited_by: Limit,
    ) -> None:
        self._device = denoiser.device
        self._codebook_size = denoiser.codebook_size
        self._grid = grid
        self._steps = settings.steps
        self.codebook_indices = codebook_indices.to(self._device, torch.int64, copy=True)
        is_masked = self.codebook_indices == MASKED
        self._editable = editable.to(self._device) | is_masked
        counts = torch.stack([is_masked.sum(dim=1), self._editable.sum(dim=1)]).cpu()
        self._masked_counts, self._editable_counts = counts[0], counts[1]
        self._first_masked_counts = counts[0].clone()
        if start_time is None:
            mask_ratio = self._masked_counts / self._editable_counts.clamp_min(1)
            start_time = mask_schedule(settings.mask_schedule).time_at(mask_ratio)
        # The clock counts steps, not time: whole numbers stay exact in float32 where sums of 1/T do not.
        self._ticks = (start_time.to("cpu", torch.float64) * self._steps).to(torch.float32)
        self.most_nfe = self._most_evaluations(limited_by)
        self.unmasked_at = torch.full_like(self.codebook_indices, -1)
        self.unmasked_by = torch.full_like(self.codebook_indices, GIVEN)
        self.nfe = 0
        self.nfe_per_row = [0] * codebook_indices.shape[0]
        self.records: list[StepRecord] = []
        self.step_seconds: list[float] = []
        self._step_started = time.perf_counter()

    def _most_evaluations(self, limited_by: Limit) -> int | None:
        """The most network evaluations from here on; None where only the number of cells limits them."""
        if limited_by == "cells":
            return None
        if limited_by == "steps":
            return self._steps
        # Each of them unmasks a cell at least.
        return int(torch.minimum(torch.ceil(self._steps - self._ticks), self._masked_counts).max())

    def active_rows(self) -> tuple[int, ...]:
        """Places in the batch of the images that still have masked cells."""
        return tuple(self._masked_counts.nonzero().flatten().tolist())

    def state(self, rows: tuple[int, ...], noise: NoiseSource) -> StepState:
        """The step as the rule sees it."""
        self._step_started = time.perf_counter()
        index = torch.tensor(rows)
        ticks = self._ticks[index]
        return StepState(
            grid=self._grid,
            rows=rows,
            step=self.nfe,
            steps=self._steps,
            is_masked=self._active(self.codebook_indices, rows) == MASKED,
            is_editable=self._active(self._editable, rows),
            masked_counts=self._masked_counts[index],
            editable_counts=self._editable_counts[index],
            first_masked_counts=self._first_masked_counts[index],
            time=ticks / self._steps,
            next_time=self._next_ticks(ticks) / self._steps,
            noise=noise,
        )

    def predict(self, denoiser: Denoiser, state: StepState, *, guided: bool) -> tuple[Tensor, ...]:
        """The branches of logits [M, K], counted as one network evaluation."""
        indices = self._active(self.codebook_indices, state.rows)
        rows = torch.tensor(state.rows, device=self._device)
        branches = denoiser.predict(indices, rows, guided=guided, step=self.nfe)
        expected = (int(state.masked_counts.sum()), self._codebook_size)
        for branch in branches:
            if tuple(branch.shape) != expected:
                raise RuntimeError(f"the model gave logits of shape {tuple(branch.shape)}; {expected} are needed")
        self.nfe += 1
        for row in state.rows:
            self.nfe_per_row[row] += 1
        return branches

    def unmask(self, state: StepState, prediction: Prediction, choice: Choice, rule: Rule, logits: Tensor) -> None:
        """Make the chosen cells final, move the clocks, write the records.

        The loop itself waits for the device only here; a denoiser may wait too, for the lengths of its sequences.
        """
        scheduled = choice.scheduled & state.is_masked
        rescued = torch.zeros_like(scheduled)
        if choice.rescued is not None:
            rescued = choice.rescued & state.is_masked & ~scheduled
        count = len(state.rows)
        zero = torch.zeros(count, device=self._device)
        facts = torch.stack(
            [
                scheduled.sum(dim=1).to(torch.float32),
                rescued.sum(dim=1).to(torch.float32),
                zero if choice.accepted_risk is None else choice.accepted_risk.to(torch.float32),
                zero if choice.distance_bound is None else choice.distance_bound.to(torch.float32),
                torch.isfinite(logits).all().to(torch.float32).expand(count),
            ]
        ).cpu()
        if not bool(facts[4, 0]):
            raise _not_finite(logits, state)
        self._write(state, torch.where(scheduled | rescued, prediction.tokens, MASKED), scheduled, rescued)
        scheduled_counts, rescued_counts = facts[0].to(torch.int64), facts[1].to(torch.int64)
        index = torch.tensor(state.rows)
        self._masked_counts[index] = state.masked_counts - scheduled_counts - rescued_counts
        after = rule.advance(state, scheduled_counts, rescued_counts)
        ticks = self._next_ticks(self._ticks[index])
        self._ticks[index] = torch.where(after == state.next_time, ticks, after * self._steps)
        self._record(state, facts, after, has_bound=choice.distance_bound is not None)

    def event(self) -> StepEvent:
        """What `on_step` is told."""
        active = self._masked_counts > 0
        clocks = torch.where(active, self._ticks / self._steps, 1.0)
        return StepEvent(
            codebook_indices=self.codebook_indices,
            step=self.nfe,
            steps=max(self.nfe, self.most_nfe or int(self._first_masked_counts.max())),
            time=float(clocks.min()),
            mask_ratio=int(self._masked_counts.sum()) / max(1, int(self._editable_counts.sum())),
        )

    def _active(self, values: Tensor, rows: tuple[int, ...]) -> Tensor:
        if len(rows) == values.shape[0]:
            return values
        return values.index_select(0, torch.tensor(rows, device=values.device))

    def _next_ticks(self, ticks: Tensor) -> Tensor:
        return (ticks + 1).clamp_max(self._steps)

    def _write(self, state: StepState, tokens: Tensor, scheduled: Tensor, rescued: Tensor) -> None:
        """Tokens [b, N], MASKED where a cell stays as it is."""
        chosen = tokens != MASKED
        by = torch.where(rescued, RESCUED, SCHEDULED)
        indices = torch.where(chosen, tokens, self._active(self.codebook_indices, state.rows))
        at = torch.where(chosen, state.step, self._active(self.unmasked_at, state.rows))
        by = torch.where(chosen, by, self._active(self.unmasked_by, state.rows))
        if len(state.rows) == len(self.nfe_per_row):
            self.codebook_indices, self.unmasked_at, self.unmasked_by = indices, at, by
            return
        rows = torch.tensor(state.rows, device=self._device)
        self.codebook_indices = self.codebook_indices.index_copy(0, rows, indices)
        self.unmasked_at = self.unmasked_at.index_copy(0, rows, at)
        self.unmasked_by = self.unmasked_by.index_copy(0, rows, by)

    def _record(self, state: StepState, facts: Tensor, after: Tensor, *, has_bound: bool) -> None:
        self.step_seconds.append(time.perf_counter() - self._step_started)
        scheduled, rescued, risk, bound, _ = facts.tolist()
        before, later = state.time.tolist(), after.tolist()
        masked, editable = state.masked_counts.tolist(), state.editable_counts.tolist()
        for place, row in enumerate(state.rows):
            self.records.append(
                StepRecord(
                    row=row,
                    step=state.step,
                    time_before=before[place],
                    time_after=later[place],
                    mask_ratio=masked[place] / editable[place],
                    masked=masked[place],
                    scheduled=int(scheduled[place]),
                    rescued=int(rescued[place]),
                    accepted_risk=risk[place],
                    distance_bound=bound[place] if has_bound else None,
                )
            )


def _unpack(draws: TokenDraws, positions: Tensor, state: StepState) -> Prediction:
    """Put the draws [M] of the masked cells back on the grid [b, N]."""

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
