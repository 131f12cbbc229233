"""Node "LADR Compare"."""

from __future__ import annotations

from comfy_api.latest import io

from ..ladr_core.pictures.comparison import LEAST_RUNS, MOST_RUNS, compare_runs
from ..ladr_core.pictures.tensors import to_images, to_pictures
from ..ladr_core.pictures.view_settings import THEME
from ..ladr_core.report_reading import read_report
from .core_features import search_aliases
from .sampler_inputs import widget

_NUMBERS = range(1, MOST_RUNS + 1)


class CompareRuns(io.ComfyNode):
    """Puts runs beside each other."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs as ComfyUI shows them."""
        return io.Schema(
            node_id="LADR_Compare",
            display_name="LADR Compare",
            category="LADR",
            description="Two to six runs on one sheet: pictures, network evaluations, seconds, speed-up, the share of "
            "cells that agree with the first run, and the curve of the mask ratio.",
            inputs=[
                *(slot for number in _NUMBERS for slot in _run_inputs(number)),
                io.String.Input(
                    "labels", default="", multiline=True, optional=True,
                    tooltip="Names of the runs, one per line. Empty lines are named by sampler and steps.",
                ),
                widget(THEME, optional=True),
            ],
            outputs=[io.Image.Output("sheet", display_name="IMAGE", tooltip="The sheet, for Save Image.")],
            **search_aliases("side by side", "comparison", "speed up"),
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, theme=None) -> bool:
        """Take the check of choices over from ComfyUI: `execute` names input, value, choices and remedy at once."""
        return True

    @classmethod
    def execute(cls, labels: str = "", theme: str = THEME.default, **runs) -> io.NodeOutput:
        """Draw the sheet."""
        pictures, reports = {}, {}
        for number in _NUMBERS:
            if runs.get(image := f"image_{number}") is not None:
                pictures[number] = to_pictures(image, runs[image])
            if runs.get(report := f"report_json_{number}") is not None:
                reports[number] = read_report(report, runs[report])
        sheet = compare_runs(pictures, reports, labels, THEME.check(theme))
        return io.NodeOutput(to_images([sheet]))


def _run_inputs(number: int) -> list:
    optional = number > LEAST_RUNS
    of_run = "first run, to which the others are compared" if number == 1 else f"run {number}"
    return [
        io.Image.Input(f"image_{number}", optional=optional, tooltip=f"The decoded picture of the {of_run}."
                       if number == 1 else f"The decoded picture of {of_run}."),
        io.String.Input(
            f"report_json_{number}", force_input=True, optional=optional,
            tooltip="Its sampler's report_json.",
        ),
    ]  # fmt: skip
