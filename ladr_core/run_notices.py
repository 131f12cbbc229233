"""Notices of a run: what of the inputs has no effect, or not the one that may be expected, a sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .models.contract import DLLM, Prompt
from .models.lumina_dimoo.image_sizes import size_notice
from .models.lumina_dimoo.prompts import reads_text
from .prompt_notices import habit_notices, plain_text
from .settings import RescueSettings, SamplerSettings
from .token_grid import TokenGrid

HASTY_SCHEDULES = ("linear", "arccos", "sqrt")
"""Mask schedules whose first steps take many cells, before anything is known that they could be chosen by."""


def prompt_notices(model: DLLM, positive: Sequence[Prompt], negative: Sequence[Prompt]) -> list[str]:
    """What the prompts ask for and the model does not do; an empty negative prompt is the usual one."""
    notices = []
    for prompt in {(p.text, p.task): p for p in positive}.values():
        if not prompt.text.strip() and reads_text(prompt.task):
            notices.append("The prompt is empty, so the model chooses what to draw.")
        notices += _text_notices(model, prompt.text)
    for text in dict.fromkeys(p.text for p in negative):
        notices += ["Negative prompt: " + notice for notice in _text_notices(model, text)]
    return notices


def _text_notices(model: DLLM, text: str) -> list[str]:
    return habit_notices(text) + model.prompt_notices(plain_text(text))


def reference_notices(model: DLLM, positive: Sequence[Prompt]) -> list[str]:
    """Which reference images have a size the model was not trained on, and the nearest one it was."""
    side = model.cell_pixels
    sizes = dict.fromkeys((i.shape[1] * side, i.shape[0] * side) for p in positive for i in p.reference_indices)
    return [notice for size in sizes if (notice := size_notice(size)) is not None]


def grid_notices(model: DLLM, positive: Sequence[Prompt], grid: TokenGrid) -> list[str]:
    """What to say of a size that the model was not trained for; an edit has the size of its reference image."""
    return [] if any(prompt.reference_indices for prompt in positive) else model.grid_notices(grid)


def masking_notices(is_masked: Tensor, denoise: float) -> list[str]:
    """Which images of is_masked [B, N] have nothing to draw, and why."""
    idle = [image for image, masked in enumerate(is_masked.any(dim=1).tolist(), start=1) if not masked]
    if not idle:
        return []
    images = "all images" if len(idle) == len(is_masked) else "image " + ", ".join(str(image) for image in idle)
    why = "denoise is 0" if denoise == 0 else "the noise mask frees no cell"
    return [f"Nothing is drawn in {images}, as {why}: the input is returned as it is."]


def setting_notices(settings: SamplerSettings, rescue: RescueSettings | None, negative: Sequence[Prompt]) -> list[str]:
    """Which settings make an input idle or work against LADR; rescue: None where another sampler runs."""
    notices = []
    if settings.cfg == 1 and any(prompt.text.strip() for prompt in negative):
        notices.append("The negative prompt has no effect, as cfg is 1: raise cfg to use it.")
    if rescue is not None and rescue.rescue and settings.mask_schedule in HASTY_SCHEDULES:
        notices.append(f"mask_schedule {settings.mask_schedule} unmasks many undecided cells in its first steps, and "
                       "with the rescue few steps are left to make up for it: set mask_schedule to cosine or square.")
    return notices
