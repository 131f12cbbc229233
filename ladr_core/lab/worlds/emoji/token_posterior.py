"""Exact conditionals of the emoji world: how probable each code is in each masked cell, given caption and known cells.

A background, places and the things the caption names decide every token, so all scenes that fit can be enumerated
(see `worlds/shapes/token_posterior.py`, whose sums these are; here the caption leaves no color open).

Sizes: V backgrounds, P places of 16 cells, N cells, K codes, E entries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..scene import Caption, Scene
from .backgrounds import GRID
from .codes import EMPTY, Codes
from .sprites import SPRITE_CELLS
from .world import PLACES, stand_in_relation

_CELLS = np.arange(GRID * GRID).reshape(GRID, GRID)
PLACE_CELLS = np.stack([_CELLS[r : r + SPRITE_CELLS, c : c + SPRITE_CELLS].ravel() for r, c in PLACES])
"""Cells [P, 16] of each place."""
BETWEEN = np.setdiff1d(_CELLS, PLACE_CELLS)
"""Cells that belong to no place."""
_NOTHING = 1e-12  # what rounding leaves of a probability of 0
_WAYS = np.array([[math.comb(n, k) for k in range(len(PLACES) + 1)] for n in range(len(PLACES) + 1)], float)


@dataclass(frozen=True)
class Entries:
    """Sparse probabilities: cells, codes [E] int64 and shares [E] float; the shares of a cell add up to 1."""

    cells: np.ndarray
    codes: np.ndarray
    shares: np.ndarray

    def dense(self, codebook_size: int) -> np.ndarray:
        """Probabilities [N, K]; rows of cells without entries are 0."""
        flat = self.cells * codebook_size + self.codes
        table = np.bincount(flat, self.shares, GRID * GRID * codebook_size)
        return table.reshape(GRID * GRID, codebook_size)


class TokenPosterior:
    """The code tables of the world, and sums over its scenes."""

    def __init__(self, codes: Codes):
        self.codes, self.backgrounds = codes, tuple(codes.backgrounds)
        self._empty = np.stack([codes.backgrounds[name] for name in self.backgrounds])  # [V, N]
        self._empty_at_places = self._empty[:, PLACE_CELLS]  # [V, P, 16]
        self.background_codes = np.unique(self._empty)
        self._shown = {
            key: np.where(sprite == EMPTY, self._empty_at_places, sprite) for key, sprite in codes.sprites.items()
        }  # [V, P, 16] each

    @property
    def cells(self) -> int:
        """Number of cells (N)."""
        return self._empty.shape[1]

    def tokens(self, scene: Scene) -> np.ndarray:
        """Codebook indices [N] of a scene."""
        background = self.backgrounds.index(scene.background.tint)
        codes = self._empty[background].copy()
        for thing in scene.objects:
            place = PLACES.index((thing.row, thing.column))
            codes[PLACE_CELLS[place]] = self._shown[thing.shape, thing.color][background, place]
        return codes

    def entries(self, scene: Scene, caption: Caption, masked: np.ndarray) -> Entries | None:
        """Probabilities of the masked cells of masked [N] (-1 = masked), for a caption of `scene`.

        Of the scene only what the caption says counts. None where no scene fits the known cells.
        """
        free = masked < 0
        free_places, at_places = free[PLACE_CELLS], masked[PLACE_CELLS]
        empty = (free_places | (self._empty_at_places == at_places)).all(-1)  # [V, P]
        prior = (free[BETWEEN] | (self._empty[:, BETWEEN] == masked[BETWEEN])).all(-1).astype(float)
        if caption.names_background:
            prior *= np.array([name == scene.background.tint for name in self.backgrounds])
        keys = list(dict.fromkeys((thing.shape, thing.color) for thing in scene.objects))
        fits = [(free_places | (self._shown[key] == at_places)).all(-1) for key in keys]
        if len(keys) == 1:
            weights, background = _several(fits[0], empty, prior, len(scene.objects))
        else:
            weights, background = _pair(fits, empty, prior, _allowed_places(scene.relation))
        total = background.sum()
        if total <= 0:
            return None
        return self._spread(dict(zip(keys, (w / total for w in weights))), background / total, free)

    def _spread(self, shown: dict[tuple[str, str], np.ndarray], background: np.ndarray, free: np.ndarray) -> Entries:
        """Entries of the free cells from the shares of backgrounds [V] and of things, key -> [V, P]."""
        vacant = background[:, None] - sum(shown.values())
        likely = background.nonzero()[0]
        cells = [np.broadcast_to(BETWEEN, (len(likely), len(BETWEEN)))]
        codes, shares = [self._empty[likely][:, BETWEEN]], [np.broadcast_to(background[likely, None], cells[0].shape)]
        for table, share in [(self._empty_at_places, vacant), *((self._shown[key], s) for key, s in shown.items())]:
            v, p = (share > _NOTHING).nonzero()
            cells.append(PLACE_CELLS[p])
            codes.append(table[v, p])
            shares.append(np.broadcast_to(share[v, p, None], cells[-1].shape))
        flat_cells = np.concatenate([part.ravel() for part in cells])
        wanted = free[flat_cells]
        return Entries(
            flat_cells[wanted],
            np.concatenate([part.ravel() for part in codes])[wanted],
            np.concatenate([part.ravel() for part in shares])[wanted],
        )


def _several(fits: np.ndarray, empty: np.ndarray, prior: np.ndarray,
             number: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Weights [V, P] of places with one of `number` equal things, and of backgrounds [V]; fits, empty [V, P]."""
    forced, free = fits & ~empty, fits & empty
    left, places = number - forced.sum(-1), free.sum(-1)  # [V]
    possible = (fits | empty).all(-1) & (left >= 0)
    weight = _WAYS[places, left.clip(0)] * possible * prior
    share = left.clip(0) / np.maximum(places, 1)  # of the free places that are filled
    return [weight[:, None] * (forced + free * share[:, None])], weight


def _pair(fits: list[np.ndarray], empty: np.ndarray, prior: np.ndarray,
          allowed: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Weights [V, P] of places with the first and with the second of two things, and of backgrounds [V]."""
    filled = (~empty).astype(int)
    others = (filled.sum(1)[:, None, None] - filled[:, :, None] - filled[:, None, :]) == 0  # [V, P, P]
    weight = others * allowed * prior[:, None, None] * fits[0][:, :, None] * fits[1][:, None, :]
    return [weight.sum(2), weight.sum(1)], weight.sum((1, 2))


@cache
def _allowed_places(relation: str | None) -> np.ndarray:
    """Which ordered pairs of places [P, P] two things can have, bool."""
    return np.array([
        [a != b and (relation is None or stand_in_relation(a, b, relation)) for b in PLACES] for a in PLACES
    ])  # fmt: skip
