"""The shapes world: eight flat shapes in nine colors on tinted backgrounds, 128 x 128 pixels, 16 x 16 cells."""

from __future__ import annotations

import zlib
from functools import cache

import numpy as np

from ..scene import CATEGORIES, RELATIONS, Background, Caption, Scene, SceneObject
from .captions import VOCABULARY, write_caption

GRID = 16
CELL_PIXELS = 8
SHAPES = ("circle", "square", "triangle", "diamond", "star", "heart", "cross", "ring")
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (222, 40, 44),
    "orange": (248, 138, 26),
    "yellow": (250, 214, 38),
    "green": (44, 160, 70),
    "blue": (40, 92, 214),
    "purple": (128, 56, 176),
    "pink": (246, 124, 184),
    "brown": (122, 74, 40),
    "black": (30, 30, 36),
}
TINTS: dict[str, tuple[int, int, int]] = {
    "white": (250, 250, 250),
    "gray": (206, 210, 214),
    "sky": (190, 222, 246),
    "mint": (198, 238, 214),
    "cream": (250, 240, 206),
    "lavender": (224, 212, 246),
}
PATTERNS = ("plain", "dotted", "striped", "checkered", "gradient")
COUNTS = (2, 3, 4)
"""Numbers of objects in `counting`, as in GenEval."""
OBJECT_CELLS = 4
PLACES = tuple((row, column) for row in (1, 6, 11) for column in (1, 6, 11))
"""Where objects can lie: nine places, at least one cell between neighbors."""

_HELD_OUT_SHARE = 0.1


def is_held_out(*names: str | int) -> bool:
    """Whether no training caption has this combination of names, one in ten by a hash of the names."""
    key = " ".join(sorted(str(n) for n in names)).encode()
    return zlib.crc32(b"ladr shapes " + key) % 1000 < 1000 * _HELD_OUT_SHARE


