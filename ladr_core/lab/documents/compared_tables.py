"""Every sampler beside its rivals on the exact oracles, for docs/how_it_compares.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .result_files import ON_TOP, ORACLES, OTHER_TEXTURES, PRESET_SEARCH, read, table

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
    if OTHER_TEXTURES.is_file():
        others = read(OTHER_TEXTURES)["rows"]
        words = "**texture 64**, other seeds, from [results/other_textures.json](results/other_textures.json):"
        parts += [words, _table(others, ("divergence",))]
    return "\n\n".join(parts)


def _table(rows: list[dict[str, Any]], figures: tuple[str, ...], *, with_start: bool = False) -> str:
    ordered = sorted(rows, key=lambda row: (row["start"], row["nfe"][0]))
    shown = merge_equal([([row["start"]] if with_start else []) + _line(row, figures) for row in ordered], with_start)
    head = ["sampler", "images", "NFE", *(_FIGURES[figure][0] for figure in figures)]
    return table((["start"] if with_start else []) + head, shown, left=1 + with_start)


def merge_equal(lines: list[list[str]], name: int) -> list[list[str]]:
    """Lines that differ in their names alone as one line with all names; name: which column that is."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for line in lines:
        rest = (*line[:name], *line[name + 1 :])
        if rest in merged:
            merged[rest][name] += f"; {line[name]}"
        else:
            merged[rest] = list(line)
    return list(merged.values())


def _line(row: Mapping[str, Any], figures: tuple[str, ...]) -> list[str]:
    name = f"**{row['sampler']}**" if row["sampler"].startswith("ladr") else row["sampler"]
    cells = [name, str(row["images"]), f"{row['nfe'][0]:.1f}"]
    for figure in figures:
        _, scale, digits = _FIGURES[figure]
        value, low, high = (f"{scale * number:.{digits}f}" for number in row[figure] or (0, 0, 0))
        cells.append("" if row[figure] is None else value if row["images"] == 1 else f"{value} ({low}-{high})")
    return cells


def on_top_table() -> str:
    """What was tried on top of LADR, one line per sampler and oracle, values side by side."""
    if not ON_TOP.is_file():
        return "This version comes without a result file; the command below makes one."
    result = read(ON_TOP)
    lines: dict[tuple[str, str, str], list[str]] = {}
    counts: dict[str, set[int]] = {}
    for row in result["rows"]:
        line = lines.setdefault((row["idea"], row["oracle"], row["sampler"]), [])
        line.append(f"{row['value']}: {_outcome(row)} with {row['nfe'][0]:.1f}")
        counts.setdefault(row["oracle"], set()).add(row["images"])
    images = ", ".join(f"{' or '.join(map(str, sorted(of)))} of {oracle}" for oracle, of in sorted(counts.items()))
    words = (
        "Possible scenes, pictures that show their prompt (emoji model, tuning half), divergence in nats per cell, or "
        "surprisal: - log p per cell less that of exact draws, where 0 is right. With evaluations; factor 1.0, cosine, "
        'cfg 1 and none are the samplers as they are; "minus": points of difference, prompts and seeds the same. 95 % '
        f"intervals in brackets. {images}; {result['machine']['cpu']}, torch {result['machine']['torch']}. From "
        "[results/on_top.json](results/on_top.json)."
    )
    head = ["idea", "oracle", "sampler", "value: result"]
    return words + "\n\n" + table(head, [[*key, "; ".join(line)] for key, line in lines.items()], left=4)


def _outcome(row: Mapping[str, Any]) -> str:
    """What a row of on_top measured: surprisal, divergence or the share of right pictures."""
    if row.get("surprisal"):
        value, low, high = row["surprisal"]
        return f"surprisal {value:+.4f} ({low:+.4f} to {high:+.4f})"
    value, low, high = (f"{100 * number:.0f}" for number in row["valid"])
    shown = f"{value} % ({low}-{high})"
    if row["divergence"] is not None:
        divergence = "{:.4f} ({:.4f}-{:.4f})".format(*row["divergence"])
        shown = divergence if row["oracle"].startswith("texture") else f"{shown}, {divergence}"
    if "difference" in row:
        value, low, high = (f"{100 * number:+.1f}" for number in row["difference"])
        shown += f", minus {row['minus']} {value} ({low} to {high})"
    return shown


def search_table() -> str:
    """What the search of presets chose, and what each value changes beside the preset's own."""
    if not PRESET_SEARCH.is_file():
        return "This version comes without a result file; the command below makes one."
    result = read(PRESET_SEARCH)
    lines = []
    for name, row in result.get("chosen", {}).items():
        values = row["values"]
        low, high = (f"{100 * share:.1f}" for share in row["valid"][1:])
        shown = f"`frontier_shape` {values['frontier_shape']}, "
        shown += ", ".join(f"`{key}` {values[key]:g}" for key in ("radius", "steps", "risk_bound", "rescue_floor"))
        lines.append(
            [
                name, f"`cell_order` {values['order']}, {shown}", str(row["images"]), f"{row['nfe'][0]:.1f}",
                f"{100 * row['valid'][0]:.1f} ({low}-{high})",
            ]
        )  # fmt: skip
    return table(["preset", "chosen", "images", "NFE", "possible, %"], lines, left=2)
