"""The emoji world as the evaluation uses it: what its captions can say, and its checker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np

from ..scene import RELATIONS, Background, FoundObject, Scene, SceneObject
from .backgrounds import BACKGROUNDS
from .captions import plain_caption
from .checker import EmojiChecker
from .nouns import NATURAL
from .sprites import SPRITE_CELLS
from .world import COUNTS, PLACES, EmojiWorld, is_held_out

_CENTER, _LEFT, _RIGHT, _TOP, _BOTTOM = PLACES[4], PLACES[3], PLACES[5], PLACES[1], PLACES[7]
_ANYWHERE = {"single": [_CENTER], "color": [_CENTER], "two": [_LEFT, _RIGHT], "attribution": [_LEFT, _RIGHT],
             "counting": [_CENTER, _LEFT, _RIGHT, _TOP, _BOTTOM]}  # fmt: skip
_SIDES = {"left": [_LEFT, _RIGHT], "right": [_RIGHT, _LEFT], "above": [_TOP, _BOTTOM], "below": [_BOTTOM, _TOP]}


class JudgedEmoji(EmojiWorld):
    """See `JudgedWorld`."""

    @cached_property
    def _checker(self) -> EmojiChecker:
        return EmojiChecker(self.sprites)

    def plain_caption(self, scene: Scene) -> str:
        """The sentence that the evaluation uses."""
        return plain_caption(scene)

    def contents(self, category: str) -> Iterator[tuple]:
        """Everything that a caption of the category can say: tuples of nouns, colors, number, relation."""
        nouns = self.sprites.nouns
        pairs = [(a, b) for a in nouns for b in nouns if a != b]
        colored = [(noun, color) for noun in nouns for color in self.sprites.colors(noun)]
        if category == "single":
            yield from ((noun,) for noun in nouns)
        elif category == "color":
            yield from colored
        elif category == "counting":
            yield from ((noun, count) for noun in nouns for count in COUNTS)
        elif category == "two":
            yield from pairs
        elif category == "position":
            yield from ((a, b, relation) for a, b in pairs for relation in RELATIONS)
        else:
            yield from ((a, b, c, d) for a, c in colored for b, d in colored if a != b and c != d)

    def is_unseen(self, category: str, content: tuple) -> bool:
        """Whether the words of a caption are a combination that training never showed."""
        if category == "single":
            return False
        if category == "attribution":
            a, b, c, d = content
            return is_held_out(a, b) or is_held_out(a, c) or is_held_out(b, d)
        return is_held_out(*content[:2])

    def scene_of(self, category: str, content: tuple) -> Scene:
        """A scene with this content; what has no named color has its natural one."""
        nouns: tuple[str, ...] = content[:2] if category in ("two", "position", "attribution") else content[:1]
        colors: tuple[str, ...] = (NATURAL, NATURAL)
        relation = content[2] if category == "position" else None
        if category == "counting":
            nouns, colors = nouns * content[1], (NATURAL,) * content[1]
        elif category == "color":
            colors = content[1:]
        elif category == "attribution":
            colors = content[2:]
        places = _SIDES[relation] if relation else _ANYWHERE[category]
        objects = tuple(SceneObject(n, c, *place, SPRITE_CELLS) for n, c, place in zip(nouns, colors, places))
        return Scene(category, objects, Background(BACKGROUNDS[0]), relation)

    def with_content(self, scene: Scene, wanted: Scene) -> Scene:
        """The scene's places and background with the nouns and colors of another."""
        things = (
            replace(placed, shape=thing.shape, color=thing.color)
            for placed, thing in zip(scene.objects, wanted.objects)
        )
        return replace(scene, objects=tuple(things))

    def find_objects(self, pictures: np.ndarray) -> list[list[FoundObject]]:
        """Objects of each of the pictures, uint8 or float in 0 ... 255, [B, 256, 256, 3]; the most certain first."""
        return self._checker.find_objects(pictures)
