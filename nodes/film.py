"""Node "LADR Film"."""

from __future__ import annotations

from comfy_api.latest import io

from ..ladr_core.pictures.film import FilmView, film_of_batch
from ..ladr_core.pictures.tensors import to_images, to_pictures
from ..ladr_core.pictures.view_settings import BATCH_INDEX, CAPTION, FRAMES, HOLD, LEAST_WIDTH, MARK, PACE, THEME
from ..ladr_core.report_reading import read_report
from .core_features import search_aliases
from .sampler_inputs import widget


class FilmOfRun(io.ComfyNode):
    """Shows a run as a film."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs as ComfyUI shows them."""
        return io.Schema(
            node_id="LADR_Film",
            display_name="LADR Film",
            category="LADR",
            description="Shows a run frame by frame: the picture as far as it was known, new cells framed. Frames hold "
            "the finished picture's pixels. For Save Animated WEBP or Create Video.",
            inputs=[
                io.Image.Input("image", tooltip="The decoded picture of the run."),
                io.String.Input(
                    "report_json", force_input=True, tooltip="The report_json of the sampler that drew the picture."
                ),
                *(widget(s) for s in (FRAMES, PACE, MARK, CAPTION, HOLD, BATCH_INDEX, LEAST_WIDTH, THEME)),
            ],
            outputs=[
                io.Image.Output("frames_image", display_name="IMAGE", tooltip="The frames as a batch."),
                io.String.Output(
                    "notes", display_name="notes", tooltip="How many frames there are, and whether they were thinned."
                ),
            ],
            **search_aliases("animation", "gif", "timelapse"),
        )

    @classmethod
    def validate_inputs(cls, pace=None, theme=None) -> bool:
        """Take the check of choices over from ComfyUI: `execute` names input, value, choices and remedy at once."""
        return True

    @classmethod
    def execute(cls, image, report_json, **view) -> io.NodeOutput:
        """Draw the frames."""
        shown = FilmView(**view)
        film = film_of_batch(read_report("report_json", report_json), to_pictures("image", image), shown)
        return io.NodeOutput(to_images(film.frames), film.notes)
