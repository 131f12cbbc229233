"""From a choice of the loader to MODEL, CLIP and VAE: dtype, ComfyUI's layers, and the three wrappers."""

from __future__ import annotations

import logging
import time
from typing import Any

import comfy.model_management
import torch

from ..ladr_core.builtin import CONFIG_KEY, load_builtin
from ..ladr_core.checkpoint import load_dllm
from ..ladr_core.errors import InputError
from .layers import Layers
from .model_folder import BUILTIN, checkpoint_path, file_metadata
from .model_patcher import make_model
from .text_side import make_clip
from .vq_vae import TokenVAE

AUTO = "auto"
DTYPES = (AUTO, "bfloat16", "float16", "float32", "float8_e4m3fn")
log = logging.getLogger(__name__)


def weight_dtype(choice: str) -> torch.dtype | None:
    """The torch dtype of a choice; None = as the file has it."""
    if choice not in DTYPES:
        raise InputError("dtype", repr(choice), "one of " + ", ".join(DTYPES), f"Choose {AUTO}")
    if choice != AUTO:
        return getattr(torch, choice)
    return torch.float32 if comfy.model_management.get_torch_device().type == "cpu" else None


def load(checkpoint: str, dtype_choice: str) -> tuple[Any, Any, Any]:
    """Load a checkpoint of the model folders, or the built-in model, as MODEL, CLIP and VAE."""
    dtype = weight_dtype(dtype_choice)
    path = checkpoint_path(checkpoint)
    started = time.perf_counter()
    offload = comfy.model_management.unet_offload_device()
    if checkpoint == BUILTIN or CONFIG_KEY in file_metadata(path):
        dllm = load_builtin(path, operations=Layers, vq_operations=Layers, dtype=dtype or torch.float32, device=offload)
    else:
        dllm = load_dllm(path, operations=Layers, dtype=dtype, device=offload)
    log.info("Loaded dLLM %s in %.1f s", dllm.name, time.perf_counter() - started)
    vae = TokenVAE(dllm.vq)
    return make_model(dllm, vae), make_clip(), vae
