"""LADR for diffusion language models that draw images: samplers, models and tokenizers, without ComfyUI.

The public names are imported when they are first used, so that `import ladr_core` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .denoising_loop import LoopCallbacks, StepEvent, denoise
    from .errors import CheckpointError, InputError
    from .models.contract import DLLM, Denoiser, Prompt
    from .presets import PRESETS, Preset, find_preset
    from .report import SamplingReport, StepRecord
    from .sampler_setup import SamplerSetup
    from .sampling import ImageRequest, RunCallbacks, RunStart, sample_tokens
    from .settings import RESCUE_SETTINGS, SAMPLER_SETTINGS, SEED, RescueSettings, SamplerSettings, Setting
    from .token_grid import MASKED, TokenGrid

_HOME = {
    "StepEvent": "denoising_loop",
    "denoise": "denoising_loop",
    "CheckpointError": "errors",
    "InputError": "errors",
    "DLLM": "models.contract",
    "Denoiser": "models.contract",
    "Prompt": "models.contract",
    "PRESETS": "presets",
    "Preset": "presets",
    "find_preset": "presets",
    "SamplingReport": "report",
    "StepRecord": "report",
    "ImageRequest": "sampling",
    "LoopCallbacks": "denoising_loop",
    "RunCallbacks": "sampling",
    "RunStart": "sampling",
    "SamplerSetup": "sampler_setup",
    "sample_tokens": "sampling",
    "RESCUE_SETTINGS": "settings",
    "SAMPLER_SETTINGS": "settings",
    "SEED": "settings",
    "RescueSettings": "settings",
    "SamplerSettings": "settings",
    "Setting": "settings",
    "MASKED": "token_grid",
    "TokenGrid": "token_grid",
}

__all__ = [
    "DLLM",
    "MASKED",
    "PRESETS",
    "RESCUE_SETTINGS",
    "SAMPLER_SETTINGS",
    "SEED",
    "CheckpointError",
    "Denoiser",
    "ImageRequest",
    "InputError",
    "LoopCallbacks",
    "Preset",
    "Prompt",
    "RescueSettings",
    "RunCallbacks",
    "RunStart",
    "SamplerSettings",
    "SamplerSetup",
    "SamplingReport",
    "Setting",
    "StepEvent",
    "StepRecord",
    "TokenGrid",
    "denoise",
    "find_preset",
    "sample_tokens",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
