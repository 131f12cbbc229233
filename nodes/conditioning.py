"""Reading CONDITIONING: the raw text a dLLM needs, or a sentence naming what was done to it."""

from __future__ import annotations

from typing import Any

import torch

from ..ladr_core.errors import InputError, cut
from ..ladr_core.models.contract import Prompt
from .clip import TEXT_KEY, text_tensor
from .latent import read_indices

TASK_KEY = "ladr_task"
REFERENCE_KEY = "reference_latents"
_OURS = {TEXT_KEY, TASK_KEY, REFERENCE_KEY}
_MADE_BY = {
    "area": "Conditioning (Set Area)",
    "strength": "Conditioning (Set Area) or Set Area Strength",
    "set_area_to_bounds": "Conditioning (Set Area) or (Set Mask)",
    "mask": "Conditioning (Set Mask)",
    "mask_strength": "Conditioning (Set Mask)",
    "start_percent": "ConditioningSetTimestepRange",
    "end_percent": "ConditioningSetTimestepRange",
    "clip_start_percent": "scheduled CLIP hooks",
    "clip_end_percent": "scheduled CLIP hooks",
    "control": "Apply ControlNet",
    "control_apply_to_uncond": "Apply ControlNet",
    "hooks": "hooks",
    "default": "Cond Set Default Combine",
    "gligen": "GLIGENTextBoxApply",
    "unclip_conditioning": "unCLIPConditioning",
    "concat_latent_image": "InpaintModelConditioning",
    "concat_mask": "InpaintModelConditioning",
    "guidance": "FluxGuidance",
    "reference_latents_method": "a reference latent method node",
}
# What these entries hold where they change nothing; other packs write them always.
_NEUTRAL = {
    "start_percent": 0.0, "end_percent": 1.0, "clip_start_percent": 0.0, "clip_end_percent": 1.0, "strength": 1.0,
    "mask_strength": 1.0, "set_area_to_bounds": False, "control_apply_to_uncond": False,
}  # fmt: skip
_ALLOWED = "CLIP Text Encode with the CLIP of Load dLLM, then ConditioningZeroOut, ReferenceLatent or LADR Edit Task"


def read_prompt(name: str, conditioning: Any, codebook_size: int) -> tuple[Prompt, float | None]:
    """The prompt of a CONDITIONING input and the guidance scale of its reference images (None where not set).

    Equal tensor = the text; all zero or an empty text = the unconditional prompt; anything else is refused by name.
    """
    if not isinstance(conditioning, (list, tuple)) or not conditioning:
        raise InputError(name, "no conditioning", _ALLOWED, "Connect CLIP Text Encode")
    if len(conditioning) > 1:
        raise InputError(
            name, f"{len(conditioning)} conditionings joined by Conditioning (Combine)", _ALLOWED,
            "A dLLM reads one prompt: write everything into one CLIP Text Encode",
        )  # fmt: skip
    if not isinstance(conditioning[0], (list, tuple)) or len(conditioning[0]) != 2:
        raise InputError(name, f"no conditioning but {cut(conditioning[0], 60)}", _ALLOWED, "Connect CLIP Text Encode")
    tensor, extras = conditioning[0]
    if TEXT_KEY not in extras:
        raise InputError(
            name, "conditioning made by another model's text encoder", _ALLOWED,
            "Connect the CLIP of Load dLLM to CLIP Text Encode",
        )  # fmt: skip
    _refuse_unknown(name, extras)
    task = extras.get(TASK_KEY) or {}
    references = tuple(
        _reference(name, latent, number, codebook_size)
        for number, latent in enumerate(extras.get(REFERENCE_KEY) or (), start=1)
    )
    prompt = Prompt(_read_text(name, tensor, extras[TEXT_KEY]), task.get("task", "text-to-image"), references)
    return prompt, task.get("image_cfg")


def _read_text(name: str, tensor: torch.Tensor, text: str) -> str:
    expected = text_tensor(text)
    tensor = tensor.detach().float().cpu()
    if not tensor.any():
        return ""
    if tensor.shape == expected.shape and torch.allclose(tensor, expected, rtol=0.0, atol=1e-3):
        return text
    how = "Conditioning (Concat)" if tensor.shape[1:2] > expected.shape[1:2] else "Conditioning (Average) or similar"
    raise InputError(
        name, f"conditioning changed by {how}", _ALLOWED,
        "A dLLM reads text, not embeddings: join the texts before CLIP Text Encode",
    )  # fmt: skip


def _refuse_unknown(name: str, extras: dict[str, Any]) -> None:
    for key, value in extras.items():
        if key in _OURS or value is None or _is_neutral(key, value, extras):
            continue
        made_by = _MADE_BY.get(key)
        what = f"conditioning changed by {made_by}" if made_by else f"conditioning with the unknown entry {key!r}"
        raise InputError(name, what, _ALLOWED, "Remove that node: a dLLM cannot do what it asks for")


def _is_neutral(key: str, value: Any, extras: dict[str, Any]) -> bool:
    """Whether an entry asks for nothing: the whole of the steps, full strength, or the very text in another place."""
    if key in _NEUTRAL:
        return isinstance(value, (int, float)) and value == _NEUTRAL[key]
    return isinstance(value, str) and value.strip() == extras[TEXT_KEY].strip()


def _reference(name: str, latent: Any, number: int, codebook_size: int) -> torch.Tensor:
    indices = read_indices(f"{name} (reference image {number})", latent, codebook_size)
    if len(indices) != 1:
        raise InputError(
            f"{name} (reference image {number})", f"a batch of {len(indices)} images", "one image per ReferenceLatent",
            "Chain one ReferenceLatent node for each reference image",
        )  # fmt: skip
    if (indices < 0).any():
        raise InputError(
            f"{name} (reference image {number})", "a token grid with masked cells", "a picture encoded by VAE Encode",
            "Connect VAE Encode with the VAE of Load dLLM to ReferenceLatent",
        )  # fmt: skip
    return indices[0]
