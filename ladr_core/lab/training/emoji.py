"""The emoji model's stages: its tokenizer, its transformer, the file made of both, and its upscaler."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from ...models.builtin.layout import BuiltinLayout
from ...models.builtin.loading import CONFIG_KEY, SHAPES_WEIGHTS, load_builtin
from ...models.llada import TRANSFORMER_PREFIX
from ...vq.contract import VQ_PREFIX
from ...vq.patch_vq import PatchVQ, PatchVQConfig
from ..worlds.emoji.backgrounds import BACKGROUNDS, GRID
from ..worlds.emoji.captions import SYNONYMS
from ..worlds.emoji.codes import Codes, assign_codes, split_cells
from ..worlds.emoji.sprites import CELL_PIXELS, SPRITE_CELLS, render_sprites
from ..worlds.emoji.token_posterior import PLACE_CELLS, TokenPosterior
from ..worlds.emoji.world import PLACES, EmojiWorld
from ..worlds.scene import Background, Scene, SceneObject
from .assigned_vq import train_assigned_vq
from .emoji_transformer import plain_weights, train_emoji
from .factored_tables import code_parts
from .transformer import builtin_config
from .upscaler import SCALE, train_upscaler
from .workers import Workers

FILLED = 0.7
"""Share of the places that hold a thing in the tokenizer's pictures: more of them than scenes have, to learn faster."""


def codebook_size(codes: Codes) -> int:
    """Number of codes of the tokenizer: those assigned, and spare ones up to a multiple of 64."""
    return -(-codes.count // 64) * 64


def vq_config(codes: Codes) -> PatchVQConfig:
    """Sizes of the emoji tokenizer."""
    return PatchVQConfig(codebook_size=codebook_size(codes), cell_pixels=CELL_PIXELS, code_width=64, encoder_width=512,
                         decoder_width=256, decoder_blocks=2, drawn_codes=1)


def draw_crowded(world: EmojiWorld, posterior: TokenPosterior, count: int,
                 rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Crowded pictures [B, 256, 256, 3] uint8, their codes [B, N], and which cells hold a part of a thing [B, N].

    Pictures in the style of `world`, codes of `posterior`: a part of a thing may be seen in one of them only.
    """
    seen = {key: split_cells(sprite)[..., 3].any((1, 2)) for key, sprite in world.sprites.pixels.items()}
    looks: dict[str, list[tuple[str, str]]] = {}  # every thing as often as any other, whatever its colors
    for noun, color in world.sprites.pixels:
        looks.setdefault(noun, []).append((noun, color))
    things_of = list(looks.values())
    pictures, codes = [], []
    parts = np.zeros((count, GRID * GRID), bool)
    for number in range(count):
        filled = (rng.random(len(PLACES)) < FILLED).nonzero()[0]
        kinds = (things_of[i] for i in rng.integers(len(things_of), size=len(filled)))
        drawn = (kind[rng.integers(len(kind))] for kind in kinds)
        things = tuple(
            SceneObject(noun, color, *PLACES[place], SPRITE_CELLS) for (noun, color), place in zip(drawn, filled)
        )
        scene = Scene("counting", things, Background(BACKGROUNDS[rng.integers(len(BACKGROUNDS))]))
        for thing, place in zip(things, filled):
            parts[number, PLACE_CELLS[place]] = seen[thing.shape, thing.color]
        pictures.append(world.render(scene))
        codes.append(posterior.tokens(scene))
    behind = np.concatenate([np.ravel(cells) for cells in posterior.codes.backgrounds.values()])
    return np.stack(pictures), np.stack(codes), parts | ~np.isin(codes, behind)


def train_emoji_vq(folder: Path, *, minutes: float, batch: int = 6, seed: int = 0,
                   world: EmojiWorld | None = None) -> None:
    """Train (or go on training) the tokenizer in `folder`, on one thread, until `minutes` are spent in all."""
    torch.set_num_threads(1)
    world = world or EmojiWorld()
    codes = assign_codes(world.sprites)
    draw = partial(draw_crowded, world, TokenPosterior(codes))
    train_assigned_vq(vq_config(codes), draw, folder / "vq.pt", minutes=minutes, batch=batch, seed=seed)


def train_emoji_transformer(workers: Workers, folder: Path, minutes: float, batch: int = 32, seed: int = 0,
                            trajectories: float = 0.0, world: EmojiWorld | None = None, **sizes: Any) -> None:
    """One worker's part of training (or going on to train) the transformer in `folder`, on one thread.

    It begins as the shapes model, or from nothing where `sizes` (width, layers) are given.
    """
    torch.set_num_threads(1)
    world = world or EmojiWorld()
    codes = assign_codes(world.sprites)
    train_emoji(world, codes, codebook_size(codes), folder, minutes=minutes, batch=batch, seed=seed,
                shapes=None if sizes else load_builtin(SHAPES_WEIGHTS), trajectories=trajectories,
                workers=workers, **sizes)


def train_emoji_upscaler(folder: Path, *, minutes: float, batch: int = 8, seed: int = 0) -> None:
    """Train (or go on training) the x4 upscaler in `folder`, on one thread, behind the tokenizer that lies there."""
    torch.set_num_threads(1)
    world = EmojiWorld()
    codes = assign_codes(world.sprites)
    vq = PatchVQ(vq_config(codes))
    vq.load_state_dict(torch.load(folder / "vq.pt", weights_only=True)["model"])
    train_upscaler(world, TokenPosterior(codes), render_sprites(scale=SCALE), vq.eval().requires_grad_(False), folder,
                   minutes=minutes, batch=batch, seed=seed)


def export_emoji(folder: Path, target: Path, world: EmojiWorld | None = None) -> dict:
    """Write the averaged transformer and the tokenizer, both float16, to `target`; returns a record."""
    world = world or EmojiWorld()
    codes = assign_codes(world.sprites)
    vq_state = torch.load(folder / "vq.pt", weights_only=True)
    state = torch.load(folder / "transformer.pt", weights_only=True)
    size = codebook_size(codes)
    layout = BuiltinLayout(world.vocabulary, size)
    weights = plain_weights(state["extra"]["weights"], code_parts(codes, size)[0])
    layers = len([name for name in weights if name.endswith("q_proj.weight")])
    config = builtin_config(layout, weights["transformer.ln_f.weight"].shape[0], layers)
    tensors = {TRANSFORMER_PREFIX + name: value for name, value in weights.items()}
    tensors |= {VQ_PREFIX + name: value for name, value in vq_state["model"].items()}
    record = {"world": world.name, "steps": state["step"], "minutes": round(state["seconds"] / 60, 1),
              "vq_steps": vq_state["step"], "vq_minutes": round(vq_state["seconds"] / 60, 1)}
    description = {"world": world.name, "words": list(world.vocabulary), "synonyms": SYNONYMS, "skips_unknown": True,
                   "grid": {"height": layout.height, "width": layout.width}, "transformer": asdict(config),
                   "vq": asdict(vq_config(codes)), "training": record}
    target.parent.mkdir(parents=True, exist_ok=True)
    halves = {name: value.half().contiguous() for name, value in tensors.items()}
    save_file(halves, str(target), metadata={"format": "pt", CONFIG_KEY: json.dumps(description)})
    return record
