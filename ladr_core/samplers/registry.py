"""The samplers by name, each with the parts of the loop it brings along."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..guidance import Guidance
from ..noise import NoiseSource, PerImageNoise
from ..settings import RescueSettings, SamplerSettings, Setting
from ..token_sampling import TokenDraw
from .baseline import BaselineRule
from .contract import Rule
from .ladr import LadrRule


@dataclass(frozen=True)
class Recipe:
    """What a sampler gives to the loop; None stands for the loop's own choice."""

    rule: Rule
    draw: TokenDraw | None = None
    guidance: Guidance | None = None
    noise: Callable[[Sequence[int]], NoiseSource] = PerImageNoise  # from the seeds


@dataclass(frozen=True)
class Sampler:
    """A sampler that can be chosen by name, with the options it has beside the shared settings."""

    name: str
    meaning: str
    build: Callable[[SamplerSettings, RescueSettings, Mapping[str, Any]], Recipe]
    options: tuple[Setting, ...] = ()
    uses_rescue: bool = False

    def recipe(self, settings: SamplerSettings, rescue: RescueSettings, options: Mapping[str, Any]) -> Recipe:
        """A fresh recipe for one run; options that are not given take their defaults."""
        return self.build(settings, rescue, self.check_options(options))

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """All options with their values, or an InputError naming the wrong one."""
        known = {option.name: option for option in self.options}
        for name in options:
            if name not in known:
                allowed = ", ".join(known) or f"no options for the sampler {self.name}"
                raise InputError("options", repr(name), allowed, f"Remove {name}")
        return {name: option.check(options.get(name, option.default)) for name, option in known.items()}


_SAMPLERS: dict[str, Sampler] = {}


def register(sampler: Sampler) -> None:
    """Make a sampler known under its name."""
    _SAMPLERS[sampler.name] = sampler


def sampler_names() -> tuple[str, ...]:
    """Names of all samplers."""
    return tuple(_SAMPLERS)


def find_sampler(name: str) -> Sampler:
    """The sampler of this name, or an InputError that lists the names."""
    if name not in _SAMPLERS:
        raise InputError("sampler", repr(name), "one of " + ", ".join(_SAMPLERS), "Set sampler to ladr")
    return _SAMPLERS[name]


register(
    Sampler(
        "ladr",
        "the mask schedule plus the rescue of frontier cells",
        lambda settings, rescue, options: Recipe(LadrRule(settings, rescue)),
        uses_rescue=True,
    )
)
register(
    Sampler(
        "baseline",
        "the mask schedule alone (MaskGIT)",
        lambda settings, rescue, options: Recipe(BaselineRule(settings)),
    )
)
