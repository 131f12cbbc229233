"""The model in the box: weights that ship with the pack (see MODEL_CARD.md) and the function that loads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import CheckpointError
from ..models.builtin import BuiltinDLLM
from ..models.builtin_layout import BuiltinLayout
from ..models.llada import LLaDAConfig, LLaDATransformer
from ..vq.patch_vq import PatchVQ, PatchVQConfig

WEIGHTS = Path(__file__).with_name("shapes.safetensors")
CONFIG_KEY = "ladr_builtin"
TRANSFORMER_PREFIX, VQ_PREFIX = "model.", "vq."


def load_builtin(
    path: Path = WEIGHTS,
    *,
    operations: Any = nn,
    vq_operations: Any = nn,
    dtype: Any = torch.float32,
    device: Any = "cpu",
) -> BuiltinDLLM:
    """Load the built-in model; raises CheckpointError where the file is missing, damaged or of another kind."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise CheckpointError(f"{path.name} is missing from {path.parent}: install the pack again to restore it.")
    try:
        with safe_open(str(path), framework="pt") as file:
            config = json.loads((file.metadata() or {}).get(CONFIG_KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (a safetensors file, no dict)
    except SafetensorError as error:
        raise CheckpointError(f"{path.name} is damaged ({error}): install the pack again to restore it.") from error
    if config is None:
        raise CheckpointError(f"{path.name} is not a built-in model: it has no {CONFIG_KEY} in its metadata.")
    layout = BuiltinLayout(tuple(config["words"]), int(config["vq"]["codebook_size"]))
    transformer = LLaDATransformer(LLaDAConfig.from_dict(config["transformer"]), operations=operations, device="meta",
                                   dtype=dtype)
    vq = PatchVQ(PatchVQConfig.from_dict(config["vq"]), operations=vq_operations, device="meta", dtype=torch.float32)
    for module, prefix, kind in ((transformer, TRANSFORMER_PREFIX, dtype), (vq, VQ_PREFIX, torch.float32)):
        own = {k[len(prefix):]: v.to(device=device, dtype=kind) for k, v in tensors.items() if k.startswith(prefix)}
        module.load_state_dict(own, strict=True, assign=True)
        module.eval().requires_grad_(False)
    return BuiltinDLLM(transformer, vq, layout)
