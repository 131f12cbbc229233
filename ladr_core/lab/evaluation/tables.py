"""A result as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..worlds.scene import CATEGORIES


def to_markdown(result: Mapping[str, Any]) -> str:
    """Tables of a result: pass rates in percent with 95 % intervals, cost, differences, diversity."""
    ceiling, machine = result["ceiling"], result["machine"]
    pictures = f"{result['prompts']} prompts x {result['repetitions']} seeds"
    lines = [
        f"# {result['model']}: {result['half']} half, {pictures} per configuration",
        "",
        f"{machine['cpu']}, {machine['threads']} of {machine['cores']} threads, torch {machine['torch']}, "
        f"Python {machine['python']}, batches of {result['batch']}, {result['dtype']}. Percent of pictures that show "
        "what the prompt says; in brackets 95 % intervals (categories: Wilson; overall and differences: bootstrap over "
        "captions).",
        "",
        _row(["", "NFE", "s", *CATEGORIES, "overall"]),
        _row(["---", *["---:"] * (len(CATEGORIES) + 3)]),
        _row(["rendered truth", "", "", *(_percent(ceiling["rendered"].get(c)) for c in CATEGORIES), ""]),
        _row(["ceiling: VQ reconstructions", "", "", *(_percent(ceiling["reconstructed"].get(c)) for c in CATEGORIES),
              f"{100 * ceiling['overall']:.1f}"]),
    ]  # fmt: skip
    for entry in result["configurations"]:
        seconds = entry["seconds_alone"] if entry["seconds_alone"] is not None else entry["seconds_in_batch"]
        rates = [_with_interval(entry["categories"].get(c)) for c in CATEGORIES]
        cost = [f"{entry['nfe']:.1f}", f"{seconds:.2f}"]
        lines.append(_row([entry["name"], *cost, *rates, _with_interval(entry["overall"])]))
    lines += [
        "",
        "s: seconds from prompt to pixels, one picture at a time where that was measured, else a picture's share "
        "of its batch.",
        "",
        _row(["", "NFE", "seen", "held out", "token disagreement", "color entropy"]),
        _row(["---", *["---:"] * 5]),
        _row(["data (VQ reconstructions)", "", "", "", _number(ceiling["token_disagreement"]),
              _number(ceiling["color_entropy"])]),
    ]  # fmt: skip
    for entry in result["configurations"]:
        lines.append(
            _row([
                entry["name"], f"{entry['nfe']:.1f}", _percent(entry["seen"]), _percent(entry["held_out"]),
                _number(entry["token_disagreement"]), _number(entry["color_entropy"]),
            ])
        )  # fmt: skip
    lines += [
        "",
        "Seen, held out: overall score on combinations of words that training showed or never showed. Token "
        "disagreement: share of cells in which two pictures of one prompt differ. Color entropy: bits, over objects "
        "whose color the prompt leaves open (at most 3.17).",
        "",
        _row(["", "NFE", "minus", "NFE", "overall", "position", "detectable"]),
        _row(["---", "---:", "---", "---:", "---:", "---:", "---:"]),
    ]
    for entry in result["configurations"]:
        for difference in entry["differences"]:
            lines.append(
                _row([
                    entry["name"], f"{entry['nfe']:.1f}", difference["to"], f"{difference['nfe']:.1f}",
                    _signed(difference["overall"]), _signed(difference.get("position")),
                    f"{100 * difference['detectable']:.1f}" if "detectable" in difference else "",
                ])
            )  # fmt: skip
    lines += [
        "",
        "Paired differences: same prompts, same seeds. Detectable: the true difference in points that such a run finds "
        "in 80 % of the cases, from the width of the interval.",
        "",
    ]
    if "power" in result:
        lines += [result["power"][0].upper() + result["power"][1:] + ".", ""]
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _percent(rate: Mapping[str, float] | None) -> str:
    return "" if rate is None else f"{100 * rate['value']:.1f}"


def _with_interval(rate: Mapping[str, float] | None) -> str:
    return "" if rate is None else f"{100 * rate['value']:.1f} ({100 * rate['low']:.0f}-{100 * rate['high']:.0f})"


def _signed(rate: Mapping[str, float] | None) -> str:
    if rate is None:
        return ""
    return f"{100 * rate['value']:+.1f} ({100 * rate['low']:+.1f} to {100 * rate['high']:+.1f})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
