"""Finishing early: unmask all that is left once every cell left is sure, or has no masked neighbor. What does it save?

`python -m ladr_core.lab finish_early` lets LADR's preset balanced end in such ways on exact oracles, all on the same
seeds. The second way is LADR's setting finish_sure; see docs/speed.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...command_line.machine import describe_machine
from ...command_line.pictures import load_model
from ...denoising_loop import denoise
from ...models.contract import Prompt
from ...noise import PerImageNoise
from ...presets import PRESETS
from ...sampler_setup import SamplerSetup
from ...samplers.frontier import find_frontier
from ...samplers.registry import find_sampler
from ...step import Choice, Prediction, Rule, StepState
from ...token_grid import MASKED
from ..documents.result_files import preset_values
from ..evaluation.prompts import evaluation_prompts
from ..evaluation.runner import judged_world, to_pictures
from ..evaluation.verdict import shows_scene
from .command_line import ORACLES, mean, share
from .contestants import for_oracle
from .contract import Oracle

OUTPUT = Path(__file__).resolve().parents[3] / "docs" / "results" / "finish_early.json"
# By name: the least probability at which a cell is sure (None = none is); whether one without masked neighbors may end.
WAYS: dict[str, tuple[float | None, bool] | None] = {
    "as it is": None,
    "all left are sure, 0.98": (0.98, False),
    "all left are sure, 0.9": (0.9, False),
    "no cell left has a masked neighbor": (None, True),
    "each left is sure, 0.98, or has no masked neighbor": (0.98, True),
}
IMAGES = {"structured 16": 240, "mixed 16": 24, "texture 32": 16}


class FinishRule(Rule):
    """A rule that takes all cells left of an image at once where these allow it."""

    def __init__(self, inner: Rule, way: tuple[float | None, bool]) -> None:
        self._inner, self._sure, self._alone = inner, *way
        self.name, self.limited_by = inner.name, inner.limited_by
        self.needs_entropy, self.needs_divergence = inner.needs_entropy, inner.needs_divergence

    def choose(self, state: StepState, prediction: Prediction) -> Choice:
        """See Rule."""
        choice = self._inner.choose(state, prediction)
        ends = torch.zeros_like(state.is_masked)
        if self._sure is not None:
            ends |= prediction.max_probability >= self._sure
        if self._alone:
            ends |= ~find_frontier(state.is_masked, state.is_masked, state.grid, "square", 1, 1)
        whole = (ends | ~state.is_masked).all(dim=1, keepdim=True)
        left = state.is_masked & whole
        return replace(choice, scheduled=choice.scheduled | left)

    def advance(self, state: StepState, scheduled: Tensor, rescued: Tensor) -> Tensor:
        """See Rule."""
        return self._inner.advance(state, scheduled, rescued)


def measured(oracle: Oracle, setup: SamplerSetup, way: tuple[float | None, bool] | None, images: int) -> dict[str, Any]:
    """Evaluations, validity and divergence of so many images, and how many evaluations each took."""
    parts = []
    for first in range(0, images, 8):
        seeds = list(range(first, min(images, first + 8)))
        recipe = find_sampler(setup.sampler).recipe(setup.settings, setup.rescue, {})
        run, cells = oracle.begin(seeds), torch.full((len(seeds), oracle.grid.cells), MASKED)
        drawn, report = denoise(
            run, cells, oracle.grid, editable=cells == MASKED, settings=setup.settings, noise=PerImageNoise(seeds),
            rule=recipe.rule if way is None else FinishRule(recipe.rule, way), draw=recipe.draw,
            guidance=recipe.guidance,
        )  # fmt: skip
        verdict = run.judge(drawn)
        parts.append((torch.tensor(report.nfe_per_row, dtype=torch.float32), verdict.valid, verdict.divergence))
    nfe, valid, divergence = (torch.cat(values) for values in zip(*parts))
    return {
        "images": images, "nfe": mean(nfe), "nfe_of_images": nfe.int().tolist(), "valid": share(valid),
        "divergence": mean(divergence),
    }  # fmt: skip


def on_the_network(prompts: int) -> list[dict[str, Any]]:
    """The same with the built-in emoji model, every way on each prompt; valid: pictures that show their prompt."""
    model = load_model("builtin", torch.device("cpu"))
    world, grid, setup = judged_world(model), model.default_grid, PRESETS["balanced"].setup
    chosen = evaluation_prompts("reporting", world=world)
    chosen = chosen[:: max(1, len(chosen) // prompts)][:prompts]
    nfe: dict[str, list[int]] = {label: [] for label in WAYS}
    valid: dict[str, list[bool]] = {label: [] for label in WAYS}
    for prompt in chosen:
        for label, way in WAYS.items():
            recipe = find_sampler(setup.sampler).recipe(setup.settings, setup.rescue, {})
            cells = torch.full((1, grid.cells), MASKED)
            drawn, report = denoise(
                model.bind([Prompt(prompt.text)], [Prompt("")], grid, device="cpu"), cells, grid,
                editable=cells == MASKED, settings=setup.settings, noise=PerImageNoise([prompt.seed(0)]),
                rule=recipe.rule if way is None else FinishRule(recipe.rule, way), draw=recipe.draw,
                guidance=recipe.guidance,
            )  # fmt: skip
            pictures = to_pictures(model.vq.decode(drawn.view(1, grid.height, grid.width)))
            nfe[label].append(report.nfe_per_row[0])
            valid[label].append(bool(shows_scene(prompt.scene, world.find_objects(pictures)[0])))
    return [
        {
            "oracle": "emoji model", "way": label, "images": len(chosen), "nfe": mean(torch.tensor(nfe[label]).float()),
            "nfe_of_images": nfe[label], "valid": share(torch.tensor(valid[label]).float()), "divergence": None,
        }
        for label in WAYS
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every way on every oracle; the file is whole after each."""
    parser = argparse.ArgumentParser(prog="python -m ladr_core.lab finish_early")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--prompts", type=int, default=72, help="of the emoji model")
    parser.add_argument("--only_network", action="store_true", help="keep what the file has of the oracles")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    setup, rows = for_oracle(PRESETS["balanced"].setup), []

    def keep(new: list[dict[str, Any]]) -> None:
        rows.extend(new)
        for row in new:
            print(row["oracle"], row["way"], row["nfe"], row["valid"], row["divergence"], flush=True)
        result = {"machine": describe_machine(), "values": preset_values(), "seeds_from": 0, "rows": rows}
        args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    if args.only_network:
        known = json.loads(args.output.read_text(encoding="utf-8"))["rows"]
        keep([row for row in known if row["oracle"] in IMAGES])
    else:
        for name, images in IMAGES.items():
            oracle = ORACLES[name]()
            for label, way in WAYS.items():
                keep([{"oracle": name, "way": label, **measured(oracle, setup, way, images)}])
    with torch.inference_mode():
        keep(on_the_network(args.prompts))
    return 0
