"""Endless batches of rendered scenes and captions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..worlds.scene import Scene, World


def render_batch(world: World, scenes: list[Scene]) -> Tensor:
    """Pixels [B, 3, H, W] in 0 ... 1 of the scenes."""
    pictures = np.stack([world.render(scene) for scene in scenes])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def crops_around_objects(pixels: Tensor, scenes: list[Scene], cells: int, cell_pixels: int, rng) -> Tensor:
    """Crops [B, 3, cells * cell_pixels, ...] on the cell grid, three in four of them with an object's corner inside."""
    limit = pixels.shape[-1] // cell_pixels - cells
    crops = []
    for picture, scene in zip(pixels, scenes):
        top, left = rng.integers(limit + 1, size=2)
        if rng.random() < 0.75:
            thing = scene.objects[rng.integers(len(scene.objects))]
            top = int(np.clip(thing.row + rng.integers(-2, 2), 0, limit))
            left = int(np.clip(thing.column + rng.integers(-2, 2), 0, limit))
        top, left, side = top * cell_pixels, left * cell_pixels, cells * cell_pixels
        crops.append(picture[:, top : top + side, left : left + side])
    return torch.stack(crops)
