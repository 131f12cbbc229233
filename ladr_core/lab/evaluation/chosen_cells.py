"""`chosen_cells`: how right the network is about the very cells that a sampler unmasks, by the exact probabilities.

A sampler unmasks the cells of which the network is sure, and so more often than by chance those of which it is wrongly
sure. At each step of a run on the tuning prompts, what the network thinks of the tokens just unmasked stands beside the
exact probability of each, given caption and known cells. A picture that no scene fits any more is lost; its later steps
do not count.

Sizes: B images, N cells, K codes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...command_line import OneSentenceParser
from ...command_line.machine import describe_machine
from ...denoising_loop import StepEvent
from ...models.builtin.loading import EMOJI_WEIGHTS, load_builtin
from ...models.builtin.model import BuiltinDLLM
from ...models.contract import Prompt
from ...presets import find_preset
from ...report import SCHEDULED
from ...sampler_setup import SamplerSetup
from ...sampling import ImageRequest, RunCallbacks, sample_tokens
from ..worlds.emoji.codes import assign_codes
from ..worlds.emoji.judged import JudgedEmoji
from ..worlds.emoji.token_posterior import TokenPosterior
from ..worlds.scene import Caption
from .prompts import EvaluationPrompt, evaluation_prompts
from .runner import model_fingerprint

CATEGORIES = ("two", "counting", "attribution")
BANDS = (0.98, 0.99, 0.995, 0.999, 0.9999, 1.0)
"""Lower ends of the ranges of the network's probability, and the upper end of the last; 1 belongs to it."""
UNSURE = 0.9
"""Exact probability below which a token was no safe one."""
RADII, RISK_BOUNDS = (1, 2), (0.02, 0.001)
BATCH = 12


@dataclass(frozen=True)
class Chosen:
    """The tokens that were unmasked: the network's and the exact probability of each, and whether by the schedule."""

    network: np.ndarray  # float [M]
    exact: np.ndarray  # float [M]
    scheduled: np.ndarray  # bool [M]
    lost: int  # pictures that no scene fits any more
    pictures: int
    nfe: int


def setups() -> dict[str, SamplerSetup]:
    """LADR balanced with other radii and risk bounds."""
    balanced = find_preset("balanced").setup
    return {
        f"ladr, radius {radius}, risk_bound {bound}": replace(
            balanced, rescue=replace(balanced.rescue, radius=radius, risk_bound=bound))
        for radius in RADII for bound in RISK_BOUNDS
    }  # fmt: skip


@torch.no_grad()
def observe(model: BuiltinDLLM, posterior: TokenPosterior, prompts: Sequence[EvaluationPrompt], seed: int,
            setup: SamplerSetup) -> Chosen:
    """Draw a picture of each prompt and look at every token that is unmasked."""
    texts, empty = [Prompt(prompt.text) for prompt in prompts], [Prompt("")] * len(prompts)
    steps: list[tuple[Tensor, Tensor]] = []
    request = ImageRequest(texts, empty, model.default_grid, [seed] * len(prompts))

    def keep(event: StepEvent) -> None:
        if event.unmasked_by is None:
            raise RuntimeError("the loop did not say which rule unmasked a cell")
        steps.append((event.codebook_indices.flatten(1).clone(), event.unmasked_by.flatten(1).clone()))

    _, report = sample_tokens(model, request, setup, callbacks=RunCallbacks(on_step=keep))
    bound = model.bind(texts, empty, model.default_grid, device="cpu")
    known, alive = torch.full_like(steps[0][0], -1), set(range(len(prompts)))
    found: list[tuple[float, float, bool]] = []
    for after, unmasked_by in steps:
        rows = torch.tensor([row for row in sorted(alive) if bool((known[row] < 0).any())])
        if not len(rows):
            break
        (logits,) = bound.predict(known[rows], rows, guided=False, step=0)
        network = torch.zeros(*known.shape, model.codebook_size)
        positions = (known[rows] < 0).nonzero()
        network[rows[positions[:, 0]], positions[:, 1]] = logits.softmax(-1)
        for row in rows.tolist():
            prompt = prompts[row]
            entries = posterior.entries(prompt.scene, Caption(prompt.text, True, False), known[row].numpy())
            if entries is None:
                alive.discard(row)
                continue
            exact = entries.dense(model.codebook_size)
            for cell in ((known[row] < 0) & (after[row] >= 0)).nonzero().flatten().tolist():
                token = int(after[row, cell])
                by_schedule = int(unmasked_by[row, cell]) == SCHEDULED
                found.append((float(network[row, cell, token]), float(exact[cell, token]), by_schedule))
        known = after
    for row in sorted(alive):
        prompt = prompts[row]
        if posterior.entries(prompt.scene, Caption(prompt.text, True, False), known[row].numpy()) is None:
            alive.discard(row)
    columns = list(zip(*found))
    return Chosen(np.array(columns[0]), np.array(columns[1]), np.array(columns[2], bool), len(prompts) - len(alive),
                  len(prompts), sum(int(count) for count in report.nfe_per_row))


def joined(parts: Iterable[Chosen]) -> Chosen:
    """Several runs as one."""
    parts = list(parts)
    network, exact, scheduled = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("network", "exact", "scheduled")
    )
    lost, pictures, nfe = (sum(getattr(part, name) for part in parts) for name in ("lost", "pictures", "nfe"))
    return Chosen(network, exact, scheduled, lost, pictures, nfe)


def bands(chosen: Chosen) -> list[dict[str, Any]]:
    """Of the rescued tokens in each range of the network's probability: how many, and what they really are."""
    rescued = ~chosen.scheduled
    rows = []
    for low, high in zip(BANDS, BANDS[1:]):
        here = rescued & (chosen.network >= low) & ((chosen.network < high) | (high == BANDS[-1]))
        if here.any():
            rows.append({"from": low, "cells": int(here.sum()), "network": float(chosen.network[here].mean()),
                         "exact": float(chosen.exact[here].mean()),
                         "unsure": float((chosen.exact[here] < UNSURE).mean())})
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the result file."""
    parser = OneSentenceParser(prog="python -m ladr_core.lab chosen_cells", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="result file (JSON)")
    parser.add_argument("--weights", type=Path, default=EMOJI_WEIGHTS, help="default: the shipped ones")
    parser.add_argument("--seeds", type=int, default=2, help="pictures per prompt (default 2)")
    args = parser.parse_args(arguments)
    if args.seeds < 1:
        parser.error(f"--seeds: got {args.seeds}; allowed: 1 or more.")
    torch.set_num_threads(1)
    world, model = JudgedEmoji(), load_builtin(args.weights)
    posterior = TokenPosterior(assign_codes(world.sprites))
    prompts = [p for p in evaluation_prompts("tuning", 24, world) if p.category in CATEGORIES]
    result: dict[str, Any] = {"machine": describe_machine(), "model": model_fingerprint(model), "seeds": args.seeds,
                              "prompts": len(prompts), "rows": []}
    for name, setup in setups().items():
        chosen = joined(
            observe(model, posterior, prompts[first : first + BATCH], seed, setup)
            for seed in range(args.seeds) for first in range(0, len(prompts), BATCH)
        )  # fmt: skip
        row = {"sampler": name, "pictures": chosen.pictures, "nfe": chosen.nfe / chosen.pictures, "lost": chosen.lost,
               "scheduled": {"cells": int(chosen.scheduled.sum()),
                             "impossible": float((chosen.exact[chosen.scheduled] < 1e-9).mean())},
               "rescued": bands(chosen)}
        result["rows"].append(row)
        print(json.dumps(row), flush=True)
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0
