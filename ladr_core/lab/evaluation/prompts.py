"""The fixed prompts of the benchmark: GenEval's six categories, a tuning half and a reporting half that never mix.

Each half holds PER_CATEGORY prompts of each category, HELD_OUT of them with a combination of words that was kept out
of training. Where the world has too few different captions (8 shapes make 8 prompts of `single`), captions come again,
with other seeds; only those of `single` are in both halves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import cycle, islice

import numpy as np

from ..worlds.scene import CATEGORIES, RELATIONS, Background, Scene, SceneObject
from ..worlds.shapes.captions import plain_caption
from ..worlds.shapes.world import COLORS, COUNTS, OBJECT_CELLS, PLACES, SHAPES, ShapesWorld, is_held_out

HALVES = ("tuning", "reporting")
PER_CATEGORY = 24
HELD_OUT = 4
SEEDS_PER_PROMPT = 1000
"""Prompt p draws picture s with seed p * SEEDS_PER_PROMPT + s, whatever the sampler: prompts and seeds are paired."""
_SEED = 20260313
_CENTER, _LEFT, _RIGHT, _TOP, _BOTTOM = PLACES[4], PLACES[3], PLACES[5], PLACES[1], PLACES[7]
_ANYWHERE = {"single": [_CENTER], "color": [_CENTER], "two": [_LEFT, _RIGHT], "attribution": [_LEFT, _RIGHT],
             "counting": [_CENTER, _LEFT, _RIGHT, _TOP, _BOTTOM]}  # fmt: skip
_SIDES = {"left": [_LEFT, _RIGHT], "right": [_RIGHT, _LEFT], "above": [_TOP, _BOTTOM], "below": [_BOTTOM, _TOP]}


@dataclass(frozen=True)
class EvaluationPrompt:
    """A caption, and a scene that fits it; `held_out` says whether training never showed this combination."""

    number: int
    category: str
    half: str
    text: str
    held_out: bool
    scene: Scene

    def seed(self, repetition: int) -> int:
        """Seed of one of the prompt's pictures."""
        return self.number * SEEDS_PER_PROMPT + repetition


def evaluation_prompts(half: str, per_category: int = PER_CATEGORY) -> list[EvaluationPrompt]:
    """Prompts of a half, category after category; fewer per category keep the share of held-out ones."""
    held_out = round(per_category * HELD_OUT / PER_CATEGORY)
    chosen = []
    for category in CATEGORIES:
        prompts = [prompt for prompt in _all_prompts() if prompt.half == half and prompt.category == category]
        unseen = [prompt for prompt in prompts if prompt.held_out][:held_out]
        seen = [prompt for prompt in prompts if not prompt.held_out][: per_category - len(unseen)]
        chosen += sorted(seen + unseen, key=lambda prompt: prompt.number)
    return chosen


def truth_scenes(prompt: EvaluationPrompt, count: int) -> list[Scene]:
    """Random scenes of the world that fit the prompt, the same at each call; the ceiling is measured on them."""
    rng = np.random.default_rng((_SEED, prompt.number))
    drawn = (ShapesWorld().sample(rng, prompt.category) for _ in iter(int, 1))
    return [_with_content(scene, prompt.scene) for scene in islice((s for s in drawn if _fits(s, prompt.scene)), count)]


def _fits(scene: Scene, wanted: Scene) -> bool:
    return len(scene.objects) == len(wanted.objects) and scene.relation == wanted.relation


def _with_content(scene: Scene, wanted: Scene) -> Scene:
    """The scene's places and background with the shapes of another, and its colors where the caption says them."""
    named = wanted.category in ("color", "attribution")
    things = (
        replace(placed, shape=thing.shape, color=thing.color if named else placed.color)
        for placed, thing in zip(scene.objects, wanted.objects)
    )
    return replace(scene, objects=tuple(things))


@lru_cache(maxsize=1)
def _all_prompts() -> tuple[EvaluationPrompt, ...]:
    prompts: list[EvaluationPrompt] = []
    for category_number, category in enumerate(CATEGORIES):
        rng = np.random.default_rng((_SEED, category_number))
        for held_out, count in ((False, PER_CATEGORY - HELD_OUT), (True, HELD_OUT)):
            contents = [content for content in _contents(category) if _is_unseen(category, content) == held_out]
            contents = [contents[i] for i in rng.permutation(len(contents))]
            for half_number, half in enumerate(HALVES):
                own = contents if category == "single" else contents[half_number::2]
                # `single` has nothing to hold out: its prompts all count as seen.
                wanted = PER_CATEGORY if category == "single" else count
                for content in islice(cycle(own), wanted if own else 0):
                    scene = _scene(category, content)
                    text = plain_caption(scene)
                    prompts.append(EvaluationPrompt(len(prompts), category, half, text, held_out, scene))
    return tuple(prompts)


def _contents(category: str) -> Iterator[tuple]:
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


def _is_unseen(category: str, content: tuple) -> bool:
    """Whether the words of a caption are a combination that training never showed."""
    if category == "single":
        return False
    if category == "attribution":
        a, b, c, d = content
        return is_held_out(a, b) or is_held_out(a, c) or is_held_out(b, d)
    return is_held_out(*content[:2])


def _scene(category: str, content: tuple) -> Scene:
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
