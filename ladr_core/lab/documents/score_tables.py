"""Tables of scores and of the oracles, for the documents."""

from __future__ import annotations

from typing import Any

from ...presets import PRESETS
from ..evaluation.results import costs_about_as_much
from .result_files import CATEGORIES, ORACLES, POTTS, SCORES, acting, rate, read, table


def scores_table() -> str:
    """Scores of the built-in model by sampler, and what they say."""
    if not SCORES.is_file():
        return "This version comes without a result file; the command below makes one."
    result = read(SCORES)
    machine, ceiling = result["machine"], result["ceiling"]
    reconstructed = [f"{100 * ceiling['reconstructed'][c]['value']:.1f}" for c in CATEGORIES]
    rows = [["ceiling: image tokenizer alone", "", "", *reconstructed, f"{100 * ceiling['overall']:.1f}"]]
    for entry in distinct(result["configurations"]):
        seconds = entry["seconds_alone"] if entry["seconds_alone"] is not None else entry["seconds_in_batch"]
        scores = [rate(entry["categories"][c]) for c in CATEGORIES]
        rows.append([entry["name"], f"{entry['nfe']:.1f}", f"{seconds:.2f}", *scores, rate(entry["overall"])])
    head = ["sampler", "NFE", "s", *CATEGORIES, "overall"]
    words = (
        f"{result['prompts']} prompts x {result['repetitions']} seeds per row, percent of pictures that show what the "
        f"prompt says, 95 % intervals in brackets; {machine['cpu']}, {machine['threads']} threads, torch "
        f"{machine['torch']}, {result['dtype']}. From [results/emoji.json](results/emoji.json)."
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
    """Paired differences to the baselines nearest in NFE and to LADR's rivals, a sentence each, whoever wins."""
    lines = []
    for entry in distinct(result["configurations"]):
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
        "Differences in percentage points on the same prompts and seeds: to the full baseline, to the baseline with "
        "about as many evaluations, and of LADR to each rival with about as many. \"Cells first\" means "
        "`choose_then_sample`. One in twenty such intervals excludes zero by chance:",
        "\n".join(lines),
    ]


