"""Batches for the emoji model's training: scenes, masks, exact targets, and the loss on them.

Half of the masks are random (see `transformer.mask_cells`); the others, where a scene has a caption, leave whole
places open (see `place_masks`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...models.builtin.layout import BuiltinLayout
from ..worlds.emoji.token_posterior import BETWEEN, PLACE_CELLS, TokenPosterior
from ..worlds.emoji.world import EmojiWorld
from ..worlds.scene import Caption, Scene
from .place_masks import open_places
from .transformer import CAPTION_DROPOUT, mask_cells, object_cells

CATEGORY_SHARES = {"single": 0.05, "two": 0.17, "counting": 0.36, "color": 0.07, "position": 0.13, "attribution": 0.22}
PLACE_MASKS = 0.5
"""Share of the scenes with a caption whose masks leave whole places open."""
LEAST_CELLS = 8
"""Masked cells below which a scene counts less."""


@dataclass
class Batch:
    """Known cells [B, N] (-1 = masked), texts [B, 24], and the sparse targets of the masked cells that are kept.

    kept [n]: the cells that the network sees at all; the others count as masked, and nothing is asked of them.
    rows: which of the masked and kept cells, row-major over the batch, each of the codes [E] with its share belongs to.
    """

    texts: Tensor
    masked: Tensor
    kept: Tensor
    rows: Tensor
    codes: Tensor
    shares: Tensor


class Scenes:
    """Random batches of the world with their exact targets."""

    def __init__(self, world: EmojiWorld, posterior: TokenPosterior, layout: BuiltinLayout, rng: np.random.Generator):
        self.world, self.posterior, self.layout, self.rng = world, posterior, layout, rng

    def captions(self, count: int) -> list[tuple[Scene, Caption]]:
        """Scenes with captions in the shares of CATEGORY_SHARES."""
        return [self.world.sample_with_caption(self.rng, category) for category in self._categories(count)]

    def some_captions(self, count: int) -> list[tuple[Scene, Caption | None]]:
        """Scenes of which some have no caption; only those show combinations that no caption may name.

        So every code is seen, and what is held out is a combination of words.
        """
        drawn: list[tuple[Scene, Caption | None]] = []
        for category in self._categories(count):
            if self.rng.random() < CAPTION_DROPOUT:
                drawn.append((self.world.sample(self.rng, category, unnamed=True), None))
            else:
                drawn.append(self.world.sample_with_caption(self.rng, category))
        return drawn

    def _categories(self, count: int) -> np.ndarray:
        return self.rng.choice(list(CATEGORY_SHARES), count, p=list(CATEGORY_SHARES.values()))

    def kept_cells(self, share: float) -> np.ndarray:
        """Random cells [n], ascending: a share of a place's, the same of all places, and half that share of the others.

        So places can be counted by their cells as in a whole picture.
        """
        likely = np.full(self.layout.height * self.layout.width, float(share))
        if share < 1:
            likely[BETWEEN] /= 2
            size = PLACE_CELLS.shape[1]
            likely[PLACE_CELLS] = self.rng.permutation(size) < max(1, round(share * size))
        return (self.rng.random(len(likely)) < likely).nonzero()[0]

    def random_masks(self, count: int, share: float = 1.0) -> Batch:
        """Scenes with a random part masked, of which the network sees a share; some captions are dropped."""
        pairs = self.some_captions(count)
        scenes, captions = [scene for scene, _ in pairs], [caption for _, caption in pairs]
        indices = torch.from_numpy(np.stack([self.posterior.tokens(scene) for scene in scenes]))
        objects = object_cells(scenes, captions, self.layout.height, self.layout.width)
        masked = mask_cells(indices, self.layout.height, self.rng, objects).numpy()
        for row in (self.rng.random(count) < PLACE_MASKS).nonzero()[0]:
            if captions[row] is not None:  # only exact targets hold for a mask that looks at the picture
                masked[row] = open_places(scenes[row], indices[row].numpy(), self.rng)
        return self.batch(scenes, captions, masked, self.kept_cells(share), indices.numpy())

    def batch(self, scenes: list[Scene], captions: list[Caption | None], masked: np.ndarray, seen: np.ndarray,
              indices: np.ndarray | None = None) -> Batch:
        """The targets of masked [B, N] where cells `seen` are kept; rows that no scene fits are left out.

        indices [B, N]: needed where there is no caption.
        """
        keeps = np.zeros(masked.shape[1], bool)
        keeps[seen] = True
        masked = np.where(keeps, masked, -1)
        texts, kept, start = [], [], 0
        rows: list[np.ndarray] = []
        codes: list[np.ndarray] = []
        shares: list[np.ndarray] = []
        for i, (scene, caption) in enumerate(zip(scenes, captions)):
            free = (masked[i] < 0) & keeps
            numbers = np.cumsum(free) - 1 + start
            if caption is None and indices is not None:
                cells = free.nonzero()[0]
                part = (numbers[cells], indices[i, cells], np.ones(len(cells)))
            elif caption is not None:
                entries = self.posterior.entries(scene, caption, masked[i])
                if entries is None:
                    continue
                asked = keeps[entries.cells]
                part = (numbers[entries.cells[asked]], entries.codes[asked], entries.shares[asked])
            start += int(free.sum())
            kept.append(i)
            texts.append(self.layout.encode_text(caption.text if caption else ""))
            for parts, values in zip((rows, codes, shares), part):
                parts.append(values)
        joined = [torch.from_numpy(np.concatenate(parts)) for parts in (rows, codes, shares)]
        return Batch(torch.tensor(texts), torch.from_numpy(masked[kept]), torch.from_numpy(seen), joined[0], joined[1],
                     joined[2].float())


def cross_entropy(logits: Tensor, batch: Batch) -> Tensor:
    """Mean cross-entropy of logits [M, K] against the batch's sparse targets; see `cell_weights`."""
    wanted = logits.new_zeros(len(logits)).index_add_(0, batch.rows, logits[batch.rows, batch.codes] * batch.shares)
    return ((logits.logsumexp(-1) - wanted) * cell_weights(batch)).sum()


def target_entropy(batch: Batch, codebook_size: int) -> float:
    """Mean entropy of the targets: the least cross-entropy there can be."""
    keys, inverse = torch.unique(batch.rows * codebook_size + batch.codes, return_inverse=True)
    merged = torch.zeros(len(keys)).index_add_(0, inverse, batch.shares)
    return float(-(merged * merged.clamp_min(1e-12).log() * cell_weights(batch)[keys // codebook_size]).sum())


def cell_weights(batch: Batch) -> Tensor:
    """Weights [M] of the masked cells that are kept, in all 1: every scene counts the same, however much it masks.

    A run decides as much late as early, when few cells are left (the weights of the likelihood's bound in masked
    diffusion, Sahoo et al., arXiv 2406.07524); scenes with fewer than LEAST_CELLS masked count less.
    """
    counts = (batch.masked[:, batch.kept] < 0).sum(1)
    weights = (1 / counts.clamp_min(LEAST_CELLS)).repeat_interleave(counts)
    return weights / weights.sum()
