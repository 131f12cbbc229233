"""Presets: named sets of values for the samplers.

The first three differ in how much is rescued per scheduled cell; their other values were chosen with the built-in model
on the tuning half of the prompts, where the differences lay within the intervals. Those of the large models' own
samplers are the published ones, with `cfg` as KSampler counts it (the published scale plus 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import InputError
from .settings import RescueSettings, SamplerSettings


@dataclass(frozen=True)
class Preset:
    """A sampler with all its values."""

    name: str
    meaning: str
    sampler: str = "ladr"
    settings: SamplerSettings = field(default_factory=SamplerSettings)
    rescue: RescueSettings = field(default_factory=RescueSettings)


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "quality",
            "careful rescue, most evaluations",
            rescue=RescueSettings(risk_bound=0.1, rescue_cap=1.0, spacing=2),
        ),
        Preset(
            "balanced",
            "the middle way",
            rescue=RescueSettings(risk_bound=0.2, rescue_cap=4.0, spacing=2),
        ),
        Preset(
            "fast",
            "bold rescue, fewest evaluations",
            rescue=RescueSettings(risk_bound=0.3, rescue_cap=8.0, spacing=2),
        ),
        Preset(
            "lumina-dimoo",
            "Lumina-DiMOO as its authors draw",
            sampler="lumina-dimoo",
            settings=SamplerSettings(steps=64, cfg=5.0, choice_temperature=1.0),
        ),
        Preset(
            "lumina-dimoo-edit",
            "Lumina-DiMOO as its authors edit",
            sampler="lumina-dimoo",
            settings=SamplerSettings(steps=64, cfg=3.5, choice_temperature=1.0, image_cfg=5.0),
        ),
        Preset(
            "mmada",
            "MMaDA as its authors draw",
            sampler="mmada",
            settings=SamplerSettings(steps=15, cfg=4.5, choice_temperature=1.0),
        ),
    )
}


def find_preset(name: str) -> Preset:
    """The preset of this name, or an InputError that lists the names."""
    if name not in PRESETS:
        raise InputError("preset", repr(name), "one of " + ", ".join(PRESETS), "Set preset to balanced")
    return PRESETS[name]
