"""A contact sheet of a run: the same prompts and seeds side by side, one row per configuration, framed by verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw

from ...models.contract import DLLM
from ..worlds.scene import CATEGORIES
from .configurations import Configuration
from .plot import label_font
from .prompts import EvaluationPrompt
from .record import PictureRecord
from .runner import to_pictures

_PASSED, _FAILED, _INK = (44, 140, 70), (214, 72, 50), (40, 40, 46)
_MARGIN, _CAPTION, _NAME = 6, 36, 190


def draw_sheet(
    model: DLLM,
    prompts: Sequence[EvaluationPrompt],
    configurations: Sequence[Configuration],
    records: Mapping[tuple[str, int, int], PictureRecord],
    per_category: int = 2,
) -> Image.Image:
    """First pictures of some prompts of each category, decoded from the tokens that the records hold."""
    shown = [p for c in CATEGORIES for p in _spread([p for p in prompts if p.category == c], per_category)]
    height, width = model.default_grid.height * model.cell_pixels, model.default_grid.width * model.cell_pixels
    tile_height, tile_width = height + _MARGIN, width + _MARGIN
    sheet = Image.new("RGB", (_NAME + len(shown) * tile_width, _CAPTION + len(configurations) * tile_height), "white")
    draw = ImageDraw.Draw(sheet)
    for column, prompt in enumerate(shown):
        _draw_caption(draw, prompt.text, _NAME + column * tile_width + width / 2, width)
    for row, configuration in enumerate(configurations):
        own = [records[configuration.key, prompt.number, 0] for prompt in shown]
        grids = torch.from_numpy(np.stack([record.codebook_indices for record in own]))
        with torch.inference_mode():
            decoded = model.vq.decode(grids.reshape(-1, model.default_grid.height, model.default_grid.width))
        top = _CAPTION + row * tile_height
        nfe = np.mean([record.nfe for record in own])
        for line, text in enumerate([*configuration.name.split(", "), f"{nfe:.1f} evaluations"]):
            draw.text((8, top + 8 + 18 * line), text, fill=_INK, font=label_font(13))
        for column, (record, picture) in enumerate(zip(own, to_pictures(decoded))):
            left = _NAME + column * tile_width
            frame = _PASSED if record.passed else _FAILED
            draw.rectangle([left - 2, top - 2, left + width + 1, top + height + 1], fill=frame)
            sheet.paste(Image.fromarray(picture), (left, top))
    return sheet


def _spread(prompts: Sequence[EvaluationPrompt], count: int) -> list[EvaluationPrompt]:
    """Some of the prompts, evenly spread."""
    return [prompts[i * len(prompts) // count] for i in range(min(count, len(prompts)))]


def _draw_caption(draw: ImageDraw.ImageDraw, text: str, middle: float, width: int) -> None:
    """Two centered lines, broken where they are most even."""
    words = text.split()
    cut = min(range(1, len(words) + 1), key=lambda n: max(len(" ".join(words[:n])), len(" ".join(words[n:]))))
    for line, part in enumerate((" ".join(words[:cut]), " ".join(words[cut:]))):
        draw.text((middle, 9 + 15 * line), part, fill=_INK, font=label_font(12), anchor="mm")
