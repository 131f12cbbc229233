"""Where the committed results lie, and how a table of them is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...presets import PRESETS

RESULTS = Path(__file__).resolve().parents[3] / "docs" / "results"
SCORES, POTTS, ORACLES = (RESULTS / f"{name}.json" for name in ("emoji", "potts", "oracles"))
OLD_KEYS = {"colour": "color", "colour_entropy": "color_entropy"}  # as result files were once written
OTHER_TEXTURES, ON_TOP = (RESULTS / f"{name}.json" for name in ("other_textures", "on_top"))
PRESET_SEARCH = RESULTS / "preset_search.json"
CATEGORIES = ("single", "two", "counting", "color", "position", "attribution")


def read(path: Path) -> Any:
    """A result file; one with old keys is read as well."""

    def renamed(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {OLD_KEYS.get(key, key): value for key, value in pairs}

    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=renamed)


def table(head: list[str], rows: list[list[str]], left: int = 1) -> str:
    """A Markdown table; the first `left` columns are aligned left."""
    marks = ["---" if number < left else "---:" for number in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, marks, *rows])


def rate(value: dict[str, float]) -> str:
    """A rate in percent with its interval."""
    return f"{100 * value['value']:.1f} ({100 * value['low']:.0f}-{100 * value['high']:.0f})"


def acting(values: dict[str, Any]) -> dict[str, Any]:
    """Values of a sampler without those that have no effect, so that old result files fit."""
    idle = {"kv_cache_refresh"} if not values.get("kv_cache") else set()
    if not values.get("finish_sure"):
        idle.add("finish_sure")
    return {name: value for name, value in values.items() if name not in idle}


def preset_values() -> dict[str, Any]:
    """All values of LADR's preset balanced, for a result file."""
    setup = PRESETS["balanced"].setup
    return {"sampler": setup.sampler, **vars(setup.settings), **vars(setup.rescue)}


def earlier_values(measured: dict[str, Any] | None) -> str:
    """A sentence where a result was measured with other values than LADR's preset balanced has now, else nothing."""
    if measured is not None and acting(measured) == acting(preset_values()):
        return ""
    return " **Measured with earlier values of the preset.**"
