"""Node "Empty Token Grid"."""

from __future__ import annotations

from comfy_api.latest import io

from ..ladr_core.settings import BATCH_SIZE, HEIGHT, WIDTH
from .core_features import search_aliases
from .latent import empty_latent
from .sampler_inputs import widget


class EmptyTokenGrid(io.ComfyNode):
    """Makes a LATENT whose every cell is masked."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs as ComfyUI shows them."""
        return io.Schema(
            node_id="LADR_EmptyTokenGrid",
            display_name="Empty Token Grid",
            category="LADR",
            description="An empty picture for a dLLM: a grid of image tokens, all of them masked. "
            "The sampler cuts it into the cells of its model.",
            inputs=[widget(WIDTH), widget(HEIGHT), widget(BATCH_SIZE)],
            outputs=[io.Latent.Output("latent", display_name="LATENT", tooltip="The masked grid, for a sampler.")],
            **search_aliases("empty latent image"),
        )

    @classmethod
    def execute(cls, width: int, height: int, batch_size: int) -> io.NodeOutput:
        """Make the grid."""
        return io.NodeOutput(empty_latent(width, height, batch_size))
