"""The samplers by name, each with the parts of the loop it brings along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import InputError
from ..guidance import Guidance
from ..models.contract import DLLM
from ..settings import RescueSettings, SamplerSettings, Setting
from ..step import Rule
from ..token_draw import TokenDraw
from .ancestral import AncestralRule
from .baseline import BaselineRule
from .beta_sine import BETA_FIRST, BETA_SECOND, BetaSineRule
from .dilated import DILATION, DilatedRule
from .entropy_bound import ENTROPY_BOUND, EntropyBoundRule
from .explore_exploit import EXPLORED, ExploreExploitRule
from .factor import FACTOR, FactorRule
from .halton import ROLL, HaltonRule
from .klass import AT_LEAST, LARGEST_DIVERGENCE, SETTLED_STEPS, KlassRule
from .ladr import LadrRule
from .local_leap import NEAR_THRESHOLD, REACH, LocalLeapRule
from .near_apart import REPULSION, NearApartRule
from .published.arithmetic import UpstreamGuidance
from .published.lumina_dimoo import ML_CACHE, ML_CACHE_OPTIONS, GumbelArgmaxDraw, LuminaDiMOORule, with_ml_cache
from .published.mmada import PADDED, ExponentialRaceDraw, MMaDARule, with_padding
from .threshold import THRESHOLD, ThresholdRule


@dataclass(frozen=True)
class Recipe:
    """What a sampler gives to the loop; None stands for the loop's own choice."""

    rule: Rule
    draw: TokenDraw | None = None
    guidance: Guidance | None = None
    noise_on_device: bool = False  # drawn where the model runs: faster, and the picture depends on the device
    prepare: Callable[[DLLM], DLLM] = lambda model: model  # the form of the model that this sampler runs


@dataclass(frozen=True)
class Sampler:
    """A sampler that can be chosen by name, with the options it has beside the shared settings."""

    name: str
    meaning: str
    build: Callable[[SamplerSettings, RescueSettings, Mapping[str, Any]], Recipe]
    options: tuple[Setting, ...] = ()
    uses_rescue: bool = False
    ignores: tuple[str, ...] = ()  # shared settings without an effect on this sampler

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


def _lumina_dimoo(settings: SamplerSettings, rescue: RescueSettings, options: Mapping[str, Any]) -> Recipe:
    guidance = UpstreamGuidance(settings.cfg - 1, settings.image_cfg - 1)
    draw, prepare = GumbelArgmaxDraw(settings.temperature), partial(with_ml_cache, settings=settings, options=options)
    return Recipe(LuminaDiMOORule(settings), draw, guidance, noise_on_device=True, prepare=prepare)


def _mmada(settings: SamplerSettings, rescue: RescueSettings, options: Mapping[str, Any]) -> Recipe:
    draw, prepare = ExponentialRaceDraw(), partial(with_padding, options=options)
    guidance = UpstreamGuidance(settings.cfg - 1)
    return Recipe(MMaDARule(settings), draw, guidance, noise_on_device=True, prepare=prepare)


_NO_CHOICE_NOISE = ("choice_temperature", "choose_then_sample", "cell_order")
_NO_SCHEDULE = (*_NO_CHOICE_NOISE, "steps")

