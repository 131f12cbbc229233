"""Whether a picture shows what its caption says, by GenEval's rules (Ghosh et al., arXiv 2310.11513).

Only what the caption says counts: colors in `color` and `attribution`, sides in `position`, numbers in `counting`.
Further objects do no harm, as in GenEval, except in `counting`, where the number must be met exactly and no fragment
(an object without a recognizable shape) may be left over that could be one more.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..worlds.scene import FoundObject, Scene
from ..worlds.shapes.world import CELL_PIXELS, GRID

SMALLEST_OFFSET = 0.1 * GRID * CELL_PIXELS
"""Two objects stand in a relation when their centers are further apart than a tenth of the picture's width."""
_DIRECTIONS = {"left": (0, -1), "right": (0, 1), "above": (-1, 0), "below": (1, 0)}


def shows_scene(scene: Scene, found: Sequence[FoundObject]) -> bool:
    """Whether the objects found, the most certain first, are what the plain caption of the scene asks for."""
    if scene.category == "counting":
        wanted, fragments = scene.objects[0].shape, sum(thing.shape is None for thing in found)
        return fragments == 0 and sum(thing.shape == wanted for thing in found) == len(scene.objects)
    colored = scene.category in ("color", "attribution")
    certain = [_most_certain(found, thing.shape, thing.color if colored else None) for thing in scene.objects]
    if any(thing is None for thing in certain):
        return False
    if scene.category == "position":
        return stands_in_relation(certain[0], certain[1], scene.relation)
    return True


def stands_in_relation(first: FoundObject | None, second: FoundObject | None, relation: str | None) -> bool:
    """Whether the first object lies to the given side of the second: far enough, and more so than to any other side."""
    if first is None or second is None or relation is None:
        return False
    down, right = first.row - second.row, first.column - second.column
    toward_row, toward_column = _DIRECTIONS[relation]
    along = down * toward_row + right * toward_column
    across = abs(down * toward_column) + abs(right * toward_row)
    return along > SMALLEST_OFFSET and along > across


def _most_certain(found: Sequence[FoundObject], shape: str, color: str | None) -> FoundObject | None:
    return next((thing for thing in found if thing.shape == shape and color in (None, thing.color)), None)
