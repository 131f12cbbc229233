"""From ComfyUI's IMAGE tensors to pictures and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError


def to_pictures(name: str, images: Any) -> list[Image.Image]:
    """Pictures of an IMAGE [B, H, W, C], colors 0 ... 1; InputError names the input where it is none."""
    if not isinstance(images, Tensor) or images.dim() != 4 or images.shape[-1] not in (1, 3, 4) or not images.numel():
        given = f"a tensor of shape {list(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise InputError(name, given, "an IMAGE with one picture or more", "Connect the IMAGE of VAE Decode")
    colors = images[..., :3].detach().float().nan_to_num().clamp(0, 1)
    array = (colors * 255).round().to("cpu", torch.uint8).numpy()
    return [
        Image.fromarray(np.ascontiguousarray(one.repeat(3, axis=-1) if one.shape[-1] == 1 else one)) for one in array
    ]


def to_images(pictures: Sequence[Image.Image]) -> Tensor:
    """An IMAGE float32 [B, H, W, 3] of pictures of one size."""
    first = pictures[0]
    images = torch.empty(len(pictures), first.height, first.width, 3)
    for number, picture in enumerate(pictures):
        images[number] = torch.from_numpy(np.array(picture.convert("RGB"))).float() / 255
    return images
