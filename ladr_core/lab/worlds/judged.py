"""The worlds that samplers are compared on, by the name that a built-in model's file gives."""

from __future__ import annotations

from functools import cache

from ...errors import InputError
from .scene import JudgedWorld
from .shapes.judged import JudgedShapes

SHAPES: JudgedWorld = JudgedShapes()
NAMES = ("shapes", "emoji")


@cache
def find_judged_world(name: str) -> JudgedWorld:
    """The world of that name; the emoji world needs its artwork (see `worlds/emoji/artwork.py`). Raises InputError."""
    if name == "shapes":
        return SHAPES
    if name == "emoji":
        from .emoji.judged import JudgedEmoji  # imported where it is asked for: it renders artwork

        return JudgedEmoji()
    given = f"a model of the world {name!r}"
    raise InputError("model", given, ", ".join(NAMES), "Give a built-in model of one of them")
