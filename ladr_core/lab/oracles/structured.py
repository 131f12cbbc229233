"""The structured oracle: the shapes world's exact conditionals in place of the network.

A picture is valid where its finished tokens are a scene that the caption allows, so every invalid one is the sampler's
fault. `fineness` cuts each cell into as many cells per side, all of which show the code of the one they come from.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...models.builtin.loading import SHAPES_WEIGHTS, load_builtin
from ...token_grid import MASKED, TokenGrid
from ..worlds.scene import CATEGORIES, Caption, Scene
from ..worlds.shapes.token_posterior import TokenPosterior
from ..worlds.shapes.world import GRID, ShapesWorld
from .contract import NEVER, Verdict

_LEAST = 1e-6  # a row of probabilities that sums to less fits no scene


class StructuredOracle:
    """Scenes of all six categories in turn, on GRID * fineness cells per side."""

    def __init__(self, fineness: int = 1) -> None:
        self.fineness = fineness
        self.grid = TokenGrid(GRID * fineness, GRID * fineness)
        self.name = f"structured {self.grid.height}"
        self.world = ShapesWorld(("plain",))
        self.vq = load_builtin(SHAPES_WEIGHTS).vq
        self.posterior, self.codebook_size = TokenPosterior(self.world, self.vq), self.vq.codebook_size

    def begin(self, seeds: list[int]) -> StructuredRun:
        """See Oracle."""
        scenes = [
            self.world.sample_with_caption(np.random.default_rng(seed), CATEGORIES[seed % len(CATEGORIES)])
            for seed in seeds
        ]
        return StructuredRun(self, scenes)

    def coarse(self, cells: np.ndarray) -> tuple[np.ndarray, bool]:
        """Tokens [256] of the world's own grid, and whether cells of one block agree, of tokens [N]."""
        f = self.fineness
        if f == 1:
            return cells, True
        blocks = cells.reshape(GRID, f, GRID, f).transpose(0, 2, 1, 3).reshape(GRID * GRID, f * f)
        code = blocks.max(axis=1)
        return code, bool(((blocks == MASKED) | (blocks == code[:, None])).all())

    def fine(self, values: Tensor) -> Tensor:
        """Values [256, ...] of the world's own cells, repeated for the cells [N, ...] cut from them."""
        f = self.fineness
        if f == 1:
            return values
        grid = values.reshape(GRID, GRID, *values.shape[1:])
        return grid.repeat_interleave(f, 0).repeat_interleave(f, 1).reshape(-1, *values.shape[1:])

    def probabilities(self, scene: tuple[Scene, Caption], cells: np.ndarray) -> np.ndarray | None:
        """Exact probabilities [256, K] given the tokens [N], None where these fit no scene."""
        code, agrees = self.coarse(cells)
        if not agrees:
            return None
        with np.errstate(all="ignore"):
            found = self.posterior.probabilities(*scene, code)
        open_cells = found[code == MASKED]
        if not np.isfinite(found).all() or (len(open_cells) and open_cells.sum(1).min() < _LEAST):
            return None
        return found


class StructuredRun:
    """A run of the structured oracle."""

    def __init__(self, oracle: StructuredOracle, scenes: list[tuple[Scene, Caption]]) -> None:
        self._oracle, self.scenes = oracle, scenes
        self.codebook_size, self.device = oracle.codebook_size, torch.device("cpu")
        self.truth = torch.stack(
            [oracle.fine(torch.from_numpy(oracle.posterior.tokens(scene))) for scene, _ in scenes]
        )
        self._dead = [False] * len(scenes)
        self._expected = torch.zeros(oracle.codebook_size)

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """See OracleRun; an image whose known cells fit no scene is filled with code 0."""
        parts = []
        for cells, row in zip(codebook_indices, rows.tolist()):
            is_masked = cells == MASKED
            found = None if self._dead[row] else self._oracle.probabilities(self.scenes[row], cells.numpy())
            self._dead[row] = found is None
            if found is None:
                logits = torch.full((int(is_masked.sum()), self.codebook_size), float(np.log(NEVER)))
                logits[:, 0] = 0
            else:
                if self._oracle.fineness > 1:
                    code, _ = self._oracle.coarse(cells.numpy())
                    known = code != MASKED  # a block with one known cell is decided
                    found[known] = 0
                    found[known, code[known]] = 1
                probability = self._oracle.fine(torch.from_numpy(found))[is_masked]
                if step == 0:
                    self._expected += probability.sum(0)
                logits = probability.clamp_min(NEVER).log()
            parts.append(logits)
        return (torch.cat(parts),)

    def judge(self, drawn: Tensor) -> Verdict:
        """See OracleRun."""
        valid = [
            not dead and self._oracle.probabilities(scene, cells.numpy()) is not None
            for dead, scene, cells in zip(self._dead, self.scenes, drawn)
        ]
        unknown = torch.full((len(valid),), torch.nan)
        return Verdict(torch.tensor(valid, dtype=torch.float32), unknown, unknown, expected_histogram=self._expected)
