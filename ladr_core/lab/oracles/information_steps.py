"""Step sizes from the information profile: how unsure a masked cell is, measured by how much of the picture is known.

The profile is measured on exact draws, whose cells are uncovered in a sampler's own order. Two schedules follow from it
(the cost of a step from arXiv 2510.25544; which schedules, ours): *equal information*, where every step takes as many
nats by the profile, and *least error*, where the sum over steps of what their cells say of each other is least: a step
of k cells from i known ones costs k h(i) - sum of h(j) over j = i ... i + k - 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...denoising_loop import denoise
from ...mask_schedule import MaskSchedule
from ...noise import PerImageNoise
from ...sampler_setup import SamplerSetup
from ...samplers.registry import Recipe, find_sampler
from ...settings import RescueSettings
from ...step import StepState
from ...token_draw import InverseCdfDraw, TokenDraws
from ...token_grid import MASKED, masked_positions
from .contract import Oracle, OracleRun
from .measure import starting_cells

POINTS = 512  # shares of known cells between which steps begin and end


class TruthDraw:
    """Draws the truth, and notes how unsure the cells were."""

    def __init__(self, truth: Tensor) -> None:
        self._truth, self._inner = truth, InverseCdfDraw(needs_entropy=True)
        self.seen: list[tuple[float, float]] = []  # share of known cells, mean entropy of the others in nats

    def draw(self, logits: Tensor, state: StepState, positions: Tensor) -> TokenDraws:
        """See TokenDraw."""
        draws = self._inner.draw(logits, state, positions)
        places = masked_positions(state.is_masked, logits.shape[0])
        if draws.entropy is not None:
            known = 1 - float(state.masked_counts.sum() / state.editable_counts.sum())
            self.seen.append((known, float(draws.entropy.mean())))
        return replace(draws, tokens=self._truth[list(state.rows)].flatten()[places])


def measure_profile(oracle: Oracle, setup: SamplerSetup, seeds: Sequence[int], steps: int) -> np.ndarray:
    """Mean entropy [POINTS + 1] of a masked cell by the share that is known, 0 ... 1, without a rescue."""
    settings = replace(setup.settings, steps=steps, mask_schedule="cosine")
    shares = np.linspace(0, 1, POINTS + 1)
    total = np.zeros(POINTS + 1)
    for first in range(0, len(seeds), 8):
        own = list(seeds[first : first + 8])
        run, recipe = oracle.begin(own), find_sampler(setup.sampler).recipe(
            settings, RescueSettings(rescue=False), setup.options
        )  # fmt: skip
        draw, cells = TruthDraw(run.truth), torch.full_like(run.truth, MASKED)
        denoise(run, cells, oracle.grid, editable=cells == MASKED, rule=recipe.rule, settings=settings,
                noise=PerImageNoise(own), draw=draw)  # fmt: skip
        known, entropy = np.array([*draw.seen, (1.0, 0.0)]).T
        total += np.interp(shares, known, entropy) * len(own)
    return total / len(seeds)


def equal_information(profile: np.ndarray, steps: int) -> np.ndarray:
    """Shares of known cells [steps + 1] before each step and after the last, each step with as many nats."""
    between = (profile[1:] + profile[:-1]) / 2
    nats = np.concatenate([[0.0], np.cumsum(between + 1e-9 * between.max())])  # rising everywhere
    return np.interp(np.linspace(0, nats[-1], steps + 1), nats, np.linspace(0, 1, len(profile)))


def least_error(profile: np.ndarray, steps: int) -> np.ndarray:
    """Shares of known cells [steps + 1] with the least sum of the costs of all steps."""
    count = len(profile) - 1
    nats = np.concatenate([[0.0], np.cumsum(profile[:-1])])
    begin, end = np.arange(count + 1)[:, None], np.arange(count + 1)
    cost = np.where(end > begin, (end - begin) * profile[:, None] - (nats[end] - nats[begin]), np.inf)
    best, came_from = np.full(count + 1, np.inf), []
    best[0] = 0
    for _ in range(min(steps, count)):
        through = best[:, None] + cost
        came_from.append(through.argmin(0))
        best = through.min(0)
    path = [count]
    for choice in reversed(came_from):
        path.append(int(choice[path[-1]]))
    return np.array(path[::-1]) / count


def table_schedule(name: str, shares: np.ndarray) -> MaskSchedule:
    """A mask schedule through these shares of known cells at equally spaced times, straight between them."""
    times, ratios = np.linspace(0, 1, len(shares)), 1 - shares

    def at(points: Tensor, where: np.ndarray, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.interp(points.numpy(), where, values)).float()

    return MaskSchedule(
        name, lambda time: at(time, times, ratios), lambda ratio: at(ratio, ratios[::-1], times[::-1])
    )


def with_schedule(recipe: Recipe, schedule: MaskSchedule) -> Recipe:
    """The recipe whose rule follows this schedule."""
    rule: Any = recipe.rule
    rule._schedule = schedule  # rules find theirs by name, and a table has no place among the names users choose from
    return recipe


def draw_with_schedule(schedule: MaskSchedule) -> Callable[..., Any]:
    """A way of drawing for `measure`, with other step sizes."""

    def draw(oracle: Oracle, run: OracleRun, setup: SamplerSetup, seeds: Sequence[int], start: str) -> Any:
        recipe = find_sampler(setup.sampler).recipe(setup.settings, setup.rescue, setup.options)
        recipe, noise = with_schedule(recipe, schedule), PerImageNoise(seeds)
        editable, cells, _ = starting_cells(oracle, run, setup, noise, start)
        drawn, report = denoise(
            run, cells, oracle.grid, editable=editable, rule=recipe.rule, settings=setup.settings, noise=noise,
            draw=recipe.draw, guidance=recipe.guidance,
        )  # fmt: skip
        return drawn, torch.tensor(report.nfe_per_row, dtype=torch.float32), cells == MASKED

    return draw
