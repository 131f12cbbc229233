"""Words and tables of docs/speed.md: speed and memory beside the official implementations, from the result files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..benchmarks import reference_memory

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
    links = ", ".join(f"[{path.name}](results/{path.name})" for path in sorted({path for path, _ in found}))
    machines = sorted({_machine(entry[part]) for _, entry in found for part in ("time", "memory") if part in entry})
    return "\n\n".join([
        "The official code and ours run in turn on the same random weights, each run in its own process. **Reduced "
        "sizes on a CPU: no 8B weights and no GPU were available.** The tables show which work is left out, not how "
        "fast an 8B model is. Attention, the same work in both, has a larger share than in an 8B model; so has the "
        "last layer, where ours computes masked cells only; the output head has a smaller share. Ratios are of "
        "medians, with the lowest and highest repeat in brackets. Other work ran on the machine, which affects CPU "
        "seconds less than wall time. Where a range includes 1, no difference is shown.",
        _times(found, table),
        f"The published code pads MMaDA's text to 513 positions. The prompt here has {_mmada_prompt(found)} tokens "
        "with its special tokens; a longer prompt saves less. Ours does not pad by default, so bfloat16 rounds "
        "differently and draws other tokens; the option `padded` draws the same ones.",
        _memory(found, table),
        _published(table),
        f"All runs: {links}; {'; '.join(machines)}.",
    ])  # fmt: skip


def best_speed_ups() -> dict[str, float]:
    """The largest median ratio per step of each model without ML-Cache, as shipped, by model and picture size."""
    best: dict[str, float] = {}
    for _, entry in entries():
        case = entry["case"]
        if "time" in entry and not case["cache"]:
            name = f"{case['model']} at {16 * case['side']} x {16 * case['side']}"
            best[name] = max(best.get(name, 0.0), entry["time"]["speed_up_per_step"]["ours"]["median"])
    return best


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
        "model and picture", "ours", "official s/step", "ours s/step", "times faster", "by CPU seconds",
        "end to end, s", "same tokens",
    ]  # fmt: skip
    return table(head, rows, 2)


def _ratio(ratio: dict[str, float] | None) -> str:
    return f"{ratio['median']:.2f} ({ratio['least']:.2f}-{ratio['most']:.2f})" if ratio else ""


def _ours(kind: str) -> str:
    return {"ours_padded": "padded", "ours_kv_cache": "with `kv_cache`"}.get(kind, "as shipped")


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
    words = "Peak memory of tensors beside the weights, every allocation counted, in MB of 10^6 bytes:"
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
    head = ["ML-Cache", "code", *reference_memory.published_sums(False)["official"], "total"]
    words = (
        "The same for Lumina-DiMOO's published size at 1024 x 1024 in bfloat16, in GB of 10^9 bytes beside the "
        "layers, **computed** by [reference_memory.py](../ladr_core/lab/benchmarks/reference_memory.py), not measured. "
        "In ours, embedding and output head stay in RAM except for the rows a run uses, and ComfyUI loads the image "
        "tokenizer before and after sampling. The other parts are those alive at peak memory:"
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
