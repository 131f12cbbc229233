"""Presets: named sets of values for the samplers.

Each of LADR's has a neighborhood of its own; its other values were chosen on the exact oracles, the most careful where
several did as well (`python -m ladr_core.lab preset_search`, docs/results/preset_search.json), its guidance and top-p
with the emoji model on the tuning prompts (docs/results/tuning_guidance.json). Those of the large models' own samplers
are the published ones, with `cfg` as KSampler counts it (the published scale plus 1); they run on the command line and,
as `method`, on the Baseline dLLM Sampler. Those that join LADR with a large model follow the texture oracle at the
model's number of cells and were not measured with its weights.
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


def _ladr(name: str, meaning: str, *, steps: int, radius: int, shape: str = "square", cfg: float = 1.0,
          top_p: float = 0.9) -> Preset:
    """A preset of LADR: open cells first, cells chosen before their tokens are drawn, a rescue of sure cells only."""
    return Preset(
        name,
        meaning,
        settings=SamplerSettings(
            steps=steps, cfg=cfg, top_p=top_p, choose_then_sample=True, cell_order="open_first"
        ),
        rescue=RescueSettings(frontier_shape=shape, radius=radius, risk_bound=0.001, rescue_floor=0.95),
    )


def changed_values(preset: Preset) -> dict[str, Any]:
    """Values of a preset that are not the defaults."""
    defaults = vars(SamplerSettings()) | vars(RescueSettings())
    values = vars(preset.settings) | vars(preset.rescue)
    return {name: value for name, value in values.items() if value != defaults[name]}


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        _ladr("quality", "rescue beside known cells, not diagonally; most evaluations", steps=64, radius=1,
              shape="cross"),
        _ladr("balanced", "rescue in the eight cells around known ones", steps=64, radius=1),
        _ladr("fast", "rescue two cells away from known ones, fewest evaluations", steps=64, radius=2),
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
        _ladr("lumina-dimoo-ladr", "Lumina-DiMOO with LADR, not measured on it", steps=16, radius=2,
              cfg=5.0, top_p=1.0),
        _ladr("mmada-ladr", "MMaDA with LADR, not measured on it", steps=12, radius=2, cfg=4.5,
              top_p=1.0),
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
