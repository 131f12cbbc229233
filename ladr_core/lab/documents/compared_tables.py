"""Every sampler beside its rivals on the exact oracles, for docs/how_it_compares.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .result_files import ORACLES, read, table

_NOTHING = "nothing known"
_FIGURES = {"valid": ("possible, %", 100, 1), "divergence": ("divergence, nats per cell", 1, 4)}
_TABLES = (("structured 16", ("valid",)), ("texture 64", ("divergence",)), ("texture 16", ("divergence",)),
           ("mixed 16", ("valid", "divergence")), ("structured 64", ("valid",)))  # fmt: skip


def compared_tables() -> str:
    """One table per oracle, rows by evaluations, and one of pictures of which a part is known."""
    if not ORACLES.is_file():
        return "This version comes without a result file; the command below makes one."
    result = read(ORACLES)
    machine = result["machine"]
    parts = [
        f"95 % intervals in brackets; {machine['cpu']}, torch {machine['torch']}. From "
        "[results/oracles.json](results/oracles.json)."
    ]
    for oracle, figures in _TABLES:
        rows = [row for row in result["rows"] if (row["oracle"], row["start"]) == (oracle, _NOTHING)]
        if rows:
            parts += [f"**{oracle}**:", _table(rows, figures)]
    started = [row for row in result["rows"] if row["oracle"] == "structured 16" and row["start"] != _NOTHING]
    if started:
        words = "**structured 16**, a part known at the start (a hole with this share of the sides, or denoise):"
        parts += [words, _table(started, ("valid",), with_start=True)]
    return "\n\n".join(parts)


def _table(rows: list[dict[str, Any]], figures: tuple[str, ...], *, with_start: bool = False) -> str:
    ordered = sorted(rows, key=lambda row: (row["start"], row["nfe"][0]))
    shown = [([row["start"]] if with_start else []) + _line(row, figures) for row in ordered]
    head = ["sampler", "images", "NFE", *(_FIGURES[figure][0] for figure in figures)]
    return table((["start"] if with_start else []) + head, shown, left=1 + with_start)


def _line(row: Mapping[str, Any], figures: tuple[str, ...]) -> list[str]:
    name = f"**{row['sampler']}**" if row["sampler"].startswith("ladr") else row["sampler"]
    cells = [name, str(row["images"]), f"{row['nfe'][0]:.1f}"]
    for figure in figures:
        _, scale, digits = _FIGURES[figure]
        value, low, high = (f"{scale * number:.{digits}f}" for number in row[figure] or (0, 0, 0))
        cells.append("" if row[figure] is None else value if row["images"] == 1 else f"{value} ({low}-{high})")
    return cells
