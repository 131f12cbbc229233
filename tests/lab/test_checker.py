"""The checker agrees with rendered truth, refuses minimally wrong prompts and takes no broken objects for whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from ladr_core.lab.evaluation.checker import find_objects
from ladr_core.lab.evaluation.components import connected_components
from ladr_core.lab.evaluation.verdict import shows_scene
from ladr_core.lab.worlds.scene import CATEGORIES, Background, Scene, SceneObject
from ladr_core.lab.worlds.shapes.world import COLORS, PATTERNS, SHAPES, TINTS, ShapesWorld, background_pixels

SCENES_PER_CATEGORY = 50
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}
TURNED = {"left": "above", "right": "below", "above": "left", "below": "right"}


def all_scenes() -> list[Scene]:
    """Scenes of every category, with every pattern and tint in turn."""
    scenes = []
    for category_number, category in enumerate(CATEGORIES):
        rng = np.random.default_rng((7, category_number))
        for i in range(SCENES_PER_CATEGORY):
            background = Background(list(TINTS)[i % len(TINTS)], PATTERNS[i % len(PATTERNS)])
            scenes.append(replace(ShapesWorld().sample(rng, category), background=background))
    return scenes


def wrong_prompts(scene: Scene, rng: np.random.Generator) -> dict[str, Scene]:
    """Scenes whose captions miss the picture of `scene` by one thing only."""
    first = scene.objects[0]
    shown = {thing.shape for thing in scene.objects}
    other_shape = [shape for shape in SHAPES if shape not in shown][rng.integers(len(SHAPES) - len(shown))]
    other_color = [color for color in COLORS if color != first.color][rng.integers(len(COLORS) - 1)]
    number = len(scene.objects) if scene.category == "counting" else 1
    changed = tuple(replace(thing, shape=other_shape) for thing in scene.objects[:number])
    wrong = {"other shape": replace(scene, objects=changed + scene.objects[number:])}
    if scene.category in ("color", "attribution"):
        wrong["other color"] = replace(scene, objects=(replace(first, color=other_color), *scene.objects[1:]))
    if scene.category == "attribution":
        second = scene.objects[1]
        swapped = replace(first, color=second.color), replace(second, color=first.color)
        wrong["swapped colors"] = replace(scene, objects=swapped)
    if scene.category == "position":
        wrong["opposite side"] = replace(scene, relation=OPPOSITE[scene.relation])
        wrong["turned side"] = replace(scene, relation=TURNED[scene.relation])
        wrong["swapped objects"] = replace(scene, objects=scene.objects[::-1])
    if scene.category == "counting":
        wrong["one more"] = replace(scene, objects=(*scene.objects, first))
        wrong["one fewer"] = replace(scene, objects=scene.objects[1:])
    return wrong


def blurred(picture: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return all_scenes()


@pytest.fixture(scope="module")
def pictures(scenes) -> np.ndarray:
    return np.stack([ShapesWorld().render(scene) for scene in scenes])


@pytest.fixture(scope="module")
def found(pictures):
    return find_objects(pictures)


def test_passes_rendered_truth(scenes, found):
    passed = Counter(scene.category for scene, things in zip(scenes, found) if shows_scene(scene, things))
    assert all(passed[category] >= 0.98 * SCENES_PER_CATEGORY for category in CATEGORIES), passed


def test_refuses_minimally_wrong_prompts(scenes, found):
    asked, passed = Counter(), Counter()
    rng = np.random.default_rng(3)
    for scene, things in zip(scenes, found):
        for change, wrong in wrong_prompts(scene, rng).items():
            asked[scene.category, change] += 1
            passed[scene.category, change] += shows_scene(wrong, things)
    assert len(asked) == 14
    assert all(passed[key] <= 0.02 * asked[key] for key in asked), passed


def test_reads_every_object_with_its_place(scenes, found):
    for scene, things in zip(scenes, found):
        truth = sorted((thing.shape, thing.color) for thing in scene.objects)
        assert sorted((thing.shape or "", thing.color) for thing in things) == truth
        for thing in scene.objects:
            row, column = (8 * place for place in thing.center)
            assert any(abs(t.row - row) < 4 and abs(t.column - column) < 4 for t in things if t.shape == thing.shape)


def test_is_robust_to_blur_and_noise(scenes, pictures):
    noise = np.random.default_rng(1).normal(0, 8, pictures[0].shape)
    worn = np.stack([np.clip(blurred(picture, 0.8) + noise, 0, 255) for picture in pictures[::3]])
    passed = [shows_scene(scene, things) for scene, things in zip(scenes[::3], find_objects(worn))]
    assert np.mean(passed) >= 0.98


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [4, 6])
def test_broken_objects_do_not_pass(shape, size):
    background = Background("sky", "striped")
    scene = Scene("color", (SceneObject(shape, "red", 4, 4, size),), background)
    whole = ShapesWorld().render(scene)
    empty = background_pixels(background)
    pixels = 8 * size
    broken = []
    for rows, columns in ((0.5, 1.0), (1.0, 0.5), (0.5, 0.5)):  # half of the box, or a quarter, is missing
        picture = whole.copy()
        hole = np.s_[32 : 32 + int(rows * pixels), 32 : 32 + int(columns * pixels)]
        picture[hole] = empty[hole]
        broken.append(picture)
        painted = whole.copy()  # the same part in another color
        is_red = abs(painted.astype(int) - np.array(COLORS["red"])).sum(-1) < 60
        part = np.zeros(is_red.shape, bool)
        part[hole] = True
        painted[is_red & part] = COLORS["blue"]
        broken.append(painted)
    passed = [shows_scene(scene, things) for things in find_objects(np.stack([whole, *broken]))]
    assert passed == [True] + [False] * len(broken)


def test_merged_objects_are_neither_two_nor_one():
    background = Background("white")
    objects = (SceneObject("circle", "green", 4, 4, 4), SceneObject("circle", "green", 4, 7, 4))
    touching = Scene("counting", objects, background)
    picture = ShapesWorld().render(touching)[None]
    (things,) = find_objects(picture)
    assert [thing.shape for thing in things] == [None]
    assert not shows_scene(touching, things)
    assert not shows_scene(replace(touching, category="single"), things)


def test_touching_objects_of_two_colors_stay_two():
    objects = (SceneObject("square", "red", 4, 4, 4), SceneObject("circle", "blue", 4, 7, 4))
    scene = Scene("attribution", objects, Background("cream"))
    (things,) = find_objects(ShapesWorld().render(scene)[None])
    assert {(thing.shape, thing.color) for thing in things} == {("square", "red"), ("circle", "blue")}


def test_counting_refuses_a_left_over_fragment():
    whole = (SceneObject("square", "blue", 2, 2, 4), SceneObject("square", "blue", 2, 8, 4))
    scene = Scene("counting", whole, Background("mint", "dotted"))
    picture = ShapesWorld().render(scene)
    assert shows_scene(scene, find_objects(picture[None])[0])
    picture[100:112, 20:60] = COLORS["blue"]
    assert not shows_scene(scene, find_objects(picture[None])[0])


def test_position_needs_a_clear_and_dominant_offset():
    def scene(row: int, column: int) -> Scene:
        objects = (SceneObject("star", "red", row, column, 4), SceneObject("ring", "blue", 6, 6, 4))
        return Scene("position", objects, Background("gray"), "left")

    def passes(row: int, column: int) -> bool:
        return shows_scene(scene(row, column), find_objects(ShapesWorld().render(scene(row, column))[None])[0])

    assert passes(6, 1)
    assert passes(2, 1)
    assert not passes(1, 2)  # more above than to the left
    assert not passes(11, 6)
    assert not passes(6, 11)


@pytest.mark.parametrize("picture", [np.zeros((1, 128, 128, 3)), np.full((1, 128, 128, 3), 255.0),
                                     np.random.default_rng(0).uniform(0, 255, (1, 128, 128, 3))])  # fmt: skip
def test_pictures_without_objects(picture):
    (things,) = find_objects(picture)
    assert all(thing.shape is None for thing in things)


def test_components_join_along_edges_only():
    labels = np.array([[[0, 0, -1, 1], [-1, 0, 1, 1], [2, -1, 0, 0], [2, 2, 2, 0]]])
    numbers = connected_components(np.concatenate([labels, labels]))
    sizes = sorted(Counter(numbers[numbers >= 0].tolist()).values())
    assert sizes == [3, 3, 3, 3, 3, 3, 4, 4]
    assert (numbers == -1).sum() == 6
    spiral = np.full((1, 9, 9), -1)
    spiral[0, 0, :], spiral[0, :, 8], spiral[0, 8, :], spiral[0, 2:, 0], spiral[0, 2, :7] = 5, 5, 5, 5, 5
    assert len(np.unique(connected_components(spiral))) == 2
