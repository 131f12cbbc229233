"""The built-in models: weights that ship with the pack (see MODEL_CARD.md) and the function that loads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import CheckpointError, cut
from ...file_reading import Fields, parse_fields
from ...vq.contract import VQ_PREFIX
from ...vq.patch_vq import PatchVQ, PatchVQConfig
from ..llada import TRANSFORMER_PREFIX, LLaDAConfig, LLaDATransformer
from .layout import SHAPES, BuiltinLayout
from .model import BuiltinDLLM

SHAPES_WEIGHTS = Path(__file__).with_name("shapes.safetensors")
"""The small world, for tests, oracles and workflows that were made with it."""
EMOJI_WEIGHTS = Path(__file__).with_name("emoji.safetensors")
"""The model that a newcomer sees first."""
UPSCALER = Path(__file__).parent / "upscale_models" / "emoji_x4.safetensors"
"""For the pictures of the emoji model; ComfyUI loads it by itself, from the folder it lies in."""
_SHIPPED = {"emoji": EMOJI_WEIGHTS, SHAPES: SHAPES_WEIGHTS}
CONFIG_KEY = "ladr_builtin"


def shipped_models() -> dict[str, Path]:
    """Files of the built-in models by the world they draw, the default first."""
    return {world: path for world, path in _SHIPPED.items() if world == SHAPES or path.is_file()}


def load_builtin(
    path: Path = EMOJI_WEIGHTS,
    *,
    operations: Any = nn,
    vq_operations: Any = nn,
    dtype: Any = torch.float32,
    device: Any = "cpu",
) -> BuiltinDLLM:
    """Load a built-in model; raises CheckpointError where the file is missing, damaged or of another kind."""
    from safetensors import SafetensorError, safe_open

    restore = "install the pack again to restore it" if path in _SHIPPED.values() else "export or download it again"
    if not path.is_file():
        raise CheckpointError(f"{path.name} is missing from {path.parent}: {restore}.")
    try:
        with safe_open(str(path), framework="pt") as file:
            description = (file.metadata() or {}).get(CONFIG_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (a safetensors file, no dict)
    except SafetensorError as error:
        raise CheckpointError(f"{path.name} is damaged ({cut(error, 100)}): {restore}.") from error
    if description is None:
        raise CheckpointError(f"{path.name} is not a built-in model: it has no {CONFIG_KEY} in its metadata.")
    config = parse_fields(description, f"{path.name} ({CONFIG_KEY})", restore)
    vq_sizes, sizes = PatchVQConfig.from_dict(config.below("vq")), LLaDAConfig.from_dict(config.below("transformer"))
    layout = _layout(config, vq_sizes.codebook_size)
    if sizes.embedding_size != layout.vocabulary_size:
        given = f"{len(layout.words)} words for an embedding of {sizes.embedding_size} rows"
        raise CheckpointError(f"{path.name} has a damaged description ({CONFIG_KEY}: {given}): {restore}.")
    # Compared before anything is built: a description may ask for any size.
    table = TRANSFORMER_PREFIX + "transformer.wte.weight"
    _check_tensor(path, table, [sizes.embedding_size, sizes.d_model], tensors, restore)
    layers = {name.split(".")[3] for name in tensors if name.startswith(TRANSFORMER_PREFIX + "transformer.blocks.")}
    if len(layers) != sizes.n_layers:
        given = f"{sizes.n_layers} layers in {CONFIG_KEY}, {len(layers)} in the file"
        raise CheckpointError(f"{path.name} does not fit its description, {given}: {restore}.")
    transformer = LLaDATransformer(sizes, operations=operations, device="meta", dtype=dtype)
    vq = PatchVQ(vq_sizes, operations=vq_operations, device="meta", dtype=torch.float32)
    for module, prefix, kind in ((transformer, TRANSFORMER_PREFIX, dtype), (vq, VQ_PREFIX, torch.float32)):
        _check_tensors(path, module, prefix, tensors, restore)
        own = {
            name.removeprefix(prefix): value.to(device=device, dtype=kind, copy=True)  # so that no file stays mapped
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
        module.load_state_dict(own, strict=True, assign=True)
        module.eval().requires_grad_(False)
    return BuiltinDLLM(transformer, vq, layout)


def _layout(config: Fields, codebook_size: int) -> BuiltinLayout:
    """The layout that a file describes; the first files describe no world, grid or synonyms, and are of the shapes."""
    given: dict[str, Any] = {"world": config.text("world", SHAPES)}
    if "synonyms" in config:
        synonyms = config.below("synonyms")
        given["synonyms"] = {word: synonyms.text(word) for word in synonyms}
    if "grid" in config:
        given |= {side: config.below("grid").whole(side, 1, 128) for side in ("height", "width")}
    given["skips_unknown"] = config.flag("skips_unknown", False)
    return BuiltinLayout(config.texts("words"), codebook_size, **given)


def _check_tensors(path: Path, module: nn.Module, prefix: str, tensors: Mapping[str, Tensor], restore: str) -> None:
    """Raise CheckpointError naming the first tensor of a module that is missing, misshapen or too many."""
    expected = {prefix + name: list(value.shape) for name, value in module.state_dict().items()}
    for name, shape in expected.items():
        _check_tensor(path, name, shape, tensors, restore)
    for name in tensors:
        if name.startswith(prefix) and name not in expected:
            raise CheckpointError(
                f"{path.name} holds {cut(name, 80)}, which the built-in model does not have: {restore}."
            )


def _check_tensor(path: Path, name: str, shape: list[int], tensors: Mapping[str, Tensor], restore: str) -> None:
    if name not in tensors:
        raise CheckpointError(f"{path.name} is incomplete, {name} is missing: {restore}.")
    found = tensors[name]
    if list(found.shape) != shape:
        raise CheckpointError(f"{path.name} does not fit, {name} is {list(found.shape)} instead of {shape}: {restore}.")
    if not found.is_floating_point():
        raise CheckpointError(f"{path.name} does not fit, {name} is stored as {found.dtype}: {restore}.")
