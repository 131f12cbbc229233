"""Progress, preview and interruption of a run, as ComfyUI's own samplers show them."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.utils
import torch
from PIL import Image
from torch import Tensor

from ..ladr_core.sampling import StepEvent
from ..ladr_core.token_grid import MASKED, TokenGrid, to_grid
from .core_features import preview_size, previews_refused

_SMALL_TOKENIZER = 64 * 1024**2  # bytes of weights up to which decoding a preview costs next to nothing
_GRAY = 0.35


def check_interrupt() -> None:
    """Raise ComfyUI's interruption where the user has pressed stop."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def shows_previews(switch: bool) -> bool:
    """Whether to show previews: the node's own switch, unless the user wants none in the whole of ComfyUI."""
    return bool(switch) and not previews_refused()


class StepDisplay:
    """Called by the loop after every forward: moves the progress bar and sends a preview of the first image."""

    def __init__(self, grid: TokenGrid, vae: Any, show_picture: bool) -> None:
        self.grid = grid
        self.vae = vae
        self.show_picture = show_picture
        self.bar: comfy.utils.ProgressBar | None = None

    def __call__(self, event: StepEvent) -> None:
        """Show the state after one forward."""
        if self.bar is None:
            self.bar = comfy.utils.ProgressBar(event.steps)
        picture = None
        if self.show_picture:
            image = token_picture(self.vae, to_grid(event.codebook_indices[:1], self.grid))
            picture = ("JPEG", image, preview_size())
        self.bar.update_absolute(event.step, event.steps, picture)


def needs_colors(vae: Any) -> bool:
    """Whether previews are made from one color per code, because decoding them would cost time and memory."""
    return comfy.model_management.module_size(vae.first_stage_model) > _SMALL_TOKENIZER


def code_colors(vae: Any) -> Tensor:
    """The mean color [K, 3] of each code, decoded once alone and kept with the VAE."""
    colors = getattr(vae, "ladr_code_colors", None)
    if colors is None:
        codes = torch.arange(vae.first_stage_model.vq.codebook_size, dtype=torch.float32).reshape(-1, 1, 1, 1)
        colors = vae.decode(codes).float().mean(dim=(1, 2)).cpu()
        vae.ladr_code_colors = colors
    return colors


def token_picture(vae: Any, indices: Tensor) -> Image.Image:
    """A picture of a partly drawn grid [1, h, w]; masked cells are gray."""
    known = indices != MASKED
    if needs_colors(vae):
        pixels = code_colors(vae)[indices.clamp_min(0).cpu()]
        known = known.cpu()
    else:
        pixels = vae.first_stage_model.decode(indices.clamp_min(0)[:, None].to(vae.device)).float().movedim(1, -1)
        cell = vae.upscale_ratio
        known = known.to(pixels.device).repeat_interleave(cell, 1).repeat_interleave(cell, 2)
    pixels = torch.where(known[..., None], pixels, _GRAY)
    array = (pixels[0].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    image = Image.fromarray(array)
    enlarge = max(1, preview_size() // max(image.size))
    return image.resize((image.width * enlarge, image.height * enlarge), Image.Resampling.NEAREST)
