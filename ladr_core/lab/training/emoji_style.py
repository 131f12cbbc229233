"""A second style of the emoji model: an image tokenizer that shows the same codes with other artwork.

The transformer knows nothing of it: what it draws is shown in either style. Patches of a simple style look alike more
often than the codes do, so this encoder sees the neighboring patches too.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file

from ...models.builtin.loading import CONFIG_KEY, TOKENIZER_OF
from ...vq.contract import VQ_PREFIX
from ...vq.patch_vq import PatchVQConfig
from ..worlds.emoji.codes import Codes, assign_codes
from ..worlds.emoji.sprites import CELL_PIXELS, render_sprites
from ..worlds.emoji.styles import Style
from ..worlds.emoji.token_posterior import TokenPosterior
from ..worlds.emoji.world import EmojiWorld
from .assigned_vq import train_assigned_vq
from .emoji import codebook_size, draw_crowded


def style_config(codes: Codes) -> PatchVQConfig:
    """Sizes of the tokenizer of a further style: narrower than the first, as it has fewer shades to draw."""
    return PatchVQConfig(codebook_size=codebook_size(codes), cell_pixels=CELL_PIXELS, code_width=64, encoder_width=192,
                         decoder_width=160, decoder_blocks=2, drawn_codes=1, encoder_blocks=1)


def state_file(folder: Path, style: Style) -> Path:
    """Where the training of a style's tokenizer is kept."""
    return folder / f"vq_{style.name}.pt"


def train_style_vq(folder: Path, style: Style, *, minutes: float, batch: int = 6, seed: int = 0,
                   worlds: tuple[EmojiWorld, EmojiWorld] | None = None) -> None:
    """Train (or go on training) the style's tokenizer in `folder`, on one thread, until `minutes` are spent in all.

    worlds: the one that the codes are assigned by, and the one in this style; rendered where none are given.
    """
    torch.set_num_threads(1)
    first, world = worlds or (EmojiWorld(), EmojiWorld(render_sprites(style=style)))
    codes = assign_codes(first.sprites)
    draw = partial(draw_crowded, world, TokenPosterior(codes))
    train_assigned_vq(style_config(codes), draw, state_file(folder, style), minutes=minutes, batch=batch, seed=seed)


def export_style(folder: Path, style: Style, target: Path, world: EmojiWorld | None = None) -> dict:
    """Write the style's tokenizer, float16, to `target`; returns a record. world: that the codes are assigned by."""
    state = torch.load(state_file(folder, style), weights_only=True)
    codes = assign_codes((world or EmojiWorld()).sprites)
    record = {"style": style.name, "vq_steps": state["step"], "vq_minutes": round(state["seconds"] / 60, 1)}
    description = {TOKENIZER_OF: EmojiWorld.name, "vq": asdict(style_config(codes)), "training": record}
    halves = {VQ_PREFIX + name: value.half().contiguous() for name, value in state["model"].items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(halves, str(target), metadata={"format": "pt", CONFIG_KEY: json.dumps(description)})
    return record
