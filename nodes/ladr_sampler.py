"""Node "LADR Sampler"."""

from __future__ import annotations

from comfy_api.latest import io

from ..ladr_core.settings import RESCUE_SETTINGS, RescueSettings
from .core_features import resent_output, search_aliases
from .sampler_inputs import (
    SHOWN_ON_LADR,
    added_inputs,
    mark_input,
    rescue_inputs,
    sampler_outputs,
    shared_inputs,
    speed_inputs,
)
from .sampler_run import run_sampler


class LADRSampler(io.ComfyNode):
    """Draws a token grid with Locality-Aware Dynamic Rescue."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs as ComfyUI shows them."""
        return io.Schema(
            node_id="LADR_Sampler",
            display_name="LADR Sampler",
            category="LADR",
            description="Draws a picture with a diffusion language model in fewer network evaluations: besides the "
            "cells that the mask schedule asks for, it unmasks confident cells next to known ones (Locality-Aware "
            "Dynamic Rescue). With rescue off it is the Baseline dLLM Sampler.",
            inputs=[
                *shared_inputs(SHOWN_ON_LADR), *rescue_inputs(), mark_input(), *added_inputs(),
                *speed_inputs(SHOWN_ON_LADR),
            ],  # fmt: skip
            outputs=sampler_outputs(),
            hidden=[io.Hidden.unique_id, io.Hidden.extra_pnginfo],
            **resent_output(),
            **search_aliases("fast sampler"),
        )

    @classmethod
    def validate_inputs(
        cls, mask_schedule=None, frontier_shape=None, risk_filter=None, rescue_scheduling=None, cell_order=None
    ) -> bool:
        """Take the check of choices over from ComfyUI: `execute` names input, value, choices and remedy at once."""
        return True

    @classmethod
    def execute(cls, **inputs) -> io.NodeOutput:
        """Run the sampler."""
        values = {name: inputs.pop(name) for name in RESCUE_SETTINGS if name in inputs}
        return run_sampler(cls.hidden, "ladr", RescueSettings(**values), **inputs)
