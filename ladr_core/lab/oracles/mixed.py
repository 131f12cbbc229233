"""The mixed oracle: scenes of the shapes world on a texture. Parts are decided by few cells, parts are never sure.

The texture lies under the whole picture and objects hide it, so scene and texture are independent given which cells
show which: a known cell that shows texture says that no object lies there, and what it says of the texture is the same
for every scene that fits.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...token_grid import MASKED
from .contract import NEVER, Verdict
from .structured import StructuredOracle
from .texture import QuadtreeTexture, TextureLedger


class MixedOracle:
    """Scenes on a texture; codes are the texture's, then the shapes world's."""

    def __init__(self, fineness: int = 1) -> None:
        self.scenes = StructuredOracle(fineness)
        self.grid = self.scenes.grid
        self.texture = QuadtreeTexture(self.grid.height.bit_length() - 1)
        self.name = f"mixed {self.grid.height}"
        self.offset = self.texture.codebook_size
        self.codebook_size = self.offset + self.scenes.codebook_size
        posterior = self.scenes.posterior
        # The codes of an empty picture: where the scene shows one of these, the texture is seen. One background only,
        # as the texture says nothing of its tint.
        self.empty = torch.from_numpy(posterior._empty_codes)  # [V, 256]

    def begin(self, seeds: list[int]) -> MixedRun:
        """See Oracle."""
        return MixedRun(self, seeds)


class MixedRun:
    """A run of the mixed oracle."""

    def __init__(self, oracle: MixedOracle, seeds: list[int]) -> None:
        self._oracle, self._scenes = oracle, []
        scenes = oracle.scenes
        self.codebook_size, self.device = oracle.codebook_size, torch.device("cpu")
        self._variant: list[int] = []
        truth = []
        for seed in seeds:
            scene, caption = scenes.world.sample_with_caption(np.random.default_rng(seed))
            caption = type(caption)(caption.text, caption.names_colors, True)  # the tint is part of what is known
            self._scenes.append((scene, caption))
            self._variant.append(scenes.posterior.backgrounds.index(scene.background))
            codes = torch.from_numpy(scenes.posterior.tokens(scene))
            shown = scenes.fine(codes != oracle.empty[self._variant[-1]])
            texture = oracle.texture.draw(seed)
            truth.append(torch.where(shown, scenes.fine(codes) + oracle.offset, texture))
        self.truth = torch.stack(truth)
        self._ledger = TextureLedger(oracle.texture, len(seeds))
        self._dead = [False] * len(seeds)
        self._drawn_cells = torch.zeros(len(seeds))

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """See OracleRun."""
        places, oracle = rows.tolist(), self._oracle
        seen = torch.where(codebook_indices < oracle.offset, codebook_indices, MASKED)
        texture = oracle.texture.token_probabilities(self._ledger.see(places, seen))
        parts = []
        for place, row in enumerate(places):
            is_masked = codebook_indices[place] == MASKED
            if step == 0:
                self._drawn_cells[row] = is_masked.sum()
            objects = self._objects(row, codebook_indices[place])
            if objects is None:
                logits = torch.full((int(is_masked.sum()), self.codebook_size), float(np.log(NEVER)))
                logits[:, 0] = 0
            else:
                vacant = (1 - objects.sum(-1, keepdim=True)).clamp_min(0)
                probability = torch.cat([vacant * texture[place], objects], dim=-1)[is_masked]
                logits = probability.clamp_min(NEVER).log()
            parts.append(logits)
        return (torch.cat(parts),)

    def judge(self, drawn: Tensor) -> Verdict:
        """See OracleRun; the divergence is that of the texture, of the valid images."""
        seen = torch.where(drawn < self._oracle.offset, drawn, MASKED)
        self._ledger.see(list(range(len(drawn))), seen)
        valid = torch.tensor([float(self._objects(row, cells) is not None) for row, cells in enumerate(drawn)])
        cells = self._drawn_cells.clamp_min(1)
        counted = torch.where(valid > 0, cells, torch.nan)  # the rest of an impossible image is no draw
        return Verdict(valid, self._ledger.divergence / counted, self._ledger.bound / counted)

    def _objects(self, row: int, cells: Tensor) -> Tensor | None:
        """Probabilities [N, K'] of the codes of objects in each cell, None where the known cells fit no scene."""
        oracle, scenes = self._oracle, self._oracle.scenes
        if self._dead[row]:
            return None
        empty = oracle.empty[self._variant[row]]
        fine_empty = scenes.fine(empty)
        known = torch.where(cells >= oracle.offset, cells - oracle.offset, torch.where(cells >= 0, fine_empty, MASKED))
        code, agrees = scenes.coarse(known.numpy())
        exact = scenes.probabilities(self._scenes[row], known.numpy()) if agrees else None
        # An object's code that equals the empty one would be drawn as texture, so it is none.
        if exact is None or bool((cells - oracle.offset == fine_empty).any()):
            self._dead[row] = True
            return None
        found, coarse = torch.from_numpy(exact), torch.from_numpy(code)
        decided = coarse != MASKED
        found[decided] = 0
        found[decided, coarse[decided]] = 1
        found[torch.arange(len(empty)), empty] = 0
        return scenes.fine(found)
