"""ML-Cache of Lumina-DiMOO: between full steps only the positions with the lowest image logits are computed anew.

Selection runs over the whole sequence, prompt included, as in the published code (arXiv 2510.06308, ML-Cache).
Kept are keys after rotation, values, the image logits of the cells and each position's highest image logit, which give
the same result as keeping all logits in a fraction of the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .llada import LLaDATransformer
from .sequence import SequenceDenoiser, TokenSequence, VocabularySlice, _Layout

ROWS_AT_ONCE = 1024  # positions projected on the codebook together


@dataclass(frozen=True)
class MLCacheSettings:
    """When every position is computed, and how many positions otherwise are not."""

    steps: int
    cache_ratio: float = 0.9
    refresh_interval: int = 5
    warmup_ratio: float = 0.3

    def is_full(self, step: int) -> bool:
        """Whether this step computes every position."""
        warmup = int(self.steps * self.warmup_ratio)
        return step <= warmup or (step - warmup) % self.refresh_interval == 0

    def is_partial(self, step: int) -> bool:
        """Whether there is such a step and it computes only some positions."""
        return step < self.steps and not self.is_full(step)


def select_places(highest_logits: Tensor, cache_ratio: float) -> Tensor:
    """Positions of one sequence to compute anew, bool [L], from each position's highest image logit [L]."""
    values = highest_logits.float()
    return values <= torch.quantile(values, 1 - cache_ratio)


@dataclass
class _State:
    """What is kept after a step, for the sequences of one layout laid end to end."""

    layout: _Layout
    keys: list[Tensor]  # per layer [1, kv heads, L, head_dim], rotated
    values: list[Tensor]
    logits: Tensor  # [cells of all branches + 1, K]; the last row takes those of all other positions
    row_of_place: Tensor  # [L] in logits
    highest: Tensor  # [L]

    def write_logits(self, hidden: Tensor, positions: Tensor, project: Callable[[Tensor], Tensor]) -> None:
        """Put what the hidden states [R, d] of the positions [R] project to into the logits and their maxima."""
        for part, where in zip(hidden.split(ROWS_AT_ONCE), positions.split(ROWS_AT_ONCE)):
            logits = project(part)
            self.highest[where] = logits.amax(dim=-1)
            self.logits[self.row_of_place[where]] = logits


class MLCacheDenoiser(SequenceDenoiser):
    """A SequenceDenoiser that reuses what it computed at earlier steps."""

    def __init__(
        self,
        transformer: LLaDATransformer,
        branches: Sequence[Sequence[TokenSequence]],
        vocabulary: VocabularySlice,
        device: Any,
        settings: MLCacheSettings,
    ):
        super().__init__(transformer, branches, vocabulary, device)
        self.settings = settings
        self.recomputed: list[list[int]] | None = None  # positions of each sequence in the last step; None = all
        self._state: _State | None = None

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """See SequenceDenoiser; a change of the active rows makes a step a full one."""
        layout, token_ids = self.arrange(codebook_indices, rows, guided)
        wanted, counts = self.wanted_positions(codebook_indices, layout)
        keep = self.settings.is_partial(step + 1)
        state = self._state
        if state is not None and state.layout is layout and not self.settings.is_full(step):
            selected, self.recomputed = self._select(state)
            self._run(token_ids, layout, state, selected)
        else:
            state, self._state, self.recomputed = None, None, None
            if not keep:
                x = self.vocabulary_rows.embed(token_ids[None], layout.packed.positions)
                hidden = self.transformer.run_packed(x, layout.packed, wanted, counts)
                return self.branch_logits(hidden, layout, guided)
            state = self._run_all(token_ids, layout)
        self._state = state if keep else None
        return self.all_branches(state.logits[state.row_of_place[wanted]], layout, guided)

    def _select(self, state: _State) -> tuple[Tensor, list[list[int]]]:
        """Positions [S] to compute anew in the whole layout, and the same within each sequence."""
        parts = state.highest.split(list(state.layout.packed.lengths))
        within = [select_places(part, self.settings.cache_ratio).nonzero().flatten() for part in parts]
        starts = [0]
        for part in parts:
            starts.append(starts[-1] + len(part))
        return torch.cat([w + start for w, start in zip(within, starts)]), [w.tolist() for w in within]

    def _run_all(self, token_ids: Tensor, layout: _Layout) -> _State:
        transformer = self.transformer
        cos, sin = layout.packed.rotary(transformer.config.head_dim, transformer.config.rope_theta)
        attention = layout.packed.attention(transformer.attention)
        x = self.vocabulary_rows.embed(token_ids[None], layout.packed.positions)
        keys, values = [], []
        for block in transformer.transformer["blocks"]:
            q, k, v = block.project(x, cos, sin)
            keys.append(k)
            values.append(v)
            x = x + block.attend(q, k, v, None, attention)
            x = block.add_mlp(x)
        hidden = transformer.transformer["ln_f"](x)[0]
        cells = layout.cells.numel()
        row_of_place = torch.full((len(hidden),), cells, device=hidden.device)
        row_of_place[layout.cells.flatten()] = torch.arange(cells, device=hidden.device)
        logits = hidden.new_empty(cells + 1, self.codebook_size)
        state = _State(layout, keys, values, logits, row_of_place, hidden.new_empty(len(hidden)))
        state.write_logits(hidden, torch.arange(len(hidden), device=hidden.device), self.vocabulary_rows.logits)
        return state

    def _run(self, token_ids: Tensor, layout: _Layout, state: _State, selected: Tensor) -> None:
        """Compute the selected positions against all keys, and write what they give into the state."""
        transformer, recomputed = self.transformer, self.recomputed or []
        cos, sin = layout.packed.rotary(transformer.config.head_dim, transformer.config.rope_theta)
        cos, sin = cos[selected], sin[selected]
        attention = layout.packed.attention(transformer.attention, [len(positions) for positions in recomputed])
        x = self.vocabulary_rows.embed(token_ids[None, selected], layout.packed.positions[selected])
        for i, block in enumerate(transformer.transformer["blocks"]):
            q, k, v = block.project(x, cos, sin)
            state.keys[i][:, :, selected] = k
            state.values[i][:, :, selected] = v
            x = x + block.attend(q, state.keys[i], state.values[i], None, attention)
            x = block.add_mlp(x)
        state.write_logits(transformer.transformer["ln_f"](x)[0], selected, self.vocabulary_rows.logits)
