"""The README's words and tables on speed and memory beside the official implementations, from the result files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import reference_memory

RESULTS = Path(__file__).resolve().parents[3] / "docs" / "results"
Table = Callable[[list[str], list[list[str]], int], str]


def entries() -> list[tuple[Path, dict[str, Any]]]:
    """All entries of the result files of official_*.py."""
    return [
        (path, entry)
        for path in sorted(RESULTS.glob("official_*.json"))
        for entry in json.loads(path.read_text(encoding="utf-8"))["results"]
    ]


def speed_section(table: Table) -> str:
    """The tables and what they do not say."""
    found = entries()
    if not found:
        return "`python -m ladr_core.lab speed_lumina` and `speed_mmada` compare with the official code."
    links = ", ".join(f"[{path.name}](docs/results/{path.name})" for path in sorted({path for path, _ in found}))
    machines = sorted({_machine(entry[part]) for _, entry in found for part in ("time", "memory") if part in entry})
    return "\n\n".join([
        "The official code and ours, in alternation on the same random weights, each run in a process of its own. "
        "**Reduced sizes on a CPU: no 8B weights and no GPU were at hand.** So this says which work is left out, not "
        "how fast an 8B model is. Attention, which is the same work in both, weighs more than in 8B, and so does the "
        "last layer, where ours computes the masked cells only; the head weighs less. Ratios are of the medians, in "
        "brackets the least and most of the single repeats; other work ran on the machine, which the processor's "
        "seconds show less than the clock's. Where a range includes 1, no difference is shown.",
        _times(found, table),
        f"The published code pads MMaDA's text to 513 places; the prompt here has {_mmada_prompt(found)} tokens with "
        "its marks, and a longer one saves less. Without the padding, our default, bfloat16 rounds differently and "
        "draws other tokens; the option `padded` keeps it and draws the same.",
        _memory(found, table),
        _published(table),
        f"All runs: {links}; {'; '.join(machines)}.",
    ])  # fmt: skip


def _mmada_prompt(found: list[tuple[Path, dict[str, Any]]]) -> str:
    lengths = {entry["case"]["prompt_tokens"][0] for _, entry in found if entry["case"]["model"] == "MMaDA"}
    return " or ".join(map(str, sorted(lengths)))


def _times(found: list[tuple[Path, dict[str, Any]]], table: Table) -> str:
    rows = []
    for _, entry in found:
        if "time" not in entry:
            continue
        case, time = entry["case"], entry["time"]
        step, whole = time["seconds_per_step"], time.get("seconds_end_to_end")
        for kind in (kind for kind in step if kind != "official"):
            rows.append([
                _what(case), _ours(kind), f"{step['official']:.2f}", f"{step[kind]:.2f}",
                _ratio(time["speed_up_per_step"][kind]), _ratio(time.get("speed_up_of_processor", {}).get(kind)),
                f"{whole['official']:.1f} / {whole[kind]:.1f}" if whole else "",
                "yes" if time["same_tokens"][kind] else "no",
            ])  # fmt: skip
    head = [
        "model and picture", "ours", "official s/step", "ours s/step", "times faster", "by processor's seconds",
        "end to end, s", "same tokens",
    ]  # fmt: skip
    return table(head, rows, 2)


def _ratio(ratio: dict[str, float] | None) -> str:
    return f"{ratio['median']:.2f} ({ratio['least']:.2f}-{ratio['most']:.2f})" if ratio else ""


def _ours(kind: str) -> str:
    return "padded" if kind == "ours_padded" else "as shipped"


def _machine(part: dict[str, Any]) -> str:
    threads = f", {part['threads']} threads" if part["threads"] else ""
    return f"{part['machine']}, {part['device']}{threads.replace('1 threads', '1 thread')}, torch {part['torch']}"


def _memory(found: list[tuple[Path, dict[str, Any]]], table: Table) -> str:
    rows = []
    for _, entry in found:
        if "memory" not in entry:
            continue
        case, memory = entry["case"], entry["memory"]
        peak, sums = memory["peak_bytes"], memory.get("computed_bytes", {})
        for kind in (kind for kind in peak if kind != "official"):
            computed = f"{_mb(sums['official'])} / {_mb(sums[kind])}" if kind in sums else ""
            size = f"{case['transformer']['embedding_size']:,} / {case['codebook_size']:,}"
            rows.append([
                _what(case), _ours(kind), size, _mb(peak["official"]), _mb(peak[kind]),
                _mb(peak["official"] - peak[kind]), computed,
            ])  # fmt: skip
    if not rows:
        return "Memory was not measured."
    head = ["model and picture", "ours", "vocabulary / codebook", "official MB", "ours MB", "saved MB", "computed MB"]
    words = "Peak of what tensors hold beside the weights, every allocation counted, in MB of 10^6 bytes:"
    return words + "\n\n" + table(head, rows, 2)


def _published(table: Table) -> str:
    rows = []
    for cache in (False, True):
        sums = reference_memory.published_sums(cache)
        for kind, parts in sums.items():
            rows.append([
                "with" if cache else "without", kind, *(f"{size / 1e9:.2f}" for size in parts.values()),
                f"{sum(parts.values()) / 1e9:.2f}",
            ])  # fmt: skip
    head = ["ML-Cache", "code", *reference_memory.published_sums(False)["official"], "together"]
    words = (
        "The same sums for Lumina-DiMOO's published sizes at 1024 x 1024 in bfloat16, in GB of 10^9 bytes beside the "
        "layers, **computed** by [reference_memory.py](ladr_core/lab/benchmarks/reference_memory.py), not measured. "
        "Embedding and head of ours stay in RAM but for the rows a run uses, and ComfyUI loads the image tokenizer "
        "before and after sampling; the other parts are those alive at the fullest moment:"
    )
    return words + "\n\n" + table(head, rows, 2)


def _what(case: dict[str, Any]) -> str:
    sizes, side = case["transformer"], 16 * case["side"]
    return (
        f"{case['model']}{' with ML-Cache' if case['cache'] else ''}, {side} x {side}, {case['steps']} steps; "
        f"{sizes['n_layers']} layers of {sizes['d_model']}, {case['dtype']}"
    )


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f}"
