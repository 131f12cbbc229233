"""The models this pack knows; a new one is a folder beside this file and a name in the table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .family import Family
from .lumina_dimoo.family import LUMINA_DIMOO
from .mmada.family import MMADA

FAMILIES: tuple[Family, ...] = (LUMINA_DIMOO, MMADA)


def find_family(config: Mapping[str, Any], folder: Path) -> Family | None:
    """The family a transformer's ``config.json`` belongs to, whatever else stands in it; folder: where it lies."""
    architectures = config.get("architectures")
    named = [*(architectures if isinstance(architectures, list) else ()), config.get("_class_name")]
    for family in FAMILIES:
        if any(name in family.architectures for name in named) or config.get("model_type") in family.model_types:
            return family
    return next((f for f in FAMILIES if f.looks_like(config, (folder / f.vq_folder).is_dir())), None)
