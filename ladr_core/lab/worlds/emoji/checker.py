"""Says which things an emoji picture shows, by program: its cells compared with the rendered sprites.

No network takes part. The background is the one that the cells between the places are nearest to; at each place the
picture is compared with every sprite in front of that background, and with nothing. A thing counts when nearly all its
cells agree; what is neither nothing nor a thing (merged, broken or misplaced parts) is an object without a name.

Sizes: S sprites, P places, 16 cells of a place.
"""

from __future__ import annotations

import numpy as np

from ..scene import FoundObject
from .backgrounds import BACKGROUNDS, background_pixels
from .codes import SPRITE_PIXELS, split_cells
from .nouns import NATURAL
from .sprites import CELL_PIXELS, Sprites
from .token_posterior import BETWEEN
from .world import PLACES

AGREES = 0.35
"""Largest distance of a cell from a sprite's, in units of that sprite cell's distance from the empty background."""
CLEAR = 0.0012
"""Mean square difference (0 ... 1) that is always allowed: what the tokenizer's blur and rounding make of a cell."""
SMALLEST_SHARE = 0.86
"""Share of a sprite's contrast with the background that lies in cells that agree, from which on it is there."""
STRAY = 0.012
"""Mean square difference of a cell from the empty background from which on something lies there."""


class EmojiChecker:
    """Finds the things of pictures of the emoji world."""

    def __init__(self, sprites: Sprites):
        self._keys, self._looks = list(sprites.pixels), sprites.looks
        pixels = np.stack([sprites.pixels[key] for key in self._keys])
        self._colors, self._alpha = pixels[..., :3].astype(np.float32), pixels[..., 3:].astype(np.float32)
        self._backgrounds = np.stack([background_pixels(name) / 255 for name in BACKGROUNDS]).astype(np.float32)
        self._between = np.stack([split_cells(picture)[BETWEEN] for picture in self._backgrounds])
        self._templates: dict[tuple[int, int], np.ndarray] = {}

    def find_objects(self, pictures: np.ndarray) -> list[list[FoundObject]]:
        """Objects of each of the pictures, uint8 or float in 0 ... 255, [B, 256, 256, 3]; the most certain first."""
        return [self._objects_of(np.asarray(picture, np.float32) / 255) for picture in pictures]

    def background_of(self, picture: np.ndarray) -> int:
        """Number of the background that the cells between the places of a picture in 0 ... 1 are nearest to."""
        cells = split_cells(picture)[BETWEEN]
        return int(((self._between - cells) ** 2).mean((2, 3, 4)).clip(0, 0.02).mean(1).argmin())

    def _objects_of(self, picture: np.ndarray) -> list[FoundObject]:
        background = self.background_of(picture)
        found = []
        for place, (row, column) in enumerate(PLACES):
            top, left = row * CELL_PIXELS, column * CELL_PIXELS
            box = (slice(top, top + SPRITE_PIXELS), slice(left, left + SPRITE_PIXELS))
            thing = self._thing_at(picture[box], background, place, box)
            if thing is not None:
                noun, color, share = thing
                middle = float(top + SPRITE_PIXELS / 2), float(left + SPRITE_PIXELS / 2)
                found.append(FoundObject(noun, color, *middle, SPRITE_PIXELS, SPRITE_PIXELS, SPRITE_PIXELS**2, share))
        beside = _distances(split_cells(picture)[BETWEEN], self._between[background])
        for number in (np.asarray(beside) > 2 * STRAY).nonzero()[0]:
            row, column = divmod(int(BETWEEN[number]), picture.shape[1] // CELL_PIXELS)
            middle = (row + 0.5) * CELL_PIXELS, (column + 0.5) * CELL_PIXELS
            found.append(FoundObject(None, "", *middle, CELL_PIXELS, CELL_PIXELS, CELL_PIXELS**2, 0.0))
        return sorted(found, key=lambda thing: -thing.overlap)

    def _thing_at(self, picture: np.ndarray, background: int, place: int,
                  box: tuple[slice, slice]) -> tuple[str | None, str, float] | None:
        """Noun, color and share of agreeing contrast of what a place shows; None where it is empty."""
        empty = self._backgrounds[background][box]
        cells, empty_cells = split_cells(picture), split_cells(empty)
        from_empty = _distances(cells, empty_cells)
        if from_empty.max() < STRAY and from_empty.mean() < STRAY / 3:
            return None
        templates = self._cells_of(background, place, empty)  # [S, 16, 16, 16, 3]
        contrast = _distances(templates, empty_cells)  # [S, 16]
        distance = _distances(templates, cells)
        agrees = distance <= np.maximum(AGREES * contrast, CLEAR)
        share = (agrees * contrast).sum(1) / contrast.sum(1)
        # Something beside the sprite, in a cell that it leaves empty, is no part of it.
        clean = np.logical_or.reduce((agrees, contrast > CLEAR, np.broadcast_to(from_empty < STRAY, agrees.shape)))
        total = distance.mean(1)
        best = int(total.argmin())
        if share[best] < SMALLEST_SHARE or not clean[best].all():
            return None if from_empty.sum() < 2 * STRAY else (None, "", round(float(share[best]), 4))
        noun, color = self._keys[best]
        if color == NATURAL:
            color = self._looks.get(noun, NATURAL)
        return noun, color, round(float(share[best]), 4)

    def _cells_of(self, background: int, place: int, empty: np.ndarray) -> np.ndarray:
        if (background, place) not in self._templates:
            drawn = (empty + self._alpha * (self._colors - empty)).astype(np.float32)
            self._templates[background, place] = np.stack([split_cells(picture) for picture in drawn])
        return self._templates[background, place]


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean square difference [...] of cells [..., 16, 16, 3]."""
    return ((first - second) ** 2).mean((-3, -2, -1))
