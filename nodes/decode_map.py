"""Node "LADR Decode Map"."""

from __future__ import annotations

from comfy_api.latest import io

from ..ladr_core.pictures.decode_map import MapView, draw_maps
from ..ladr_core.pictures.tensors import to_images, to_pictures
from ..ladr_core.pictures.view_settings import LEAST_WIDTH, LEGEND, MAP, OPACITY, STEP, THEME
from ..ladr_core.report_reading import read_report
from .core_features import search_aliases
from .sampler_inputs import widget


class DecodeMap(io.ComfyNode):
    """Draws what became of each cell in a run."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs as ComfyUI shows them."""
        return io.Schema(
            node_id="LADR_DecodeMap",
            display_name="LADR Decode Map",
            category="LADR",
            description="Shows what a sampler did: when each cell was unmasked, which rule took it, how confident "
            "the network was, and where the frontier lay; alone or over the picture.",
            inputs=[
                io.String.Input(
                    "report_json", force_input=True, tooltip="The report_json of the sampler that drew the picture."
                ),
                widget(MAP),
                widget(OPACITY),
                widget(STEP),
                widget(LEAST_WIDTH),
                widget(LEGEND),
                widget(THEME),
                io.Image.Input(
                    "image", optional=True,
                    tooltip="The decoded picture of the same run, or one enlarged to a whole multiple. Without it "
                    "the map stands alone.",
                ),
            ],
            outputs=[io.Image.Output("map_image", display_name="IMAGE", tooltip="One map per picture of the batch.")],
            **search_aliases("heatmap", "visualize tokens", "what did the sampler do"),
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, map=None, theme=None) -> bool:
        """Take the check of choices over from ComfyUI: `execute` names input, value, choices and remedy at once."""
        return True

    @classmethod
    def execute(cls, report_json, image=None, **view) -> io.NodeOutput:
        """Draw the maps."""
        shown = MapView(**view)
        pictures = None if image is None else to_pictures("image", image)
        return io.NodeOutput(to_images(draw_maps(read_report("report_json", report_json), pictures, shown)))
