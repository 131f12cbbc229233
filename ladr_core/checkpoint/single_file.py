"""One .safetensors file of a whole model: transformer, image tokenizer, configuration and text tokenizer."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..models.llada import TRANSFORMER_PREFIX
from ..vq.contract import VQ_PREFIX
from .eight_bit_layers import FLOAT8, SCALE
from .loading import HEAD, in_eight_bits, is_layer, load_vq, stored_weight, unscaled
from .parts import SINGLE_FILE_KEY, CheckpointParts, expected_shapes, find_parts
from .scales import MARKER
from .writing import PendingTensor, write_file


def write_single_file(
    parts: CheckpointParts, path: Path, dtype: torch.dtype, progress: Callable[[int, int], None] | None = None
) -> int:
    """Write a found checkpoint as one file, its transformer in `dtype`; the size in bytes.

    float8_e4m3fn: the layers in 8 bits with a scale each, head and embedding in bfloat16, by ComfyUI's convention.
    """
    shapes = expected_shapes(parts.transformer_config)
    tensors = _eight_bit_layers(parts, shapes) if dtype == FLOAT8 else _plain(parts, shapes, dtype)
    vq = load_vq(parts, torch.nn, "cpu")
    for name, value in vq.state_dict().items():
        tensors.append(PendingTensor(VQ_PREFIX + name, value.dtype, tuple(value.shape), value.clone))
    rows = parts.transformer_config.embedding_size
    config = {name: value for name, value in parts.config.items() if name != "quantization_config"}
    description = {
        "family": parts.family.name,
        "transformer": {**config, "vocab_size": rows, "embedding_size": rows},
        "vq": dict(parts.vq_config.values),
        "tokenizer": parts.tokenizer.files,
    }
    text = json.dumps(description, ensure_ascii=False)
    text = text if _is_text(text) else json.dumps(description)
    metadata = {"format": "pt", SINGLE_FILE_KEY: text}
    size = write_file(path, tensors, metadata, progress)
    _ = find_parts(path).scales  # what the loader would say of it, before anybody relies on it
    return size


def _plain(parts: CheckpointParts, shapes: dict[str, tuple[int, ...]], dtype: torch.dtype) -> list[PendingTensor]:
    def make(name: str) -> Tensor:
        return _finite(name, unscaled(*stored_weight(parts, name), dtype))

    _ = parts.scales  # refuses what it cannot read, before anything is written
    return [
        PendingTensor(TRANSFORMER_PREFIX + name, dtype, shape, partial(make, name)) for name, shape in shapes.items()
    ]


def _eight_bit_layers(parts: CheckpointParts, shapes: dict[str, tuple[int, ...]]) -> list[PendingTensor]:
    def part(name: str, which: int) -> Tensor:
        return _finite(name, in_eight_bits(*stored_weight(parts, name), name)[which])

    def wide(name: str) -> Tensor:
        return _finite(name, unscaled(*stored_weight(parts, name), torch.bfloat16))

    scales = parts.scales.names
    tensors = [PendingTensor(TRANSFORMER_PREFIX + MARKER, FLOAT8, (0,), lambda: torch.empty(0))]
    for name, shape in shapes.items():
        scale_name = TRANSFORMER_PREFIX + name.removesuffix("weight") + SCALE
        own = TRANSFORMER_PREFIX + name
        if is_layer(name, shape):
            kept = name in scales and parts.weights.dtype(name) == "F8_E4M3"
            axes = tuple(stored_weight(parts, name)[1].shape) if kept else ()  # type: ignore[union-attr]
            # Scales are wider than weights and so are written first; computing each twice keeps memory small.
            tensors.append(PendingTensor(own, FLOAT8, shape, partial(part, name, 0)))
            tensors.append(PendingTensor(scale_name, torch.float32, axes, partial(part, name, 1)))
            continue
        tensors.append(PendingTensor(own, torch.bfloat16, shape, partial(wide, name)))
        if name == HEAD + ".weight":
            tensors.append(PendingTensor(scale_name, torch.float32, (), lambda: torch.ones(())))
    return tensors


def _is_text(text: str) -> bool:
    """Whether UTF-8 can hold it: a configuration may hold half a character, escaped."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(name: str, tensor: Tensor) -> Tensor:
    """The tensor, or a CheckpointError where it holds numbers that no picture can come of."""
    if not all(bool(torch.isfinite(rows.float()).all()) for rows in tensor.reshape(-1).split(2**24)):
        raise CheckpointError(f"{name} holds numbers that are not finite; download the weights again.")
    return tensor


def check_target(path: Path) -> Path:
    """The path of a file to write, or a CheckpointError where it cannot be written without harm."""
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path} must end in .safetensors.")
    if path.exists():
        raise CheckpointError(f"{path} exists already; give another name or remove it first.")
    if not path.parent.is_dir():
        raise CheckpointError(f"There is no folder {path.parent}; make it first.")
    return path
