"""Node "Baseline dLLM Sampler"."""

from __future__ import annotations

from comfy_api.latest import io

from .sampler_inputs import sampler_outputs, shared_inputs
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
            description="Draws the tokens of a picture with a diffusion language model, step by step: each step keeps "
            "the surest cells that the mask schedule asks for. The method LADR is compared with.",
            inputs=shared_inputs(),
            outputs=sampler_outputs(),
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, **inputs) -> io.NodeOutput:
        """Run the sampler."""
        return run_sampler(cls.hidden.unique_id, "baseline", None, **inputs)
