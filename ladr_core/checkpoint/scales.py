"""Weights that somebody stored in 8 bits with scales beside them: which spellings are understood, and which are not.

ComfyUI writes ``scale_weight`` (marked by a tensor ``scaled_fp8``), newer ones ``weight_scale`` and ``comfy_quant``;
on the hub there are ``weight_scale`` (compressed-tensors, FBGEMM) and ``weight_scale_inv`` (DeepSeek's blocks of
128 x 128, which are multiplied too in spite of the name). A stored weight times its scale is the weight in all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import CheckpointError, cut, shown
from ..file_reading import Fields

if TYPE_CHECKING:
    from .tensor_files import TensorFiles

MARKER = "scaled_fp8"
SPELLINGS = ("scale_weight", "weight_scale", "weight_scale_inv")
ACTIVATION_SCALES = ("scale_input", "input_scale")  # of the input, which is not quantized here
LAYER_FORMAT, FILE_FORMAT = "comfy_quant", "_quantization_metadata"
FORMATS = ("float8_e4m3fn", "float8_e5m2", "int8_tensorwise")
METHODS = ("fp8", "fbgemm_fp8", "compressed-tensors")  # of quantization_config, where tensors tell the rest
FLOATS = ("BF16", "F16", "F32", "F64")
EIGHT_BIT_FLOATS = ("F8_E4M3", "F8_E5M2")
BLOCK = 128  # rows and columns that share a scale, where the shapes allow it
_MAKERS = {
    "SCB": "bitsandbytes in 8 bits", "absmax": "bitsandbytes in 4 bits", "quant_map": "bitsandbytes in 4 bits",
    "qweight": "GPTQ or AWQ", "qzeros": "GPTQ or AWQ", "g_idx": "GPTQ", "weight_packed": "packed 4-bit numbers",
    "weight_scale_2": "NVFP4", "weight_zero_point": "numbers with a zero point", "weight_s_rel": "packed 4-bit numbers",
    "W_q": "HQQ", "lora_A": "a LoRA that is not merged", "lora_B": "a LoRA that is not merged",
}  # fmt: skip


@dataclass(frozen=True)
class Scales:
    """For each weight by its own name, the own name of its scale; and every further tensor that may lie beside them."""

    names: dict[str, str]
    allowed: frozenset[str]


def find_scales(files: TensorFiles, expected: Mapping[str, tuple[int, ...]], what: str, advice: str) -> Scales:
    """The scales of a model's weights; CheckpointError names what is stored in a way that is not understood.

    expected: shapes of the weights by own name; advice: what to get instead.
    """
    found: dict[str, str] = {}
    allowed = {MARKER}
    for name, shape in expected.items():
        if name not in files.names:
            continue
        layer = name.removesuffix(".weight")
        spelled = [f"{layer}.{end}" for end in SPELLINGS if f"{layer}.{end}" in files.names]
        if len(spelled) > 1:
            raise _refused(what, f"{name} has two scales, {spelled[0]} and {spelled[1]}", advice)
        allowed |= {f"{layer}.{end}" for end in (*ACTIVATION_SCALES, LAYER_FORMAT)}
        _check_dtype(files, name, bool(spelled), what, advice)
        if spelled:
            _check_shape(files, name, spelled[0], shape, what, advice)
            allowed.add(spelled[0])
            if files.dtype(name) in (*EIGHT_BIT_FLOATS, "I8"):
                found[name] = spelled[0]
    _check_formats(files, what, advice)
    return Scales(found, frozenset(allowed))


def check_method(config: Fields, advice: str) -> None:
    """Refuse a config.json whose weights were quantized by a method that tensors alone do not tell."""
    if "quantization_config" not in config:
        return
    method = config.below("quantization_config").text("quant_method", "a method that is not named")
    if method not in METHODS:
        raise CheckpointError(
            f"{config.source} says that the weights are quantized by {cut(method, 60)}, which this pack does not read; "
            f"{advice}. Where they are not, remove the entry quantization_config."
        )


def makers_of(names: Iterable[str]) -> str:
    """Who writes tensors of these names, for a message; empty where that is not known."""
    ends = [part for name in names for part in name.split(".")]
    return ", ".join(dict.fromkeys(maker for end, maker in _MAKERS.items() if end in ends))


def read_scale(stored: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    """A scale in float32 without axes, [rows, 1], or [blocks of rows, blocks of columns]."""
    scale = stored.float()
    if not torch.isfinite(scale).all() or (scale < 0).any():
        raise CheckpointError(f"The scale {name} holds numbers that are negative or not finite; get the file again.")
    if scale.numel() == 1:
        return scale.reshape(())
    return scale.reshape(-1, 1) if scale.numel() == shape[0] and scale.dim() < 2 else scale


def expand_scale(scale: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The scale of every number of a weight [rows, columns], ready to be multiplied with it."""
    if scale.dim() == 0 or scale.shape == (shape[0], 1):
        return scale
    for axis, (length, blocks) in enumerate(zip(shape, scale.shape)):
        scale = scale.repeat_interleave(block_size(length, blocks), dim=axis).narrow(axis, 0, length)
    return scale


