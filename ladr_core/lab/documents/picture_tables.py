"""The words and tables on seconds from prompt to pixels and on how cost grows, from their result files."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..benchmarks.cost_growth import OUTPUT as GROWTH
from ..benchmarks.picture_speed import LADR, OUTPUT, PROCEDURE

Table = Callable[[list[str], list[list[str]], int], str]


def picture_section(table: Table) -> str:
    """Seconds and score of each sampler on the built-in model."""
    if not OUTPUT.is_file():
        return "`python -m ladr_core.lab speed_picture` measures it."
    result = json.loads(OUTPUT.read_text(encoding="utf-8"))
    machine = result["machine"]
    parts = [
        "Built-in emoji model, prompt to pixels, every sampler in turn on the same prompts and seeds. Ratios are taken "
        "within a turn: median, in brackets the lowest and highest, by seconds of the process; other work ran on the "
        "machine. The first row is Lumina-DiMOO's published procedure on this model, with guidance and without cache. "
        "The score is the share of pictures that show the prompt, with its 95 % interval: **so few pictures time a "
        "sampler, they do not rank it**; [results](results.md) does that.",
    ]
    for kind, words in (("batch", f"Batches of {result['batch_size']}:"), ("alone", "One picture at a time:")):
        entries = result[kind]
        rows = [[
            name, f"{entry['nfe']:.1f}", f"{entry['seconds']['processor']:.2f}", f"{entry['seconds']['wall']:.2f}",
            _ratio(entry["times_faster_than"][PROCEDURE]), _ratio(entry["times_faster_than"][LADR]),
            f"{100 * entry['passed']['value']:.0f} ({100 * entry['passed']['low']:.0f}-"
            f"{100 * entry['passed']['high']:.0f}) of {entry['pictures']}",
        ] for name, entry in entries.items()]  # fmt: skip
        head = ["sampler", "NFE", "CPU s a picture", "wall s", "times faster than the first", "than ladr", "score, %"]
        parts += [words, table(head, rows, 1)]
    parts.append(
        f"[picture_speed.json](results/picture_speed.json); {machine['cpu']}, {machine['threads']} thread, torch "
        f"{machine['torch']}."
    )
    return "\n\n".join(parts)


def _ratio(ratios: dict[str, dict[str, float]]) -> str:
    found = ratios["processor"]
    return f"{found['median']:.2f} ({found['least']:.2f}-{found['most']:.2f})"


def growth_section(table: Table) -> str:
    """What a step costs beside the network."""
    if not GROWTH.is_file():
        return "`python -m ladr_core.lab speed_growth` measures it."
    result = json.loads(GROWTH.read_text(encoding="utf-8"))
    rows = [[
        f"{row['cells']:,}", f"{row['codes']:,}", str(row["images"]), str(row["steps"]), str(row["prompt_tokens"]),
        f"{row['loop_seconds']:.3f}", f"{row['evaluation_seconds']:,.0f}", f"{100 * row['share']:.3f}",
        f"{row['run_bytes'] / 1e9:.2f}", f"{row['run_bytes_with_kv_cache'] / 1e9:.2f}",
    ] for row in result["rows"]]  # fmt: skip
    head = [
        "cells", "codes", "images", "steps", "prompt", "loop s", "8B evaluation s", "share, %", "GB", "GB, kv_cache",
    ]  # fmt: skip
    return "\n\n".join([
        "All of a step but the network (guidance, draw, rule, noise, report; LADR balanced, first steps, two "
        "branches), in seconds of the process on one CPU thread, beside an 8B evaluation **computed** from one "
        "layer of the published width. Bytes are what a run reserves beside the layers in 16 bits:",
        table(head, rows, 0),
        _growth(result["rows"]),
        "[cost_growth.json](results/cost_growth.json); "
        f"{result['machine']['cpu']}, torch {result['machine']['torch']}.",
    ])  # fmt: skip


def _growth(rows: list[dict[str, Any]]) -> str:
    """How the loop's seconds grow from the fewest to the most cells with all else equal."""
    same = [r for r in rows if (r["codes"], r["images"], r["steps"], r["prompt_tokens"]) == (8192, 1, 64, 64)]
    least, most = min(same, key=lambda r: r["cells"]), max(same, key=lambda r: r["cells"])
    return (
        f"From {least['cells']:,} to {most['cells']:,} cells, {most['cells'] / least['cells']:.0f} times as many, the "
        f"loop takes {most['loop_seconds'] / least['loop_seconds']:.0f} times as long."
    )