for _sampler in (
    Sampler(
        "ladr",
        "the mask schedule plus the rescue of frontier cells",
        lambda settings, rescue, options: Recipe(LadrRule(settings, rescue)),
        uses_rescue=True,
    ),
    Sampler(
        "baseline",
        "the mask schedule alone (MaskGIT)",
        lambda settings, rescue, options: Recipe(BaselineRule(settings)),
    ),
    Sampler(
        "halton",
        "the mask schedule with cells in an even, fixed order",
        lambda settings, rescue, options: Recipe(HaltonRule(settings, **options)),
        options=(ROLL,),
        ignores=_NO_CHOICE_NOISE,
    ),
    Sampler(
        "threshold",
        "every cell above a confidence (Fast-dLLM)",
        lambda settings, rescue, options: Recipe(ThresholdRule(settings, **options)),
        options=(THRESHOLD,),
        ignores=_NO_SCHEDULE,
    ),
    Sampler(
        "entropy_bound",
        "as many cells as an entropy bound allows (EB-Sampler)",
        lambda settings, rescue, options: Recipe(EntropyBoundRule(settings, **options)),
        options=(ENTROPY_BOUND,),
        ignores=_NO_SCHEDULE,
    ),
    Sampler(
        "klass",
        "confident cells whose distribution has settled (KLASS)",
        lambda settings, rescue, options: Recipe(KlassRule(settings, **options)),
        options=(THRESHOLD, LARGEST_DIVERGENCE, SETTLED_STEPS, AT_LEAST),
        ignores=_NO_SCHEDULE,
    ),
    Sampler(
        "factor",
        "the most confident cells, as many as their confidence allows (Fast-dLLM)",
        lambda settings, rescue, options: Recipe(FactorRule(settings, **options)),
        options=(FACTOR,),
        ignores=_NO_SCHEDULE,
    ),
    Sampler(
        "explore_exploit",
        "confident cells, and a few of the least confident (ETE)",
        lambda settings, rescue, options: Recipe(ExploreExploitRule(settings, **options)),
        options=(THRESHOLD, EXPLORED),
        ignores=_NO_SCHEDULE,
    ),
    Sampler(
        "local_leap",
        "confident cells, and less confident ones near them (LocalLeap)",
        lambda settings, rescue, options: Recipe(LocalLeapRule(settings, **options)),
        options=(THRESHOLD, NEAR_THRESHOLD, REACH),
        ignores=_NO_SCHEDULE,
    ),
    Sampler(
        "dilated",
        "fixed lattices, from coarse to fine (DUS)",
        lambda settings, rescue, options: Recipe(DilatedRule(settings, **options)),
        options=(DILATION,),
        ignores=_NO_SCHEDULE,
    ),
    Sampler(
        "beta_sine",
        "the baseline with a few-step schedule",
        lambda settings, rescue, options: Recipe(BetaSineRule(settings, **options)),
        options=(BETA_FIRST, BETA_SECOND),
        ignores=("mask_schedule",),
    ),
    Sampler(
        "near_apart",
        "the mask schedule near known cells and apart (LPD)",
        lambda settings, rescue, options: Recipe(NearApartRule(settings, **options)),
        options=(REPULSION,),
        ignores=_NO_CHOICE_NOISE,
    ),
    Sampler(
        "ancestral",
        "each cell at a random time of its own (RADD)",
        lambda settings, rescue, options: Recipe(AncestralRule(settings)),
        ignores=_NO_CHOICE_NOISE,
    ),
    Sampler(
        "lumina-dimoo",
        "Lumina-DiMOO's published sampler",
        _lumina_dimoo,
        options=ML_CACHE_OPTIONS,
        ignores=("mask_schedule", "top_k", "top_p", "choose_then_sample"),
    ),
    Sampler(
        "mmada",
        "MMaDA's published sampler",
        _mmada,
        options=(PADDED,),
        ignores=("temperature", "top_k", "top_p", "choose_then_sample", "image_cfg"),
    ),
):
    register(_sampler)

_METHODS = {"maskgit": "baseline", "lumina-dimoo": "lumina-dimoo", "mmada": "mmada"}
_IGNORED = "; ".join(
    f"{name} ignores {', '.join(ignored)}" for name in _METHODS.values() if (ignored := _SAMPLERS[name].ignores)
)
METHOD = Setting(
    "method", "maskgit", "choice",
    "the pack's baseline, or a published sampler",
    "maskgit: this pack's baseline. lumina-dimoo, mmada: the models' published samplers, token for token, with noise "
    f"from the model's device. {_IGNORED}.",
    choices=tuple(_METHODS),
)  # fmt: skip


def find_method(method: str, ml_cache: bool) -> tuple[str, dict[str, Any]]:
    """Name and options of the sampler that the baseline node runs."""
    sampler = _METHODS[METHOD.check(method)]
    if sampler == "lumina-dimoo":
        return sampler, {ML_CACHE.name: ml_cache}
    if ML_CACHE.check(ml_cache):
        remedy = "Turn ml_cache off, or set method to lumina-dimoo"
        raise InputError(ML_CACHE.name, "true", f"false for the method {method}", remedy)
    return sampler, {}
