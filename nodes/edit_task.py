"""Node "LADR Edit Task"."""

from __future__ import annotations

import node_helpers
from comfy_api.latest import io

from ..ladr_core.errors import InputError
from ..ladr_core.models.lumina_dimoo.prompts import EDIT_TASKS
from ..ladr_core.settings import IMAGE_CFG
from .conditioning import TASK_KEY
from .core_features import search_aliases
from .sampler_inputs import widget


class EditTask(io.ComfyNode):
    """Says what a dLLM does with the reference images of a prompt."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs as ComfyUI shows them."""
        return io.Schema(
            node_id="LADR_EditTask",
            display_name="LADR Edit Task",
            category="LADR",
            description="Marks a prompt as an editing or control task (Lumina-DiMOO). Give the reference images "
            "with ReferenceLatent; for style transfer two of them: the picture, then the style.",
            inputs=[
                io.Conditioning.Input(
                    "conditioning", tooltip="The prompt, from CLIP Text Encode, usually with ReferenceLatent."
                ),
                io.Combo.Input(
                    "task", options=list(EDIT_TASKS), default=EDIT_TASKS[0],
                    tooltip="What to do with the reference image. Chooses the instruction the model was trained with.",
                ),
                widget(IMAGE_CFG, optional=True),
            ],
            outputs=[
                io.Conditioning.Output(
                    "task_conditioning", display_name="CONDITIONING", tooltip="The prompt and its task, for a sampler."
                )
            ],
            **search_aliases("image editing", "controlnet", "style transfer"),
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, task=None) -> bool:
        """Take the check of choices over from ComfyUI: `execute` names input, value, choices and remedy at once."""
        return True

    @classmethod
    def execute(cls, conditioning, task: str, image_cfg: float = IMAGE_CFG.default) -> io.NodeOutput:
        """Attach the task."""
        if task not in EDIT_TASKS:
            raise InputError("task", repr(task), "one of " + ", ".join(EDIT_TASKS), f"Set task to {EDIT_TASKS[0]}")
        pairs = conditioning if isinstance(conditioning, list) else [None]
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
            given = repr(conditioning)
            raise InputError("conditioning", given, "what CLIP Text Encode makes", "Connect CLIP Text Encode")
        values = {TASK_KEY: {"task": task, "image_cfg": IMAGE_CFG.check(image_cfg)}}
        return io.NodeOutput(node_helpers.conditioning_set_values(conditioning, values))
