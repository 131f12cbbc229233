"""Masks that leave whole places open, as samplers do: the background is known, some places are decided, some are not.

Masks drawn cell by cell rarely show the states in which a number is decided: all the things that the caption asks for
are there, and places are still open. Exact targets hold for any choice of the known cells, so it may look at the scene.
"""

from __future__ import annotations

import numpy as np

from ..worlds.emoji.token_posterior import BETWEEN, PLACE_CELLS
from ..worlds.emoji.world import PLACES
from ..worlds.scene import Scene

KNOWN_BETWEEN = 0.75
"""Share of the masks in which all cells that belong to no place are known."""
WHOLE_PLACES = 0.6
"""Share of the decided places of which all cells are known; of the others 1 to 16 cells are."""
ALL_THERE = 0.3
"""Least share of the masks that leave only empty places open, others do by chance: whether another thing belongs there
is hardest to learn."""


def open_places(scene: Scene, indices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Copy of indices [N] in which any number of the scene's things and any number of its empty places are masked."""
    masked = indices.copy()
    filled = np.isin(np.arange(len(PLACES)), [PLACES.index((thing.row, thing.column)) for thing in scene.objects])
    opened: list[int] = []
    all_there = rng.random() < ALL_THERE
    while not opened:
        for places, keep_all in ((filled.nonzero()[0], all_there), ((~filled).nonzero()[0], False)):
            opened += list(rng.permutation(places)[: 0 if keep_all else rng.integers(len(places) + 1)])
    if rng.random() > KNOWN_BETWEEN:
        masked[BETWEEN[rng.random(len(BETWEEN)) < rng.random()]] = -1
    for place, cells in enumerate(PLACE_CELLS):
        if place in opened:
            masked[cells] = -1
        elif rng.random() > WHOLE_PLACES:
            masked[rng.permutation(cells)[: rng.integers(len(cells))]] = -1
    return masked