def block_size(length: int, blocks: int) -> int:
    """How many neighbors share a scale, 0 where so many blocks do not fit: 128, or else a power of two."""
    sizes = (BLOCK, *(2**power for power in range(31)))
    return next((size for size in sizes if -(-length // size) == blocks), 0)


def _check_dtype(files: TensorFiles, name: str, has_scale: bool, what: str, advice: str) -> None:
    dtype = files.dtype(name)
    if dtype in (*FLOATS, *EIGHT_BIT_FLOATS) or (dtype == "I8" and has_scale):
        return
    raise _refused(what, f"{files.names[name]} is stored as {dtype}{'' if has_scale else ' without a scale'}", advice)


def _check_shape(files: TensorFiles, name: str, scale: str, shape: tuple[int, ...], what: str, advice: str) -> None:
    found, dtype = files.shape(scale), files.dtype(scale)
    if dtype not in FLOATS:
        raise _refused(what, f"{files.names[scale]} is stored as {dtype}", advice)
    count = 1
    for axis in found:
        count *= axis
    if count == 1 or (len(shape) == 2 and found in ((shape[0],), (shape[0], 1))):
        return
    if len(shape) == 2 and len(found) == 2 and all(block_size(n, blocks) for n, blocks in zip(shape, found)):
        return
    raise _refused(
        what, f"{files.names[scale]} is {list(found)[:8]}, neither one number nor one for each row or block of "
        f"{list(shape)}", advice,
    )  # fmt: skip


def _check_formats(files: TensorFiles, what: str, advice: str) -> None:
    """Refuse ComfyUI's formats that are more than a scale: rotated, packed, or with two levels of scales."""
    formats: dict[str, Fields] = {}
    for header in files.headers:
        if FILE_FORMAT in header.metadata:
            source = f"{FILE_FORMAT} of {header.path.name}"
            layers = _parse(header.metadata[FILE_FORMAT], source, advice).below("layers", {})
            formats |= {f"{source}, {cut(name, 60)}": layers.below(name) for name in layers}
    for own in files.names:
        if own.endswith("." + LAYER_FORMAT):
            text = bytes(files.tensor(own).flatten().view(torch.uint8).tolist()).decode("utf-8", "replace")
            formats[files.names[own]] = _parse(text, files.names[own], advice)
    for place, values in formats.items():
        name = values.text("format", "")
        params = values.below("params", {})
        if name not in FORMATS or values.values.get("convrot") or params.values.get("convrot"):
            more = " with rotated weights" if name in FORMATS else ""
            raise _refused(what, f"{place} gives the format {shown(name)}{more}", advice)


def _parse(text: str, source: str, advice: str) -> Fields:
    try:
        return Fields.of(json.loads(text), source, advice)
    except (ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{source} holds no JSON; {advice}.") from error


def _refused(what: str, why: str, advice: str) -> CheckpointError:
    return CheckpointError(f"The weights of {what} are stored in a way that this pack does not read: {why}; {advice}.")
