"""The ceiling of the benchmark: how many rendered truths still pass after the image tokenizer has coded them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ...models.contract import DLLM
from ..worlds.scene import CATEGORIES
from .diversity import COLOR_IS_FREE, color_entropy, token_disagreement
from .prompts import EvaluationPrompt, truth_scenes
from .runner import judged_world, to_pictures
from .statistics import wilson
from .verdict import shows_scene


def measure_ceiling(
    model: DLLM, prompts: Sequence[EvaluationPrompt], repetitions: int, batch: int = 24
) -> dict[str, Any]:
    """Share of scenes that fit the prompts and pass, rendered and reconstructed, by category; and their diversity."""
    world = judged_world(model)
    jobs = [(prompt, scene) for prompt in prompts for scene in truth_scenes(prompt, repetitions, world)]
    rendered_passed: dict[str, list[bool]] = {category: [] for category in CATEGORIES}
    passed: dict[str, list[bool]] = {category: [] for category in CATEGORIES}
    tokens: dict[int, list[np.ndarray]] = {}
    colors: list[str] = []
    for start in range(0, len(jobs), batch):
        part = jobs[start : start + batch]
        pictures = np.stack([world.render(scene) for _, scene in part])
        pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            indices = model.vq.encode(pixels)
            again = to_pictures(model.vq.decode(indices))
        seen, seen_again = world.find_objects(pictures), world.find_objects(again)
        for (prompt, scene), before, after, cells in zip(part, seen, seen_again, indices):
            rendered_passed[prompt.category].append(shows_scene(prompt.scene, before))
            passed[prompt.category].append(shows_scene(prompt.scene, after))
            tokens.setdefault(prompt.number, []).append(cells.flatten().cpu().numpy())
            if prompt.category in COLOR_IS_FREE:
                colors += [thing.color for thing in scene.objects]
    return {
        "pictures": len(jobs),
        "rendered": {category: wilson(sum(p), len(p)).rounded() for category, p in rendered_passed.items() if p},
        "reconstructed": {category: wilson(sum(p), len(p)).rounded() for category, p in passed.items() if p},
        "overall": round(float(np.mean([np.mean(p) for p in passed.values() if p])), 4),
        "token_disagreement": token_disagreement(tokens.values()),
        "color_entropy": color_entropy(colors),
    }
