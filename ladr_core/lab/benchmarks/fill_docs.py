"""Fill the generated parts of README.md, docs/ and the loader's help page from the settings and the result files.

`python -m ladr_core.lab fill_docs` writes them; with `--check` it only says whether they are up to date.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...presets import PRESETS, changed_values
from ...settings import RESCUE_SETTINGS, SAMPLER_SETTINGS, SEED

RESULTS = Path(__file__).resolve().parents[3] / "docs" / "results"
DOCS = RESULTS.parent
README = DOCS.parent / "README.md"
CATEGORIES = ("single", "two", "counting", "color", "position", "attribution")
SHAPES = RESULTS / "shapes.json"
HELP = README.parent / "web" / "docs" / "LADR_LoadDLLM"  # its pages in every language have the recipes too
POTTS = RESULTS / "potts.json"
DEMO = RESULTS / "demo" / "demo.json"
OLD_KEYS = {"colour": "color", "colour_entropy": "color_entropy"}  # as result files were once written


def read(path: Path) -> Any:
    """A result file; one with old keys is read as well."""

    def renamed(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {OLD_KEYS.get(key, key): value for key, value in pairs}

    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=renamed)


def table(head: list[str], rows: list[list[str]], left: int = 1) -> str:
    """A Markdown table; the first `left` columns are aligned left."""
    marks = ["---" if number < left else "---:" for number in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, marks, *rows])


def demo_caption() -> str:
    """The words under the picture."""
    demo = read(DEMO)
    first, last = demo["samplers"]["baseline"], demo["samplers"]["ladr"]
    pictures = first["pictures"]
    return (
        f"Upper row: baseline, {first['nfe']:.0f} network evaluations and {first['seconds']:.1f} s for {len(pictures)} "
        f"pictures. Lower row: LADR (preset {demo['preset']}), {last['nfe']:.0f} and {last['seconds']:.1f} s. Built-in "
        f"model, seed {pictures[0]['seed']} for all, {demo['machine']['cpu']}, {demo['device']}; `make demo` draws "
        "them again."
    )


def gains() -> str:
    """What the pack gains, in five lines."""
    from . import card_memory, reference_memory, speed_tables

    demo = read(DEMO)
    first, last = demo["samplers"]["baseline"], demo["samplers"]["ladr"]
    pictures = len(first["pictures"])
    best = speed_tables.best_speed_ups()
    times = "; ".join(f"{case}, {ratio:.2f} times faster per step" for case, ratio in best.items())
    needed = {kind: sum(parts.values()) / 1e9 for kind, parts in reference_memory.published_sums(False).items()}
    small = card_memory.recipe(8, "Lumina-DiMOO", 1024)
    lines = [
        f"**Network evaluations**: {last['nfe'] / pictures:.0f} per picture above instead of "
        f"{first['nfe'] / pictures:.0f}; {first['seconds'] / last['seconds']:.1f} times faster on a CPU.",
        f"**Score** of the built-in model on a GenEval-like benchmark, against the best baseline of similar cost: "
        f"{'; '.join(_preset_scores())}. [All samplers](docs/results.md)",
        f"**Speed** beside the official code, same weights, reduced size, CPU: {times}. [How measured](docs/speed.md)",
        f"**Memory** of Lumina-DiMOO at 1024 x 1024 in bfloat16, beside its layers: {needed['ours']:.1f} GB, official "
        f"code {needed['official']:.1f} GB (computed, not measured). [All parts](docs/memory.md)",
        f"**Small cards**: on 8 GB, Lumina-DiMOO at 1024 x 1024 runs in {small.dtype} with "
        f"{math.ceil(small.in_ram * 10) / 10:.1f} GiB of its layers in RAM (computed). [Other cards](docs/memory.md)",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _preset_scores() -> list[str]:
    """The score of each LADR preset beside the best baseline of similar cost, whoever wins."""
    entries = {entry["name"]: entry for entry in read(SHAPES)["configurations"]}
    lines = []
    for entry in (entries[name] for name in (f"{p.sampler} {p.name}" for p in PRESETS.values()) if name in entries):
        rivals = [d for d in entry.get("differences", []) if is_rival(d, entry) and d["to"] in entries]
        line = f"`{entry['name']}` {100 * entry['overall']['value']:.1f} % with {entry['nfe']:.1f} evaluations"
        if rivals:
            best = max(rivals, key=lambda d: entries[d["to"]]["overall"]["value"])
            score = 100 * entries[best["to"]]["overall"]["value"]
            line += f" against {score:.1f} % with {best['nfe']:.1f} ({verdict(best['overall'])})"
        lines.append(line)
    return lines


def is_rival(other: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Whether another configuration costs about as many evaluations as this one."""
    return 0.75 < other["nfe"] / entry["nfe"] < 1.34


def one_file() -> str:
    """How to make one 8-bit file of a folder, and its size."""
    from . import card_memory

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
    measured = {entry["name"]: entry for entry in read(SHAPES)["configurations"]} if SHAPES.is_file() else {}
    rows = []
    for preset in PRESETS.values():
        changed = [f"`{k}` {str(v).lower()}" for k, v in changed_values(preset).items()] or ["the defaults"]
        entry = measured.get(f"{preset.sampler} {preset.name}")
        cells = [f"{entry['nfe']:.1f}", rate(entry["overall"])] if entry else ["", ""]
        rows.append([f"`{preset.name}`", preset.meaning, f"`{preset.sampler}`", ", ".join(changed), *cells])
    if not measured:
        return table(["preset", "meaning", "sampler", "values"], [row[:4] for row in rows], left=4)
    return table(["preset", "meaning", "sampler", "values", "NFE", "score"], rows, left=4)


