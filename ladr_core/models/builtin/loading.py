"""The built-in models: weights that ship with the pack (see MODEL_CARD.md) and the function that loads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
EMOJI_FLAT_TOKENIZER = Path(__file__).with_name("emoji_flat.safetensors")
"""An image tokenizer that shows the emoji model's tokens in another style; the transformer is the same."""
UPSCALER = Path(__file__).parent / "upscale_models" / "emoji_x4.safetensors"
"""For the pictures of the emoji model; ComfyUI loads it by itself, from the folder it lies in."""
_SHIPPED = {"emoji": EMOJI_WEIGHTS, "emoji-flat": EMOJI_FLAT_TOKENIZER, SHAPES: SHAPES_WEIGHTS}
CONFIG_KEY = "ladr_builtin"
TOKENIZER_OF = "tokenizer_of"
"""Entry of a file that holds an image tokenizer alone: the shipped model whose tokens it shows."""


def shipped_models() -> dict[str, Path]:
    """Files of the built-in models by the world they draw and its style, the default first."""
    return {world: path for world, path in _SHIPPED.items() if world == SHAPES or path.is_file()}


def load_builtin(
    path: Path = EMOJI_WEIGHTS,
    *,
    operations: Any = nn,
    vq_operations: Any = nn,
    dtype: Any = torch.float32,
    device: Any = "cpu",
) -> BuiltinDLLM:
    """Load a built-in model; raises CheckpointError where the file is missing, damaged or of another kind.

    A file that holds an image tokenizer alone is joined with the transformer of the shipped model that it names.
    """
    file = _read(path)
    vq_sizes = PatchVQConfig.from_dict(file.config.below("vq"))
    vq = PatchVQ(vq_sizes, operations=vq_operations, device="meta", dtype=torch.float32)
    _fill(vq, VQ_PREFIX, file, device, torch.float32)
    if TOKENIZER_OF in file.config:
        model = file.config.text(TOKENIZER_OF)
        if model not in _SHIPPED or _SHIPPED[model] == path:
            named = f"{CONFIG_KEY}: {TOKENIZER_OF} is {cut(model, 80)!r}"
            raise CheckpointError(f"{path.name} has a damaged description ({named}): {file.restore}.")
        file = _read(_SHIPPED[model])
        codes = PatchVQConfig.from_dict(file.config.below("vq")).codebook_size
        if vq_sizes.codebook_size != codes:
            given = f"{vq_sizes.codebook_size} codes where {model} has {codes}"
            raise CheckpointError(f"{path.name} does not fit its model, {given}: {file.restore}.")
    sizes = LLaDAConfig.from_dict(file.config.below("transformer"))
    layout = _layout(file.config, vq_sizes.codebook_size)
    if sizes.embedding_size != layout.vocabulary_size:
        given = f"{len(layout.words)} words for an embedding of {sizes.embedding_size} rows"
        raise CheckpointError(f"{path.name} has a damaged description ({CONFIG_KEY}: {given}): {file.restore}.")
    # Compared before anything is built: a description may ask for any size.
    table = TRANSFORMER_PREFIX + "transformer.wte.weight"
    _check_tensor(file, table, [sizes.embedding_size, sizes.d_model])
    blocks = TRANSFORMER_PREFIX + "transformer.blocks."
    layers = {name.split(".")[3] for name in file.tensors if name.startswith(blocks)}
    if len(layers) != sizes.n_layers:
        given = f"{sizes.n_layers} layers in {CONFIG_KEY}, {len(layers)} in the file"
        raise CheckpointError(f"{file.path.name} does not fit its description, {given}: {file.restore}.")
    transformer = LLaDATransformer(sizes, operations=operations, device="meta", dtype=dtype)
    _fill(transformer, TRANSFORMER_PREFIX, file, device, dtype)
    return BuiltinDLLM(transformer, vq, layout)


@dataclass(frozen=True)
class _File:
    """What a file of ours holds; restore: how to get it again."""

    path: Path
    config: Fields
    tensors: Mapping[str, Tensor]
    restore: str


def _read(path: Path) -> _File:
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
    return _File(path, parse_fields(description, f"{path.name} ({CONFIG_KEY})", restore), tensors, restore)


def _fill(module: nn.Module, prefix: str, file: _File, device: Any, dtype: torch.dtype) -> None:
    """Give a module on the meta device its tensors of a file."""
    _check_tensors(file, module, prefix)
    own = {
        name.removeprefix(prefix): value.to(device=device, dtype=dtype, copy=True)  # so that no file stays mapped
        for name, value in file.tensors.items()
        if name.startswith(prefix)
    }
    module.load_state_dict(own, strict=True, assign=True)
    module.eval().requires_grad_(False)


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


def _check_tensors(file: _File, module: nn.Module, prefix: str) -> None:
    """Raise CheckpointError naming the first tensor of a module that is missing, misshapen or too many."""
    expected = {prefix + name: list(value.shape) for name, value in module.state_dict().items()}
    for name, shape in expected.items():
        _check_tensor(file, name, shape)
    for name in file.tensors:
        if name.startswith(prefix) and name not in expected:
            raise CheckpointError(
                f"{file.path.name} holds {cut(name, 80)}, which the built-in model does not have: {file.restore}."
            )


def _check_tensor(file: _File, name: str, shape: list[int]) -> None:
    found = file.tensors.get(name)
    if found is None:
        raise CheckpointError(f"{file.path.name} is incomplete, {name} is missing: {file.restore}.")
    if list(found.shape) != shape:
        given = f"{name} is {list(found.shape)} instead of {shape}"
        raise CheckpointError(f"{file.path.name} does not fit, {given}: {file.restore}.")
    if not found.is_floating_point():
        raise CheckpointError(f"{file.path.name} does not fit, {name} is stored as {found.dtype}: {file.restore}.")
