"""One sampler on one oracle: evaluations, validity, divergence, seconds, with intervals."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...denoising_loop import denoise
from ...noise import PerImageNoise
from ...sampler_setup import SamplerSetup
from ...samplers.registry import find_sampler
from ...sampling import mask_for_denoise
from ...token_grid import MASKED
from .contract import Oracle, OracleRun, hole

STARTS = ("nothing known", "hole .5", "hole .25", "denoise .6", "denoise .3")
BATCH_CELLS, BATCH_LEAST = 2**12, 8  # cells of the images that are drawn together, and least number of these


@dataclass(frozen=True)
class OracleRow:
    """What one sampler did on one oracle; NaN where an oracle does not measure it."""

    oracle: str
    start: str
    images: int
    nfe: Tensor  # [images]
    valid: Tensor  # [images]
    divergence: Tensor  # [images], nats per cell
    divergence_bound: Tensor  # [images]
    histogram_distance: float  # total variation between the tokens drawn and the exact expectation
    token_entropy: float  # of the tokens drawn, nats
    expected_token_entropy: float
    seconds: float


Draw = Callable[[Oracle, OracleRun, SamplerSetup, Sequence[int], str], tuple[Tensor, Tensor, Tensor]]


def measure(oracle: Oracle, setup: SamplerSetup, seeds: Sequence[int], start: str = STARTS[0],
            draw_images: Draw | None = None) -> OracleRow:
    """Draw one image per seed; draw_images: another way of drawing than `draw`."""
    begun = time.perf_counter()
    batch = max(BATCH_LEAST, BATCH_CELLS // oracle.grid.cells)
    parts, drawn_histogram, expected = [], torch.zeros(oracle.codebook_size), torch.zeros(oracle.codebook_size)
    for first in range(0, len(seeds), batch):
        own = list(seeds[first : first + batch])
        run = oracle.begin(own)
        drawn, nfe, was_masked = (draw_images or draw)(oracle, run, setup, own, start)
        verdict = run.judge(drawn)
        parts.append((nfe, verdict.valid, verdict.divergence, verdict.divergence_bound))
        if verdict.expected_histogram.numel():
            drawn_histogram += torch.bincount(drawn[was_masked], minlength=oracle.codebook_size)
            expected += verdict.expected_histogram
    nfe, valid, divergence, bound = (torch.cat(values) for values in zip(*parts))
    shares = drawn_histogram / drawn_histogram.sum().clamp_min(1), expected / expected.sum().clamp_min(1e-9)
    measured = bool(expected.sum() > 0)
    distance = float((shares[0] - shares[1]).abs().sum() / 2) if measured else float("nan")
    entropy = [float(-(share * share.clamp_min(1e-30).log()).sum()) if measured else float("nan") for share in shares]
    return OracleRow(
        oracle.name, start, len(seeds), nfe, valid, divergence, bound, distance, entropy[0], entropy[1],
        time.perf_counter() - begun,
    )  # fmt: skip


def draw(
    oracle: Oracle, run: OracleRun, setup: SamplerSetup, seeds: Sequence[int], start: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens [B, N], evaluations of each image [B], and the cells [B, N] that were drawn."""
    recipe = find_sampler(setup.sampler).recipe(setup.settings, setup.rescue, setup.options)
    noise, settings = PerImageNoise(seeds), setup.settings
    editable, cells, start_time = starting_cells(oracle, run, setup, noise, start)
    was_masked = cells == MASKED
    drawn, report = denoise(
        run, cells, oracle.grid, editable=editable, rule=recipe.rule, settings=settings, noise=noise,
        draw=recipe.draw, guidance=recipe.guidance, start_time=start_time,
    )  # fmt: skip
    return drawn, torch.tensor(report.nfe_per_row, dtype=torch.float32), was_masked


def starting_cells(
    oracle: Oracle, run: OracleRun, setup: SamplerSetup, noise: PerImageNoise, start: str
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Editable cells, tokens to start from, and the clock, for a start of STARTS."""
    kind, _, share = start.partition(" .")
    everything = torch.ones_like(run.truth, dtype=torch.bool)
    if kind == "hole":
        editable = hole(oracle.grid, float("." + share)).expand_as(run.truth)
        return editable, run.truth.masked_fill(editable, MASKED), None
    if kind == "denoise":
        settings = replace(setup.settings, denoise=float("." + share))
        cells, clock = mask_for_denoise(run.truth, everything, settings, noise)
        return everything, cells, clock
    return everything, torch.full_like(run.truth, MASKED), None
