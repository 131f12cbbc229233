"""The shapes world as the evaluation uses it: what its captions can say, and its checker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...evaluation.checker import find_objects
from ..scene import RELATIONS, Background, FoundObject, Scene, SceneObject
from .captions import plain_caption
from .world import COLORS, COUNTS, OBJECT_CELLS, PLACES, SHAPES, ShapesWorld, is_held_out

_CENTER, _LEFT, _RIGHT, _TOP, _BOTTOM = PLACES[4], PLACES[3], PLACES[5], PLACES[1], PLACES[7]
_ANYWHERE = {"single": [_CENTER], "color": [_CENTER], "two": [_LEFT, _RIGHT], "attribution": [_LEFT, _RIGHT],
             "counting": [_CENTER, _LEFT, _RIGHT, _TOP, _BOTTOM]}  # fmt: skip
_SIDES = {"left": [_LEFT, _RIGHT], "right": [_RIGHT, _LEFT], "above": [_TOP, _BOTTOM], "below": [_BOTTOM, _TOP]}


class JudgedShapes(ShapesWorld):
    """See `JudgedWorld`."""

    def plain_caption(self, scene: Scene) -> str:
        """The sentence that the evaluation uses."""
        return plain_caption(scene)

    def contents(self, category: str) -> Iterator[tuple]:
        """Everything that a caption of the category can say: tuples of shapes, colors, number, relation."""
        pairs = [(a, b) for a in SHAPES for b in SHAPES if a != b]
        if category == "single":
            yield from ((shape,) for shape in SHAPES)
        elif category == "color":
            yield from ((shape, color) for shape in SHAPES for color in COLORS)
        elif category == "counting":
            yield from ((shape, count) for shape in SHAPES for count in COUNTS)
        elif category == "two":
            yield from pairs
        elif category == "position":
            yield from ((a, b, relation) for a, b in pairs for relation in RELATIONS)
        else:
            colors = [(c, d) for c in COLORS for d in COLORS if c != d]
            yield from ((a, b, c, d) for a, b in pairs for c, d in colors)

    def is_unseen(self, category: str, content: tuple) -> bool:
        """Whether the words of a caption are a combination that training never showed."""
        if category == "single":
            return False
        if category == "attribution":
            a, b, c, d = content
            return is_held_out(a, b) or is_held_out(a, c) or is_held_out(b, d)
        return is_held_out(*content[:2])

    def scene_of(self, category: str, content: tuple) -> Scene:
        """A scene with this content; colors the caption does not name are red and blue."""
        shapes: tuple[str, ...] = content[:2] if category in ("two", "position", "attribution") else content[:1]
        colors: tuple[str, ...] = ("red", "blue")
        relation = content[2] if category == "position" else None
        if category == "counting":
            shapes, colors = shapes * content[1], ("red",) * content[1]
        elif category == "color":
            colors = content[1:]
        elif category == "attribution":
            colors = content[2:]
        places = _SIDES[relation] if relation else _ANYWHERE[category]
        objects = tuple(SceneObject(s, c, *place, OBJECT_CELLS) for s, c, place in zip(shapes, colors, places))
        return Scene(category, objects, Background("white"), relation)

    def with_content(self, scene: Scene, wanted: Scene) -> Scene:
        """The scene's places and background with the shapes of another, and its colors where the caption says them."""
        named = wanted.category in ("color", "attribution")
        things = (
            replace(placed, shape=thing.shape, color=thing.color if named else placed.color)
            for placed, thing in zip(scene.objects, wanted.objects)
        )
        return replace(scene, objects=tuple(things))

    def find_objects(self, pictures: np.ndarray) -> list[list[FoundObject]]:
        """Objects of each of the pictures, uint8 or float in 0 ... 255, [B, 128, 128, 3]; the most certain first."""
        return find_objects(pictures)
