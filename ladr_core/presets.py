"""Presets: named sets of values for the samplers.

The first three differ in how much is rescued per scheduled cell. Their values were chosen with the built-in model on
the tuning half of the prompts: guidance with an earlier state of the model in docs/results/tuning_cfg.json, risk bound
and rescue cap in docs/results/tuning_ladr.json, where the differences between risk bounds lay within the intervals.
Those of the large models' own samplers are the published ones, with `cfg` as KSampler counts it (the published scale
plus 1); they run on the command line and, as `method`, on the Baseline dLLM Sampler.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .errors import InputError
from .sampler_setup import SamplerSetup
from .settings import RescueSettings, SamplerSettings


@dataclass(frozen=True)
class Preset:
    """A sampler with all its values."""

    name: str
    meaning: str
    sampler: str = "ladr"
    settings: SamplerSettings = field(default_factory=SamplerSettings)
    rescue: RescueSettings = field(default_factory=RescueSettings)

    @property
    def setup(self) -> SamplerSetup:
        """The sampler with these values."""
        return SamplerSetup(self.sampler, self.settings, self.rescue)


def _ladr(name: str, meaning: str, *, rescue_cap: float) -> Preset:
    """A preset of LADR: cells are chosen before tokens, and those rescued together do not touch."""
    return Preset(
        name,
        meaning,
        settings=SamplerSettings(cfg=1.2, choice_temperature=3.0, choose_then_sample=True),
        rescue=RescueSettings(risk_bound=0.1, rescue_cap=rescue_cap, spacing=2),
    )


def changed_values(preset: Preset) -> dict[str, Any]:
    """Values of a preset that are not the defaults."""
    defaults = vars(SamplerSettings()) | vars(RescueSettings())
    values = vars(preset.settings) | vars(preset.rescue)
    return {name: value for name, value in values.items() if value != defaults[name]}


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        _ladr("quality", "careful rescue, most evaluations", rescue_cap=1.0),
        _ladr("balanced", "the middle way", rescue_cap=4.0),
        _ladr("fast", "bold rescue, fewest evaluations", rescue_cap=8.0),
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
