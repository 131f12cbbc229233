"""`speed_arithmetic`: the built-in emoji model in other arithmetic, and compiled; LADR balanced, on one thread.

Every way draws the same prompts and seeds in turn; ratios are taken within a turn. What a way costs before its first
picture (compiling) is measured apart, in the run that the turns do not count.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ...command_line import OneSentenceParser
from ...command_line.machine import describe_machine
from ...models.builtin.loading import load_builtin
from ...models.builtin.model import BuiltinDLLM
from ...models.contract import Prompt
from ...presets import find_preset
from ...sampling import ImageRequest, sample_tokens

OUTPUT = Path(__file__).resolve().parents[3] / "docs" / "results" / "builtin_arithmetic.json"
PROMPTS = ("a fox to the left of a red umbrella", "three penguins in the snow", "a rocket above a house at night",
           "a purple balloon and a green car")  # fmt: skip
PRESET, FIRST = "balanced", "float32"


def ways(compiled: bool) -> dict[str, BuiltinDLLM]:
    """The model in each arithmetic, and compiled."""
    found = {name: load_builtin(dtype=getattr(torch, name)) for name in (FIRST, "bfloat16", "float16")}
    if compiled:
        model = load_builtin()
        for block in model.transformer.transformer["blocks"]:  # all but the last, which is asked for some cells only
            block.compile(dynamic=True)
        found["float32, blocks compiled"] = model
    return found


def draw(model: BuiltinDLLM, seed: int) -> tuple[float, torch.Tensor, int]:
    """Seconds of the process, tokens [B, H, W] and evaluations of one picture of each prompt."""
    prompts = [Prompt(text) for text in PROMPTS]
    request = ImageRequest(prompts, [Prompt("")] * len(prompts), model.default_grid, [seed] * len(prompts))
    started = time.process_time()
    tokens, report = sample_tokens(model, request, find_preset(PRESET).setup)
    return time.process_time() - started, tokens, report.nfe


def measure(models: dict[str, BuiltinDLLM], turns: int) -> list[dict[str, Any]]:
    """A row for each way: its first run, its seconds, how many times faster than float32, and how many tokens agree."""
    first = {name: draw(model, turns)[0] for name, model in models.items()}
    runs: dict[str, list[tuple[float, torch.Tensor, int]]] = {name: [] for name in models}
    for turn in range(turns):
        for name, model in models.items():
            runs[name].append(draw(model, turn))
    rows = []
    for name, own in runs.items():
        pairs = list(zip(own, runs[FIRST]))
        faster = sorted(base[0] / mine[0] for mine, base in pairs)
        same = statistics.mean(float((mine[1] == base[1]).float().mean()) for mine, base in pairs)
        rows.append({
            "way": name, "first_run_seconds": round(first[name], 2),
            "seconds": round(statistics.median(run[0] for run in own), 4),
            "evaluations": round(statistics.mean(run[2] for run in own), 2),
            "faster": {"median": round(statistics.median(faster), 3), "least": round(faster[0], 3),
                       "most": round(faster[-1], 3)},
            "same_tokens": round(same, 4),
        })  # fmt: skip
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the result file."""
    parser = OneSentenceParser(prog="python -m ladr_core.lab speed_arithmetic", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUTPUT, metavar="FILE", help="result file (JSON)")
    parser.add_argument("--turns", type=int, default=6, help="turns (default 6)")
    parser.add_argument("--no_compile", action="store_true", help="without torch.compile, which needs a C++ compiler")
    args = parser.parse_args(arguments)
    if args.turns < 1:
        parser.error(f"--turns: got {args.turns}; allowed: 1 or more.")
    torch.set_num_threads(1)
    rows = measure(ways(not args.no_compile), args.turns)
    result = {"machine": describe_machine(), "preset": PRESET, "batch": len(PROMPTS), "turns": args.turns, "rows": rows}
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        print(json.dumps(row))
    return 0
