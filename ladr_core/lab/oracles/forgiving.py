"""Oracles that also read the tokens already known, and that tokens no scene allows do not stop, as a network would.

A known token counts as wrong with a small chance (SLIP), independently in each cell, so that tokens that contradict
each other still say something. A reading is the probability of a known token given all others that are known.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ...models.contract import Denoiser
from ...token_grid import MASKED
from ..worlds.scene import Caption, Scene
from ..worlds.shapes.token_posterior import TokenPosterior, allowed_places
from .contract import NEVER, Verdict, masked_rows
from .structured import StructuredOracle
from .texture import SYNONYMS, QuadtreeTexture

SLIP = 1e-6
_TRUTHS = 512  # exact draws that say how improbable a texture should be


class Reader(Denoiser, Protocol):
    """A denoiser that reads the known tokens in the evaluation that predicts the others."""

    readings: Tensor  # [B, N] probabilities, 1 where masked, of the last evaluation of each image


class ForgivingPosterior(TokenPosterior):
    """The posterior of the shapes world with slips."""

    def probabilities(self, scene: Scene, caption: Caption, masked: np.ndarray) -> np.ndarray:
        """See TokenPosterior; here the rows of known cells mean something too: their token given all that is known."""
        slip = math.log(SLIP)
        wrong = (masked >= 0) & (self._empty_codes != masked)  # [V, N]
        empty = wrong[:, self._place_cells].sum(-1)  # [V, P]
        fits = np.array([not caption.names_background or b == scene.background for b in self.backgrounds])
        base = slip * (wrong[:, self._between].sum(-1) + empty.sum(-1)) + np.where(fits, 0, -np.inf)
        at_places = masked[self._place_cells]
        gain = {
            shape: slip * (((at_places >= 0) & (self._object_codes[shape] != at_places)).sum(-1) - empty)
            for shape in {thing.shape for thing in scene.objects}
        }  # [C, V, P]: log weight of an object there beside nothing there
        if scene.category == "counting":
            weights = [self._several(scene, caption, gain)]
        elif len(scene.objects) == 1:
            thing = scene.objects[0]
            weights = [gain[thing.shape] + _log(self._colors(thing, caption))[:, None, None]]
        else:
            weights = self._two(scene, caption, gain)
        log_weights = [weight + base[:, None] for weight in weights]
        highest = max(weight.max() for weight in log_weights)
        exact = [np.exp(weight - highest) for weight in log_weights]
        things = len(scene.objects) if scene.category == "counting" else 1
        background = exact[0].sum((0, 2)) / things
        shapes = [thing.shape for thing in scene.objects]
        return self._spread(dict(zip(shapes, exact)), background)

    def _two(self, scene: Scene, caption: Caption, gain: dict[str, np.ndarray]) -> list[np.ndarray]:
        first, second = scene.objects
        colors = self._colors(first, caption)[:, None] & self._colors(second, caption)
        if not caption.names_colors:
            colors = colors & ~np.eye(len(colors), dtype=bool)
        one, two = gain[first.shape], gain[second.shape]
        highest = one.max(), two.max()
        share_one, share_two = np.exp(one - highest[0]), np.exp(two - highest[1])
        places = allowed_places(scene.relation).astype(float)
        for_one = np.einsum("cd,dvq,pq->cvp", colors.astype(float), share_two, places)
        for_two = np.einsum("cd,cvp,pq->dvq", colors.astype(float), share_one, places)
        return [one + _log(for_one) + highest[1], two + _log(for_two) + highest[0]]

    def _several(self, scene: Scene, caption: Caption, gain: dict[str, np.ndarray]) -> np.ndarray:
        """Log weights [C, V, P] of scenes with an object at the place and the others anywhere else."""
        thing, number = scene.objects[0], len(scene.objects)
        places = np.moveaxis(gain[thing.shape], -1, 0)  # [P, C, V]
        before, after = _sums_of_products(places, number), _sums_of_products(places[::-1], number)
        count = len(places)
        others = np.stack([
            np.logaddexp.reduce([before[p][k] + after[count - 1 - p][number - 1 - k] for k in range(number)])
            for p in range(count)
        ])  # fmt: skip
        return np.moveaxis(places + others, 0, -1) + _log(self._colors(thing, caption))[:, None, None]


def _sums_of_products(logs: np.ndarray, most: int) -> list[np.ndarray]:
    """Logs [most, ...] of the sums of all products of k = 0 ... most - 1 of the first n numbers, for each n = 0 ... P.

    logs [P, ...]: those of the numbers. (Elementary symmetric polynomials.)
    """
    sums = np.full((most, *logs.shape[1:]), -np.inf)
    sums[0] = 0
    found = [sums]
    for values in logs:
        sums = sums.copy()
        sums[1:] = np.logaddexp(sums[1:], sums[:-1] + values)
        found.append(sums)
    return found


def _log(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(values.astype(float))


class ForgivingScenes:
    """The structured oracle with slips; what is drawn is judged without."""

    def __init__(self, exact: StructuredOracle | None = None) -> None:
        self.exact = exact or StructuredOracle()
        self.posterior = ForgivingPosterior(self.exact.world, self.exact.vq)
        self.name, self.grid, self.codebook_size = self.exact.name, self.exact.grid, self.exact.codebook_size

    def begin(self, seeds: list[int]) -> ForgivingScenesRun:
        """See Oracle."""
        return ForgivingScenesRun(self, seeds)


class ForgivingScenesRun:
    """A run of it."""

    def __init__(self, oracle: ForgivingScenes, seeds: list[int]) -> None:
        self._posterior, self._exact = oracle.posterior, oracle.exact.begin(seeds)
        self._scenes = self._exact.scenes
        self.codebook_size, self.device, self.truth = oracle.codebook_size, torch.device("cpu"), self._exact.truth
        self.readings = torch.ones(self.truth.shape)
        self._expected = torch.zeros(self.codebook_size)

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """See OracleRun."""
        parts = []
        for cells, row in zip(codebook_indices, rows.tolist()):
            scene, caption = self._scenes[row]
            found = torch.from_numpy(self._posterior.probabilities(scene, caption, cells.numpy())).double()
            is_masked = cells == MASKED
            if bool(is_masked.all()):  # the first evaluation of the picture, whatever step the loop is in
                self._expected += found.sum(0).float()
            parts.append(found[is_masked].clamp_min(NEVER).log().float())
            own = found.gather(1, cells.clamp_min(0)[:, None])[:, 0]
            others = found.scatter(1, cells.clamp_min(0)[:, None], 0.0).sum(1)
            # Without the cell's own word, which is 1 for scenes that show its token and SLIP for the others.
            self.readings[row] = torch.where(is_masked, 1.0, own / (own + others / SLIP)).float()
        return (torch.cat(parts),)

    def judge(self, drawn: Tensor) -> Verdict:
        """See OracleRun."""
        return replace(self._exact.judge(drawn), expected_histogram=self._expected)


class ReadTexture:
    """The texture oracle with readings. What is drawn is judged by its surprisal, in the place of the divergence:

    - log p per cell, less that of exact draws. Above 0: improbable textures; below 0: too probable ones, which are as
    wrong. The divergence of `texture` follows the steps of a run, in which no token may be taken back.
    """

    def __init__(self, depth: int) -> None:
        self.texture = QuadtreeTexture(depth)
        self.name, self.grid, self.codebook_size = self.texture.name, self.texture.grid, self.texture.codebook_size

    @cached_property
    def expected(self) -> float:
        """The surprisal of exact draws."""
        truths = torch.stack([self.texture.draw(seed) for seed in range(10**6, 10**6 + _TRUTHS)])
        return float(torch.cat([self.surprisal(part) for part in truths.split(32)]).mean())

    def surprisal(self, tokens: Tensor) -> Tensor:
        """- log p per cell [B] of tokens [B, N]."""
        _, evidence = self.texture.states(tokens)
        synonyms = torch.tensor(SYNONYMS).log()[tokens % len(SYNONYMS)].sum(1)
        return -(evidence + synonyms) / tokens.shape[1]

    def begin(self, seeds: list[int]) -> ReadTextureRun:
        """See Oracle."""
        return ReadTextureRun(self, seeds)


class ReadTextureRun:
    """A run of it."""

    def __init__(self, oracle: ReadTexture, seeds: list[int]) -> None:
        self._oracle = oracle
        self.truth = torch.stack([oracle.texture.draw(seed) for seed in seeds])
        self.codebook_size, self.device = oracle.codebook_size, torch.device("cpu")
        self.readings = torch.ones(self.truth.shape)

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """See OracleRun."""
        texture = self._oracle.texture
        probability = texture.token_probabilities(texture.states(codebook_indices)[0])  # each without its own token
        own = probability.gather(-1, codebook_indices.clamp_min(0)[..., None])[..., 0]
        self.readings[rows] = torch.where(codebook_indices == MASKED, 1.0, own)
        return (masked_rows(probability, codebook_indices),)

    def judge(self, drawn: Tensor) -> Verdict:
        """See OracleRun."""
        unknown = torch.full((len(drawn),), torch.nan)
        return Verdict(torch.ones(len(drawn)), self._oracle.surprisal(drawn) - self._oracle.expected, unknown)


