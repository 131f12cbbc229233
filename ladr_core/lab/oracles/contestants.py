"""The samplers that are compared on the oracles, each with a label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...presets import PRESETS
from ...sampler_setup import SamplerSetup
from ...settings import RescueSettings, SamplerSettings

# An oracle's conditionals need no guidance; cells are chosen before tokens, as its divergence asks.
SHARED = SamplerSettings(cfg=1.0, choice_temperature=3.0, choose_then_sample=True)

# Each with the values of its authors, or with those nearest to 8 to 16 evaluations on the structured oracle.
RIVALS: tuple[tuple[str, str, int, dict[str, Any]], ...] = (
    *((f"factor {factor}", "factor", 64, {"factor": factor}) for factor in (0.05, 0.2, 1.0)),
    *(
        (f"explore then exploit, {count} at {least}", "explore_exploit", 64, {"explored": count, "threshold": least})
        for count, least in ((1, 0.9), (1, 0.98), (2, 0.98))
    ),
    ("local leap", "local_leap", 64, {}),
    ("local leap, 0.98 and 0.9", "local_leap", 64, {"threshold": 0.98, "near_threshold": 0.9}),
    ("klass", "klass", 64, {}),
    ("klass, 0.98 and 0.1", "klass", 64, {"threshold": 0.98, "largest_divergence": 0.1, "settled_steps": 1}),
    ("dilated", "dilated", 64, {}),
    ("dilated 64", "dilated", 64, {"dilation": 64}),
    *((f"near and apart {steps}", "near_apart", steps, {}) for steps in (64, 32, 16)),
    *(
        (f"few-step schedule 16, {first} {second}", "beta_sine", 16, {"beta_first": first, "beta_second": second})
        for first, second in ((1.0, 1.0), (1.5, 0.7), (2.0, 1.0))
    ),
    ("ancestral 64", "ancestral", 64, {}),
)


def simple(sampler: str, steps: int = 64, options: Mapping[str, Any] | None = None) -> SamplerSetup:
    """A sampler with the shared values."""
    return SamplerSetup(sampler, replace(SHARED, steps=steps), options=options or {})


def ladr(steps: int, radius: int, order: str = "halton", **rescue: Any) -> SamplerSetup:
    """LADR with the values of its presets, but for those given."""
    settings = replace(SHARED, steps=steps, cell_order=order)
    return SamplerSetup("ladr", settings, RescueSettings(radius=radius, **rescue))


def for_oracle(setup: SamplerSetup) -> SamplerSetup:
    """A network's sampler as an oracle needs it: without guidance, and with no improbable codes to cut off."""
    return replace(setup, settings=replace(setup.settings, cfg=1.0, top_p=1.0))


def values_of(setup: SamplerSetup) -> dict[str, Any]:
    """What of a contestant's values is not the default, so that a result file says what was measured."""
    defaults = vars(SamplerSettings()) | vars(RescueSettings())
    values = vars(setup.settings) | vars(setup.rescue)
    return {name: value for name, value in values.items() if value != defaults[name]} | dict(setup.options)


def contestants(*, swept: bool = False) -> dict[str, SamplerSetup]:
    """Every contestant by its label; swept: also LADR and its rivals with other values."""
    jump: dict[str, Any] = {"rescue_scheduling": "jump", "risk_filter": "relative", "risk_bound": 0.1}
    jump |= {"spacing": 2, "radius": 1}
    found = {f"baseline {steps}": simple("baseline", steps) for steps in (64, 32, 16)}
    found |= {f"halton {steps}": simple("halton", steps) for steps in (64, 32, 24, 16)}
    for bound in (0.05, 0.3):
        found[f"entropy bound {bound}"] = simple("entropy_bound", options={"entropy_bound": bound})
    found["threshold 0.98"] = simple("threshold", options={"threshold": 0.98})
    for name in ("quality", "balanced", "fast"):
        found[f"ladr {name}"] = for_oracle(PRESETS[name].setup)
    balanced = found["ladr balanced"]
    found["ladr balanced, 256 steps"] = replace(balanced, settings=replace(balanced.settings, steps=256))
    found["ladr 64, time jumps"] = SamplerSetup(
        "ladr", replace(SHARED, steps=64), RescueSettings(rescue_cap=4.0, **jump)
    )
    for label, sampler, steps, options in RIVALS:
        found[label] = simple(sampler, steps, options)
    if not swept:
        return found
    for steps, radius in ((64, 8), (48, 2), (40, 8), (32, 1), (32, 2), (32, 8), (24, 2), (16, 2)):
        for order in ("halton", "confidence"):
            found[f"ladr {steps}, radius {radius}, {order}"] = ladr(steps, radius, order)
    for bound in (0.005, 0.1):
        found[f"ladr 64, radius 2, risk {bound}"] = ladr(64, 2, risk_bound=bound)
    found["ladr 16, radius 2, no floor"] = ladr(16, 2, rescue_floor=0.0)
    found["ladr 32, radius 2, no floor"] = ladr(32, 2, rescue_floor=0.0)
    return found
