"""Progress, preview and interruption of a run, as ComfyUI's own samplers show them."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.utils
import torch
from PIL import Image
from torch import Tensor

from ..ladr_core.pictures.preview import PreviewThrottle, preview_picture
from ..ladr_core.report import RESCUED
from ..ladr_core.sampling import StepEvent
from ..ladr_core.sweep import overall_progress
from ..ladr_core.token_grid import MASKED, TokenGrid, to_grid
from .core_features import preview_size, previews_refused

_SMALL_TOKENIZER = 64 * 1024**2  # bytes of weights up to which decoding a preview costs next to nothing


def check_interrupt() -> None:
    """Raise ComfyUI's interruption where the user has pressed stop."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def shows_previews(switch: bool) -> bool:
    """Whether to show previews: the node's own switch, unless the user wants none in the whole of ComfyUI."""
    return bool(switch) and not previews_refused()


class StepDisplay:
    """Called by the loop after every forward: moves the progress bar and sends a preview of the first image."""

    def __init__(self, grid: TokenGrid, vae: Any, show_picture: bool, mark_rescued: bool = False) -> None:
        self.grid = grid
        self.vae = vae
        self.show_picture = show_picture
        self.mark_rescued = mark_rescued
        self.bar: comfy.utils.ProgressBar | None = None
        self._throttle = PreviewThrottle()
        self._shown = 0  # evaluations done when the last picture was shown

    def __call__(self, event: StepEvent) -> None:
        """Show the state after one forward."""
        self.show(event, event.step, event.steps)

    def show(self, event: StepEvent, value: int, end: int) -> None:
        """Move the bar to value of end, with a picture where there is time for one."""
        if self.bar is None:
            self.bar = comfy.utils.ProgressBar(end)
        picture = None
        # The last one stays on the node, so it is the whole picture, whether or not there is time for it.
        if self.show_picture and self._throttle.allows(always=event.mask_ratio == 0):
            picture = ("JPEG", self._picture(event), preview_size())
            self._throttle.end()
            self._shown = event.step
        self.bar.update_absolute(value, end, picture)

    def _picture(self, event: StepEvent) -> Image.Image:
        indices = to_grid(event.codebook_indices[:1], self.grid)
        marked = None
        if self.mark_rescued and event.unmasked_at is not None and event.unmasked_by is not None:
            marked = (event.unmasked_by[:1] == RESCUED) & (event.unmasked_at[:1] >= self._shown)
            marked = to_grid(marked, self.grid)[0].cpu().numpy()
        return token_picture(self.vae, indices, marked)


class SweepDisplay:
    """The same over all runs of a sweep: one bar, and the pictures of the run that is drawn."""

    def __init__(self, display: StepDisplay, runs: int) -> None:
        self._display, self._runs, self._done = display, runs, 0

    def __call__(self, event: StepEvent) -> None:
        """Show the state after one forward."""
        self._display.show(event, *overall_progress(self._done, self._runs, event.step, event.steps))

    def finish(self, done: int) -> None:
        """So many runs are finished."""
        self._done = done
        value, end = overall_progress(done, self._runs, 0, 1)
        if self._display.bar is None:
            self._display.bar = comfy.utils.ProgressBar(end)
        self._display.bar.update_absolute(value, end)


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


def token_picture(vae: Any, indices: Tensor, marked: Any = None) -> Image.Image:
    """A picture of a partly drawn grid [1, h, w]; masked cells are a checkerboard, marked ones [h, w] are framed."""
    known = (indices != MASKED)[0].cpu().numpy()
    if needs_colors(vae):
        pixels = code_colors(vae)[indices.clamp_min(0).cpu()]
    else:
        pixels = vae.first_stage_model.decode(indices.clamp_min(0)[:, None].to(vae.device)).float().movedim(1, -1)
    array = (pixels[0].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return preview_picture(array, known, marked, preview_size())
