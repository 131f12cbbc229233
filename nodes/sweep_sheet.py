"""Node "LADR Sweep Sheet"."""

from __future__ import annotations

from comfy_api.latest import io

from ..ladr_core.pictures.sweep_sheet import sheet_of_batch
from ..ladr_core.pictures.tensors import to_images, to_pictures
from ..ladr_core.pictures.view_settings import THEME, TILE_WIDTH
from ..ladr_core.sweep import read_sweep
from .core_features import search_aliases
from .sampler_inputs import widget


class SweepSheet(io.ComfyNode):
    """Puts the pictures of a sweep on one sheet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs as ComfyUI shows them."""
        return io.Schema(
            node_id="LADR_SweepSheet",
            display_name="LADR Sweep Sheet",
            category="LADR",
            description="The pictures of LADR Sweep as a table, with the values beside it and the network evaluations "
            "below each.",
            inputs=[
                io.Image.Input("image", tooltip="The decoded pictures of the sweep: LADR Sweep, then VAE Decode."),
                io.String.Input("sweep_json", force_input=True, tooltip="The sweep_json of the same LADR Sweep."),
                widget(TILE_WIDTH),
                widget(THEME),
            ],
            outputs=[io.Image.Output("sheet", display_name="IMAGE", tooltip="The sheet, for Save Image.")],
            **search_aliases("xy plot", "contact sheet"),
        )

    @classmethod
    def validate_inputs(cls, theme=None) -> bool:
        """Take the check of choices over from ComfyUI: `execute` names input, value, choices and remedy at once."""
        return True

    @classmethod
    def execute(cls, image, sweep_json, tile_width: int, theme: str) -> io.NodeOutput:
        """Draw the sheet."""
        sweep = read_sweep("sweep_json", sweep_json)
        pictures = to_pictures("image", image)
        sheet = sheet_of_batch(sweep, pictures, THEME.check(theme), TILE_WIDTH.check(tile_width))
        return io.NodeOutput(to_images([sheet]))
