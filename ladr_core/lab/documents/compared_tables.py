"""Every sampler beside its rivals on two exact oracles, for docs/how_it_compares.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .result_files import RESULTS, read, table

RIVALS = RESULTS / "rivals.json"


def compared_tables() -> str:
    """One table per oracle, rows by evaluations."""
    if not RIVALS.is_file():
        return "This version comes without a result file; the command below makes one."
    result = read(RIVALS)
    machine = result["machine"]
    parts = [
        f"95 % intervals in brackets; {machine['cpu']}, torch {machine['torch']}. From "
        "[results/rivals.json](results/rivals.json)."
    ]
    for oracle, unit, key, scale, digits in (
        ("structured 16", "possible scenes, %", "valid", 100, 1),
        ("texture 64", "divergence, nats per cell", "divergence", 1, 4),
    ):
        rows = [row for row in result["rows"] if row["oracle"] == oracle and row[key]]
        shown = [_line(row, key, scale, digits) for row in sorted(rows, key=lambda row: row["nfe"][0])]
        count = max((row["images"] for row in rows), default=0)
        parts.append(f"**{oracle}**, {count} images per row:")
        parts.append(table(["sampler", "NFE", unit], shown))
    return "\n\n".join(parts)


def _line(row: Mapping[str, Any], key: str, scale: float, digits: int) -> list[str]:
    value, low, high = (f"{scale * number:.{digits}f}" for number in row[key])
    name = f"**{row['sampler']}**" if row["sampler"].startswith("ladr") else row["sampler"]
    return [name, f"{row['nfe'][0]:.1f}", f"{value} ({low}-{high})"]
