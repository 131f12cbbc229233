"""Node "Load dLLM"."""

from __future__ import annotations

from comfy_api.latest import io

from ..ladr_core.weight_dtype import AUTO, DTYPES
from .core_features import search_aliases
from .dllm_loading import load
from .model_folder import checkpoint_state, list_checkpoints


class LoadDLLM(io.ComfyNode):
    """Loads a diffusion language model that draws images."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs as ComfyUI shows them."""
        checkpoints = list_checkpoints()
        return io.Schema(
            node_id="LADR_LoadDLLM",
            display_name="Load dLLM",
            category="LADR",
            description="Loads a diffusion language model that draws images: the small built-in one, or a Lumina-DiMOO "
            "or MMaDA checkpoint from models/dllm. Nothing is downloaded.",
            inputs=[
                io.Combo.Input(
                    "checkpoint", options=checkpoints, default=checkpoints[0],
                    tooltip="The built-in model, or a checkpoint in models/dllm (also models/diffusion_models and "
                    "models/checkpoints): a folder as published, or one .safetensors file. Press R after adding one.",
                ),
                io.Combo.Input(
                    "dtype", options=list(DTYPES), default=AUTO,
                    tooltip="Number format of the transformer's weights. auto: as stored in the file, float32 on a "
                    "CPU. bfloat16 and float16 take half of float32's memory; float8_e4m3fn takes half of that and is "
                    "less exact: choose it if memory runs out.",
                ),
            ],
            outputs=[
                io.Model.Output("model", display_name="MODEL", tooltip="The dLLM, for the two samplers."),
                io.Clip.Output("clip", display_name="CLIP", tooltip="The prompt side, for CLIP Text Encode."),
                io.Vae.Output("vae", display_name="VAE", tooltip="The image tokenizer, for VAE Encode and VAE Decode."),
            ],
            **search_aliases("load checkpoint", "load diffusion model"),
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, checkpoint=None, dtype=None) -> bool:
        """Take the check of choices over from ComfyUI: `execute` names input, value, choices and remedy at once."""
        return True

    @classmethod
    def fingerprint_inputs(cls, checkpoint=None, dtype=None) -> str:
        """Changes with the model's files, so that a model whose files were replaced is loaded again."""
        return checkpoint_state(checkpoint)

    @classmethod
    def execute(cls, checkpoint: str, dtype: str) -> io.NodeOutput:
        """Load the model."""
        return io.NodeOutput(*load(checkpoint, dtype))
