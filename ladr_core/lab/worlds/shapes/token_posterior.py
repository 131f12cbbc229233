"""Exact conditionals of the shapes world: how probable each code is in each masked cell, given caption and known cells.

The world is small enough to enumerate: a background, places, colors and shapes decide every token. What a perfect
network would predict is thus known, and training on it instead of on single scenes takes the noise out of the targets.

Sizes: V backgrounds, C colors, P places of 16 cells, N cells, K codes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from ....vq.patch_vq import PatchVQ
from ..scene import Background, Caption, Scene, SceneObject
from .world import (
    COLORS,
    GRID,
    OBJECT_CELLS,
    PLACES,
    SHAPES,
    TINTS,
    ShapesWorld,
    stand_in_relation,
)

_COLORS = tuple(COLORS)
_NOTHING = 1e-12  # what rounding leaves of a probability of 0


@dataclass(frozen=True)
class _Known:
    """Which codes the known cells of one picture allow: bool arrays."""

    empty: np.ndarray  # [V, P]: nothing lies at the place
    shown: dict[str, np.ndarray]  # shape -> [C, V, P]: it lies there in this color
    background: np.ndarray  # [V]: the cells between the places


@dataclass(frozen=True)
class _Weights:
    """Weight of every scene that fits what is known, summed in two ways."""

    shown: np.ndarray  # [C, V, P]: by where the object lies, in which color and on which background
    background: np.ndarray  # [V]


class TokenPosterior:
    """The code tables of a world under a tokenizer that sees one cell at a time."""

    def __init__(self, world: ShapesWorld, vq: PatchVQ):
        self.codebook_size = vq.codebook_size
        self.backgrounds = [Background(tint, pattern) for tint in TINTS for pattern in world.patterns]
        cells = np.arange(GRID * GRID).reshape(GRID, GRID)
        self._place_cells = np.stack(
            [cells[r : r + OBJECT_CELLS, c : c + OBJECT_CELLS].ravel() for r, c in PLACES]
        )  # [P, 16]
        self._between = np.setdiff1d(cells, self._place_cells)

        def encode(objects: tuple[SceneObject, ...], background: Background) -> np.ndarray:
            picture = torch.from_numpy(world.render(Scene("counting", objects, background)))
            with torch.no_grad():
                return vq.encode(picture.permute(2, 0, 1)[None].float() / 255).flatten().numpy().astype(np.int64)

        self._empty_codes = np.stack([encode((), b) for b in self.backgrounds])  # [V, N]
        self._object_codes = {
            shape: np.stack([
                np.stack([
                    encode(tuple(SceneObject(shape, color, r, c, OBJECT_CELLS) for r, c in PLACES), b)[
                        self._place_cells
                    ]
                    for b in self.backgrounds
                ])
                for color in _COLORS
            ])
            for shape in SHAPES
        }  # fmt: skip  # [C, V, P, 16]

    def tokens(self, scene: Scene) -> np.ndarray:
        """Codebook indices [N] of a scene."""
        variant = self.backgrounds.index(scene.background)
        codes = self._empty_codes[variant].copy()
        for thing in scene.objects:
            place = PLACES.index((thing.row, thing.column))
            color = _COLORS.index(thing.color)
            codes[self._place_cells[place]] = self._object_codes[thing.shape][color, variant, place]
        return codes

    def probabilities(self, scene: Scene, caption: Caption, masked: np.ndarray) -> np.ndarray:
        """Probability [N, K] of each code in each cell, for tokens masked [N] of `scene` (-1 = masked) and its caption.

        Only the rows of masked cells mean something.
        """
        known = self._known(scene, masked)
        fits = np.array([not caption.names_background or b == scene.background for b in self.backgrounds])
        prior = (fits & known.background).astype(float)
        if scene.category == "counting":
            weights = [self._counting(scene, caption, known, prior)]
        elif len(scene.objects) == 1:
            weights = [self._single(scene, caption, known, prior)]
        else:
            weights = self._pair(scene, caption, known, prior)
        shapes = [thing.shape for thing in scene.objects]
        return self._spread(dict(zip(shapes, (w.shown for w in weights))), weights[0].background)

    def _spread(self, shown: dict[str, np.ndarray], background: np.ndarray) -> np.ndarray:
        """Code probabilities [N, K] from the weights of backgrounds [V] and of objects, shape -> [C, V, P]."""
        total = background.sum()
        background = background / total
        vacant = np.broadcast_to(background[:, None], (len(background), len(PLACES)))
        between = self._empty_codes[:, self._between]
        entries = [(np.broadcast_to(self._between, between.shape), between, background[:, None])]
        for shape, weight in shown.items():
            share = weight / total
            vacant = vacant - share.sum(0)
            c, v, p = share.nonzero()
            entries.append((self._place_cells[p], self._object_codes[shape][c, v, p], share[c, v, p][:, None]))
        v, p = (vacant > _NOTHING).nonzero()
        codes = self._empty_codes[v[:, None], self._place_cells[p]]
        entries.append((self._place_cells[p], codes, vacant[v, p][:, None]))
        flat = np.concatenate([(cell * self.codebook_size + code).ravel() for cell, code, _ in entries])
        weights = np.concatenate([np.broadcast_to(share, code.shape).ravel() for _, code, share in entries])
        table = np.bincount(flat, weights, GRID * GRID * self.codebook_size)
        return table.reshape(GRID * GRID, self.codebook_size).astype(np.float32)

    def _known(self, scene: Scene, masked: np.ndarray) -> _Known:
        free = masked < 0
        agrees = free | (self._empty_codes == masked)  # [V, N]
        at_places, free_places = masked[self._place_cells], free[self._place_cells]  # [P, 16]
        shown = {
            shape: (free_places | (self._object_codes[shape] == at_places)).all(-1)
            for shape in {thing.shape for thing in scene.objects}
        }
        return _Known(agrees[:, self._place_cells].all(-1), shown, agrees[:, self._between].all(-1))

    def _colors(self, thing: SceneObject, caption: Caption) -> np.ndarray:
        """Which colors [C] the object may have, as far as the caption says."""
        if caption.names_colors:
            return np.array([color == thing.color for color in _COLORS])
        return np.ones(len(_COLORS), bool)

    def _single(self, scene: Scene, caption: Caption, known: _Known, prior: np.ndarray) -> _Weights:
        thing = scene.objects[0]
        filled = ~known.empty
        others = (filled.sum(1, keepdims=True) - filled) == 0  # [V, P]: everything else is empty
        weight = known.shown[thing.shape] * (prior[:, None] * others)
        weight = weight * self._colors(thing, caption)[:, None, None]
        return _Weights(weight, weight.sum((0, 2)))

    def _pair(self, scene: Scene, caption: Caption, known: _Known, prior: np.ndarray) -> list[_Weights]:
        first, second = scene.objects
        filled = (~known.empty).astype(int)
        others = (filled.sum(1)[:, None, None] - filled[:, :, None] - filled[:, None, :]) == 0  # [V, P, P]
        places = others * allowed_places(scene.relation) * prior[:, None, None]
        colors = self._colors(first, caption)[:, None] & self._colors(second, caption)
        if not caption.names_colors:
            colors = colors & ~np.eye(len(_COLORS), dtype=bool)
        one, two = (known.shown[thing.shape].astype(float) for thing in scene.objects)  # [C, V, P] each
        for_one = np.einsum("cd,dvq->cvq", colors.astype(float), two)
        for_two = np.einsum("cd,cvp->dvp", colors.astype(float), one)
        weight_one = one * np.einsum("cvq,vpq->cvp", for_one, places)
        weight_two = two * np.einsum("dvp,vpq->dvq", for_two, places)
        background = weight_one.sum((0, 2))
        return [_Weights(weight_one, background), _Weights(weight_two, background)]

    def _counting(self, scene: Scene, caption: Caption, known: _Known, prior: np.ndarray) -> _Weights:
        thing, number = scene.objects[0], len(scene.objects)
        shown = known.shown[thing.shape]  # [C, V, P]
        forced, free = shown & ~known.empty, shown & known.empty
        possible = (shown | known.empty).all(-1)
        left, places = number - forced.sum(-1), free.sum(-1)  # [C, V]
        ways = np.array([[math.comb(n, k) for k in range(number + 1)] for n in range(len(PLACES) + 1)], float)
        weight = ways[places, left.clip(0, number)] * (possible & (left >= 0))
        weight = weight * prior * self._colors(thing, caption)[:, None]
        share = left / np.maximum(places, 1)  # of the free places that are filled
        return _Weights(weight[..., None] * (forced + free * share[..., None]), weight.sum(0))


@cache
def allowed_places(relation: str | None) -> np.ndarray:
    """Which ordered pairs of places [P, P] two objects can have, bool."""
    return np.array([
        [a != b and (relation is None or stand_in_relation(a, b, relation)) for b in PLACES] for a in PLACES
    ])  # fmt: skip
