"""States in the middle of the samplers' own runs, for training: what the network sees when it draws, mistakes included.

The runs are those of the averaged network; each gives a few of its states, labeled with the exact conditionals. States
that no scene fits, because a mistake lies in them, are dropped.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ...models.builtin.model import BuiltinDLLM
from ...models.contract import Prompt
from ...models.llada import LLaDATransformer
from ...presets import PRESETS
from ...sampling import ImageRequest, RunCallbacks, SamplerSetup, StepEvent, sample_tokens
from ...settings import SamplerSettings
from ..worlds.scene import Caption, Scene
from .transformer import MovingAverage, written_out_attention

if TYPE_CHECKING:
    from .emoji_batches import Batch, Scenes
    from .emoji_transformer import EmojiNetwork

SAMPLERS = ("baseline", "halton", "ladr")
STEPS = (12, 40)
"""Fewest and most steps of a run."""
RADII = (1, 2, 8)
STATES_PER_RUN = 6
MOST_MASKED = 0.97
"""The first states of all runs are alike: kept is one in which fewer cells than this share are masked."""


def random_setup(rng: np.random.Generator) -> SamplerSetup:
    """One of SAMPLERS with the presets' values, but for steps and radius, which are random."""
    sampler, preset = SAMPLERS[rng.integers(len(SAMPLERS))], PRESETS["balanced"]
    settings = replace(preset.settings, cfg=1.0, steps=int(rng.integers(STEPS[0], STEPS[1] + 1)))
    if sampler != "ladr":
        settings = replace(settings, cell_order=SamplerSettings().cell_order)
    return SamplerSetup(sampler, settings, replace(preset.rescue, radius=int(rng.choice(RADII))))


class _Tokenizer(nn.Module):
    """Stands where a built-in model has its image tokenizer: nothing is decoded here."""

    cell_pixels = 16


class TrajectoryStates:
    """A store of states, filled by new runs when it is empty."""

    def __init__(self, source: Scenes, model: EmojiNetwork, average: MovingAverage):
        self._source, self._model, self._average = source, model, average
        self._states: list[tuple[Scene, Caption, np.ndarray]] = []

    def draw(self, count: int) -> Batch:
        """A batch of up to `count` states in random order."""
        while len(self._states) < count:
            self._run(count)
        order = self._source.rng.permutation(len(self._states))
        chosen = [self._states[i] for i in order[:count]]
        self._states = [self._states[i] for i in order[count:]]
        scenes, captions = [s for s, _, _ in chosen], [c for _, c, _ in chosen]
        cells = np.arange(len(chosen[0][2]))
        return self._source.batch(scenes, captions, np.stack([masked for _, _, masked in chosen]), cells)

    @torch.no_grad()
    def _run(self, count: int) -> None:
        rng, layout = self._source.rng, self._source.layout
        pairs = self._source.captions(count)
        seen: list[Tensor] = []

        def keep(event: StepEvent) -> None:
            seen.append(event.codebook_indices.clone())

        model = self._current()
        setup = random_setup(rng)
        request = ImageRequest([Prompt(caption.text) for _, caption in pairs], [Prompt("")] * count, model.default_grid,
                               [int(seed) for seed in rng.integers(2**31, size=count)])  # fmt: skip
        sample_tokens(model, request, setup, callbacks=RunCallbacks(on_step=keep))
        cells = layout.height * layout.width
        for row, (scene, caption) in enumerate(pairs):
            for step in rng.permutation(len(seen))[:STATES_PER_RUN]:
                masked = seen[step][row].numpy()
                free = (masked < 0).sum()
                fits = 0 < free <= MOST_MASKED * cells and self._source.posterior.entries(scene, caption, masked)
                if fits:
                    self._states.append((scene, caption, masked))

    def _current(self) -> BuiltinDLLM:
        """The averaged network as a model that samplers can run."""
        weights = self._model.plain_weights(self._average.weights)
        transformer = LLaDATransformer(self._model.config, device="meta")
        transformer.load_state_dict(weights, assign=True)
        transformer.attention = written_out_attention
        tokenizer = _Tokenizer()
        return BuiltinDLLM(transformer.eval().requires_grad_(False), tokenizer, self._source.layout)  # type: ignore[arg-type]
