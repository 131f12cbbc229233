"""Loading a published model: weights stay memory-mapped where their dtype is kept, so nothing is held twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..mapped_files import note_mapped
from ..models.builtin.loading import CONFIG_KEY, load_builtin, shipped_models
from ..models.contract import DLLM
from ..models.llada import LLaDATransformer
from .eight_bit_layers import FLOAT8, SCALE, CastingLayers, quantize_weight, scaled_layers
from .header import read_header
from .parts import CheckpointParts, expected_shapes, find_parts
from .scales import expand_scale, read_scale

logger = logging.getLogger(__name__)

HEAD = "transformer.ff_out"


def load_dllm(
    path: str | Path,
    *,
    operations: Any = nn,
    dtype: torch.dtype | None = None,
    device: Any = "cpu",
    vq_path: str | Path | None = None,
    vq_folders: Sequence[Path] = (),
    memory_map: bool = True,
) -> DLLM:
    """Load Lumina-DiMOO or MMaDA from a folder as published or a file of `convert`, or the built-in model (its file).

    operations: the layer classes (torch.nn or ComfyUI's; for 8-bit weights they must cast to the dtype of their input).
    dtype: of the transformer's weights, None = as stored, float8_e4m3fn = the layers in 8 bits with a scale each and
    the rest as stored. vq_path: folder or file of the image tokenizer where it is not beside the weights; vq_folders:
    where it is looked for besides. memory_map: leave weights that are kept as stored in their mapped files. The image
    tokenizer is always float32. Raises CheckpointError, which names what is missing or wrong.
    """
    path = Path(path)
    is_file = path.suffix == ".safetensors" and path.is_file()
    if path in shipped_models().values() or (is_file and CONFIG_KEY in read_header(path).metadata):
        kept = torch.float32 if dtype is None else dtype
        return load_builtin(path, operations=operations, vq_operations=operations, dtype=kept, device=device)
    started = time.perf_counter()
    parts = find_parts(path, None if vq_path is None else Path(vq_path), vq_folders)
    transformer = load_transformer(parts, operations, dtype, device, memory_map)
    vq = load_vq(parts, operations, device, memory_map)
    model = parts.family.build(transformer, vq, parts.tokenizer)
    if vq.codebook_size != model.codebook_size:
        raise CheckpointError(
            f"{parts.family.title}'s image tokenizer has {vq.codebook_size} codes, expected {model.codebook_size}; get "
            f"it from {parts.family.vq_page}."
        )
    logger.info("Loaded %s in %.1f s", parts.family.title, time.perf_counter() - started)
    return model


def is_eight_bit(parts: CheckpointParts, dtype: torch.dtype | None) -> bool:
    """Whether the layers are kept in 8 bits when loaded with this dtype."""
    return dtype == FLOAT8 or (dtype is None and parts.stored_dtype == FLOAT8)


def load_transformer(
    parts: CheckpointParts, operations: Any, dtype: torch.dtype | None, device: Any, memory_map: bool = True
) -> LLaDATransformer:
    """The transformer with its weights, in evaluation mode and without gradients."""
    config = parts.transformer_config
    expected, scale_names = expected_shapes(config), parts.scales.names
    eight_bit = is_eight_bit(parts, dtype)
    if eight_bit:
        operations = scaled_layers(CastingLayers if operations is nn else operations)
    wanted = set(expected) | set(scale_names.values())
    found = {name: tensor for name, tensor in parts.weights.tensors(memory_map) if name in wanted}
    state: dict[str, Tensor] = {}
    mapped: set[Path] = set()
    for name, shape in expected.items():
        weight, scale = found.pop(name), None
        if name in scale_names:
            scale = read_scale(found[scale_names[name]], shape, scale_names[name])
        if not eight_bit:
            state[name] = unscaled(weight, scale, dtype).to(device)
        elif is_layer(name, shape):
            stored, scale = in_eight_bits(weight, scale, name)
            state[name], state[_scale_of(name)] = stored.to(device), scale.to(device)
        else:
            if scale is not None or weight.dtype not in (torch.bfloat16, torch.float16):
                weight = unscaled(weight, scale, torch.bfloat16)
            state[name] = weight.to(device)
            if name == HEAD + ".weight":
                state[_scale_of(name)] = torch.ones((), device=device)
        if memory_map and state[name].data_ptr() == weight.data_ptr():
            mapped.add(parts.weights.file_of(name))
    kept = FLOAT8 if eight_bit else dtype or parts.stored_dtype
    transformer = LLaDATransformer(config, operations=operations, device="meta", dtype=kept)
    if eight_bit:
        for name, scale in state.items():
            if name.endswith("." + SCALE) and scale.dim():  # the module was made for a scale without axes
                layer = transformer.get_submodule(name.rpartition(".")[0])
                layer.scale_weight = nn.Parameter(torch.empty_like(scale, device="meta"), requires_grad=False)
    transformer.load_state_dict(state, strict=True, assign=True)
    note_mapped(transformer, mapped)
    return transformer.eval().requires_grad_(False)


def load_vq(parts: CheckpointParts, operations: Any, device: Any, memory_map: bool = True) -> Any:
    """The image tokenizer with its weights, float32."""
    vq = parts.family.build_vq(parts.vq_config, operations)
    constants = parts.family.vq_constants(vq)
    expected = {name: tuple(value.shape) for name, value in vq.state_dict().items()}
    what = f"{parts.family.title}'s image tokenizer"
    parts.vq_weights.check(expected, what, parts.family.vq_page, set(constants))
    state: dict[str, Tensor] = {}
    mapped: set[Path] = set()
    for name, tensor in parts.vq_weights.tensors(memory_map):
        if name in expected:
            if not tensor.is_floating_point() and name not in constants:
                raise CheckpointError(
                    f"{name} of {what} is stored as {tensor.dtype}, expected floating-point numbers; get it from "
                    f"{parts.family.vq_page}."
                )
            state[name] = (tensor.float() if tensor.is_floating_point() else tensor).to(device)
            if memory_map and state[name].data_ptr() == tensor.data_ptr():
                mapped.add(parts.vq_weights.file_of(name))
    state |= {name: value.to(device) for name, value in constants.items()}
    vq.load_state_dict(state, strict=True, assign=True)
    note_mapped(vq, mapped)
    return vq.eval().requires_grad_(False)


def is_layer(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a weight of the transformer is kept in 8 bits where these are asked for: all matrices of the blocks."""
    return len(shape) == 2 and ".blocks." in name


def in_eight_bits(weight: Tensor, scale: Tensor | None, name: str) -> tuple[Tensor, Tensor]:
    """A layer's weight in float8 e4m3 and its scale: as stored where it is that already, else made here."""
    if weight.dtype == FLOAT8:
        return weight, torch.ones(()) if scale is None else scale
    if scale is None and weight.dtype in (torch.bfloat16, torch.float16, torch.float32):
        return quantize_weight(weight, name)
    return quantize_weight(unscaled(weight, scale, torch.float32), name)


def stored_weight(parts: CheckpointParts, name: str) -> tuple[Tensor, Tensor | None]:
    """One weight as it is stored, and its scale."""
    weight, scale_name = parts.weights.tensor(name), parts.scales.names.get(name)
    if scale_name is None:
        return weight, None
    return weight, read_scale(parts.weights.tensor(scale_name), tuple(weight.shape), scale_name)


def unscaled(weight: Tensor, scale: Tensor | None, dtype: torch.dtype | None) -> Tensor:
    """The weight a stored one stands for, in the wanted dtype; the very tensor where nothing changes."""
    if scale is not None:
        weight = weight.float() * expand_scale(scale, tuple(weight.shape))
        return weight.to(dtype or torch.bfloat16)
    if dtype is None and weight.dtype in (torch.bfloat16, torch.float16, torch.float32):
        return weight
    return weight.to(dtype or (torch.float32 if weight.dtype == torch.float64 else torch.bfloat16))


def _scale_of(name: str) -> str:
    return name.removesuffix("weight") + SCALE