def inside(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points x, y in -1 ... 1 (y downward) belong to the shape."""
    if shape == "circle":
        return x**2 + y**2 <= 0.92
    if shape == "ring":
        return (x**2 + y**2 <= 0.92) & (x**2 + y**2 >= 0.25)
    if shape == "square":
        return (abs(x) <= 0.84) & (abs(y) <= 0.84)
    if shape == "diamond":
        return abs(x) + abs(y) <= 1.0
    if shape == "triangle":
        return (y <= 0.86) & (abs(x) <= (y + 0.94) * 0.54)
    if shape == "cross":
        return ((abs(x) <= 0.31) | (abs(y) <= 0.31)) & (abs(x) <= 0.92) & (abs(y) <= 0.92)
    if shape == "heart":
        u, v = x * 1.22, -y * 1.22 + 0.12
        return (u**2 + v**2 - 0.72) ** 3 - 1.35 * u**2 * v**3 <= 0
    if shape == "star":
        angle = np.arctan2(x, -(y - 0.07))
        within = abs((angle + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5)
        edge = 0.45 * np.sin(np.pi / 5) / (np.sin(within) + 0.45 * np.sin(np.pi / 5 - within))
        return np.hypot(x, y - 0.07) <= 1.04 * edge
    raise KeyError(shape)


@cache
def coverage(shape: str, size: int) -> np.ndarray:
    """Share of each pixel that the shape covers in a box of `size` cells, float32 [pixels, pixels]."""
    pixels, samples, margin = size * CELL_PIXELS, 6, 1.0
    half = pixels / 2
    axis = (np.arange(pixels * samples) + 0.5) / samples
    x, y = np.meshgrid((axis - half) / (half - margin), (axis - half) / (half - margin))
    return inside(shape, x, y).reshape(pixels, samples, pixels, samples).mean((1, 3)).astype(np.float32)


@cache
def background_pixels(background: Background) -> np.ndarray:
    """The empty picture of a background, float32 [128, 128, 3] in 0 ... 255; patterns repeat with the cells."""
    side = GRID * CELL_PIXELS
    tint = np.array(TINTS[background.tint], np.float32)
    row, column = np.mgrid[0:side, 0:side]
    within_row, within_column = row % CELL_PIXELS, column % CELL_PIXELS
    if background.pattern == "gradient":
        darkness = row / (side - 1)
    elif background.pattern == "dotted":
        darkness = 1.0 * (np.hypot(within_row - 3.5, within_column - 3.5) <= 2.0)
    elif background.pattern == "striped":
        darkness = 1.0 * (within_column < CELL_PIXELS // 2)
    elif background.pattern == "checkered":
        darkness = 1.0 * ((within_row < CELL_PIXELS // 2) ^ (within_column < CELL_PIXELS // 2))
    else:
        darkness = np.zeros((side, side))
    strength = 34 if background.pattern == "gradient" else 16
    return np.ascontiguousarray(tint - strength * darkness[..., None].astype(np.float32))


class ShapesWorld:
    """Random scenes of the shapes world; `patterns` limits the backgrounds."""

    name = "shapes"

    def __init__(self, patterns: tuple[str, ...] = PATTERNS):
        self.patterns = patterns
        absent = set(PATTERNS) - set(patterns)
        self.vocabulary = tuple("-" if word in absent else word for word in VOCABULARY)

    def render(self, scene: Scene) -> np.ndarray:
        """Picture of the scene, uint8 [128, 128, 3]."""
        picture = background_pixels(scene.background).copy()
        for thing in scene.objects:
            top, left, side = thing.row * CELL_PIXELS, thing.column * CELL_PIXELS, thing.size * CELL_PIXELS
            alpha = coverage(thing.shape, thing.size)[..., None]
            box = picture[top : top + side, left : left + side]
            box += alpha * (np.array(COLORS[thing.color], np.float32) - box)
        return np.rint(picture).astype(np.uint8)

    def caption(self, scene: Scene, rng: np.random.Generator) -> Caption:
        """One of the English sentences that describe the scene."""
        return write_caption(scene, rng)

    def sample(self, rng: np.random.Generator, category: str | None = None) -> Scene:
        """Draw a scene whose plain caption names no held-out combination."""
        category = category or CATEGORIES[rng.integers(len(CATEGORIES))]
        names_colors = category in ("color", "attribution")
        while True:
            scene = self._draw(rng, category)
            if scene is not None and not names_held_out(scene, names_colors):
                return scene

    def sample_with_caption(self, rng: np.random.Generator, category: str | None = None) -> tuple[Scene, Caption]:
        """Draw a scene and a caption of it that names no held-out combination."""
        while True:
            scene = self.sample(rng, category)
            caption = self.caption(scene, rng)
            if not names_held_out(scene, caption.names_colors):
                return scene, caption

    def _draw(self, rng: np.random.Generator, category: str) -> Scene | None:
        count = {"single": 1, "color": 1, "counting": COUNTS[rng.integers(len(COUNTS))]}.get(category, 2)
        boxes = [PLACES[i] for i in rng.permutation(len(PLACES))[:count]]
        relation = RELATIONS[rng.integers(4)] if category == "position" else None
        if relation is not None and not stand_in_relation(boxes[0], boxes[1], relation):
            return None
        names = list(COLORS)
        if category == "counting":
            shapes = [SHAPES[rng.integers(len(SHAPES))]] * count
            colors = [names[rng.integers(len(names))]] * count
        else:
            shapes = [SHAPES[i] for i in rng.permutation(len(SHAPES))[:count]]
            colors = [names[i] for i in rng.permutation(len(names))[:count]]
        tint = list(TINTS)[rng.integers(len(TINTS))]
        background = Background(tint, self.patterns[rng.integers(len(self.patterns))])
        objects = tuple(
            SceneObject(shape, color, row, column, OBJECT_CELLS)
            for shape, color, (row, column) in zip(shapes, colors, boxes)
        )
        return Scene(category, objects, background, relation)


def names_held_out(scene: Scene, names_colors: bool) -> bool:
    """Whether a caption of the scene names a pair of shapes, a (shape, number) or a (shape, color) that is held out.

    Pictures do show a held-out shape and color together where the caption leaves the color open: each code of the
    tokenizer that holds an edge stands for one shape in one color, and a code never seen could never be predicted.
    """
    shapes = [thing.shape for thing in scene.objects]
    if names_colors and any(is_held_out(thing.shape, thing.color) for thing in scene.objects):
        return True
    if scene.category == "counting":
        return is_held_out(shapes[0], len(shapes))
    return len(shapes) == 2 and is_held_out(*shapes)


def stand_in_relation(first: tuple[int, int], second: tuple[int, int], relation: str) -> bool:
    """Whether two places lie on opposite sides of the picture, the first on the given one, and further so than across.

    Opposite sides, so that a relation is never in doubt.
    """
    axis = 1 if relation in ("left", "right") else 0
    along, across = second[axis] - first[axis], abs(second[1 - axis] - first[1 - axis])
    if relation in ("right", "below"):
        along = -along
    return along > max(across, GRID // 2)
