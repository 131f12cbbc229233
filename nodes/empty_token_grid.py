"""Node "Empty Token Grid"."""

from __future__ import annotations

from comfy_api.latest import io

from .token_latent import empty_latent


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
            inputs=[
                io.Int.Input(
                    "width", default=128, min=16, max=4096, step=16,
                    tooltip="Width of the picture in pixels. Built-in: 128, Lumina-DiMOO: 512 to 1024, MMaDA: 512.",
                ),
                io.Int.Input(
                    "height", default=128, min=16, max=4096, step=16,
                    tooltip="Height of the picture in pixels. Built-in: 128, Lumina-DiMOO: 512 to 1024, MMaDA: 512.",
                ),
                io.Int.Input(
                    "batch_size", default=1, min=1, max=4096,
                    tooltip="Number of pictures drawn together. Picture i uses seed + i.",
                ),
            ],
            outputs=[io.Latent.Output("latent", display_name="LATENT", tooltip="The masked grid, for a sampler.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, width: int, height: int, batch_size: int) -> io.NodeOutput:
        """Make the grid."""
        return io.NodeOutput(empty_latent(width, height, batch_size))
