"""Places that an emoji scene can lie in: painted by rule, in 16-pixel tiles of which few differ."""

from __future__ import annotations

from functools import cache

import numpy as np

from .sprites import CELL_PIXELS

GRID = 16
HORIZON = 10
"""Row of cells at which the ground begins: between the middle and the lower places of objects."""

PLACE_PHRASES: dict[str, tuple[str, ...]] = {
    "sky": ("in the sky",),
    "sea": ("on the sea", "at sea"),
    "meadow": ("on a meadow", "on the meadow"),
    "night": ("at night", "in the night", "in the night sky", "under the night sky"),
    "sand": ("on the sand", "on sand"),
    "snow": ("in the snow", "on snow"),
    "room": ("in a room", "in the room"),
    "table": ("on a table", "on the table"),
}
"""What captions say of each background; the first is the plain form."""
BACKGROUNDS = tuple(PLACE_PHRASES)

_SIDE = GRID * CELL_PIXELS


def _gradient(top: tuple[int, int, int], bottom: tuple[int, int, int], rows: int) -> np.ndarray:
    """Colors [rows, 1, 3] that change evenly from top to bottom."""
    share = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    return np.array(top, np.float32) * (1 - share) + np.array(bottom, np.float32) * share


@cache
def background_pixels(name: str, scale: int = 1) -> np.ndarray:
    """The empty picture of a background, float32 [256 * scale, 256 * scale, 3] in 0 ... 255."""
    side = _SIDE * scale
    picture = np.empty((side, side, 3), np.float32)
    # In pixels of the unscaled picture, at the pixels' centers.
    row, column = (np.mgrid[0:side, 0:side] + 0.5) / scale - 0.5
    y, x = row % CELL_PIXELS, column % CELL_PIXELS
    at = HORIZON * CELL_PIXELS * scale
    upper, lower = picture[:at], picture[at:]
    if name == "sky":
        picture[:] = _gradient((104, 182, 240), (214, 238, 252), side)
    elif name == "sea":
        upper[:] = _gradient((168, 214, 244), (226, 242, 250), at)
        lower[:] = _gradient((52, 136, 196), (22, 84, 150), side - at)
        wave = 7 + 2.5 * np.sin(2 * np.pi * x / CELL_PIXELS)
        lower += 26 * np.exp(-(((y - wave) / 1.6) ** 2))[at:, :, None]
    elif name == "meadow":
        upper[:] = _gradient((150, 208, 246), (222, 240, 226), at)
        lower[:] = _gradient((140, 200, 88), (84, 156, 58), side - at)
        blade = (np.abs(x - 4 - (y - 8) * 0.2) < 1.3) & (y > 4) & (y < 12)
        blade |= (np.abs(x - 12 + (y - 8) * 0.2) < 1.3) & (y > 7) & (y < 15)
        lower -= 20 * blade[at:, :, None]
    elif name == "night":
        picture[:] = _gradient((20, 24, 62), (58, 56, 116), side)
        cell_row, cell_column = (row + 0.5) // CELL_PIXELS, (column + 0.5) // CELL_PIXELS
        star = ((cell_column + 2 * (cell_row % 2)) % 4 == 0) & (np.hypot(x - 7.5, y - 7.5) < 1.5)
        picture += 150 * star[..., None]
    elif name == "sand":
        upper[:] = _gradient((252, 226, 176), (255, 243, 218), at)
        lower[:] = _gradient((236, 204, 142), (214, 174, 108), side - at)
        lower -= 12 * (np.hypot(x - 5, y - 5) < 1.5)[at:, :, None] + 12 * (np.hypot(x - 12, y - 11) < 1.5)[at:, :, None]
    elif name == "snow":
        upper[:] = _gradient((158, 178, 204), (204, 216, 230), at)
        lower[:] = _gradient((250, 252, 255), (226, 236, 246), side - at)
    elif name == "room":
        upper[:] = np.array((244, 222, 214), np.float32)
        upper -= np.array((10, 16, 16), np.float32) * (x < CELL_PIXELS // 2 - 0.5)[:at, :, None]
        lower[:] = np.array((176, 128, 92), np.float32)
        lower -= 22 * (y < 0.5)[at:, :, None]
        lower[: 4 * scale] = 250
    elif name == "table":
        picture[:] = np.array((206, 160, 108), np.float32)
        picture -= 14 * np.exp(-(((y - 8 - 2 * np.sin(2 * np.pi * x / CELL_PIXELS)) / 1.5) ** 2))[..., None]
        picture -= 40 * ((row % (4 * CELL_PIXELS)) < 1.5)[..., None]
    else:
        raise KeyError(name)
    return np.rint(picture.clip(0, 255))