def distinct(configurations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that drew what an earlier one drew: samplers that stop early do not feel a number of steps."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in configurations:
        found.setdefault((entry["values"]["sampler"], entry["nfe"], entry["overall"]["value"]), entry)
    return list(found.values())


def signed(value: dict[str, float]) -> str:
    """A difference in percentage points with its interval."""
    return f"{100 * value['value']:+.1f} ({100 * value['low']:+.1f} to {100 * value['high']:+.1f})"


def verdict(value: dict[str, float]) -> str:
    """What the interval of a difference says."""
    if value["low"] > 0:
        return "ahead"
    return "behind" if value["high"] < 0 else "no difference shown"


def measured_presets() -> dict[str, dict[str, Any]]:
    """The measured entries of presets by name; an entry of other values than the preset has now does not count."""
    entries = {entry["name"]: entry for entry in read(SCORES)["configurations"]} if SCORES.is_file() else {}
    found = {}
    for preset in PRESETS.values():
        entry = entries.get(f"{preset.sampler} {preset.name}")
        values = acting(vars(preset.settings) | vars(preset.rescue))
        if entry and all(entry["values"].get(name) == value for name, value in values.items()):
            found[preset.name] = entry
    return found


def _preset_scores() -> list[str]:
    """The score of each LADR preset beside the best other sampler of similar cost, whoever wins."""
    entries = {entry["name"]: entry for entry in read(SCORES)["configurations"]} if SCORES.is_file() else {}
    lines = []
    for entry in measured_presets().values():
        rivals = [d for d in entry.get("differences", []) if is_rival(d, entry) and d["to"] in entries]
        line = f"`{entry['name']}` {100 * entry['overall']['value']:.1f} % with {entry['nfe']:.1f} evaluations"
        if rivals:
            best = max(rivals, key=lambda d: entries[d["to"]]["overall"]["value"])
            score = 100 * entries[best["to"]]["overall"]["value"]
            line += f" against {score:.1f} % with {best['nfe']:.1f} ({verdict(best['overall'])})"
        lines.append(line)
    return lines


def network_words() -> str:
    """What few evaluations cost on the emoji network: the baseline at all its steps, and the presets."""
    measured = measured_presets()
    if not measured:
        return "The presets were not measured with the values they have now."
    result = read(SCORES)
    plain = [entry for entry in result["configurations"] if entry["values"]["sampler"] == "baseline"]
    baseline = [
        f"{100 * entry['overall']['value']:.1f} % with {entry['nfe']:.0f}"
        for entry in sorted(plain, key=lambda entry: -entry["nfe"])
    ]
    presets = [
        f"`{name}` {100 * entry['overall']['value']:.1f} % with {entry['nfe']:.1f}" for name, entry in measured.items()
    ]
    return (
        f"Right pictures of {result['prompts'] * result['repetitions']} a row, emoji model, by evaluations: "
        f"baseline {', '.join(baseline)}; LADR {', '.join(presets)}{_best_rival(result)}. "
        "[Where LADR wins, ties and loses](docs/how_it_compares.md)"
    )


def _best_rival(result: dict[str, Any], most: int = 16) -> str:
    """The best of the other samplers with at most so many evaluations."""
    others = [
        entry for entry in result["configurations"]
        if entry["values"]["sampler"] not in ("baseline", "ladr") and entry["nfe"] <= most
    ]  # fmt: skip
    if not others:
        return ""
    best = max(others, key=lambda entry: entry["overall"]["value"])
    name = best["values"]["sampler"].replace("_", " ")
    return f"; best of the rivals measured, {name}, {100 * best['overall']['value']:.1f} % with {best['nfe']:.1f}"


def is_rival(other: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Whether another configuration costs about as many evaluations as this one."""
    return costs_about_as_much(other["nfe"], entry["nfe"])


def score_gain() -> list[str]:
    """The line of scores, where the presets were measured with the values they have now."""
    scores = _preset_scores()
    words = "**Score** of the built-in model on a GenEval-like benchmark, against the best other sampler of similar "
    words += "cost: "
    return [words + "; ".join(scores) + ". [All samplers](docs/results.md)"] if scores else []


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


def oracles_table() -> str:
    """Every sampler on every oracle."""
    rows = read(ORACLES)["rows"] if ORACLES.is_file() else []
    if not rows:
        return "This version comes without a result file; the command below makes one."
    shown = []
    for row in rows:
        valid, divergence = row["valid"], row["divergence"]
        shown.append(
            [
                row["sampler"], row["oracle"], row["start"], str(row["images"]), f"{row['nfe'][0]:.1f}",
                f"{100 * valid[0]:.1f} ({100 * valid[1]:.1f}-{100 * valid[2]:.1f})",
                "" if divergence is None else f"{divergence[0]:.4f} ({divergence[1]:.4f}-{divergence[2]:.4f})",
            ]
        )  # fmt: skip
    machine = read(ORACLES)["machine"]
    head = ["sampler", "oracle", "start", "images", "NFE", "possible, %", "divergence, nats per cell"]
    words = (
        f"95 % intervals in brackets; {machine['cpu']}, torch {machine['torch']}. "
        "From [results/oracles.json](results/oracles.json), which has more figures."
    )
    return words + "\n\n" + table(head, shown, left=3)


def _oracle_rows(oracle: str, start: str = "nothing known") -> dict[str, dict[str, Any]]:
    """The rows of an oracle by sampler."""
    rows = read(ORACLES)["rows"] if ORACLES.is_file() else []
    return {row["sampler"]: row for row in rows if (row["oracle"], row["start"]) == (oracle, start)}


def oracle_gain() -> list[str]:
    """The line of the structured oracle."""
    rows = _oracle_rows("structured 16")
    shown = [name for name in ("ladr balanced", "baseline 64", "baseline 16", "entropy bound 0.05") if name in rows]
    parts = [f"`{name}` {100 * rows[name]['valid'][0]:.1f} % with {rows[name]['nfe'][0]:.1f}" for name in shown]
    words = "**Possible pictures** by evaluations, with exact probabilities in place of a network: "
    return [words + f"{'; '.join(parts)}. [All oracles](docs/results.md)"] if parts else []
