"""From a choice of the loader to MODEL, CLIP and VAE: dtype, ComfyUI's layers, and the three wrappers."""

from __future__ import annotations

import logging
import time
from typing import Any

import comfy.model_management
import comfy.utils
import torch

from ..ladr_core.checkpoint import load_dllm
from ..ladr_core.weight_dtype import find_dtype
from .clip import make_clip
from .layers import Layers
from .model import make_model
from .model_folder import checkpoint_path, model_roots
from .vae import TokenVAE

log = logging.getLogger(__name__)


def load(checkpoint: str, dtype_choice: str) -> tuple[Any, Any, Any]:
    """Load a checkpoint of the model folders, or the built-in model, as MODEL, CLIP and VAE."""
    dtype = find_dtype(dtype_choice)
    if dtype is None and comfy.model_management.get_torch_device().type == "cpu":
        dtype = torch.float32
    path = checkpoint_path(checkpoint)
    started = time.perf_counter()
    offload = comfy.model_management.unet_offload_device()
    dllm = load_dllm(
        path, operations=Layers, dtype=dtype, device=offload, vq_folders=model_roots(),
        memory_map=not comfy.utils.DISABLE_MMAP,
    )  # fmt: skip
    log.info("Loaded dLLM %s in %.1f s", dllm.name, time.perf_counter() - started)
    vae = TokenVAE(dllm.vq, dllm.name)
    return make_model(dllm, vae), make_clip(), vae
