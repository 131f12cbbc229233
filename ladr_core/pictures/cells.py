"""Painting the cells of a token grid at the size of a picture, with sharp edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..errors import InputError
from ..token_grid import TokenGrid
from .colors import UNKNOWN_COLORS, Color


@dataclass(frozen=True)
class Canvas:
    """Size of a painted grid in pixels."""

    grid: TokenGrid
    cell: int  # pixels along each side of a cell

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.grid.width * self.cell, self.grid.height * self.cell

    def paint(self, colors: np.ndarray) -> np.ndarray:
        """Pixels uint8 [h, w, 3] of one color per cell [H, W, 3]."""
        return self.spread(colors.astype(np.uint8))

    def spread(self, cells: np.ndarray) -> np.ndarray:
        """Each cell's value [H, W, ...] on all of its pixels [h, w, ...]."""
        return cells.repeat(self.cell, axis=0).repeat(self.cell, axis=1)

    def pixels(self, picture: Image.Image) -> np.ndarray:
        """Pixels uint8 [h, w, 3] of a picture at this size; enlarged with sharp edges, reduced smoothly."""
        larger = picture.width <= self.size[0]
        method = Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS
        return np.array(picture.convert("RGB").resize(self.size, method))

    def unknown(self) -> np.ndarray:
        """Pixels uint8 [h, w, 3] of a grid of which nothing is known."""
        rows, columns = np.indices((self.grid.height, self.grid.width))
        return self.paint(np.array(UNKNOWN_COLORS)[(rows + columns) % 2])

    def outline(self, pixels: np.ndarray, marked: np.ndarray, color: Color, fill: float = 0.3) -> None:
        """Frame the marked cells [H, W] in a color and tint their inside, in place."""
        line = max(1, self.cell // 8)
        inside = np.zeros((self.cell, self.cell), dtype=bool)
        if self.cell > 2 * line:
            inside[line:-line, line:-line] = True
        strength = np.tile(np.where(inside, fill, 1.0), (self.grid.height, self.grid.width))
        strength = (strength * self.spread(marked))[..., None]
        pixels[:] = (pixels * (1 - strength) + np.array(color) * strength + 0.5).astype(np.uint8)


def canvas_for(grid: TokenGrid, picture: Image.Image | None, least_width: int) -> Canvas:
    """A canvas of the picture's size, or enlarged by a whole number until it is `least_width` pixels wide.

    Raises InputError where the picture cannot be of this grid.
    """
    cell = 1 if picture is None else cell_pixels(grid, picture)
    return Canvas(grid, cell * max(1, -(-least_width // (grid.width * cell))))


def cell_pixels(grid: TokenGrid, picture: Image.Image) -> int:
    """Pixels of the picture along a cell; InputError where the picture cannot be of this grid."""
    cell = picture.width // grid.width
    if cell < 1 or (picture.width, picture.height) != (grid.width * cell, grid.height * cell):
        raise InputError(
            "report_json",
            f"the report of a grid of {grid} (height x width) beside a picture of "
            f"{picture.width} x {picture.height} pixels",
            "the report of the run that drew this picture",
            "Connect picture and report of the same run, and do not crop or stretch the picture before",
        )
    return cell


def check_batch(name: str, pictures: int, reported: int) -> None:
    """InputError where the number of pictures is not that of the report."""
    if pictures != reported:
        raise InputError(
            name,
            f"the report of {reported} {'picture' if reported == 1 else 'pictures'} beside {pictures}",
            "the report of the run that drew these pictures",
            "Connect picture and report of the same run, with all pictures of its batch",
        )
