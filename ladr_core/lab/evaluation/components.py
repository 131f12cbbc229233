"""Connected components of label maps, without SciPy: neighbors share the smallest number until nothing changes."""

from __future__ import annotations

import numpy as np


def connected_components(labels: np.ndarray) -> np.ndarray:
    """Component number of every pixel of the label maps [B, H, W], int64; background (label < 0) gets -1.

    Pixels belong together when they touch along an edge and have the same label; numbers are unique over the batch.
    """
    shape = labels.shape
    flat = labels.reshape(-1)
    places = np.arange(flat.size).reshape(shape)
    # Pairs of neighboring places with one label, once along rows and once along columns.
    pairs = []
    for a, b in ((np.s_[:, :, :-1], np.s_[:, :, 1:]), (np.s_[:, :-1, :], np.s_[:, 1:, :])):
        same = (labels[a] == labels[b]) & (labels[a] >= 0)
        pairs.append((places[a][same], places[b][same]))
    first, second = np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])
    root = np.arange(flat.size)
    while True:
        a, b = root[first], root[second]
        differs = a != b
        if not differs.any():
            break
        first, second, a, b = first[differs], second[differs], a[differs], b[differs]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while True:  # every place points straight at its root again
            shorter = root[root]
            if np.array_equal(shorter, root):
                break
            root = shorter
    return np.where(flat >= 0, root, -1).reshape(shape)
