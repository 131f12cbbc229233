"""How much pictures of one prompt differ, so that a sampler cannot win by always drawing the same picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

COLOR_IS_FREE = ("single", "two", "counting", "position")
"""Categories whose captions name no color."""


def token_disagreement(groups: Iterable[Sequence[np.ndarray]]) -> float | None:
    """Mean share of the N cells in which two pictures of one prompt differ; groups: the tokens [N] of each prompt."""
    shares = [float(np.mean(a != b)) for group in groups for a, b in combinations(group, 2)]
    return round(float(np.mean(shares)), 4) if shares else None


def color_entropy(colors: Iterable[str]) -> float | None:
    """Entropy in bits of the colors that objects were given (log2 9 = 3.17 when all nine are as frequent)."""
    counts = np.array(list(Counter(colors).values()), dtype=float)
    if not len(counts):
        return None
    shares = counts / counts.sum()
    return round(float(-(shares * np.log2(shares)).sum()) + 0.0, 4)
