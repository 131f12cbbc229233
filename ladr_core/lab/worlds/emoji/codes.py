"""Which code each cell of the emoji world has: one for each patch of artwork, whatever lies behind it.

A cell with a part of a sprite has the same code on every background, because its neighbors tell the decoder what the
transparent pixels show; a cell of a sprite with nothing in it has the background's code. The encoder learns to see it
this way. So 124 sprites and 8 backgrounds need some two thousand codes, and what the transformer must predict does not
multiply with the backgrounds. Patches that look alike share a code.

Sizes: S sprites, V backgrounds, N = 256 cells, K codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .backgrounds import BACKGROUNDS, GRID, background_pixels
from .sprites import CELL_PIXELS, SPRITE_CELLS, Sprites

SAME_PATCH = 1e-4
"""Largest mean square difference of two patches (premultiplied RGBA, 0 ... 1) that share a code: 40 dB."""
EMPTY = -1


@dataclass(frozen=True)
class Codes:
    """The codes of all sprites and backgrounds."""

    sprites: dict[tuple[str, str], np.ndarray]  # (noun, color) -> [16] int64, EMPTY where nothing is drawn
    backgrounds: dict[str, np.ndarray]  # [N] int64
    patches: np.ndarray  # [K, 16, 16, 4]: premultiplied RGBA of the first patch with the code

    @property
    def count(self) -> int:
        """Number of codes (K)."""
        return len(self.patches)


def split_cells(picture: np.ndarray) -> np.ndarray:
    """Cells [N, 16, 16, channels] of a picture [H, W, channels], row-major."""
    height, width, channels = picture.shape
    grid = picture.reshape(height // CELL_PIXELS, CELL_PIXELS, width // CELL_PIXELS, CELL_PIXELS, channels)
    return grid.swapaxes(1, 2).reshape(-1, CELL_PIXELS, CELL_PIXELS, channels)


def assign_codes(sprites: Sprites, backgrounds: tuple[str, ...] = BACKGROUNDS) -> Codes:
    """Number the patches of the backgrounds, then those of the sprites in their order."""
    known = np.empty((0, CELL_PIXELS * CELL_PIXELS * 4), np.float32)

    def number(patch: np.ndarray) -> int:
        nonlocal known
        flat = patch.reshape(1, -1)
        if len(known):
            distance = ((known - flat) ** 2).mean(1)
            nearest = int(distance.argmin())
            if distance[nearest] <= SAME_PATCH:
                return nearest
        known = np.concatenate((known, flat))
        return len(known) - 1

    background_codes = {}
    for name in backgrounds:
        picture = background_pixels(name) / 255
        opaque = np.concatenate((picture, np.ones_like(picture[..., :1])), -1).astype(np.float32)
        background_codes[name] = np.array([number(cell) for cell in split_cells(opaque)], np.int64)
    sprite_codes = {}
    for key, sprite in sprites.pixels.items():
        premultiplied = sprite.copy()
        premultiplied[..., :3] *= sprite[..., 3:]
        cells = split_cells(premultiplied)
        sprite_codes[key] = np.array([number(cell) if cell[..., 3].any() else EMPTY for cell in cells], np.int64)
    return Codes(sprite_codes, background_codes, known.reshape(-1, CELL_PIXELS, CELL_PIXELS, 4))


SPRITE_PIXELS = CELL_PIXELS * SPRITE_CELLS
"""Side of a sprite."""
SIDE = GRID * CELL_PIXELS
"""Side of a picture."""
