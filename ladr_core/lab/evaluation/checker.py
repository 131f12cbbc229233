"""Says which shapes of which colors a picture shows, by program: nearest colors, connected components, templates.

No network takes part. A pixel belongs to the palette color it is nearest to, or to the pale background; blurred rims
go to the object they surround; each component of one color is compared with the renderer's own masks. What fits none
of them (merged, broken, deformed or half-painted objects) is reported as an object without a shape.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..worlds.scene import FoundObject
from ..worlds.shapes.world import COLORS, SHAPES, inside
from .components import connected_components

COLOR_TOLERANCE = 62.0
"""Largest distance (RGB, 0 ... 255) of a pixel inside an object from its palette color; rims may lie further off."""
RIM_PIXELS = 3
"""How far a blurred rim may reach around the certain pixels of an object."""
SMALLEST_AREA = 48
"""Components of fewer pixels are specks and ignored; the smallest object rendered, a star, has 316."""
SMALLEST_SIDE, LARGEST_SIDE = 14, 72
"""Sides of a bounding box within which a component can be an object; those rendered have 23 to 30."""
SMALLEST_OVERLAP = 0.8
"""Intersection over union with the template from which on a component counts as the shape."""
SMALLEST_LEAD = 0.03
"""By how much that must exceed the overlap with any other template; circle and square alone overlap by 0.84."""
_PALETTE = np.array(list(COLORS.values()), np.float32)
_NAMES = tuple(COLORS)
_REACH = 1.6  # of the templates, in units of half a box
_AXIS = (np.arange(64) + 0.5) / 32 * _REACH - _REACH
_FALLBACK_BACKGROUND = (240.0, 240.0, 240.0)


def find_objects(pictures: np.ndarray) -> list[list[FoundObject]]:
    """Objects of each of the pictures, uint8 or float in 0 ... 255, [B, H, W, 3]; the most certain first."""
    labels = label_colors(pictures)
    numbers = connected_components(labels)
    return [_objects_of(picture_labels, picture_numbers) for picture_labels, picture_numbers in zip(labels, numbers)]


def label_colors(pictures: np.ndarray) -> np.ndarray:
    """Palette number of every pixel [B, H, W] of the pictures [B, H, W, 3], -1 for the background."""
    pixels = np.asarray(pictures, np.float32)
    # |x - c|^2 = |x|^2 - 2 x.c + |c|^2 in one matrix product
    distance = (pixels**2).sum(-1, keepdims=True) - 2 * pixels @ _PALETTE.T + (_PALETTE**2).sum(1)
    to_background = np.stack([((picture - _background_of(picture)) ** 2).sum(-1) for picture in pixels])
    nearest = distance.argmin(-1)
    nearest_distance = np.take_along_axis(distance, nearest[..., None], -1)[..., 0]
    certain = (nearest_distance <= COLOR_TOLERANCE**2) & (nearest_distance < to_background)
    labels = np.where(certain, nearest, -1)
    # A blurred edge runs through other palette colors (red on white through pink), but only as a thin line.
    labels = np.where(_equal_neighbors(labels) >= 5, labels, -1)
    for _ in range(RIM_PIXELS):
        labels = _grow(labels, distance, to_background)
    return labels


def _background_of(picture: np.ndarray) -> np.ndarray:
    """Median color of the pale pixels of a picture [H, W, 3]."""
    pale = picture[picture.min(-1) >= 150]
    return np.median(pale, axis=0) if len(pale) else np.array(_FALLBACK_BACKGROUND)


def _equal_neighbors(labels: np.ndarray) -> np.ndarray:
    """How many of the eight neighbors have a pixel's label, for [B, H, W]."""
    height, width = labels.shape[1:]
    padded = np.pad(labels, ((0, 0), (1, 1), (1, 1)), mode="edge")
    count = np.zeros(labels.shape, np.int8)
    for row in range(3):
        for column in range(3):
            if (row, column) != (1, 1):
                count += padded[:, row : row + height, column : column + width] == labels
    return count


def _grow(labels: np.ndarray, distance: np.ndarray, to_background: np.ndarray) -> np.ndarray:
    """Give unlabeled pixels beside labeled ones the nearest of those colors, if it is nearer than the background."""
    height, width = labels.shape[1:]
    padded = np.pad(labels, ((0, 0), (1, 1), (1, 1)), constant_values=-1)
    best = np.where(labels >= 0, -np.inf, to_background)
    grown = labels
    for row, column in ((0, 1), (2, 1), (1, 0), (1, 2)):
        neighbor = padded[:, row : row + height, column : column + width]
        offered = np.take_along_axis(distance, np.maximum(neighbor, 0)[..., None], -1)[..., 0]
        better = (neighbor >= 0) & (offered < best)
        grown, best = np.where(better, neighbor, grown), np.where(better, offered, best)
    return grown


def _objects_of(labels: np.ndarray, numbers: np.ndarray) -> list[FoundObject]:
    found = []
    names, counts = np.unique(numbers[numbers >= 0], return_counts=True)
    for number in names[counts >= SMALLEST_AREA]:
        rows, columns = np.nonzero(numbers == number)
        top, left, height, width = rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1
        mask = numbers[top : top + height, left : left + width] == number
        shape, overlap = match_shape(mask)
        color = _NAMES[labels[rows[0], columns[0]]]
        row, column = float(top + height / 2), float(left + width / 2)
        found.append(FoundObject(shape, color, row, column, int(height), int(width), len(rows), overlap))
    return sorted(found, key=lambda thing: -thing.overlap)


def match_shape(mask: np.ndarray) -> tuple[str | None, float]:
    """Shape that a mask [h, w] shows (None where none fits) and how much of it overlaps with the shape's template.

    Each template is laid over the mask's center of mass at the size that has the same area, so that worn tips and
    blurred rims do not shift it; the overlap is intersection over union.
    """
    templates, areas, centers = _templates()
    rows, columns = np.nonzero(mask)
    scale = np.sqrt(len(rows) / areas)  # pixels per unit of the template, one for each shape
    top, left = rows.mean() - centers[:, 0] * scale, columns.mean() - centers[:, 1] * scale
    at_row = np.rint(top[:, None] + _AXIS * scale[:, None]).astype(int)
    at_column = np.rint(left[:, None] + _AXIS * scale[:, None]).astype(int)
    height, width = mask.shape
    within = ((at_row >= 0) & (at_row < height))[:, :, None] & ((at_column >= 0) & (at_column < width))[:, None, :]
    seen = mask[at_row.clip(0, height - 1)[:, :, None], at_column.clip(0, width - 1)[:, None, :]] & within
    overlap = (templates & seen).sum((1, 2)) / (templates | seen).sum((1, 2))
    second, best = overlap.argsort()[-2:]
    clear = overlap[best] >= SMALLEST_OVERLAP and overlap[best] - overlap[second] >= SMALLEST_LEAD
    fits = clear and min(height, width) >= SMALLEST_SIDE and max(height, width) <= LARGEST_SIDE
    return (SHAPES[best] if fits else None), round(float(overlap[best]), 4)


@lru_cache(maxsize=1)
def _templates() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks [shapes, side, side] of the shapes in units of half a box, their areas and centers of mass [shapes, 2]."""
    row, column = np.meshgrid(_AXIS, _AXIS, indexing="ij")
    masks = np.stack([inside(shape, column, row) for shape in SHAPES])
    areas = masks.mean((1, 2)) * (2 * _REACH) ** 2
    centers = np.array([[row[mask].mean(), column[mask].mean()] for mask in masks])
    return masks, areas, centers
