"""Where the tokens of a LATENT come from: which model made them, and whether another node has changed them since.

Two records, as far as ComfyUI's nodes carry them on. An attribute of the tensor names the model; it lasts while the
tensor itself is handed on. An entry of the LATENT keeps the tokens as a sampler made them; it lasts through nodes that
copy the dictionary, and tells apart what picks or repeats images (fine) from what resizes, flips or mixes them.
"""

from __future__ import annotations

import base64
from typing import Any

import torch
from torch import Tensor

from ..ladr_core.errors import InputError

MADE_KEY = "ladr_tokens"  # entry of a LATENT: model, and its tokens as they were made; plain data, as JSON knows it
_ATTRIBUTE = "ladr_model"
_MOVED = "Resize, flip, rotate and mix pictures, not token grids: do it on the image, before VAE Encode"


def mark_tokens(samples: Tensor, model: str) -> None:
    """Note on samples [B, 1, H, W] which model's tokens they are."""
    setattr(samples, _ATTRIBUTE, model)


def made_entry(indices: Tensor, model: str) -> dict[str, Any]:
    """The entry for tokens [B, H, W] of a model."""
    packed = base64.b64encode(indices.to("cpu", torch.int32).contiguous().numpy().tobytes())
    return {"model": model, "shape": list(indices.shape), "int32": packed.decode("ascii")}


def _made_tokens(entry: Any) -> tuple[str, Tensor] | None:
    """Model and tokens [B, H, W] of an entry; None where it is none, or was changed."""
    try:
        packed = bytearray(base64.b64decode(entry["int32"], validate=True))
        return str(entry["model"]), torch.frombuffer(packed, dtype=torch.int32).reshape(entry["shape"]).long()
    except (TypeError, KeyError, ValueError, RuntimeError):
        return None


def check_maker(name: str, samples: Any, model: str) -> None:
    """Raise InputError where samples are marked as another model's tokens."""
    maker = getattr(samples, _ATTRIBUTE, model)
    if maker != model:
        raise _foreign(name, maker, model)


def check_made(name: str, latent: dict[str, Any], indices: Tensor, model: str) -> None:
    """Raise InputError where the tokens [B, H, W] of a LATENT are another model's, or were changed by another node."""
    check_maker(name, latent.get("samples"), model)
    made = _made_tokens(latent.get(MADE_KEY))
    if made is None or made[1].dim() != 3:
        return
    maker, before = made
    if maker != model:
        raise _foreign(name, maker, model)
    now = indices.cpu()
    if before.shape[1:] != now.shape[1:]:
        was, is_now = (f"{grid.shape[2]} x {grid.shape[1]} cells" for grid in (before, now))
        given = f"a token grid resized or cropped from {was} to {is_now}"
        raise InputError(name, given, "a grid as it was made", _MOVED)
    # Of each image the most cells that any image had in the same place: picking and repeating images keeps all.
    kept = (now[:, None] == before[None]).flatten(2).sum(dim=2).amax(dim=1)
    for image, count in zip(now, kept):
        if count < image.numel() // 2 and _is_permutation(image, before):
            raise InputError(name, "a token grid that was flipped or rotated", "a grid as it was made", _MOVED)
    if len(now) and not kept.any():
        raise InputError(name, "a token grid of which another node changed every cell", "a grid as it was made", _MOVED)


def _is_permutation(image: Tensor, before: Tensor) -> bool:
    """Whether an image [H, W] has the very tokens of one of the others [B, H, W], in other places."""
    return bool((before.flatten(1).sort(dim=1).values == image.flatten().sort().values).all(dim=1).any())


def _foreign(name: str, maker: str, model: str) -> InputError:
    return InputError(
        name, f"a token grid of the model {maker}", f"one of the model {model}: a code means another thing in each",
        "Use the samplers and the VAE of one Load dLLM, or decode and encode the picture between two models",
    )  # fmt: skip
