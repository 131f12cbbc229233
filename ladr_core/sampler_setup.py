"""A sampler with all its values: how to draw, whatever is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .settings import RescueSettings, SamplerSettings


@dataclass(frozen=True)
class SamplerSetup:
    """A sampler by name, the settings that all samplers share, those of the rescue, and the sampler's own options."""

    sampler: str = "ladr"
    settings: SamplerSettings = field(default_factory=SamplerSettings)
    rescue: RescueSettings = field(default_factory=RescueSettings)
    options: Mapping[str, Any] = field(default_factory=dict)
