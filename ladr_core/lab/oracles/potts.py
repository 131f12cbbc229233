"""An exact oracle: a small Potts grid whose conditionals are known, so that all error is the sampler's.

Neighboring cells like to be equal, and each cell has likings of its own. Every conditional probability follows by
summing over all grids, so a sampler that unmasks one cell at a time, chosen before its token is drawn, is exact, and
whatever another one is off by comes from drawing cells at once or from choosing cells by the tokens drawn.

    python -m ladr_core.lab potts --out docs/results/potts.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ...command_line.machine import describe_machine
from ...denoising_loop import denoise
from ...noise import SharedNoise
from ...samplers.baseline import BaselineRule
from ...samplers.entropy_bound import EntropyBoundRule
from ...samplers.halton import HaltonRule
from ...samplers.klass import KlassRule
from ...samplers.ladr import LadrRule
from ...samplers.threshold import ThresholdRule
from ...settings import RescueSettings, SamplerSettings
from ...step import Rule
from ...token_grid import MASKED, TokenGrid

MOST_TABLE_ENTRIES = 2**25
ROWS_AT_ONCE = 4096


class PottsGrid:
    """The joint distribution of a Potts model on a small grid, and a Denoiser of its exact conditionals.

    p(x) is proportional to exp(coupling * (number of equal neighbors) + sum of field[n, x_n]); the field is normal
    noise of the given strength. K states, N = H * W cells.
    """

    def __init__(
        self, grid: TokenGrid, states: int = 3, coupling: float = 1.0, field: float = 0.3, seed: int = 0
    ) -> None:
        if (states + 1) ** grid.cells > MOST_TABLE_ENTRIES:
            raise ValueError(f"{grid} with {states} states are too many to enumerate; use a smaller grid")
        self.grid = grid
        self.codebook_size = states
        self.device = torch.device("cpu")
        self.calls = 0
        places = torch.arange(states**grid.cells).unsqueeze(1)
        powers = states ** torch.arange(grid.cells - 1, -1, -1)
        digits = places // powers % states  # [S, N]: every grid there is
        fields = torch.randn(grid.cells, states, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        log_weight = (field * fields)[torch.arange(grid.cells), digits].sum(dim=1)
        planes = digits.reshape(-1, grid.height, grid.width)
        equal = (planes[:, 1:] == planes[:, :-1]).sum(dim=(1, 2)) + (planes[:, :, 1:] == planes[:, :, :-1]).sum(
            dim=(1, 2)
        )
        self.probabilities = torch.softmax(log_weight + coupling * equal, dim=0)  # [S] float64
        self._powers = powers
        # One more digit per cell stands for "masked": its entry is the sum over the cell's states.
        table = self.probabilities.reshape([states] * grid.cells)
        for cell in range(grid.cells):
            table = torch.cat([table, table.sum(dim=cell, keepdim=True)], dim=cell)
        self._table = table.flatten().log()
        self._table_powers = (states + 1) ** torch.arange(grid.cells - 1, -1, -1)

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """See Denoiser; the exact conditionals, without guidance."""
        self.calls += 1
        is_masked = codebook_indices == MASKED
        digits = torch.where(is_masked, self.codebook_size, codebook_indices)
        places = (digits * self._table_powers).sum(dim=1, keepdim=True)
        row, cell = is_masked.nonzero(as_tuple=True)
        without = places[row, 0] - self.codebook_size * self._table_powers[cell]
        states = torch.arange(self.codebook_size)
        return (self._table[without.unsqueeze(1) + states * self._table_powers[cell].unsqueeze(1)].to(torch.float32),)

    def place_of(self, codebook_indices: Tensor) -> Tensor:
        """Place [B] of complete grids [B, N] in `probabilities`."""
        return (codebook_indices * self._powers).sum(dim=1)

    def distance(self, places: Tensor) -> float:
        """Total-variation distance between the places drawn [n] and the truth."""
        shares = torch.bincount(places, minlength=len(self.probabilities)).to(torch.float64) / len(places)
        return 0.5 * float((shares - self.probabilities).abs().sum())

    def floor(self, samples: int, seed: int = 0, repeats: int = 4) -> float:
        """Distance that as many exact draws have on average, by chance alone."""
        generator = torch.Generator().manual_seed(seed)
        draws = [
            torch.multinomial(self.probabilities, samples, replacement=True, generator=generator)
            for _ in range(repeats)
        ]
        return sum(self.distance(draw) for draw in draws) / repeats


@dataclass(frozen=True)
class OracleResult:
    """How far a sampler's grids are from the truth."""

    sampler: str
    distance: float  # total variation between the grids drawn and the truth
    floor: float  # the same for as many exact draws
    nfe: float  # mean number of network evaluations per grid
    samples: int

    @property
    def excess(self) -> float:
        """Distance beyond what chance explains."""
        return self.distance - self.floor


