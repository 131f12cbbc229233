"""The result of a run as plain values: rates with intervals, paired differences, cost and diversity."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..worlds.scene import CATEGORIES
from .configurations import Configuration
from .diversity import COLOR_IS_FREE, color_entropy, token_disagreement
from .power import detectable_of_interval
from .prompts import EvaluationPrompt
from .record import PictureRecord
from .statistics import mean_of_categories, wilson

Records = Mapping[tuple[str, int, int], PictureRecord]


def summarize(
    prompts: Sequence[EvaluationPrompt],
    configurations: Sequence[Configuration],
    repetitions: int,
    records: Records,
    latency: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """One entry per configuration, with paired differences: to the baseline with the most steps, and to its rivals."""
    reference = reference_configuration(configurations)
    outcomes = [_Outcomes(prompts, configuration, repetitions, records) for configuration in configurations]
    summaries = [_summary(prompts, own, repetitions, latency or {}) for own in outcomes]
    for own, summary in zip(outcomes, summaries):
        others = {o.configuration.key: o for o in outcomes if o.configuration == reference}
        others |= {o.configuration.key: o for o in _rivals(own, outcomes)}
        summary["differences"] = [_difference(own, other, prompts) for other in others.values() if other is not own]
    return summaries


def reference_configuration(configurations: Sequence[Configuration]) -> Configuration:
    """The baseline with the most steps, or the first configuration where there is no baseline."""
    baselines = [c for c in configurations if c.sampler == "baseline"]
    return max(baselines, key=lambda c: c.settings.steps) if baselines else configurations[0]


def best_of_each(summaries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Values of the best configuration per sampler, steps and choose_then_sample; of equals, the first."""
    best: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for summary in summaries:
        place = tuple(summary["values"][name] for name in ("sampler", "steps", "choose_then_sample"))
        if place not in best or summary["overall"]["value"] > best[place]["overall"]["value"]:
            best[place] = summary
    return [dict(summary["values"]) for summary in best.values()]


class _Outcomes:
    """The records of one configuration, by prompt and repetition."""

    def __init__(
        self, prompts: Sequence[EvaluationPrompt], configuration: Configuration, repetitions: int, records: Records
    ) -> None:
        self.configuration = configuration
        self.repetitions = repetitions
        self.records = {
            (p.number, s): records[configuration.key, p.number, s] for p in prompts for s in range(repetitions)
        }
        self.nfe = float(np.mean([record.nfe for record in self.records.values()]))

    def passes(self, prompt: EvaluationPrompt) -> list[float]:
        """1 for each picture of the prompt that passed, 0 for each that did not."""
        return [float(self.records[prompt.number, s].passed) for s in range(self.repetitions)]


def _rivals(own: _Outcomes, outcomes: Sequence[_Outcomes]) -> list[_Outcomes]:
    """For another sampler than the baseline: the baseline nearest in NFE, tokens first and cells first.

    For LADR also every other sampler of about as many NFE.
    """
    if own.configuration.sampler == "baseline":
        return []
    rivals = []
    for cells_first in (False, True):
        candidates = [
            o for o in outcomes
            if o.configuration.sampler == "baseline" and o.configuration.settings.choose_then_sample == cells_first
        ]  # fmt: skip
        if candidates:
            rivals.append(min(candidates, key=lambda o: abs(math.log(o.nfe / own.nfe))))
    if own.configuration.sampler == "ladr":
        others = (o for o in outcomes if o.configuration.sampler not in ("baseline", "ladr"))
        rivals += [o for o in others if costs_about_as_much(o.nfe, own.nfe)]
    return rivals


def costs_about_as_much(other: float, own: float) -> bool:
    """Whether two numbers of NFE are near enough to compare what they buy."""
    return 0.75 < other / own < 1.34


def _difference(own: _Outcomes, other: _Outcomes, prompts: Sequence[EvaluationPrompt]) -> dict[str, Any]:
    """Own passes minus the other's, prompt by prompt and seed by seed, overall and by category."""

    def gains(prompt: EvaluationPrompt) -> list[float]:
        return [mine - theirs for mine, theirs in zip(own.passes(prompt), other.passes(prompt))]

    overall = mean_of_categories(_outcomes(prompts, gains)).rounded()
    found: dict[str, Any] = {"to": other.configuration.name, "nfe": round(other.nfe, 3), "overall": overall}
    found["detectable"] = round(detectable_of_interval(overall["low"], overall["high"]), 4)
    for category in CATEGORIES:
        if chosen := [p for p in prompts if p.category == category]:
            found[category] = mean_of_categories(_outcomes(chosen, gains)).rounded()
    return found


def _summary(
    prompts: Sequence[EvaluationPrompt], own: _Outcomes, repetitions: int, latency: Mapping[str, float]
) -> dict[str, Any]:
    configuration, records, passes = own.configuration, own.records, own.passes
    by_category = {c: [p for p in prompts if p.category == c] for c in CATEGORIES}
    counted = {c: [outcome for p in own_prompts for outcome in passes(p)] for c, own_prompts in by_category.items()}
    free = [record for (number, _), record in records.items() if _category(prompts, number) in COLOR_IS_FREE]
    summary: dict[str, Any] = {
        "name": configuration.name,
        "values": configuration.values,
        "nfe": round(own.nfe, 3),
        "nfe_range": [min(r.nfe for r in records.values()), max(r.nfe for r in records.values())],
        "seconds_in_batch": round(float(np.mean([record.seconds for record in records.values()])), 4),
        "seconds_alone": latency.get(configuration.key),
        "categories": {
            c: {"passed": int(sum(o)), "asked": len(o), **wilson(int(sum(o)), len(o)).rounded()}
            for c, o in counted.items()
            if o
        },
        "overall": mean_of_categories(_outcomes(prompts, passes)).rounded(),
        "seen": mean_of_categories(_outcomes([p for p in prompts if not p.held_out], passes)).rounded(),
        "token_disagreement": token_disagreement(
            [records[p.number, s].codebook_indices for s in range(repetitions)] for p in prompts
        ),
        "color_entropy": color_entropy(
            text.split()[0] for record in free for text in record.found if text.split()[1] != "?"
        ),
        "passes": {c: "".join("1" if outcome else "0" for outcome in outcomes) for c, outcomes in counted.items()},
    }
    held_out = [p for p in prompts if p.held_out]
    summary["held_out"] = mean_of_categories(_outcomes(held_out, passes)).rounded() if held_out else None
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
