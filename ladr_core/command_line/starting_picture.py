"""The picture and the mask that a run starts from, read from files: inpainting and variations on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ..models.contract import DLLM


@dataclass(frozen=True)
class StartingPicture:
    """Codebook indices [1, H, W] of a picture, and which cells may change, bool [1, H, W]; None = all."""

    codebook_indices: Tensor
    editable: Tensor | None
    size: tuple[int, int]  # width and height in pixels


def check_starting_options(image: Path | None, mask: Path | None, denoise: float) -> None:
    """InputError where the options image, mask and denoise do not go together."""
    if image is None and mask is not None:
        raise InputError("mask", repr(str(mask)), "nothing without image", "Give the picture with --image as well")
    if image is None and denoise != 1:
        raise InputError("denoise", denoise, "1 without image", "Give the picture with --image, or leave denoise out")
    if image is not None and mask is None and denoise == 1:
        raise InputError(
            "image", f"{str(image)!r} with denoise 1", "a picture of which something is kept",
            "Set --denoise below 1, or give --mask",
        )  # fmt: skip


def read_starting_picture(model: DLLM, image: Path, mask: Path | None, device: Any) -> StartingPicture:
    """Encode a picture file and read its mask: white is redrawn, black is kept."""
    import numpy as np
    import torch

    picture = _open("image", image).convert("RGB")
    side = model.cell_pixels
    if picture.width % side or picture.height % side:
        fits = model.fit_grid(picture.width, picture.height)
        raise InputError(
            "image", f"a picture of {picture.width} x {picture.height} pixels",
            f"multiples of {side} pixels for {model.name}",
            f"Scale it to {fits.width * side} x {fits.height * side} pixels",
        )  # fmt: skip
    pixels = torch.from_numpy(np.array(picture)).to(device).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        indices = model.vq.encode(pixels)
    editable = None
    if mask is not None:
        drawn = _open("mask", mask).convert("L")
        if drawn.size != picture.size:
            raise InputError(
                "mask", f"{drawn.width} x {drawn.height} pixels",
                f"{picture.width} x {picture.height}, as the image has",
                "Make the mask as large as the image",
            )  # fmt: skip
        values = torch.from_numpy(np.array(drawn)).float()[None, None] / 255
        # As in the nodes: a cell is redrawn if at least one of its pixels is.
        editable = torch.nn.functional.adaptive_max_pool2d(values, tuple(indices.shape[-2:]))[:, 0] >= 0.5
        if not bool(editable.any()):
            raise InputError("mask", f"{str(mask)!r}, which is black", "some white", "Paint the part to redraw white")
    return StartingPicture(indices.cpu(), editable, picture.size)


def _open(name: str, path: Path) -> Image:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            return picture.copy()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(
            name, repr(str(path)), "a picture file such as .png, .jpg or .webp", "Check the file and its name"
        ) from error