def measure_sampler(
    potts: PottsGrid,
    make_rule: Callable[[], Rule],
    settings: SamplerSettings,
    *,
    samples: int = 20_000,
    seed: int = 0,
    label: str = "",
) -> OracleResult:
    """Draw many grids with a sampler and compare their distribution with the truth."""
    places, nfe = [], 0
    noise = SharedNoise(torch.Generator().manual_seed(seed))
    for start in range(0, samples, ROWS_AT_ONCE):
        cells = torch.full((min(ROWS_AT_ONCE, samples - start), potts.grid.cells), MASKED)
        rule = make_rule()
        everything = torch.ones_like(cells, dtype=torch.bool)
        drawn, report = denoise(
            potts, cells, potts.grid, editable=everything, rule=rule, settings=settings, noise=noise
        )
        places.append(potts.place_of(drawn))
        nfe += sum(report.nfe_per_row)
    distance, floor = potts.distance(torch.cat(places)), potts.floor(samples, seed)
    return OracleResult(label or rule.name, distance, floor, nfe / samples, samples)


def compare_samplers(potts: PottsGrid, *, samples: int = 20_000, seed: int = 0) -> Iterator[OracleResult]:
    """Every contestant on the same grid with the same seed, one after the other."""
    for label, settings, make_rule in contestants(potts.grid.cells):
        yield measure_sampler(potts, make_rule, settings, samples=samples, seed=seed, label=label)


def contestants(cells: int) -> Iterator[tuple[str, SamplerSettings, Callable[[], Rule]]]:
    """Label, settings and rule: every sampler of the pack that takes no published model's own noise.

    The baseline and LADR choose cells once before and once after the tokens are drawn; Halton and the entropy bound
    choose before, threshold and KLASS after.
    """
    # With two steps per cell the schedule asks for one cell at most, so each network evaluation unmasks one.
    every_steps = (2 * cells, *range(cells - 1, 0, -1))
    for first in (True, False):
        order = "cells first" if first else "tokens first"
        slow = oracle_settings(2 * cells, choose_then_sample=first)
        for steps in every_steps:
            settings = oracle_settings(steps, choose_then_sample=first)
            yield f"baseline, {steps} steps, {order}", settings, partial(BaselineRule, settings)
        for spacing in (1, 2):
            for risk_bound in (0.05, 0.15, 0.3, 0.6):
                rescue = RescueSettings(
                    risk_filter="relative", risk_bound=risk_bound, spacing=spacing, rescue_cap=4.0, radius=1,
                    rescue_scheduling="jump",
                )  # fmt: skip
                yield f"ladr, relative {risk_bound}, spacing {spacing}, {order}", slow, partial(LadrRule, slow, rescue)
    slow = oracle_settings(2 * cells)
    for steps in every_steps:
        settings = oracle_settings(steps)
        yield f"halton, {steps} steps", settings, partial(HaltonRule, settings)
    for bound in (0.1, 0.3, 0.6, 1.2, 2.4):
        yield f"entropy bound {bound}", slow, partial(EntropyBoundRule, slow, entropy_bound=bound)
    for least in (0.9, 0.7, 0.5):
        yield f"threshold {least}", slow, partial(ThresholdRule, slow, threshold=least)
        yield f"klass, threshold {least}", slow, partial(KlassRule, slow, threshold=least, largest_divergence=0.1)


def oracle_settings(steps: int, *, choose_then_sample: bool = True) -> SamplerSettings:
    """Settings under which the oracle compares: the same number of cells at every step, no guidance."""
    return SamplerSettings(steps=steps, cfg=1.0, mask_schedule="linear", choice_temperature=1.0,
                           choose_then_sample=choose_then_sample)  # fmt: skip


def as_rows(results: Sequence[OracleResult]) -> list[dict[str, float | int | str]]:
    """The results as plain values for JSON."""
    return [asdict(result) | {"excess": result.excess} for result in results]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the comparison as a table."""
    about = "Distance of each sampler to the truth on an exactly known grid."
    parser = argparse.ArgumentParser(prog="python -m ladr_core.lab potts", description=about)
    parser.add_argument("--height", type=int, default=3)
    parser.add_argument("--width", type=int, default=3)
    parser.add_argument("--states", type=int, default=3)
    parser.add_argument("--coupling", type=float, default=1.0)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the results as JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the tensors are small, more threads only wait for each other
    potts = PottsGrid(TokenGrid(options.height, options.width), options.states, options.coupling)
    print(f"{'sampler':<52} {'NFE':>6} {'distance':>9} {'excess':>8}")
    results = []
    for result in compare_samplers(potts, samples=options.samples, seed=options.seed):
        results.append(result)
        print(f"{result.sampler:<52} {result.nfe:>6.2f} {result.distance:>9.4f} {result.excess:>8.4f}", flush=True)
    if options.out is not None:
        grid = {"height": options.height, "width": options.width, "states": options.states,
                "coupling": options.coupling, "seed": options.seed, "machine": describe_machine()}  # fmt: skip
        options.out.write_text(json.dumps(grid | {"results": as_rows(results)}, indent=1) + "\n", encoding="utf-8")

