"""The emoji world: things from Noto Emoji at nine places on painted backgrounds, 256 x 256 pixels, 16 x 16 cells."""

from __future__ import annotations

import zlib

import numpy as np

from ..scene import CATEGORIES, RELATIONS, Background, Caption, Scene, SceneObject
from .backgrounds import BACKGROUNDS, GRID, background_pixels
from .captions import VOCABULARY, write_caption
from .nouns import NATURAL
from .sprites import CELL_PIXELS, SPRITE_CELLS, Sprites, render_sprites

COUNTS = (2, 3, 4, 5)
"""Numbers of things in `counting`."""
PLACES = tuple((row, column) for row in (1, 6, 11) for column in (1, 6, 11))
"""Where things can lie: nine places, one cell between neighbors."""
_HELD_OUT_SHARE = 0.1
_SHOWN = {("red", "umbrella")}
"""Combinations that are in training whatever their hash: the project's first example is made of them."""


def is_held_out(*names: str | int) -> bool:
    """Whether no training caption has this combination of names, one in ten by a hash of the names."""
    key = tuple(sorted(str(name) for name in names))
    return key not in _SHOWN and zlib.crc32(b"ladr emoji " + " ".join(key).encode()) % 1000 < 1000 * _HELD_OUT_SHARE


class EmojiWorld:
    """Random scenes of the emoji world; `sprites` are rendered from the artwork where none are given."""

    name = "emoji"
    vocabulary = VOCABULARY
    backgrounds = BACKGROUNDS

    def __init__(self, sprites: Sprites | None = None):
        self.sprites = sprites or render_sprites()
        self._nouns = self.sprites.nouns
        self._recolored = tuple(noun for noun in self._nouns if self.sprites.colors(noun))

    def render(self, scene: Scene) -> np.ndarray:
        """Picture of the scene, uint8 [256, 256, 3]."""
        picture = background_pixels(scene.background.tint).copy()
        for thing in scene.objects:
            top, left, side = thing.row * CELL_PIXELS, thing.column * CELL_PIXELS, thing.size * CELL_PIXELS
            sprite = self.sprites.pixels[thing.shape, thing.color]
            box = picture[top : top + side, left : left + side]
            box += sprite[..., 3:] * (sprite[..., :3] * 255 - box)
        return np.rint(picture).astype(np.uint8)

    def caption(self, scene: Scene, rng: np.random.Generator) -> Caption:
        """One of the English sentences that describe the scene."""
        return write_caption(scene, rng)

    def sample(self, rng: np.random.Generator, category: str | None = None, unnamed: bool = False) -> Scene:
        """Draw a scene whose caption names no held-out combination; any scene where it is to have no caption."""
        category = category or CATEGORIES[rng.integers(len(CATEGORIES))]
        while True:
            scene = self._draw(rng, category)
            if scene is not None and (unnamed or not names_held_out(scene)):
                return scene

    def sample_with_caption(self, rng: np.random.Generator, category: str | None = None) -> tuple[Scene, Caption]:
        """Draw a scene of the training set and a caption of it."""
        scene = self.sample(rng, category)
        return scene, self.caption(scene, rng)

    def _draw(self, rng: np.random.Generator, category: str) -> Scene | None:
        count = {"single": 1, "color": 1, "counting": COUNTS[rng.integers(len(COUNTS))]}.get(category, 2)
        boxes = [PLACES[i] for i in rng.permutation(len(PLACES))[:count]]
        relation = RELATIONS[rng.integers(4)] if category == "position" else None
        if relation is not None and not stand_in_relation(boxes[0], boxes[1], relation):
            return None
        choices = self._recolored if category in ("color", "attribution") else self._nouns
        different = 1 if category == "counting" else count
        nouns = [choices[i] for i in rng.permutation(len(choices))[:different]]
        named = category in ("color", "attribution") or (category != "single" and rng.random() < 0.15)
        colors = [self._color(noun, named, rng) for noun in nouns]
        if category == "attribution" and colors[0] == colors[1]:
            return None
        if category == "counting":
            nouns, colors = nouns * count, colors * count
        background = Background(self.backgrounds[rng.integers(len(self.backgrounds))])
        things = zip(nouns, colors, boxes)
        objects = tuple(SceneObject(noun, color, row, column, SPRITE_CELLS) for noun, color, (row, column) in things)
        return Scene(category, objects, background, relation)

    def _color(self, noun: str, named: bool, rng: np.random.Generator) -> str:
        colors = self.sprites.colors(noun)
        return colors[rng.integers(len(colors))] if named and colors else NATURAL


def names_held_out(scene: Scene) -> bool:
    """Whether a caption of the scene names a pair of nouns, a (noun, number) or a (noun, color) that is held out."""
    nouns = [thing.shape for thing in scene.objects]
    if any(thing.color != NATURAL and is_held_out(thing.shape, thing.color) for thing in scene.objects):
        return True
    if scene.category == "counting":
        return is_held_out(nouns[0], len(nouns))
    return len(nouns) == 2 and is_held_out(*nouns)


def stand_in_relation(first: tuple[int, int], second: tuple[int, int], relation: str) -> bool:
    """Whether two places lie on opposite sides of the picture, the first on the given one, and further so than across.

    Opposite sides, so that a relation is never in doubt.
    """
    axis = 1 if relation in ("left", "right") else 0
    along, across = second[axis] - first[axis], abs(second[1 - axis] - first[1 - axis])
    if relation in ("right", "below"):
        along = -along
    return along > max(across, GRID // 2)
