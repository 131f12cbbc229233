"""The shapes world: scenes are what they say, captions use known words, held-out combinations never appear."""

from __future__ import annotations

import numpy as np
import pytest

from ladr_core.lab.worlds.scene import CATEGORIES
from ladr_core.lab.worlds.shapes.captions import VOCABULARY, plain_caption
from ladr_core.lab.worlds.shapes.world import (
    CELL_PIXELS,
    COLORS,
    GRID,
    PATTERNS,
    SHAPES,
    ShapesWorld,
    coverage,
    names_held_out,
)
from ladr_core.models.builtin.layout import BuiltinLayout


@pytest.mark.parametrize("category", CATEGORIES)
def test_scenes_keep_their_promises(category):
    world, rng = ShapesWorld(), np.random.default_rng(3)
    for _ in range(60):
        scene, caption = world.sample_with_caption(rng, category)
        assert scene.category == category and not names_held_out(scene, caption.names_colors)
        for i, thing in enumerate(scene.objects):
            assert 0 <= thing.row <= GRID - thing.size and 0 <= thing.column <= GRID - thing.size
            for other in scene.objects[:i]:
                apart = max(abs(thing.row - other.row), abs(thing.column - other.column))
                assert apart > thing.size, "objects leave a cell between each other"
        if category == "position":
            (row, column), (other_row, other_column) = (thing.center for thing in scene.objects)
            down, right = row - other_row, column - other_column
            says = {"left": -right, "right": right, "above": -down, "below": down}[scene.relation]
            assert says > 0 and says == max(abs(down), abs(right))


def test_picture_shows_the_object_in_its_box_only():
    world, rng = ShapesWorld(("plain",)), np.random.default_rng(0)
    scene = world.sample(rng, "color")
    picture, thing = world.render(scene).astype(int), scene.objects[0]
    assert picture.shape == (GRID * CELL_PIXELS, GRID * CELL_PIXELS, 3)
    center_row, center_column = (int(v * CELL_PIXELS) for v in thing.center)
    outside = np.ones(picture.shape[:2], bool)
    top, left, side = thing.row * CELL_PIXELS, thing.column * CELL_PIXELS, thing.size * CELL_PIXELS
    outside[top : top + side, left : left + side] = False
    assert len(np.unique(picture[outside], axis=0)) == 1
    if thing.shape != "ring":
        assert tuple(picture[center_row, center_column]) == COLORS[thing.color]


def test_shapes_differ():
    masks = [coverage(shape, 6) for shape in SHAPES]
    for i, mask in enumerate(masks):
        for other in masks[:i]:
            assert np.minimum(mask, other).sum() / np.maximum(mask, other).sum() < 0.9


def test_captions_use_known_words_and_fit():
    world, rng = ShapesWorld(), np.random.default_rng(1)
    layout = BuiltinLayout(VOCABULARY, 16)
    for _ in range(400):
        scene = world.sample(rng)
        for text in (world.caption(scene, rng).text, plain_caption(scene)):
            words = layout.known_words(text)
            assert all(known for _, known in words), text
            assert len(words) <= 24


def test_patterns_are_distinct_backgrounds():
    rng = np.random.default_rng(0)
    scene = ShapesWorld().sample(rng, "single")
    pictures = set()
    for pattern in PATTERNS:
        background = type(scene.background)(scene.background.tint, pattern)
        pictures.add(ShapesWorld().render(type(scene)("single", scene.objects, background)).tobytes())
    assert len(pictures) == len(PATTERNS)
