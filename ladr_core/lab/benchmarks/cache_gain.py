"""What the KV cache gains and costs on the built-in emoji model: seconds, evaluations, places computed, and the score.

`python -m ladr_core.lab speed_cache` draws one picture after the other without cache and with several values of
`kv_cache_refresh`, all of them in turn on each prompt, and keeps its result file whole after each prompt. Ratios are
those of one prompt, so that whatever else the machine does touches all alike. Scores are compared prompt by prompt.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from ...command_line.machine import describe_machine
from ...command_line.pictures import load_model
from ...models.kv_cache import KVCacheDenoiser
from ...presets import PRESETS
from ...sampler_setup import SamplerSetup
from ...settings import SamplerSettings
from ..documents.result_files import preset_values
from ..evaluation.prompts import evaluation_prompts
from ..evaluation.runner import judged_world, model_fingerprint
from ..evaluation.statistics import wilson
from .picture_speed import draw

OUTPUT = Path(__file__).resolve().parents[3] / "docs" / "results" / "kv_cache.json"
PLAIN = "without"
REFRESHES = (0.3, 1.0)
SAMPLERS = ("ladr balanced", "baseline 64")


@contextlib.contextmanager
def counted_places() -> Iterator[list[int]]:
    """The places that KV caches compute meanwhile, evaluation by evaluation."""
    predict, places = KVCacheDenoiser.predict, []

    def counted(cache: KVCacheDenoiser, *given: Any, **named: Any) -> tuple[torch.Tensor, ...]:
        before = cache.computed_places
        found = predict(cache, *given, **named)
        places.append(cache.computed_places - before)
        return found

    with mock.patch.object(KVCacheDenoiser, "predict", counted):
        yield places


def setups(sampler: str) -> dict[str, SamplerSetup]:
    """The sampler without cache and with each value of the refresh."""
    plain = PRESETS["balanced"].setup
    if sampler != "ladr balanced":
        settings = replace(plain.settings, cell_order=SamplerSettings().cell_order, choice_temperature=3.0)
        plain = SamplerSetup("baseline", settings)
    found = {PLAIN: plain}
    for refresh in REFRESHES:
        settings = replace(plain.settings, kv_cache=True, kv_cache_refresh=refresh)
        found[f"kv_cache_refresh {refresh}"] = replace(plain, settings=settings)
    return found


def summary(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Means and ratios of each setup, from the runs of the same prompts in the same order."""
    made = {}
    for name, found in runs.items():
        plain = runs[PLAIN]
        passed = [bool(run["passed"][0]) for run in found]
        ratios = sorted(other["processor"] / run["processor"] for other, run in zip(plain, found))
        quarters = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        lost = sum(bool(other["passed"][0]) and not ok for other, ok in zip(plain, passed))
        won = sum(ok and not bool(other["passed"][0]) for other, ok in zip(plain, passed))
        made[name] = {
            "pictures": len(found),
            "nfe": round(statistics.mean(run["nfe"][0] for run in found), 2),
            "processor_seconds": round(statistics.mean(run["processor"] for run in found), 4),
            "times_faster": round(sum(r["processor"] for r in plain) / sum(r["processor"] for r in found), 3),
            "times_faster_quartiles": [round(ratio, 3) for ratio in quarters],
            "share_computed": round(statistics.mean(run["share"] for run in found), 4),
            "passed": wilson(sum(passed), len(passed)).rounded(),
            "passed_only_here": won,
            "passed_only_without": lost,
        }
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw prompt after prompt; the other sampler's entry of the result file stays."""
    parser = argparse.ArgumentParser(prog="python -m ladr_core.lab speed_cache")
    parser.add_argument("--sampler", choices=SAMPLERS, default=SAMPLERS[0])
    parser.add_argument("--pictures", type=int, default=144)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    model = load_model("builtin", torch.device("cpu"))
    compared = setups(args.sampler)
    prompts = evaluation_prompts("reporting", world=judged_world(model))
    prompts = prompts[:: max(1, len(prompts) // args.pictures)][: args.pictures]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in compared}
    draw(model, compared[PLAIN], prompts[:1], 0)  # warms up
    for number, prompt in enumerate(prompts):
        for name, setup in compared.items():
            with counted_places() as places:
                found = draw(model, setup, [prompt], 0)
            # The first evaluation computes all.
            found["share"] = sum(places) / places[0] / len(places) if places else 1.0
            runs[name].append(found)
        known = json.loads(args.output.read_text(encoding="utf-8")) if args.output.is_file() else {}
        rows = summary(runs)
        entry = {
            "machine": describe_machine(), "model": model_fingerprint(model), "values": preset_values(), "setups": rows,
        }  # fmt: skip
        args.output.write_text(json.dumps(known | {args.sampler: entry}, indent=1) + "\n", encoding="utf-8")
        if number % 12 == 11:
            for name, values in rows.items():
                print(number + 1, name, values["nfe"], values["times_faster"], values["passed"]["value"], flush=True)
    return 0
