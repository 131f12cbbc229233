"""Words and tables of docs/speed.md on the KV cache and on what else was tried, from their result files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..benchmarks.builtin_arithmetic import OUTPUT as ARITHMETIC
from ..benchmarks.cache_gain import OUTPUT as GAIN
from ..benchmarks.cache_gain import PLAIN
from ..benchmarks.cache_replay import OUTPUT as REPLAY
from ..benchmarks.cost_growth import OUTPUT as GROWTH
from ..benchmarks.cost_growth import PUBLISHED
from ..benchmarks.picture_speed import GUIDED, LADR
from ..benchmarks.picture_speed import OUTPUT as PICTURES
from ..oracles.finish import OUTPUT as FINISH
from .result_files import earlier_values, read

Table = Callable[[list[str], list[list[str]], int], str]
EMOJI = "emoji model, LADR"
# Of a layer's linear work per token 4 parts of 13 are queries, keys, values and output, 9 the MLP of three times the
# width. In the last layer only masked cells need more than keys and values.
KEYS_VALUES = 2 / 13


def cache_section(table: Table) -> str:
    """What the KV cache gains on the built-in model, and why no more."""
    if not (GAIN.is_file() and REPLAY.is_file()):
        return "`python -m ladr_core.lab speed_cache` and `speed_replay` measure it."
    gain, replay = read(GAIN), read(REPLAY)
    parts = [
        "Built-in emoji model, one picture at a time, all rows in turn on the same prompts and seeds, prompt to pixels "
        "in seconds of the process. Computed is the share of all positions of all evaluations. Scores in percent with "
        "95 % intervals; the last columns count prompts on which only this row, or only the row without cache, "
        "passed:" + earlier_values(gain.get("ladr balanced", {}).get("values")),
        table(
            ["sampler", "cache", "pictures", "NFE", "computed, %", "CPU s", "times faster (quartiles)", "score",
             "only this", "only without"],
            [_gain_row(sampler, name, row) for sampler, entry in gain.items() for name, row in entry["setups"].items()],
            2,
        ),
        "Why LADR gains less than the schedule: its evaluations are few, and each but the last ones follows a step "
        "that changed much. A cell that was masked at the evaluation before has to be computed, so nothing is saved "
        "until the second evaluation after a cell has become known, and most cells become known late. Without cache "
        "the last layer and the head already leave out known cells. LADR on the emoji model, evaluation by "
        f"evaluation, same grids without and with cache, means of {len(replay['cases'][EMOJI]['pictures'])} pictures:",
        _evaluations(replay["cases"][EMOJI]["pictures"], table),
        _networks(replay, table),
    ]  # fmt: skip
    machine = replay["machine"]
    parts.append(
        f"[kv_cache.json](results/kv_cache.json), [kv_cache_replay.json](results/kv_cache_replay.json); "
        f"{machine['cpu']}, {machine['threads']} thread, torch {machine['torch']}."
    )
    return "\n\n".join(parts)


def _gain_row(sampler: str, name: str, row: dict[str, Any]) -> list[str]:
    low, _, high = row["times_faster_quartiles"]
    passed = row["passed"]
    return [
        sampler, name if name == PLAIN else f"`{name.replace(' ', '` ')}", str(row["pictures"]), f"{row['nfe']:.1f}",
        f"{100 * row['share_computed']:.0f}", f"{row['processor_seconds']:.2f}",
        f"{row['times_faster']:.2f} ({low:.2f}-{high:.2f})",
        f"{100 * passed['value']:.1f} ({100 * passed['low']:.0f}-{100 * passed['high']:.0f})",
        str(row["passed_only_here"]), str(row["passed_only_without"]),
    ]  # fmt: skip


def _evaluations(pictures: list[list[dict[str, Any]]], table: Table) -> str:
    rows, most = [], 7
    for number in range(most):
        steps = [s for run in pictures for s in (run[number : number + 1] if number < most - 1 else run[number:])]
        if not steps:
            continue
        count = len(steps)
        computed = sum(s["computed"] for s in steps) / sum(s["places"] for s in steps)
        plain, cached = (1000 * sum(s[key] for s in steps) / count for key in ("seconds", "seconds_with_cache"))
        rows.append([
            str(number + 1) if number < most - 1 else f"{most} and later", str(count),
            f"{sum(s['masked'] for s in steps) / count:.0f}", f"{100 * computed:.0f}", f"{plain:.0f}", f"{cached:.0f}",
        ])  # fmt: skip
    return table(["evaluation", "measured", "masked cells", "computed, %", "ms without", "ms with"], rows, 1)


def _networks(replay: dict[str, Any], table: Table) -> str:
    rows = []
    for name, case in replay["cases"].items():
        steps = [step for run in case["pictures"] for step in run]
        plain, cached = (sum(s[key] for s in steps) for key in ("seconds", "seconds_with_cache"))
        share = sum(s["computed"] for s in steps) / sum(s["places"] for s in steps)
        evaluations = len(steps) / len(case["pictures"])
        full = _full_size(steps) if case["network"] == "lumina-dimoo" else None
        rows.append([
            name, f"{evaluations:.1f}".removesuffix(".0"), f"{100 * share:.0f}", f"{plain / len(steps):.3f}",
            f"{cached / len(steps):.3f}", f"{plain / cached:.2f}",
            *((f"{full[0] / 3600:.2f}", f"{full[1] / 3600:.2f}", f"{full[0] / full[1]:.2f}") if full else ("", "", "")),
        ])  # fmt: skip
    head = [
        "network and sampler", "evaluations", "computed, %", "s without", "s with", "times faster", "8B h without",
        "8B h with", "8B times faster",
    ]  # fmt: skip
    words = (
        f"The same for networks of other sizes, seconds per evaluation. Lumina-DiMOO and MMaDA are reduced "
        f"({replay['layers']} layers of {replay['width']}, random weights). Random weights choose no cells, so the "
        "grids are those of the sampler on an exact oracle of as many cells: **their number of evaluations is an "
        "estimate**. So are the last columns, hours on one thread of this CPU **computed** for the published size "
        "from one of its layers ([cost_growth.json](results/cost_growth.json)); in so few layers the last one, "
        "which leaves out known cells anyway, counts too much:" + earlier_values(replay.get("values"))
    )
    return words + "\n\n" + table(head, rows, 1)


def _full_size(steps: list[dict[str, Any]]) -> tuple[float, float] | None:
    """Seconds of these evaluations at the published size without and with the cache, None where no layer was timed."""
    growth = read(GROWTH)
    if "layer_seconds_per_token" not in growth:
        return None
    per_token, heads = growth["layer_seconds_per_token"], growth["head_seconds_by_length"]
    length = max(heads, key=int)
    per_pair = PUBLISHED.n_heads * heads[length] / int(length) ** 2
    sums = []
    for key in ("places", "computed"):
        total = 0.0
        for step in steps:
            keys, computed, masked = step["places"] / 2, step[key], 2 * step["masked"]  # of two branches
            whole = computed * (per_token + keys * per_pair)
            last = KEYS_VALUES * computed * per_token + masked * ((1 - KEYS_VALUES) * per_token + keys * per_pair)
            total += (PUBLISHED.n_layers - 1) * whole + last
        sums.append(total)
    return sums[0], sums[1]


def tried_section(table: Table) -> str:
    """What else was tried, each with its number."""
    lines = []
    if PICTURES.is_file():
        entries = read(PICTURES)["batch"]
        for name, words in (
            (GUIDED, "guidance"),
            (GUIDED + ", cfg_end 0.5", "guidance over the first half only"),
        ):
            if name in entries:
                ratio = entries[name]["times_faster_than"][LADR]["processor"]
                lines.append(
                    f"- `{name.partition(', ')[2]}` ({words}): {ratio['median']:.2f} times ({ratio['least']:.2f}-"
                    f"{ratio['most']:.2f}) as fast as LADR without guidance."
                )
    if GAIN.is_file():
        for sampler, entry in read(GAIN).items():
            setups = entry["setups"]
            often, never = (setups.get(f"kv_cache_refresh {value}") for value in (0.3, 1.0))
            if often and never:
                lines.append(
                    f"- Renewing the KV cache ({sampler}): {often['times_faster']:.2f} times as fast as without cache "
                    f"where it is renewed after 30 % of the cells, {never['times_faster']:.2f} where it never is; "
                    f"{100 * often['passed']['value']:.1f} and {100 * never['passed']['value']:.1f} % of "
                    f"{never['pictures']} pictures passed."
                )
    if ARITHMETIC.is_file():
        lines += _arithmetic(read(ARITHMETIC))
    if FINISH.is_file():
        lines.append(_finish(read(FINISH), table))
    return "\n".join(lines)


def _arithmetic(result: dict[str, Any]) -> list[str]:
    """A line for each other arithmetic of the built-in model; the first row is what it runs in."""
    own, *others = result["rows"]
    lines = []
    for row in others:
        faster = row["faster"]
        lines.append(
            f"- {row['way']} in place of {own['way']} (built-in emoji model on a CPU, {result['turns']} turns): "
            f"{faster['median']:.2f} times as fast ({faster['least']:.2f}-{faster['most']:.2f}), "
            f"{100 * row['same_tokens']:.0f} % of the tokens are the same; the first pictures take "
            f"{row['first_run_seconds']:.1f} s instead of {own['first_run_seconds']:.1f}. "
            "[builtin_arithmetic.json](results/builtin_arithmetic.json)"
        )
    return lines


def _finish(result: dict[str, Any], table: Table) -> str:
    rows = []
    for row in result["rows"]:
        divergence = row["divergence"]
        rows.append([
            row["oracle"], row["way"], str(row["images"]), f"{row['nfe'][0]:.2f}", f"{100 * row['valid'][0]:.1f}",
            f"{divergence[0]:.4f} ({divergence[1]:.4f}-{divergence[2]:.4f})" if divergence else "",
        ])  # fmt: skip
    words = (
        "- Finishing early: all cells left are unmasked at once when every one of them is sure, or has no masked "
        "neighbor. LADR balanced on the same prompts and seeds, each way in turn; valid are possible scenes on the "
        "oracles, pictures that show their prompt with the emoji model. Cells without masked neighbors save next to "
        "nothing. Sure cells save evaluations where a scene is decided, and none in texture: that is `finish_sure` of "
        "LADR on the command line, off by default, as the other pages were measured without it. "
        "[finish_early.json](results/finish_early.json):" + earlier_values(result.get("values"))
    )
    return words + "\n\n" + table(["oracle", "ends when", "images", "NFE", "valid, %", "KL, nats a cell"], rows, 2)
