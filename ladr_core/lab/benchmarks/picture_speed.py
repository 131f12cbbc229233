"""Seconds from prompt to pixels: LADR with what makes an evaluation cheaper, beside Lumina-DiMOO's procedure.

`python -m ladr_core.lab speed_picture` draws the same prompts and seeds with every sampler in turn, in batches and one
by one, and adds to its result file after each turn. Ratios are taken within a turn, so that whatever else the machine
does touches all alike; seconds of the process stand beside those of the clock.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...presets import PRESETS
from ...sampler_setup import SamplerSetup
from ...settings import SamplerSettings
from ..evaluation.configurations import Configuration
from ..evaluation.prompts import EvaluationPrompt, evaluation_prompts
from ..evaluation.runner import judged_world, model_fingerprint, to_pictures
from ..evaluation.statistics import wilson
from ..evaluation.verdict import shows_scene

OUTPUT = Path(__file__).resolve().parents[3] / "docs" / "results" / "picture_speed.json"
GUIDANCE = 1.5
"""Scale of the published procedure, which always has guidance (docs/results/tuning_baseline.json)."""
PROCEDURE, LADR, CACHED = "lumina-dimoo, 64 steps", "ladr balanced", "ladr balanced, kv_cache"
QUALITY = "ladr quality"
GUIDED = f"ladr balanced, cfg {GUIDANCE}"


def configurations() -> dict[str, SamplerSetup]:
    """What is compared, by name; the first is the procedure of the published code, with guidance."""
    balanced = PRESETS["balanced"].setup

    def changed(**values: Any) -> SamplerSetup:
        return replace(balanced, settings=replace(balanced.settings, **values))

    published = SamplerSettings(steps=64, cfg=GUIDANCE, choice_temperature=3.0)
    plain = replace(balanced.settings, cell_order=SamplerSettings().cell_order)
    return {
        PROCEDURE: SamplerSetup("lumina-dimoo", published),
        PROCEDURE + ", cfg 1": SamplerSetup("lumina-dimoo", replace(published, cfg=1.0)),
        "baseline, 64 steps": SamplerSetup("baseline", plain),
        QUALITY: PRESETS["quality"].setup,
        LADR: balanced,
        "ladr fast": PRESETS["fast"].setup,
        CACHED: changed(kv_cache=True),
        GUIDED: changed(cfg=GUIDANCE),
        GUIDED + ", cfg_end 0.5": changed(cfg=GUIDANCE, cfg_end=0.5),
    }


def draw(model: Any, setup: SamplerSetup, prompts: Sequence[EvaluationPrompt], turn: int) -> dict[str, Any]:
    """Draw a batch: seconds of the clock and of the process from prompt to pixels, evaluations, and who passed."""
    import torch

    from ...models.contract import Prompt
    from ...sampling import ImageRequest, sample_tokens

    wall, processor = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        request = ImageRequest(
            [Prompt(prompt.text) for prompt in prompts], [Prompt("")] * len(prompts), model.default_grid,
            [prompt.seed(turn) for prompt in prompts],
        )  # fmt: skip
        indices, report = sample_tokens(model, request, setup)
        pictures = to_pictures(model.vq.decode(indices))
    seconds = {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}
    found = judged_world(model).find_objects(pictures)
    passed = [shows_scene(prompt.scene, things) for prompt, things in zip(prompts, found)]
    return {**{k: round(v, 4) for k, v in seconds.items()}, "nfe": report.nfe_per_row, "passed": passed}


def summary(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians of seconds a picture, ratios to the procedure and to LADR within each turn, and the share that passed."""
    made = {}
    for name, found in runs.items():
        if not found:
            continue
        passed = [verdict for run in found for verdict in run["passed"]]
        made[name] = {
            "pictures": len(passed),
            "nfe": round(statistics.mean(n for run in found for n in run["nfe"]), 2),
            "seconds": {
                clock: round(statistics.median(run[clock] / len(run["nfe"]) for run in found), 4)
                for clock in ("wall", "processor")
            },
            "times_faster_than": {
                other: {clock: _ratio(runs[other], found, clock) for clock in ("processor", "wall")}
                for other in (PROCEDURE, LADR)
            },
            "passed": wilson(sum(passed), len(passed)).rounded(),
        }
    return made


def _ratio(others: list[dict[str, Any]], own: list[dict[str, Any]], clock: str) -> dict[str, float]:
    ratios = [other[clock] / run[clock] for other, run in zip(others, own)]
    found = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
    return {name: round(ratio, 3) for name, ratio in found.items()}


def _values(name: str, setup: SamplerSetup) -> dict[str, Any]:
    """All values that act, as the scores' result file has them."""
    return Configuration(name, setup.sampler, setup.settings, setup.rescue, setup.options).values


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw turn after turn; the file is whole after each."""
    import torch

    from ...command_line.machine import describe_machine
    from ...command_line.pictures import load_model

    parser = argparse.ArgumentParser(prog="python -m ladr_core.lab speed_picture")
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    model = load_model("builtin", torch.device("cpu"))
    setups = configurations()
    prompts = evaluation_prompts("reporting", world=judged_world(model))
    prompts = prompts[:: max(1, len(prompts) // (args.turns * args.batch))]
    sizes = {args.batch: "batch", 1: "alone"}
    runs: dict[str, dict[str, list[Any]]] = {kind: {name: [] for name in setups} for kind in sizes.values()}
    for setup in setups.values():
        draw(model, setup, prompts[:1], 0)  # warms up
    for turn in range(args.turns):
        chosen = [prompts[(turn * args.batch + n) % len(prompts)] for n in range(args.batch)]
        for size, kind in sizes.items():
            for name, setup in setups.items():
                runs[kind][name].append(draw(model, setup, chosen[:size], turn))
        result = {
            "machine": describe_machine(),
            "model": model_fingerprint(model),
            "turns": turn + 1,
            "batch_size": args.batch,
            "settings": {name: _values(name, setup) for name, setup in setups.items()},
            **{kind: summary(found) for kind, found in runs.items()},
        }
        args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        for name, entry in summary(runs["batch"]).items():
            ratio = entry["times_faster_than"][PROCEDURE]["processor"]
            print(turn + 1, name, entry["nfe"], ratio, entry["passed"], flush=True)
    return 0
