"""Sampler configurations that are compared: each a sampler with all its values and a name for the table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import Any

from ...errors import InputError
from ...presets import Preset
from ...samplers.registry import find_sampler
from ...settings import RESCUE_SETTINGS, SAMPLER_SETTINGS, RescueSettings, SamplerSettings


@dataclass(frozen=True)
class Configuration:
    """A sampler with all its values."""

    name: str
    sampler: str
    settings: SamplerSettings
    rescue: RescueSettings
    options: Mapping[str, Any] = field(default_factory=dict)  # the sampler's own; those not given take their defaults

    @property
    def values(self) -> dict[str, Any]:
        """All values that act on this sampler."""
        sampler = find_sampler(self.sampler)
        rescue = asdict(self.rescue) if sampler.uses_rescue else {}
        return {"sampler": self.sampler, **asdict(self.settings), **rescue, **sampler.check_options(self.options)}

    @property
    def key(self) -> str:
        """The same for configurations that draw the same pictures."""
        return json.dumps(self.values, sort_keys=True)


def configuration_grid(
    samplers: Sequence[str],
    steps: Sequence[int],
    varied: Mapping[str, Sequence[Any]],
    tuned: Sequence[Mapping[str, Any]] = (),
) -> list[Configuration]:
    """Every sampler at every number of steps with every combination of the varied settings.

    A setting that a sampler ignores keeps its first value, steps too: other values would draw the same pictures.
    tuned: values as `Configuration.values` gives them; where there are some for a sampler and its steps, one
    configuration starts from each of them instead of from the defaults.
    """
    found = {}
    pairs = product(samplers, enumerate(steps))
    for sampler, count in ((name, n) for name, (i, n) in pairs if i == 0 or "steps" not in find_sampler(name).ignores):
        own = {option.name for option in find_sampler(sampler).options} | set(SAMPLER_SETTINGS)
        if find_sampler(sampler).uses_rescue:
            own |= set(RESCUE_SETTINGS)
        starts = [v for v in tuned if v["sampler"] == sampler and v["steps"] == count] or [{}]
        names = [name for name in varied if name in own]
        for start, *chosen in product(starts, *(varied[name] for name in names)):
            values = {**start, **dict(zip(names, chosen)), "steps": count}
            order = ", cells first" if values.get("choose_then_sample") else ""
            shown = "".join(f", {name} {value}" for name, value in zip(names, chosen)
                            if len(varied[name]) > 1 and name != "choose_then_sample")  # fmt: skip
            configuration = _configuration(f"{sampler} {count}{order}{shown}", sampler, values)
            found[configuration.key] = configuration
    return list(found.values())


def from_preset(preset: Preset) -> Configuration:
    """The configuration of a preset."""
    return Configuration(f"{preset.sampler} {preset.name}", preset.sampler, preset.settings, preset.rescue)


def _configuration(name: str, sampler: str, values: Mapping[str, Any]) -> Configuration:
    known = {option.name for option in find_sampler(sampler).options}
    unknown = [key for key in values if key not in {*SAMPLER_SETTINGS, *RESCUE_SETTINGS, *known, "sampler"}]
    if unknown:
        allowed = "one of " + ", ".join([*SAMPLER_SETTINGS, *RESCUE_SETTINGS, *known])
        raise InputError("set", repr(unknown[0]), allowed, "Name a setting of the samplers")
    settings = replace(SamplerSettings(), **{k: v for k, v in values.items() if k in SAMPLER_SETTINGS})
    rescue = replace(RescueSettings(), **{k: v for k, v in values.items() if k in RESCUE_SETTINGS})
    return Configuration(name, sampler, settings, rescue, {k: v for k, v in values.items() if k in known})
