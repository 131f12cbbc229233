"""Fill the generated parts of README.md, docs/ and the loader's help page from the settings and the result files.

`python -m ladr_core.lab fill_docs` writes them; with `--check` it only says whether they are up to date.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ...presets import PRESETS, changed_values
from ...settings import RESCUE_SETTINGS, SAMPLER_SETTINGS, SEED
from .compared_tables import compared_tables, on_top_table, search_table
from .conditionals_table import chosen_cells_table, conditionals_table
from .result_files import RESULTS, rate, read, table
from .score_tables import (
    measured_presets,
    network_words,
    oracle_gain,
    oracle_table,
    oracles_table,
    score_gain,
    scores_table,
)

DOCS = RESULTS.parent
README = DOCS.parent / "README.md"
HELP = README.parent / "web" / "docs" / "LADR_LoadDLLM"  # its pages in every language have the recipes too
DEMO = RESULTS / "demo" / "demo.json"


def demo_caption() -> str:
    """The words under the picture, and what the benchmark adds to it."""
    demo = read(DEMO)
    first, last = demo["samplers"]["baseline"], demo["samplers"]["ladr"]
    pictures = first["pictures"]
    return (
        f"Upper row: baseline, {first['nfe']:.0f} network evaluations and {first['seconds']:.1f} s for {len(pictures)} "
        f"pictures. Lower row: LADR (preset {demo['preset']}), {last['nfe']:.0f} and {last['seconds']:.1f} s. Built-in "
        f"model, seed {pictures[0]['seed']} for all, {demo['machine']['cpu']}, {demo['device']}; `make demo` draws "
        f"them again.\n{network_words()}"
    )


def gains() -> str:
    """What the pack gains, a line each."""
    from ..benchmarks import card_memory, reference_memory
    from . import picture_tables, speed_tables

    best = speed_tables.best_speed_ups()
    times = "; ".join(f"{case}, {ratio:.2f} times faster per step" for case, ratio in best.items())
    needed = {kind: sum(parts.values()) / 1e9 for kind, parts in reference_memory.published_sums(False).items()}
    small = card_memory.recipe(8, "Lumina-DiMOO", 1024)
    lines = [
        *oracle_gain(),
        *score_gain(),
        *picture_tables.picture_gain(),
        f"**Speed** beside the official code, same weights, reduced size, CPU: {times}. [How measured](docs/speed.md)",
        f"**Memory** of Lumina-DiMOO at 1024 x 1024 in bfloat16, beside its layers: {needed['ours']:.1f} GB, official "
        f"code {needed['official']:.1f} GB (computed, not measured). [All parts](docs/memory.md)",
        f"**Small cards**: on 8 GB, Lumina-DiMOO at 1024 x 1024 runs in {small.dtype} with "
        f"{math.ceil(small.in_ram * 10) / 10:.1f} GiB of its layers in RAM (computed). [Other cards](docs/memory.md)",
    ]
    return "\n".join(f"- {line}" for line in lines)


def one_file() -> str:
    """How to make one 8-bit file of a folder, and its size."""
    from ..benchmarks import card_memory

    config = card_memory.transformer_config("Lumina-DiMOO")
    tokenizer = card_memory.vq_weight_bytes("Lumina-DiMOO")
    half, eight = (
        (card_memory.weight_bytes(config, dtype) + tokenizer) / 1e9 for dtype in card_memory.DTYPES.values()
    )
    return (
        "`python -m ladr_core convert FOLDER FILE.safetensors --dtype float8_e4m3fn` makes one 8-bit file of a "
        f"folder: {eight:.1f} GB in place of {half:.1f} GB for Lumina-DiMOO, computed from its tensors."
    )


def templates() -> str:
    """The names of the templates."""
    names = sorted((path.stem for path in (README.parent / "workflows").glob("*.json")), key=lambda n: ("(" in n, n))
    return "Templates: " + "; ".join(names) + "."


def settings_table() -> str:
    """All settings of the samplers."""
    rows = []
    for setting in (SEED, *SAMPLER_SETTINGS.values(), *RESCUE_SETTINGS.values()):
        default = str(setting.default).lower() if setting.kind == "bool" else str(setting.default)
        where = "both samplers" if setting.name not in RESCUE_SETTINGS else "LADR"
        if not setting.on_node:
            where = "LADR Edit Task" if setting.name == "image_cfg" else f"{where}, not on the node"
        rows.append([f"`{setting.name}`", default, setting.allowed, setting.meaning, where])
    return table(["input", "default", "allowed", "meaning", "where"], rows, left=5)


def presets_table() -> str:
    """The presets: what differs from the defaults, and what was measured with it."""
    measured, rows = measured_presets(), []
    for preset in PRESETS.values():
        changed = [f"`{k}` {str(v).lower()}" for k, v in changed_values(preset).items()] or ["the defaults"]
        entry = measured.get(preset.name)
        cells = [f"{entry['nfe']:.1f}", rate(entry["overall"])] if entry else ["", ""]
        rows.append([f"`{preset.name}`", preset.meaning, f"`{preset.sampler}`", ", ".join(changed), *cells])
    if not measured:
        return table(["preset", "meaning", "sampler", "values"], [row[:4] for row in rows], left=4)
    return table(["preset", "meaning", "sampler", "values", "NFE", "score"], rows, left=4)


def memory_table() -> str:
    """What the parts of an 8B model need, and a recipe for cards of four sizes."""
    from ..benchmarks import card_memory

    needs = table(card_memory.NEEDS_HEAD, card_memory.needs_rows(), left=2)
    return needs + "\n\n" + cards_table("en")


def cards_table(language: str) -> str:
    """A recipe for cards of four sizes."""
    from ..benchmarks import card_memory

    return table(card_memory.RECIPE_HEADS[language], card_memory.recipe_rows(), left=4)


def speed_table() -> str:
    """The official implementations of Lumina-DiMOO and MMaDA and ours on the same weights."""
    from . import speed_tables

    return speed_tables.speed_section(table)


def picture_table() -> str:
    """Seconds from prompt to pixels on the built-in model."""
    from . import picture_tables

    return picture_tables.picture_section(table)


def cache_table() -> str:
    """What the KV cache gains."""
    from . import cache_tables

    return cache_tables.cache_section(table)


def tried_table() -> str:
    """What else was tried to make a picture faster."""
    from . import cache_tables

    return cache_tables.tried_section(table)


def growth_table() -> str:
    """What a step costs beside the network."""
    from . import picture_tables

    return picture_tables.growth_section(table)


PARTS: dict[str, Callable[[], str]] = {
    "demo": demo_caption,
    "gains": gains,
    "one_file": one_file,
    "templates": templates,
    "settings": settings_table,
    "presets": presets_table,
    "scores": scores_table,
    "oracles": oracles_table,
    "oracle": oracle_table,
    "compared": compared_tables,
    "on_top": on_top_table,
    "conditionals": conditionals_table,
    "chosen_cells": chosen_cells_table,
    "search": search_table,
    "memory": memory_table,
    "speed": speed_table,
    "picture": picture_table,
    "growth": growth_table,
    "cache": cache_table,
    "tried": tried_table,
}


def pages() -> list[Path]:
    """All pages with generated parts."""
    return [README, *sorted(DOCS.glob("*.md")), *sorted(HELP.glob("*.md"))]


def filled(text: str) -> str:
    """A page with its generated parts renewed."""

    def renew(match: re.Match[str]) -> str:
        name, _, language = match[1].partition("_")
        content = cards_table(language) if name == "cards" else PARTS[match[1]]()
        return f"<!-- generated: {match[1]} -->\n{content}\n<!-- end of generated -->"

    return re.sub(r"<!-- generated: (\w+) -->\n.*?<!-- end of generated -->", renew, text, flags=re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, or check with --check."""
    only_checks = "--check" in (arguments or ())
    changed = False
    for page in pages():
        text = page.read_text(encoding="utf-8")
        new = filled(text)
        changed |= new != text
        if not only_checks:
            page.write_text(new, encoding="utf-8")
    return int(changed and only_checks)

