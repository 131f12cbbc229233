"""The exact conditionals of the shapes world against a plain enumeration of all scenes that fit."""

from __future__ import annotations

from itertools import combinations, permutations, product

import numpy as np
import pytest
import torch

from ladr_core.lab.training.scenes import render_batch
from ladr_core.lab.worlds.scene import CATEGORIES, Background, Caption, Scene, SceneObject
from ladr_core.lab.worlds.shapes.token_posterior import TokenPosterior
from ladr_core.lab.worlds.shapes.world import (
    COLORS,
    OBJECT_CELLS,
    PLACES,
    TINTS,
    ShapesWorld,
    stand_in_relation,
)
from ladr_core.models.builtin.loading import SHAPES_WEIGHTS, load_builtin

WORLD = ShapesWorld(("plain",))


@pytest.fixture(scope="module")
def vq():
    return load_builtin(SHAPES_WEIGHTS).vq


@pytest.fixture(scope="module")
def posterior(vq):
    return TokenPosterior(WORLD, vq)


def fitting_scenes(scene, caption):
    """Every scene the caption could have been written for."""
    shapes, count = [thing.shape for thing in scene.objects], len(scene.objects)
    own_colors = [thing.color for thing in scene.objects]
    if scene.category == "counting":
        layouts, colorings = combinations(PLACES, count), [[color] * count for color in COLORS]
    else:
        layouts, colorings = permutations(PLACES, count), [list(c) for c in permutations(COLORS, count)]
    colorings = [own_colors] if caption.names_colors else colorings
    backgrounds = [scene.background] if caption.names_background else [Background(tint) for tint in TINTS]
    for layout, colors, background in product(layouts, colorings, backgrounds):
        if scene.relation is None or stand_in_relation(layout[0], layout[1], scene.relation):
            objects = tuple(SceneObject(s, c, *p, OBJECT_CELLS) for s, c, p in zip(shapes, colors, layout))
            yield Scene(scene.category, objects, background, scene.relation)


def test_tokens_are_those_of_the_rendered_picture(vq, posterior):
    rng = np.random.default_rng(0)
    scenes = [WORLD.sample(rng) for _ in range(30)]
    with torch.no_grad():
        encoded = vq.encode(render_batch(WORLD, scenes)).flatten(1).numpy()
    assert all(np.array_equal(posterior.tokens(scene), codes) for scene, codes in zip(scenes, encoded))


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("known_cells", [0, 3, 30, 200])
def test_probabilities_equal_an_enumeration(posterior, category, known_cells):
    rng = np.random.default_rng(known_cells)
    scene = WORLD.sample(rng, category)
    caption = Caption("", category in ("color", "attribution") or known_cells == 30, known_cells == 3)
    tokens = posterior.tokens(scene)
    known = rng.permutation(256)[:known_cells]
    masked = np.full(256, -1)
    masked[known] = tokens[known]
    fitting = np.stack([codes for other in fitting_scenes(scene, caption)
                        if np.array_equal((codes := posterior.tokens(other))[known], tokens[known])])  # fmt: skip
    probabilities = posterior.probabilities(scene, caption, masked)
    left = masked < 0
    assert np.allclose(probabilities[left].sum(1), 1, atol=1e-5)
    for cell in np.nonzero(left)[0][::5]:
        expected = np.bincount(fitting[:, cell], minlength=posterior.codebook_size) / len(fitting)
        assert np.allclose(probabilities[cell], expected, atol=1e-5)
