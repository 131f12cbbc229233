"""The model in the box: weights that ship with the pack (see MODEL_CARD.md) and the function that loads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import CheckpointError
from ...vq.patch_vq import PatchVQ, PatchVQConfig
from ..llada import LLaDAConfig, LLaDATransformer
from .layout import BuiltinLayout
from .model import BuiltinDLLM

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

    restore = "install the pack again to restore it" if path == WEIGHTS else "export or download it again"
    if not path.is_file():
        raise CheckpointError(f"{path.name} is missing from {path.parent}: {restore}.")
    try:
        with safe_open(str(path), framework="pt") as file:
            description = (file.metadata() or {}).get(CONFIG_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (a safetensors file, no dict)
    except SafetensorError as error:
        raise CheckpointError(f"{path.name} is damaged ({error}): {restore}.") from error
    if description is None:
        raise CheckpointError(f"{path.name} is not a built-in model: it has no {CONFIG_KEY} in its metadata.")
    try:
        config = json.loads(description)
        layout = BuiltinLayout(tuple(config["words"]), int(config["vq"]["codebook_size"]))
        sizes, vq_sizes = LLaDAConfig.from_dict(config["transformer"]), PatchVQConfig.from_dict(config["vq"])
        transformer = LLaDATransformer(sizes, operations=operations, device="meta", dtype=dtype)
        vq = PatchVQ(vq_sizes, operations=vq_operations, device="meta", dtype=torch.float32)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path.name} has a damaged description ({CONFIG_KEY}: {type(error).__name__} {error}): {restore}."
        ) from error
    if sizes.embedding_size != layout.vocabulary_size:
        given = f"{len(layout.words)} words for an embedding of {sizes.embedding_size} rows"
        raise CheckpointError(f"{path.name} has a damaged description ({CONFIG_KEY}: {given}): {restore}.")
    for module, prefix, kind in ((transformer, TRANSFORMER_PREFIX, dtype), (vq, VQ_PREFIX, torch.float32)):
        _check_tensors(path, module, prefix, tensors, restore)
        own = {k[len(prefix):]: v.to(device=device, dtype=kind) for k, v in tensors.items() if k.startswith(prefix)}
        module.load_state_dict(own, strict=True, assign=True)
        module.eval().requires_grad_(False)
    return BuiltinDLLM(transformer, vq, layout)


def _check_tensors(path: Path, module: nn.Module, prefix: str, tensors: Mapping[str, Tensor], restore: str) -> None:
    """Raise CheckpointError naming the first tensor of a module that is missing, misshapen or too many."""
    expected = {prefix + name: list(value.shape) for name, value in module.state_dict().items()}
    for name, shape in expected.items():
        if name not in tensors:
            raise CheckpointError(f"{path.name} is incomplete, {name} is missing: {restore}.")
        if list(tensors[name].shape) != shape:
            given = list(tensors[name].shape)
            raise CheckpointError(f"{path.name} does not fit, {name} is {given} instead of {shape}: {restore}.")
    for name in tensors:
        if name.startswith(prefix) and name not in expected:
            raise CheckpointError(f"{path.name} holds {name}, which the built-in model does not have: {restore}.")
