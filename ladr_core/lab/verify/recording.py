"""Running the denoising loop with a record of what every step saw and chose."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...denoising_loop import denoise
from ...guidance import Guidance
from ...models.contract import Denoiser
from ...noise import NoiseSource
from ...report import SamplingReport
from ...settings import SamplerSettings
from ...step import Choice, Prediction, Rule, StepState
from ...token_draw import TokenDraw
from ...token_grid import MASKED, TokenGrid


@dataclass(frozen=True)
class RecordedStep:
    """One step: the grids [B, N] before it, the branches of logits, what was drawn and what was chosen."""

    before: Tensor
    branches: tuple[Tensor, ...]
    prediction: Prediction
    chosen: Tensor  # [B, N] bool
    recomputed: list[list[int]] | None  # places of each sequence that ML-Cache computed; None = all


class _RecordingDenoiser:
    def __init__(self, denoiser: Denoiser):
        self._denoiser = denoiser
        self.codebook_size, self.device = denoiser.codebook_size, denoiser.device
        self.before: Tensor | None = None
        self.branches: tuple[Tensor, ...] = ()
        self.recomputed: list[list[int]] | None = None

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        self.branches = self._denoiser.predict(codebook_indices, rows, guided=guided, step=step)
        self.before = codebook_indices
        self.recomputed = getattr(self._denoiser, "recomputed", None)
        return self.branches


class _RecordingRule(Rule):
    def __init__(self, rule: Rule, denoiser: _RecordingDenoiser):
        self._rule, self._denoiser = rule, denoiser
        self.name, self.limited_by = rule.name, rule.limited_by
        self.needs_entropy, self.needs_divergence = rule.needs_entropy, rule.needs_divergence
        self.steps: list[RecordedStep] = []

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        choice = self._rule.choose(state, prediction)
        seen = self._denoiser
        before = state.is_masked.new_zeros(()) if seen.before is None else seen.before
        self.steps.append(RecordedStep(before, seen.branches, prediction, choice.scheduled, seen.recomputed))
        return choice

    def advance(self, state: StepState, scheduled: Tensor, rescued: Tensor) -> Tensor:
        return self._rule.advance(state, scheduled, rescued)


def record_run(
    denoiser: Denoiser,
    codebook_indices: Tensor,
    grid: TokenGrid,
    settings: SamplerSettings,
    *,
    rule: Rule,
    draw: TokenDraw,
    guidance: Guidance,
    noise: NoiseSource,
) -> tuple[Tensor, list[RecordedStep], SamplingReport]:
    """Run the loop on codebook_indices [B, N]: the result [B, N], its steps and the report."""
    seen = _RecordingDenoiser(denoiser)
    recorder = _RecordingRule(rule, seen)
    result, report = denoise(
        seen,
        codebook_indices,
        grid,
        editable=codebook_indices == MASKED,
        rule=recorder,
        settings=settings,
        noise=noise,
        draw=draw,
        guidance=guidance,
    )
    return result, recorder.steps, report
