"""LoRA files of the PEFT library under the names that ComfyUI's LoRA nodes look for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from .header import read_header
from .parts import read_json
from .tensor_files import TensorFiles
from .writing import PendingTensor, write_file

ADAPTER, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"
_FACTOR = re.compile(
    r"^(?:base_model\.)?(?:model\.)*(?P<layer>transformer\..+)\.lora_(?P<side>[AB])(?:\.\w+)?\.weight$"
)
_LISTED = 5


def is_adapter(path: Path) -> bool:
    """Whether a path is a PEFT folder, or a file of PEFT's names."""
    if path.is_dir():
        return (path / ADAPTER).is_file()
    return path.suffix == ".safetensors" and any(_FACTOR.match(name) for name in read_header(path).tensors)


def rename_adapter(path: Path, target: Path) -> int:
    """Write a PEFT adapter with ComfyUI's names and its strength as `alpha`; the number of layers it changes."""
    file = path / ADAPTER if path.is_dir() else path
    config_path = file.with_name(ADAPTER_CONFIG)
    config = read_json(config_path) if config_path.is_file() else {}
    files = TensorFiles([read_header(file)])
    factors: dict[str, dict[str, Tensor]] = {}
    unknown = []
    for name, tensor in files.tensors():
        match = _FACTOR.match(name)
        if match is None:
            unknown.append(name)
        else:
            factors.setdefault(match["layer"], {})[match["side"]] = tensor
    if unknown:
        raise CheckpointError(
            f"{file} holds {len(unknown)} tensors that are not LoRA factors of this model: "
            f"{', '.join(unknown[:_LISTED])}. Merge the adapter with PEFT instead."
        )
    halves = [layer for layer, sides in factors.items() if len(sides) < 2]
    if halves:
        raise CheckpointError(f"{file} is damaged: it has only one of two factors of {', '.join(halves[:_LISTED])}.")
    tensors = {}
    for layer, sides in factors.items():
        for side, tensor in sides.items():
            tensors[f"diffusion_model.{layer}.lora_{side}.weight"] = tensor
        alpha = _alpha(config, layer, rank=sides["A"].shape[0])
        if alpha is not None:
            tensors[f"diffusion_model.{layer}.alpha"] = torch.tensor(alpha)
    pending = [PendingTensor(name, t.dtype, tuple(t.shape), t.clone) for name, t in tensors.items()]
    write_file(target, pending, {"format": "pt"})
    return len(factors)


def _alpha(config: Mapping[str, Any], layer: str, rank: int) -> float | None:
    """The number that ComfyUI divides by the rank to get the strength."""
    own = [
        value for pattern, value in config.get("alpha_pattern", {}).items() if re.search(rf"(^|\.){pattern}$", layer)
    ]
    alpha = own[0] if own else config.get("lora_alpha")
    if alpha is None:
        return None
    return float(alpha) * math.sqrt(rank) if config.get("use_rslora") else float(alpha)
