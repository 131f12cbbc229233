"""One .safetensors file of a whole model: transformer, image tokenizer, configuration and text tokenizer."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError
from .layers import FLOAT8, MARKER, SCALE, quantise_weight
from .loading import HEAD, load_vq, stored_weight
from .parts import SINGLE_FILE_KEY, TRANSFORMER_PREFIX, VQ_PREFIX, CheckpointParts, expected_shapes
from .writing import PendingTensor, write_file


def write_single_file(
    parts: CheckpointParts, path: Path, dtype: torch.dtype, progress: Callable[[int, int], None] | None = None
) -> int:
    """Write a found checkpoint as one file, its transformer in `dtype`; the size in bytes.

    float8_e4m3fn: the layers in 8 bits with a scale each, head and embedding in bfloat16, by ComfyUI's convention.
    """
    config = parts.transformer_config
    shapes = expected_shapes(config)
    parts.weights.check(shapes, parts.family.title, parts.family.page, optional=_scales(shapes))
    tensors = _scaled_layers(parts, shapes) if dtype == FLOAT8 else _plain(parts, shapes, dtype)
    vq = load_vq(parts, torch.nn, "cpu")
    for name, value in vq.state_dict().items():
        tensors.append(PendingTensor(VQ_PREFIX + name, value.dtype, tuple(value.shape), value.clone))
    description = {
        "family": parts.family.name,
        "transformer": {**parts.config, "vocab_size": config.embedding_size, "embedding_size": config.embedding_size},
        "vq": parts.vq_config,
        "tokenizer": parts.tokenizer.files,
    }
    metadata = {"format": "pt", SINGLE_FILE_KEY: json.dumps(description, ensure_ascii=False)}
    return write_file(path, tensors, metadata, progress)


def _plain(parts: CheckpointParts, shapes: dict[str, tuple[int, ...]], dtype: torch.dtype) -> list[PendingTensor]:
    return [
        PendingTensor(TRANSFORMER_PREFIX + name, dtype, shape, partial(stored_weight, parts.weights, name, dtype))
        for name, shape in shapes.items()
    ]


def _scaled_layers(parts: CheckpointParts, shapes: dict[str, tuple[int, ...]]) -> list[PendingTensor]:
    def part(name: str, which: int) -> Tensor:
        return quantise_weight(stored_weight(parts.weights, name, torch.float32))[which]

    tensors = [PendingTensor(TRANSFORMER_PREFIX + MARKER, FLOAT8, (0,), lambda: torch.empty(0))]
    for name, shape in shapes.items():
        scale_name = TRANSFORMER_PREFIX + name.replace(".weight", "." + SCALE)
        own = TRANSFORMER_PREFIX + name
        if len(shape) == 2 and ".blocks." in name:
            # Scales are wider than weights and so are written first; computing each twice keeps memory small.
            tensors.append(PendingTensor(own, FLOAT8, shape, partial(part, name, 0)))
            tensors.append(PendingTensor(scale_name, torch.float32, (), partial(part, name, 1)))
            continue
        wide = partial(stored_weight, parts.weights, name, torch.bfloat16)
        tensors.append(PendingTensor(own, torch.bfloat16, shape, wide))
        if name == HEAD + ".weight":
            tensors.append(PendingTensor(scale_name, torch.float32, (), lambda: torch.ones(())))
    return tensors


def _scales(shapes: dict[str, tuple[int, ...]]) -> set[str]:
    return {MARKER} | {name.replace(".weight", "." + SCALE) for name in shapes}


def check_target(path: Path) -> Path:
    """The path of a file to write, or a CheckpointError where it cannot be written without harm."""
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path} must end in .safetensors.")
    if path.exists():
        raise CheckpointError(f"{path} exists already; give another name or remove it first.")
    if not path.parent.is_dir():
        raise CheckpointError(f"There is no folder {path.parent}; make it first.")
    return path
