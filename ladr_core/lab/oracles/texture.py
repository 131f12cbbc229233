"""The texture oracle: an exactly known texture whose tokens are never very probable, as those of a large codebook.

Hidden states live on a quadtree: a child equals its parent with probability 1 - e of its level, else it is drawn anew.
Each leaf shows one of a few synonyms of its state. Two passes of messages give every conditional exactly. For samplers
that choose cells before their tokens are drawn, the KL divergence of a step from the truth is
sum_i log p(x_i | O) - log p(x_S | O), and p(x_S | O) is a ratio of two evidences.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...token_grid import MASKED, TokenGrid
from .contract import Verdict, masked_rows

STATES = 16
SYNONYMS = (0.4, 0.3, 0.2, 0.1)
CHANGE = (0.5, 0.4, 0.3, 0.25, 0.2, 0.15)  # e, from the coarsest of six levels to the finest


class QuadtreeTexture:
    """Textures of 2**depth cells per side with STATES * len(SYNONYMS) codes."""

    def __init__(self, depth: int) -> None:
        self.side = 2**depth
        self.grid = TokenGrid(self.side, self.side)
        self.name = f"texture {self.side}"
        self.codebook_size = STATES * len(SYNONYMS)
        self.synonyms = torch.tensor(SYNONYMS)
        self._change = CHANGE[-depth:]
        index = torch.arange(self.side**2)
        row, column = torch.zeros_like(index), torch.zeros_like(index)
        for bit in range(depth):
            column |= ((index >> (2 * bit)) & 1) << bit
            row |= ((index >> (2 * bit + 1)) & 1) << bit
        self._raster = row * self.side + column  # cell of each leaf in tree order
        self._leaf = torch.empty_like(index)
        self._leaf[self._raster] = index

    def begin(self, seeds: list[int]) -> TextureRun:
        """See Oracle."""
        return TextureRun(self, torch.stack([self.draw(seed) for seed in seeds]))

    def draw(self, seed: int) -> Tensor:
        """An exact draw, tokens [N]."""
        generator = torch.Generator().manual_seed(seed)
        state = torch.randint(STATES, (1,), generator=generator)
        for change in self._change:
            state = state.repeat_interleave(4)
            anew = torch.rand(state.shape, generator=generator) < change
            state = torch.where(anew, torch.randint(STATES, state.shape, generator=generator), state)
        synonym = torch.multinomial(self.synonyms, len(state), replacement=True, generator=generator)
        return (state * len(SYNONYMS) + synonym)[self._leaf]

    def states(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of the hidden states [B, N, STATES] of cells that are masked in tokens [B, N], and the log
        evidence [B] of the states of the others."""
        hidden = torch.where(tokens == MASKED, -1, tokens // len(SYNONYMS))[:, self._raster]
        known = torch.nn.functional.one_hot(hidden.clamp_min(0), STATES).float()
        message = torch.where((hidden == -1)[..., None], torch.ones(()), known)
        upward, evidence = [], torch.zeros(len(tokens))
        for change in reversed(self._change):
            sent = (1 - change) * message + change * message.mean(-1, keepdim=True)
            upward.append(sent)
            message = sent.reshape(len(tokens), -1, 4, STATES).prod(2)
            total = message.sum(-1, keepdim=True)
            message = message / total
            evidence += total.log().sum((1, 2))
        evidence += message.mean(-1).log().squeeze(1)
        down = torch.full((len(tokens), 1, STATES), 1 / STATES)
        for change, sent in zip(self._change, reversed(upward)):
            logs = sent.reshape(len(tokens), -1, 4, STATES).clamp_min(1e-30).log()
            siblings = logs.sum(2, keepdim=True) - logs
            top = down[:, :, None, :] * (siblings - siblings.amax(-1, keepdim=True)).exp()
            top = top / top.sum(-1, keepdim=True)
            down = ((1 - change) * top + change * top.mean(-1, keepdim=True)).reshape(len(tokens), -1, STATES)
        return down[:, self._leaf], evidence

    def token_probabilities(self, states: Tensor) -> Tensor:
        """Probabilities [..., K] of tokens given those of states [..., STATES]."""
        return (states[..., None] * self.synonyms).flatten(-2)


class TextureLedger:
    """The exact divergence of what a run draws, step by step."""

    def __init__(self, texture: QuadtreeTexture, batch: int) -> None:
        self._texture = texture
        self._before: list[tuple[Tensor, Tensor, Tensor] | None] = [None] * batch  # tokens, states, evidence
        self.divergence, self.bound = torch.zeros(batch), torch.zeros(batch)

    def see(self, rows: list[int], tokens: Tensor) -> Tensor:
        """Note the known tokens [b, N] (MASKED where unknown) of these images; their states [b, N, STATES]."""
        states, evidence = self._texture.states(tokens)
        for place, row in enumerate(rows):
            before = self._before[row]
            if before is not None:
                self._settle(row, before, tokens[place], evidence[place])
            self._before[row] = (tokens[place].clone(), states[place], evidence[place])
        return states

    def _settle(self, row: int, before: tuple[Tensor, Tensor, Tensor], after: Tensor, evidence: Tensor) -> None:
        tokens, states, earlier = before
        chosen = (tokens == MASKED) & (after != MASKED)
        if not bool(chosen.any()):
            return
        taken = (after[chosen] // len(SYNONYMS))[:, None]
        self.divergence[row] += states[chosen].gather(1, taken).log().sum() - (evidence - earlier)
        # Synonyms are independent of all else, so only the states' entropy counts.
        entropy = -(states[chosen] * states[chosen].clamp_min(1e-30).log()).sum(-1)
        self.bound[row] += entropy.sum() - entropy.max()


class TextureRun:
    """A run of the texture oracle."""

    def __init__(self, texture: QuadtreeTexture, truth: Tensor) -> None:
        self._texture, self.truth = texture, truth
        self.codebook_size, self.device = texture.codebook_size, torch.device("cpu")
        self._ledger = TextureLedger(texture, len(truth))
        self._expected = torch.zeros(self.codebook_size)
        self._drawn_cells = torch.zeros(len(truth))

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """See OracleRun."""
        states = self._ledger.see(rows.tolist(), codebook_indices)
        probability = self._texture.token_probabilities(states)
        if step == 0:
            self._expected = probability[codebook_indices == MASKED].sum(0)
            self._drawn_cells = (codebook_indices == MASKED).sum(1).float()
        return (masked_rows(probability, codebook_indices),)

    def judge(self, drawn: Tensor) -> Verdict:
        """See OracleRun."""
        self._ledger.see(list(range(len(drawn))), drawn)
        cells = self._drawn_cells.clamp_min(1)
        return Verdict(
            torch.ones(len(drawn)), self._ledger.divergence / cells, self._ledger.bound / cells,
            expected_histogram=self._expected,
        )  # fmt: skip
