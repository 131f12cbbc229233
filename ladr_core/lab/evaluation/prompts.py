"""The fixed prompts of the benchmark: GenEval's six categories, a tuning half and a reporting half that never mix.

Each half holds PER_CATEGORY prompts of each category, HELD_OUT of them with a combination of words that was kept out
of training. Where the world has too few different captions (8 shapes make 8 prompts of `single`), captions come again,
with other seeds; only those of `single` are in both halves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, islice

import numpy as np

from ..worlds.judged import SHAPES
from ..worlds.scene import CATEGORIES, JudgedWorld, Scene

HALVES = ("tuning", "reporting")
PER_CATEGORY = 24
HELD_OUT = 4
SEEDS_PER_PROMPT = 1000
"""Prompt p draws picture s with seed p * SEEDS_PER_PROMPT + s, whatever the sampler: prompts and seeds are paired."""
_SEED = 20260313


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


def evaluation_prompts(half: str, per_category: int = PER_CATEGORY,
                       world: JudgedWorld = SHAPES) -> list[EvaluationPrompt]:
    """Prompts of a half, category after category; fewer per category keep the share of held-out ones."""
    held_out = round(per_category * HELD_OUT / PER_CATEGORY)
    chosen = []
    for category in CATEGORIES:
        prompts = [prompt for prompt in _all_prompts(world) if prompt.half == half and prompt.category == category]
        unseen = [prompt for prompt in prompts if prompt.held_out][:held_out]
        seen = [prompt for prompt in prompts if not prompt.held_out][: per_category - len(unseen)]
        chosen += sorted(seen + unseen, key=lambda prompt: prompt.number)
    return chosen


def truth_scenes(prompt: EvaluationPrompt, count: int, world: JudgedWorld = SHAPES) -> list[Scene]:
    """Random scenes of the world that fit the prompt, the same at each call; the ceiling is measured on them."""
    rng = np.random.default_rng((_SEED, prompt.number))
    drawn = (world.sample(rng, prompt.category) for _ in iter(int, 1))
    fitting = islice((scene for scene in drawn if _fits(scene, prompt.scene)), count)
    return [world.with_content(scene, prompt.scene) for scene in fitting]


def _fits(scene: Scene, wanted: Scene) -> bool:
    return len(scene.objects) == len(wanted.objects) and scene.relation == wanted.relation


@lru_cache(maxsize=4)
def _all_prompts(world: JudgedWorld) -> tuple[EvaluationPrompt, ...]:
    prompts: list[EvaluationPrompt] = []
    for category_number, category in enumerate(CATEGORIES):
        rng = np.random.default_rng((_SEED, category_number))
        for held_out, count in ((False, PER_CATEGORY - HELD_OUT), (True, HELD_OUT)):
            contents = [content for content in world.contents(category)
                        if world.is_unseen(category, content) == held_out]
            contents = [contents[i] for i in rng.permutation(len(contents))]
            for half_number, half in enumerate(HALVES):
                own = contents if category == "single" else contents[half_number::2]
                # `single` has nothing to hold out: its prompts all count as seen.
                wanted = PER_CATEGORY if category == "single" else count
                for content in islice(cycle(own), wanted if own else 0):
                    scene = world.scene_of(category, content)
                    text = world.plain_caption(scene)
                    prompts.append(EvaluationPrompt(len(prompts), category, half, text, held_out, scene))
    return tuple(prompts)
