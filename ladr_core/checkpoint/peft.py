"""LoRA files of the PEFT library under the names that ComfyUI's LoRA nodes look for."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError, cut
from ..file_reading import Fields, read_fields
from .header import read_header
from .missing import unreadable
from .tensor_files import TensorFiles
from .writing import PendingTensor, write_file

ADAPTER, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"
_FACTOR = re.compile(
    r"^(?:base_model\.)?(?:model\.)*(?P<layer>transformer\..+)\.lora_(?P<side>[AB])(?:\.\w+)?\.weight$"
)
_LISTED = 5
_REMEDY = "save the adapter again with PEFT"
_LARGEST_ALPHA = 1e6
_PATTERN, _MOST_REPEATS = re.compile(r"[\w.|^$\\*+?\[\]-]{1,200}"), 3


def is_adapter(path: Path) -> bool:
    """Whether a path is a PEFT folder, or a file of PEFT's names."""
    if path.is_dir():
        return (path / ADAPTER).exists() or (path / ADAPTER_CONFIG).exists()
    return path.suffix == ".safetensors" and any(_FACTOR.match(name) for name in read_header(path).tensors)


def rename_adapter(path: Path, target: Path) -> int:
    """Write a PEFT adapter with ComfyUI's names and its strength as `alpha`; the number of layers it changes."""
    file = path / ADAPTER if path.is_dir() else path
    if not file.exists():
        raise CheckpointError(
            f"{ADAPTER} is missing in {path}; save the adapter with PEFT's save_pretrained, which writes it."
            f"{unreadable([path])}"
        )
    config_path = file.with_name(ADAPTER_CONFIG)
    config = read_fields(config_path) if config_path.exists() else Fields({}, str(config_path), _REMEDY)
    if config.text("peft_type", "LORA") != "LORA" or config.flag("fan_in_fan_out", False):
        name = "fan_in_fan_out" if config.flag("fan_in_fan_out", False) else "peft_type"
        raise config.wrong(name, "a LoRA of ordinary linear layers")
    files = TensorFiles([read_header(file)])
    factors: dict[str, dict[str, Tensor]] = {}
    unknown = []
    for name, tensor in files.tensors():
        match = _FACTOR.match(name)
        if match is None:
            unknown.append(name)
        else:
            factors.setdefault(match["layer"], {})[match["side"]] = tensor
    if unknown or not factors:
        raise CheckpointError(
            f"{file} holds {len(unknown)} tensors that are not LoRA factors of this model"
            f"{': ' + _listed(unknown) if unknown else ' and none that are'}. Merge the adapter with PEFT instead."
        )
    halves = [layer for layer, sides in factors.items() if len(sides) < 2]
    if halves:
        raise CheckpointError(f"{file} is damaged: it has only one of two factors of {_listed(halves)}.")
    unfit = [layer for layer, sides in factors.items() if not _fit(sides["A"], sides["B"])]
    if unfit:
        raise CheckpointError(f"{file} is damaged: the two factors of {_listed(unfit)} do not fit together.")
    strengths = _Strengths(config)
    tensors = {}
    for layer, sides in factors.items():
        for side, tensor in sides.items():
            tensors[f"diffusion_model.{layer}.lora_{side}.weight"] = tensor
        alpha = strengths.alpha(layer, rank=sides["A"].shape[0])
        if alpha is not None:
            tensors[f"diffusion_model.{layer}.alpha"] = torch.tensor(alpha)
    pending = [PendingTensor(name, t.dtype, tuple(t.shape), t.clone) for name, t in tensors.items()]
    write_file(target, pending, {"format": "pt"})
    return len(factors)


def _fit(a: Tensor, b: Tensor) -> bool:
    floats = (torch.float32, torch.float16, torch.bfloat16)
    return a.dim() == b.dim() == 2 and 0 < a.shape[0] == b.shape[1] and a.dtype in floats and b.dtype in floats


def _listed(names: Sequence[str]) -> str:
    return ", ".join(cut(name, 100) for name in names[:_LISTED])


class _Strengths:
    """The strengths that a configuration gives the layers, as the numbers that ComfyUI divides by the rank."""

    def __init__(self, config: Fields):
        self.root = config.flag("use_rslora", False)
        self.alpha_of_all = config.number("lora_alpha", 0.0, _LARGEST_ALPHA, None)
        patterns = config.below("alpha_pattern", {})
        self.own = [(self._compiled(patterns, p), patterns.number(p, 0.0, _LARGEST_ALPHA)) for p in patterns]

    @staticmethod
    def _compiled(patterns: Fields, pattern: str) -> re.Pattern[str]:
        """The pattern of layer names; one that could search for ever is refused."""
        try:
            if not _PATTERN.fullmatch(pattern) or len(re.findall(r"[*+?]", pattern)) > _MOST_REPEATS:
                raise ValueError
            return re.compile(rf"(^|\.){pattern}$")
        except (ValueError, re.error) as error:
            raise patterns.wrong(pattern, "a layer name or a simple pattern as its name") from error

    def alpha(self, layer: str, rank: int) -> float | None:
        """Of one layer."""
        own = [value for pattern, value in self.own if pattern.search(layer)]
        found = own[0] if own else self.alpha_of_all
        return found if found is None or not self.root else found * math.sqrt(rank)
