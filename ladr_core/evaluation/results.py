"""The result of a run as plain values: rates with intervals, paired differences, cost and diversity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..worlds.scene import CATEGORIES
from .configurations import Configuration
from .diversity import COLOUR_IS_FREE, colour_entropy, token_disagreement
from .prompts import EvaluationPrompt
from .record import PictureRecord
from .statistics import mean_of_categories, wilson

Records = Mapping[tuple[str, int, int], PictureRecord]


def summarise(
    prompts: Sequence[EvaluationPrompt],
    configurations: Sequence[Configuration],
    repetitions: int,
    records: Records,
    latency: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """One entry per configuration; differences are to the baseline with the most steps, picture by picture."""
    reference = reference_configuration(configurations)
    return [
        _summary(prompts, configuration, reference, repetitions, records, latency or {})
        for configuration in configurations
    ]


def reference_configuration(configurations: Sequence[Configuration]) -> Configuration:
    """The baseline with the most steps, or the first configuration where there is no baseline."""
    baselines = [c for c in configurations if c.sampler == "baseline"]
    return max(baselines, key=lambda c: c.settings.steps) if baselines else configurations[0]


def best_of_each(summaries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Values of the best configuration for each sampler and number of steps; of equals, the first."""
    best: dict[tuple[str, int], Mapping[str, Any]] = {}
    for summary in summaries:
        place = summary["values"]["sampler"], summary["values"]["steps"]
        if place not in best or summary["overall"]["value"] > best[place]["overall"]["value"]:
            best[place] = summary
    return [dict(summary["values"]) for summary in best.values()]


def _summary(
    prompts: Sequence[EvaluationPrompt],
    configuration: Configuration,
    reference: Configuration,
    repetitions: int,
    records: Records,
    latency: Mapping[str, float],
) -> dict[str, Any]:
    own = {(p.number, s): records[configuration.key, p.number, s] for p in prompts for s in range(repetitions)}

    def passes(prompt: EvaluationPrompt) -> list[float]:
        return [float(own[prompt.number, s].passed) for s in range(repetitions)]

    def gains(prompt: EvaluationPrompt) -> list[float]:
        others = [records[reference.key, prompt.number, s].passed for s in range(repetitions)]
        return [mine - other for mine, other in zip(passes(prompt), others)]

    by_category = {c: [p for p in prompts if p.category == c] for c in CATEGORIES}
    counted = {c: [outcome for p in own_prompts for outcome in passes(p)] for c, own_prompts in by_category.items()}
    free = [record for (number, _), record in own.items() if _category(prompts, number) in COLOUR_IS_FREE]
    summary: dict[str, Any] = {
        "name": configuration.name,
        "values": configuration.values,
        "nfe": round(float(np.mean([record.nfe for record in own.values()])), 3),
        "nfe_range": [min(r.nfe for r in own.values()), max(r.nfe for r in own.values())],
        "seconds_in_batch": round(float(np.mean([record.seconds for record in own.values()])), 4),
        "seconds_alone": latency.get(configuration.key),
        "categories": {
            c: {"passed": int(sum(o)), "asked": len(o), **wilson(int(sum(o)), len(o)).rounded()}
            for c, o in counted.items()
            if o
        },
        "overall": mean_of_categories(_outcomes(prompts, passes)).rounded(),
        "seen": mean_of_categories(_outcomes([p for p in prompts if not p.held_out], passes)).rounded(),
        "token_disagreement": token_disagreement(
            [own[p.number, s].codebook_indices for s in range(repetitions)] for p in prompts
        ),
        "colour_entropy": colour_entropy(
            text.split()[0] for record in free for text in record.found if text.split()[1] != "?"
        ),
        "passes": {c: "".join("1" if outcome else "0" for outcome in outcomes) for c, outcomes in counted.items()},
    }
    held_out = [p for p in prompts if p.held_out]
    summary["held_out"] = mean_of_categories(_outcomes(held_out, passes)).rounded() if held_out else None
    if configuration.key != reference.key:
        summary["difference"] = {
            "to": reference.name,
            "overall": mean_of_categories(_outcomes(prompts, gains)).rounded(),
            **{
                c: mean_of_categories(_outcomes(own_prompts, gains)).rounded()
                for c, own_prompts in by_category.items()
                if own_prompts
            },
        }
    return summary


def _category(prompts: Sequence[EvaluationPrompt], number: int) -> str:
    return next(prompt.category for prompt in prompts if prompt.number == number)


def _outcomes(
    prompts: Sequence[EvaluationPrompt], of: Callable[[EvaluationPrompt], list[float]]
) -> dict[str, dict[str, list[float]]]:
    """Category -> caption -> outcomes of all its pictures."""
    outcomes: dict[str, dict[str, list[float]]] = {}
    for prompt in prompts:
        outcomes.setdefault(prompt.category, {}).setdefault(prompt.text, []).extend(of(prompt))
    return outcomes
