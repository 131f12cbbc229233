"""Node "Baseline dLLM Sampler"."""

from __future__ import annotations

from comfy_api.latest import io

from ..ladr_core.samplers.published.lumina_dimoo import ML_CACHE
from ..ladr_core.samplers.registry import METHOD, find_method
from .core_features import resent_output, search_aliases
from .sampler_inputs import SHOWN_ON_BASELINE, method_inputs, sampler_outputs, shared_inputs, speed_inputs
from .sampler_run import run_sampler


class BaselineSampler(io.ComfyNode):
    """Draws a token grid with the usual confidence-ordered schedule."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs as ComfyUI shows them."""
        return io.Schema(
            node_id="LADR_BaselineSampler",
            display_name="Baseline dLLM Sampler",
            category="LADR",
            description="Draws a picture with a diffusion language model: each step keeps the most confident cells, as "
            "many as the mask schedule says. LADR Sampler is compared with it. Also runs the published samplers of "
            "Lumina-DiMOO and MMaDA.",
            inputs=[*shared_inputs(SHOWN_ON_BASELINE), *method_inputs(), *speed_inputs(SHOWN_ON_BASELINE)],
            outputs=sampler_outputs(),
            hidden=[io.Hidden.unique_id, io.Hidden.extra_pnginfo],
            **resent_output(),
            **search_aliases("ml-cache"),
        )

    @classmethod
    def validate_inputs(cls, mask_schedule=None, method=None, cell_order=None) -> bool:
        """Take the check of choices over from ComfyUI: `execute` names input, value, choices and remedy at once."""
        return True

    @classmethod
    def execute(cls, method: str = METHOD.default, ml_cache: bool = ML_CACHE.default, **inputs) -> io.NodeOutput:
        """Run the sampler."""
        sampler, options = find_method(method, ml_cache)
        return run_sampler(cls.hidden, sampler, None, options, **inputs)
