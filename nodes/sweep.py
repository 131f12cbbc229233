"""Node "LADR Sweep"."""

from __future__ import annotations

from comfy_api.latest import io

from ..ladr_core.settings import RESCUE_SETTINGS, RescueSettings
from ..ladr_core.sweep import NOT_SWEPT, SWEEPABLE
from .core_features import search_aliases
from .sampler_inputs import SHOWN_ON_LADR, added_inputs, rescue_inputs, shared_inputs, speed_inputs
from .sweep_run import run_sweep

_FIRST_OPTIONAL = 8  # of the shared inputs: required ones come first


class Sweep(io.ComfyNode):
    """Draws one prompt with many values of one or two settings."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs as ComfyUI shows them."""
        shared = shared_inputs(SHOWN_ON_LADR)
        return io.Schema(
            node_id="LADR_Sweep",
            display_name="LADR Sweep",
            category="LADR",
            description="Draws one prompt with the same seed over a grid of values of one or two settings of the LADR "
            "Sampler. A stopped sweep keeps its finished runs: run it again and it goes on.",
            inputs=[
                *shared[:_FIRST_OPTIONAL],
                *(slot for number in (1, 2) for slot in _axis_inputs(number)),
                *shared[_FIRST_OPTIONAL:],
                *rescue_inputs(),
                *added_inputs(),
                *speed_inputs(SHOWN_ON_LADR),
            ],
            outputs=[
                io.Latent.Output(
                    "latents", display_name="LATENT", tooltip="One token grid per run, row by row, for VAE Decode."
                ),
                io.String.Output(
                    "sweep_json", display_name="sweep_json",
                    tooltip="The values and the report of every run as JSON, for LADR Sweep Sheet.",
                ),
            ],
            **search_aliases("xy plot", "grid search", "parameter study"),
        )  # fmt: skip

    @classmethod
    def validate_inputs(
        cls, mask_schedule=None, frontier_shape=None, risk_filter=None, rescue_scheduling=None, cell_order=None,
        setting_1=None, setting_2=None,
    ) -> bool:
        """Take the check of choices over from ComfyUI: `execute` names input, value, choices and remedy at once."""
        return True

    @classmethod
    def execute(cls, setting_1, values_1, setting_2, values_2, **inputs) -> io.NodeOutput:
        """Run the sweep."""
        values = {name: inputs.pop(name) for name in RESCUE_SETTINGS if name in inputs}
        return run_sweep([(setting_1, values_1), (setting_2, values_2)], RescueSettings(**values), **inputs)


def _axis_inputs(number: int) -> list:
    name, values = (("steps", "16, 32, 64"), ("rescue", "false, true"))[number - 1]
    across = ("goes across the sheet", "goes down the sheet, or none")[number - 1]
    options = [*(name for name in SWEEPABLE if SWEEPABLE[name].on_node), *([NOT_SWEPT] if number > 1 else [])]
    return [
        io.Combo.Input(f"setting_{number}", options=options, default=name, tooltip=f"The setting that {across}."),
        io.String.Input(
            f"values_{number}", default=values,
            tooltip=f"Its values, separated by commas, such as {values}. They take the place of the node's own value.",
        ),
    ]  # fmt: skip
