"""The words and tables on seconds from prompt to pixels and on how cost grows, from their result files."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..benchmarks.cost_growth import OUTPUT as GROWTH
from ..benchmarks.picture_speed import LADR, OUTPUT, PROCEDURE, QUALITY
from .result_files import earlier_values, rate
from .speed_figure import score_of

Table = Callable[[list[str], list[list[str]], int], str]


def picture_section(table: Table) -> str:
    """Seconds and score of each sampler on the built-in model."""
    if not OUTPUT.is_file():
        return "`python -m ladr_core.lab speed_picture` measures it."
    result = json.loads(OUTPUT.read_text(encoding="utf-8"))
    machine = result["machine"]
    settings = result["settings"]
    parts = [
        "Built-in emoji model, prompt to pixels, every sampler in turn on the same prompts and seeds. Ratios are taken "
        "within a turn: median, in brackets the lowest and highest, by seconds of the process; other work ran on the "
        "machine. The first row is Lumina-DiMOO's published procedure on this model, with guidance and without cache. "
        "The score is that of [emoji.json](results/emoji.json), in percent with its 95 % interval, where it has the "
        "row. The timed pictures that show their prompt stand behind it: **they are too few to rank samplers**."
        + earlier_values(settings.get(LADR)),
    ]
    for kind, words in (("batch", f"Batches of {result['batch_size']}:"), ("alone", "One picture at a time:")):
        rows = []
        for name, entry in result[kind].items():
            score, faster = score_of(settings[name]), entry["times_faster_than"]
            passed = round(entry["passed"]["value"] * entry["pictures"])
            rows.append([
                name, f"{entry['nfe']:.1f}", f"{entry['seconds']['processor']:.2f}", f"{entry['seconds']['wall']:.2f}",
                _ratio(faster[PROCEDURE]), _ratio(faster[LADR]), rate(score) if score else "",
                f"{passed} of {entry['pictures']}",
            ])  # fmt: skip
        head = [
            "sampler", "NFE", "CPU s a picture", "wall s", "times faster than the first", "than ladr", "score",
            "passed here",
        ]  # fmt: skip
        parts += [words, table(head, rows, 1)]
    parts.append(_batches(result))
    parts.append(
        f"[picture_speed.json](results/picture_speed.json); {machine['cpu']}, {machine['threads']} thread, torch "
        f"{machine['torch']}."
    )
    return "\n\n".join(parts)


def picture_gain() -> list[str]:
    """The line of seconds from prompt to pixels, where it was measured with the presets' values of now."""
    result = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.is_file() else {"settings": {}}
    if LADR not in result["settings"] or earlier_values(result["settings"][LADR]):
        return []
    words = []
    for kind, name in (("alone", "one picture"), ("batch", f"batches of {result['batch_size']}")):
        shown = [f"`{row[5:]}` {_ratio(result[kind][row]['times_faster_than'][PROCEDURE])}" for row in (QUALITY, LADR)]
        words.append(f"{name}, {' and '.join(shown)}")
    return [
        "**Prompt to pixels** on the built-in model, times faster than Lumina-DiMOO's own procedure with 64 steps and "
        f"guidance: {'; '.join(words)}. [How measured](docs/speed.md)"
    ]


def _batches(result: dict[str, Any]) -> str:
    """What a picture of a batch takes of what it takes alone."""
    shares = []
    for name in (PROCEDURE, LADR):
        batch, alone = (result[kind][name]["seconds"]["processor"] for kind in ("batch", "alone"))
        shares.append(f"{name} {batch / alone:.2f}")
    return (
        f"A picture in a batch of {result['batch_size']} takes this share of the seconds that one alone takes, on one "
        f"thread: {', '.join(shares)}."
    )


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
        "All of a step but the network (guidance, draw, rule, noise, report; LADR with guidance, first steps, "
        "two branches), in seconds of the process on one CPU thread, beside an 8B evaluation **computed** from one "
        "layer of the published width. Bytes are what a run reserves beside the layers in 16 bits:",
        table(head, rows, 0),
        _growth(result["rows"]),
        "[cost_growth.json](results/cost_growth.json); "
        f"{result['machine']['cpu']}, torch {result['machine']['torch']}.",
    ])  # fmt: skip


def _growth(rows: list[dict[str, Any]]) -> str:
    """How the loop's seconds grow where one size grows and all else is equal."""
    sizes = {"cells": 4096, "codes": 8192, "images": 1, "steps": 64, "prompt_tokens": 64}
    lines = []
    for name, word in (("cells", "cells"), ("codes", "codes"), ("images", "images")):
        same = [r for r in rows if all(r[other] == value for other, value in sizes.items() if other != name)]
        least, most = min(same, key=lambda r: r[name]), max(same, key=lambda r: r[name])
        if least is not most:
            longer = most["loop_seconds"] / least["loop_seconds"]
            lines.append(f"{most[name] / least[name]:.0f} times as many {word} take {longer:.1f} times as long")
    return (
        f"{'; '.join(lines).capitalize()}. The loop passes over its numbers a few times, so it is linear in them; what "
        "grows faster on a CPU is fresh memory, which the system hands out page by page where a tensor is large. Steps "
        "and prompt do not change a step of the loop. The network's attention grows with the square of the cells."
    )