def scores_table() -> str:
    """Scores of the built-in model by sampler, and what they say."""
    if not SHAPES.is_file():
        return "This version comes without a result file; the command below makes one."
    result = read(SHAPES)
    machine, ceiling = result["machine"], result["ceiling"]
    reconstructed = [f"{100 * ceiling['reconstructed'][c]['value']:.1f}" for c in CATEGORIES]
    rows = [["ceiling: image tokenizer alone", "", "", *reconstructed, f"{100 * ceiling['overall']:.1f}"]]
    for entry in result["configurations"]:
        seconds = entry["seconds_alone"] if entry["seconds_alone"] is not None else entry["seconds_in_batch"]
        scores = [rate(entry["categories"][c]) for c in CATEGORIES]
        rows.append([entry["name"], f"{entry['nfe']:.1f}", f"{seconds:.2f}", *scores, rate(entry["overall"])])
    head = ["sampler", "NFE", "s", *CATEGORIES, "overall"]
    words = (
        f"{result['prompts']} prompts x {result['repetitions']} seeds per row, percent of pictures that show what the "
        f"prompt says, 95 % intervals in brackets; {machine['cpu']}, {machine['threads']} threads, torch "
        f"{machine['torch']}, {result['dtype']}. From [results/shapes.json](results/shapes.json)."
    )
    best = max(result["configurations"], key=lambda entry: entry["overall"]["value"])
    honest = (
        f"The image tokenizer's ceiling is {100 * ceiling['overall']:.1f} %; the best row, {best['name']}, has "
        f"{100 * best['overall']['value']:.1f} %."
    )
    worst = min(CATEGORIES, key=lambda category: best["categories"][category]["value"])
    if best["categories"][worst]["value"] < 0.85:
        honest += f" What no sampler gets right is the small model's own error, most of all in `{worst}`."
    return "\n\n".join([table(head, rows), words, honest, *comparisons(result)])


def comparisons(result: dict[str, Any]) -> list[str]:
    """Paired differences to the baselines nearest in NFE, a sentence each, whoever wins."""
    lines = []
    for entry in result["configurations"]:
        if entry["values"]["sampler"] == "baseline":
            continue
        for other in entry.get("differences", []):
            if not is_rival(other, entry) and other["nfe"] != 64:
                continue
            lines.append(
                f"- {entry['name']} ({entry['nfe']:.1f} NFE) minus {other['to']} ({other['nfe']:.1f} NFE): overall "
                f"{signed(other['overall'])}: {verdict(other['overall'])}; position {signed(other['position'])}: "
                f"{verdict(other['position'])}."
            )
    if not lines:
        return []
    return [
        "Differences in percentage points on the same prompts and seeds: to the full baseline, and to the fair rival, "
        "the baseline with fewer steps and settings tuned for it. \"Cells first\" means `choose_then_sample`. One in "
        "twenty such intervals excludes zero by chance:",
        "\n".join(lines),
    ]


def signed(value: dict[str, float]) -> str:
    """A difference in percentage points with its interval."""
    return f"{100 * value['value']:+.1f} ({100 * value['low']:+.1f} to {100 * value['high']:+.1f})"


def verdict(value: dict[str, float]) -> str:
    """What the interval of a difference says."""
    if value["low"] > 0:
        return "ahead"
    return "behind" if value["high"] < 0 else "no difference shown"


def oracle_table() -> str:
    """Distance to the truth on the exactly known grid, for the samplers of about half as many evaluations as cells."""
    result = read(POTTS)
    cells = result["height"] * result["width"]
    near = [row for row in result["results"] if 0.4 * cells <= row["nfe"] <= 0.65 * cells]
    exact = next(row for row in result["results"] if row["sampler"].endswith("steps, cells first"))
    chosen = [exact, *sorted(near, key=lambda row: row["excess"])]
    rows = [[row["sampler"], f"{row['nfe']:.2f}", f"{row['excess']:.3f}"] for row in chosen]
    words = (
        f"{result['height']} x {result['width']} cells, {result['states']} states, {exact['samples']} grids per row; "
        "distance is total variation beyond that of as many exact draws. All rows, also at other NFE: "
        "[results/potts.json](results/potts.json)."
    )
    return table(["sampler", "NFE", "distance"], rows) + "\n\n" + words


def rate(value: dict[str, float]) -> str:
    """A rate in percent with its interval."""
    return f"{100 * value['value']:.1f} ({100 * value['low']:.0f}-{100 * value['high']:.0f})"


def memory_table() -> str:
    """What the parts of an 8B model need, and a recipe for cards of four sizes."""
    from . import card_memory

    needs = table(card_memory.NEEDS_HEAD, card_memory.needs_rows(), left=2)
    return needs + "\n\n" + cards_table("en")


def cards_table(language: str) -> str:
    """A recipe for cards of four sizes."""
    from . import card_memory

    return table(card_memory.RECIPE_HEADS[language], card_memory.recipe_rows(), left=4)


def speed_table() -> str:
    """The official implementations of Lumina-DiMOO and MMaDA and ours on the same weights."""
    from . import speed_tables

    return speed_tables.speed_section(table)


PARTS: dict[str, Callable[[], str]] = {
    "demo": demo_caption,
    "gains": gains,
    "one_file": one_file,
    "templates": templates,
    "settings": settings_table,
    "presets": presets_table,
    "scores": scores_table,
    "oracle": oracle_table,
    "memory": memory_table,
    "speed": speed_table,
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

