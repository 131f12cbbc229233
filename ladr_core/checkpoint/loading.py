"""Loading a published model: weights stay memory-mapped where their dtype is kept, so nothing is held twice."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..models.builtin.loading import CONFIG_KEY, WEIGHTS, load_builtin
from ..models.contract import DLLM
from ..models.llada import LLaDATransformer
from ..models.lumina_dimoo.model import LuminaDiMOO
from ..models.mmada.model import MMaDA
from ..vq.magvit2 import LookupFreeQuantiser, MAGVITv2, MAGVITv2Config
from ..vq.vqmodel import VQModel, VQModelConfig
from .families import LUMINA_DIMOO
from .header import read_header
from .layers import FLOAT8, MARKER, SCALE, CastingLayers, quantise_weight, scaled_layers
from .parts import CheckpointParts, expected_shapes, find_parts
from .tensor_files import TensorFiles

logger = logging.getLogger(__name__)

HEAD = "transformer.ff_out"


def load_dllm(
    path: str | Path,
    *,
    operations: Any = nn,
    dtype: torch.dtype | None = None,
    device: Any = "cpu",
    vq_path: str | Path | None = None,
) -> DLLM:
    """Load Lumina-DiMOO or MMaDA from a folder as published or a file of `convert`, or the built-in model (its file).

    operations: the layer classes (torch.nn or ComfyUI's; for 8-bit weights they must cast to the dtype of their input).
    dtype: of the transformer's weights, None = as stored, float8_e4m3fn = the layers in 8 bits with a scale each and
    the rest as stored. vq_path: folder or file of the image tokenizer where it is not beside the weights. The image
    tokenizer is always float32. Raises CheckpointError, which names what is missing or wrong.
    """
    path = Path(path)
    is_file = path.suffix == ".safetensors" and path.is_file()
    if path == WEIGHTS or (is_file and CONFIG_KEY in read_header(path).metadata):
        kept = torch.float32 if dtype is None else dtype
        return load_builtin(path, operations=operations, vq_operations=operations, dtype=kept, device=device)
    started = time.perf_counter()
    parts = find_parts(path, None if vq_path is None else Path(vq_path))
    transformer = load_transformer(parts, operations, dtype, device)
    vq = load_vq(parts, operations, device)
    model: DLLM
    if parts.family is LUMINA_DIMOO:
        model = LuminaDiMOO(transformer, vq, parts.tokenizer)
    else:
        model = MMaDA(transformer, vq, parts.tokenizer)
    logger.info("Loaded %s in %.1f s", parts.family.title, time.perf_counter() - started)
    return model


def is_eight_bit(parts: CheckpointParts, dtype: torch.dtype | None) -> bool:
    """Whether the layers are kept in 8 bits when loaded with this dtype."""
    return dtype == FLOAT8 or (dtype is None and parts.stored_dtype == FLOAT8)


def load_transformer(
    parts: CheckpointParts, operations: Any, dtype: torch.dtype | None, device: Any
) -> LLaDATransformer:
    """The transformer with its weights, in evaluation mode and without gradients."""
    config = parts.transformer_config
    expected = expected_shapes(config)
    layers = {name for name, shape in expected.items() if len(shape) == 2 and ".blocks." in name}
    scales = {name.replace(".weight", "." + SCALE) for name in (*layers, HEAD + ".weight")}
    parts.weights.check(expected, parts.family.title, parts.family.page, optional={MARKER, *scales})
    eight_bit = is_eight_bit(parts, dtype)
    if eight_bit:
        operations = scaled_layers(CastingLayers if operations is nn else operations)
    state: dict[str, Tensor] = {}
    found = {name: tensor for name, tensor in parts.weights.tensors() if name in expected or name in scales}
    for name in expected:
        weight, scale = found.pop(name), found.get(name.replace(".weight", "." + SCALE))
        is_linear = name in layers or name == HEAD + ".weight"
        if not eight_bit:
            state[name] = _unscaled(weight, scale, dtype).to(device)
            continue
        if name in layers and weight.dtype != FLOAT8:
            weight, scale = quantise_weight(weight if scale is None else weight.float() * scale)
        elif name not in layers and weight.dtype in (torch.float32, FLOAT8):
            weight, scale = _unscaled(weight, scale, torch.bfloat16), None
        state[name] = weight.to(device)
        if is_linear:
            one = torch.ones(()) if scale is None else scale.float().reshape(())
            state[name.replace(".weight", "." + SCALE)] = one.to(device)
    kept = FLOAT8 if eight_bit else dtype or parts.stored_dtype
    transformer = LLaDATransformer(config, operations=operations, device="meta", dtype=kept)
    transformer.load_state_dict(state, strict=True, assign=True)
    return transformer.eval().requires_grad_(False)


def load_vq(parts: CheckpointParts, operations: Any, device: Any) -> VQModel | MAGVITv2:
    """The image tokenizer with its weights, float32."""
    optional: dict[str, Tensor] = {}
    vq: VQModel | MAGVITv2
    try:
        if parts.family is LUMINA_DIMOO:
            vq = VQModel(VQModelConfig.from_dict(parts.vq_config), operations=operations, device="meta")
        else:
            config = MAGVITv2Config.from_dict(parts.vq_config)
            vq = MAGVITv2(config, operations=operations, device="meta")
            own = LookupFreeQuantiser(config.bits).state_dict()
            optional = {"quantize." + name: value for name, value in own.items()}
    except ValueError as error:
        raise CheckpointError(f"{parts.family.title}'s image tokenizer: {error}.") from error
    expected = {name: tuple(value.shape) for name, value in vq.state_dict().items()}
    what = f"{parts.family.title}'s image tokenizer"
    parts.vq_weights.check(expected, what, parts.family.vq_page, optional)
    state = dict(optional)
    for name, tensor in parts.vq_weights.tensors():
        if name in expected:
            state[name] = (tensor.float() if tensor.is_floating_point() else tensor).to(device)
    vq.load_state_dict({name: value.to(device) for name, value in state.items()}, strict=True, assign=True)
    return vq.eval().requires_grad_(False)


def stored_weight(files: TensorFiles, name: str, dtype: torch.dtype | None) -> Tensor:
    """One weight in the wanted dtype, its scale applied where it has one."""
    scale_name = name.replace(".weight", "." + SCALE)
    return _unscaled(files.tensor(name), files.tensor(scale_name) if scale_name in files.names else None, dtype)


def _unscaled(weight: Tensor, scale: Tensor | None, dtype: torch.dtype | None) -> Tensor:
    """The weight a stored one stands for, in the wanted dtype; the very tensor where nothing changes."""
    if scale is not None and weight.dtype == FLOAT8:
        weight = weight.float() * scale
    if dtype is None and weight.dtype != FLOAT8:
        return weight
    return weight.to(dtype or torch.bfloat16)
