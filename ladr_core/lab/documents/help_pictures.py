"""The pictures of the help pages: what a setting does at a low and at a high value, with four seeds each.

`python -m ladr_core.lab help_pictures` writes them beside the pages, with docs/pictures/help.json that says how they
were made. All else is the preset's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

from ...command_line.machine import describe_machine
from ...models.builtin.loading import load_builtin
from ...models.contract import DLLM, Prompt
from ...presets import find_preset
from ...report import SamplingReport
from ...sampler_setup import SamplerSetup
from ...sampling import ImageRequest, sample_tokens
from ..evaluation.plot import label_font

ROOT = Path(__file__).resolve().parents[3]
PAGES = ROOT / "web" / "docs"
RECORD = ROOT / "docs" / "pictures" / "help.json"
PRESET = "balanced"
PROMPT = "a fox to the left of a red umbrella"
SEEDS = (0, 1, 2, 3)
PANEL, GAP, LABEL = 128, 8, 22  # pixels
INK, PAPER = (40, 40, 46), (255, 255, 255)


@dataclass(frozen=True)
class Shown:
    """A setting of a node's page, and the two values that are shown."""

    page: str
    setting: str
    low: Any
    high: Any


SHOWN = (
    Shown("LADR_Sampler", "steps", 8, 64),
    Shown("LADR_Sampler", "cfg", 1.0, 4.0),
    Shown("LADR_Sampler", "temperature", 0.3, 1.5),
    Shown("LADR_Sampler", "rescue_cap", 0.5, 16.0),
    Shown("LADR_Sampler", "denoise", 0.3, 0.9),
    Shown("LADR_BaselineSampler", "steps", 8, 64),
)


def with_value(setup: SamplerSetup, name: str, value: Any) -> SamplerSetup:
    """The setup with one value changed."""
    if hasattr(setup.settings, name):
        return replace(setup, settings=replace(setup.settings, **{name: value}))
    return replace(setup, rescue=replace(setup.rescue, **{name: value}))


def drawn(model: DLLM, shown: Shown, value: Any) -> tuple[list[Image.Image], SamplingReport]:
    """Four pictures with the value; where it is `denoise`, four variations of the first seed's picture."""
    setup = find_preset(PRESET).setup
    if shown.page == "LADR_BaselineSampler":
        setup = replace(setup, sampler="baseline")
    images = len(SEEDS)
    request = ImageRequest([Prompt(PROMPT)] * images, [Prompt("")] * images, model.default_grid, list(SEEDS))
    if shown.setting == "denoise":
        first = replace(request, seeds=[SEEDS[0]] * images)
        tokens, _ = sample_tokens(model, first, setup)
        request = replace(request, codebook_indices=tokens)
    indices, report = sample_tokens(model, request, with_value(setup, shown.setting, value))
    with torch.no_grad():
        pixels = model.vq.decode(indices)
    rows = (pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return [Image.fromarray(row) for row in rows], report


def sheet(rows: Sequence[tuple[str, list[Image.Image]]]) -> Image.Image:
    """A row of pictures for each value, with a line above it."""
    width = len(SEEDS) * (PANEL + GAP) + GAP
    made = Image.new("RGB", (width, len(rows) * (LABEL + PANEL + GAP) + GAP), PAPER)
    draw = ImageDraw.Draw(made)
    for number, (label, pictures) in enumerate(rows):
        top = GAP + number * (LABEL + PANEL + GAP)
        draw.text((GAP, top + LABEL // 2), label, fill=INK, font=label_font(14), anchor="lm")
        for place, picture in enumerate(pictures):
            small = picture.resize((PANEL, PANEL), Image.Resampling.LANCZOS)
            made.paste(small, (GAP + place * (PANEL + GAP), top + LABEL))
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw all pictures and write how they were made."""
    model = load_builtin()
    runs = []
    for shown in SHOWN:
        rows = []
        for value in (shown.low, shown.high):
            pictures, report = drawn(model, shown, value)
            rows.append((f"{shown.setting} {value}:  NFE {', '.join(map(str, report.nfe_per_row))}", pictures))
            runs.append(vars(shown) | {"value": value, "nfe_per_row": report.nfe_per_row})
        sheet(rows).save(PAGES / shown.page / f"{shown.setting}.jpg", quality=85)
        print(shown.page, shown.setting, flush=True)
    made = {"model": model.name, "preset": PRESET, "prompt": PROMPT, "seeds": list(SEEDS), "runs": runs}
    RECORD.write_text(json.dumps(made | {"machine": describe_machine()}, indent=1) + "\n", encoding="utf-8")
    return 0
