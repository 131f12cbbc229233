"""Options made from the settings records, and the way back from what was typed to settings."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..errors import InputError
from ..presets import PRESETS, find_preset
from ..settings import IMAGE_CFG, RESCUE_SETTINGS, SAMPLER_SETTINGS, RescueSettings, SamplerSettings, Setting

_TYPES: dict[str, Any] = {"int": int, "float": float}
_SWITCH = {"true": True, "on": True, "false": False, "off": False}


def add_settings(group: Any, settings: Iterable[Setting]) -> None:
    """One option per setting, spelled like the node input; what is not given stays None."""
    for setting in settings:
        words = f"{setting.meaning} (default {_shown(setting.default)}; {setting.allowed})".replace("%", "%%")
        metavar = {"choice": "WORD", "bool": "true|false"}.get(setting.kind, "N")
        group.add_argument(f"--{setting.name}", metavar=metavar, default=None, help=words)


def add_old_name(parser: argparse.ArgumentParser, old: str, name: str) -> None:
    """Understand the name an option had before, without a line in the help."""
    parser.add_argument(old, dest=name, default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def typed_value(setting: Setting, text: str | None) -> Any:
    """The checked value of what was typed, the default where nothing was; InputError names the setting."""
    if text is None:
        return setting.default
    if setting.kind == "bool":
        return setting.check(_SWITCH.get(text.lower(), text))
    try:
        return setting.check(_TYPES.get(setting.kind, str)(text))
    except InputError:
        raise
    except ValueError:
        return setting.check(text)  # no number: says what is allowed


def add_presets(group: Any) -> None:
    """The option --preset."""
    listed = "; ".join(f"{name}: {PRESETS[name].meaning}" for name in drawing_presets())
    words = f"a sampler with all its values, which single options then change ({listed})".replace("%", "%%")
    group.add_argument("--preset", metavar="NAME", default=None, help=words)


def drawing_presets() -> list[str]:
    """Names of the presets that need no reference image, which the command line cannot give."""
    return [name for name, preset in PRESETS.items() if preset.settings.image_cfg == IMAGE_CFG.default]


def chosen_settings(args: argparse.Namespace) -> tuple[str, SamplerSettings, RescueSettings]:
    """Sampler and settings: the defaults, changed by the preset, changed by the single options."""
    sampler, settings, rescue = "ladr", SamplerSettings(), RescueSettings()
    if args.preset is not None:
        preset = find_preset(args.preset)
        if preset.name not in drawing_presets():
            raise InputError(
                "preset", f"{preset.name!r}, which edits a reference image", "one of " + ", ".join(drawing_presets()),
                "Edit in ComfyUI with ReferenceLatent and LADR Edit Task, or choose another preset",
            )  # fmt: skip
        sampler, settings, rescue = preset.sampler, preset.settings, preset.rescue
    return args.sampler or sampler, _changed(settings, SAMPLER_SETTINGS, args), _changed(rescue, RESCUE_SETTINGS, args)


def _changed(settings: Any, known: dict[str, Setting], args: argparse.Namespace) -> Any:
    typed = {
        name: typed_value(setting, getattr(args, name))
        for name, setting in known.items()
        if getattr(args, name, None) is not None
    }
    return replace(settings, **typed)


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
