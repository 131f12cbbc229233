"""The inputs both samplers share, made from the settings records of ladr_core, so that each default is written once."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..ladr_core.samplers.published.lumina_dimoo import ML_CACHE
from ..ladr_core.samplers.registry import METHOD
from ..ladr_core.settings import (
    CELL_ORDER,
    RESCUE_FLOOR,
    RESCUE_SCHEDULING,
    RESCUE_SETTINGS,
    SAMPLER_SETTINGS,
    SEED,
    Setting,
)
from .core_features import advanced

_ADDED = (RESCUE_SCHEDULING, RESCUE_FLOOR, CELL_ORDER)  # in this order
_AFTER_DENOISE = ("mask_schedule", "temperature", "choice_temperature", "top_k", "top_p", "choose_then_sample")

# What stays open beside KSampler's inputs and the preview; the rest is folded away where the front end can. Both have
# the noise of the tokens. LADR has the bound and the reach of its rescue, which trade quality for speed.
# The baseline has the noise of its choice of cells, which the authors' samplers use too, and whose sampler it is.
SHOWN_ON_LADR = ("temperature", "risk_bound", "radius")
SHOWN_ON_BASELINE = ("temperature", "choice_temperature", "method")


def widget(setting: Setting, **words: Any) -> Any:
    """The node input of one setting."""
    words = {"default": setting.default, "tooltip": setting.tooltip, **words}
    if setting.kind == "bool":
        return io.Boolean.Input(setting.name, **words)
    if setting.kind == "choice":
        return io.Combo.Input(setting.name, options=list(setting.choices), **words)
    if setting.kind == "int":
        limits = {"min": int(setting.minimum or 0), "max": int(setting.maximum or 0), "step": int(setting.step or 1)}
        return io.Int.Input(setting.name, **limits, **words)
    limits = {"min": setting.minimum, "max": setting.maximum, "step": setting.step}
    return io.Float.Input(setting.name, round=setting.step, **limits, **words)


def later_widget(setting: Setting, shown: tuple[str, ...]) -> Any:
    """An input that a saved prompt may lack, as it is newer than the prompt or folded away: missing = default."""
    return widget(setting, optional=True, **({} if setting.name in shown else advanced()))


def shared_inputs(shown: tuple[str, ...]) -> list[Any]:
    """KSampler's inputs in KSampler's order, then the settings of every sampler, then the preview switch.

    The front end puts optional inputs after required ones, so all that follow the first optional one are optional too.
    """
    return [
        io.Model.Input("model", tooltip="The dLLM, from Load dLLM, with or without LoRA or merging."),
        io.Int.Input(
            SEED.name, default=SEED.default, min=0, max=2**64 - 1, control_after_generate=True, tooltip=SEED.tooltip
        ),
        widget(SAMPLER_SETTINGS["steps"]),
        widget(SAMPLER_SETTINGS["cfg"]),
        io.Conditioning.Input("positive", tooltip="What the picture shows: CLIP Text Encode on Load dLLM's CLIP."),
        io.Conditioning.Input(
            "negative",
            tooltip="What guidance moves away from. An empty text or ConditioningZeroOut is the model's own "
            "unconditional prompt, which is the usual choice. Unused at cfg 1.",
        ),
        io.Latent.Input(
            "latent_image",
            tooltip="The token grid to fill: Empty Token Grid, or VAE Encode and Set Latent Noise Mask for a part.",
        ),
        widget(SAMPLER_SETTINGS["denoise"]),
        *(later_widget(SAMPLER_SETTINGS[name], shown) for name in _AFTER_DENOISE),
        io.Boolean.Input(
            "preview", default=True, optional=True,
            tooltip="Show the unfinished picture while sampling, masked cells as a gray checkerboard. Off saves a "
            "little time; the result is the same.",
        ),
    ]  # fmt: skip


def rescue_inputs() -> list[Any]:
    """The inputs that only the LADR sampler has."""
    own = [setting for setting in RESCUE_SETTINGS.values() if setting.on_node and setting not in _ADDED]
    return [later_widget(setting, SHOWN_ON_LADR) for setting in own]


def added_inputs() -> list[Any]:
    """LADR's inputs that came later, after all others: the order is frozen."""
    return [later_widget(setting, SHOWN_ON_LADR) for setting in _ADDED]


def mark_input() -> Any:
    """The switch of the preview that only the LADR sampler has."""
    return io.Boolean.Input(
        "mark_rescued", default=False, optional=True, **advanced(),
        tooltip="On: the preview frames the cells that the last step rescued. The result is the same.",
    )  # fmt: skip


def method_inputs() -> list[Any]:
    """The inputs only the baseline sampler has."""
    return [later_widget(setting, SHOWN_ON_BASELINE) for setting in (METHOD, ML_CACHE, CELL_ORDER)]


def speed_inputs(shown: tuple[str, ...]) -> list[Any]:
    """The newest inputs of both samplers, at the end of each: guidance over a part of the picture, and the KV cache."""
    return [later_widget(SAMPLER_SETTINGS[name], shown) for name in ("cfg_start", "cfg_end", "kv_cache")]


def sampler_outputs() -> list[Any]:
    """The finished token grid and the report, in words and whole."""
    return [
        io.Latent.Output("latent", display_name="LATENT", tooltip="The finished token grid, for VAE Decode."),
        io.String.Output(
            "report", display_name="report",
            tooltip="Network evaluations, seconds and counts in a few lines, for Preview Any.",
        ),
        io.String.Output(
            "report_json", display_name="report_json",
            tooltip="The whole report as JSON: model, prompts, seeds and settings, the counts and risk of each step, "
            "and for each cell its token, the step and rule that unmasked it, confidence and risk. For LADR Decode "
            "Map, LADR Film and LADR Compare.",
        ),
    ]  # fmt: skip
