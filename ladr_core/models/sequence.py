"""Token sequences with a grid in them, and the denoiser that runs them through the transformer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..token_grid import MASKED, masked_positions
from .llada import LLaDATransformer
from .packing import PackedRows
from .vocabulary_rows import VocabularyRows


@dataclass(frozen=True)
class TokenSequence:
    """One sequence of L token ids on the CPU and the positions [N] of its grid cells in it, row-major and ascending."""

    token_ids: Tensor  # [L] int64; what stands at the cells does not matter
    cell_places: Tensor  # [N] int64
    first_position: int = 0  # rotary position of the first token
    stale_cells: int = 0  # so many of the first cells never leave the mask (a quirk of one upstream call)

    @property
    def content(self) -> tuple[Any, ...]:
        """The same for sequences that give the same logits to the same grid."""
        ids, places = self.token_ids.clone(), self.cell_places
        ids[places] = 0
        return self.first_position, self.stale_cells, tuple(ids.tolist()), tuple(places.tolist())


@dataclass(frozen=True)
class VocabularySlice:
    """Where the codebook lies in the vocabulary."""

    codebook_size: int
    image_offset: int  # token id of codebook index 0
    mask_token_id: int


@dataclass
class _Layout:
    """Sequences of the active rows of all wanted branches, end to end."""

    branches: tuple[int, ...]
    token_ids: Tensor  # [L]
    cells: Tensor  # [branches, b * N] positions in L
    stale: Tensor | None  # [branches, b, N] bool
    packed: PackedRows


@dataclass
class _Copies:
    """The sequences of a layout without those that are the same but for their cells; each is a branch of its own."""

    layout: _Layout
    of_sequence: list[int]  # which of the kept ones each sequence of the whole layout equals


class SequenceDenoiser:
    """A dLLM bound to the sequences of B images: `branches[k][i]` is branch k of image i (conditional first).

    All branches of a step run in one batch of rows laid end to end, so none is padded and weights are read once.
    """

    def __init__(
        self,
        transformer: LLaDATransformer,
        branches: Sequence[Sequence[TokenSequence]],
        vocabulary: VocabularySlice,
        device: Any,
    ):
        self.transformer = transformer
        self.vocabulary = vocabulary
        self.codebook_size = vocabulary.codebook_size
        self.device = torch.device(device)
        self._branches = branches
        self._left_out: frozenset[int] = frozenset()
        self._layouts: dict[tuple[tuple[int, ...], tuple[int, ...]], _Layout] = {}
        self._vocabulary_rows: VocabularyRows | None = None

    def leave_out(self, branches: frozenset[int]) -> None:
        """See LeavesOutBranches."""
        self._left_out = branches

    @property
    def vocabulary_rows(self) -> VocabularyRows:
        """Embedding and head for these sequences, made at the first network evaluation."""
        if self._vocabulary_rows is None:
            vocabulary = self.vocabulary
            token_ids = [sequence.token_ids for branch in self._branches for sequence in branch]
            token_ids.append(torch.tensor([vocabulary.mask_token_id]))
            self._vocabulary_rows = VocabularyRows(
                self.transformer, torch.cat(token_ids), vocabulary.image_offset, self.codebook_size, self.device
            )
        return self._vocabulary_rows

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """Logits [M, K] of each branch for the masked cells, row-major, in the dtype of the transformer."""
        layout, token_ids = self.arrange(codebook_indices, rows, guided)
        copies = self.copies(codebook_indices, rows, layout, step)
        if copies is not None:
            codebook_indices = codebook_indices[:1]
            token_ids = self.fill_in(copies.layout, codebook_indices)
        run = layout if copies is None else copies.layout
        wanted, counts = self.wanted_positions(codebook_indices, run)
        x = self.vocabulary_rows.embed(token_ids[None], run.packed.positions)
        hidden = self.transformer.run_packed(x, run.packed, wanted, counts)
        return self.branch_logits(hidden, layout, guided, copies)

    def arrange(self, codebook_indices: Tensor, rows: Tensor, guided: bool) -> tuple[_Layout, Tensor]:
        """The layout of the active rows, and its token ids [L] with the grids [b, N] written into them."""
        active = tuple(rows.tolist())
        wanted = [n for n in range(len(self._branches)) if n == 0 or (guided and n not in self._left_out)]
        layout = self._layout(active, tuple(wanted))
        return layout, self.fill_in(layout, codebook_indices)

    def fill_in(self, layout: _Layout, codebook_indices: Tensor) -> Tensor:
        """The token ids [L] of a layout with the grids [b, N] written into them."""
        vocabulary = self.vocabulary
        masked = codebook_indices == MASKED
        tokens = torch.where(masked, vocabulary.mask_token_id, codebook_indices + vocabulary.image_offset)
        tokens = tokens.expand(len(layout.cells), *tokens.shape)
        if layout.stale is not None:
            tokens = torch.where(layout.stale, vocabulary.mask_token_id, tokens)
        token_ids = layout.token_ids.clone()
        token_ids[layout.cells.flatten()] = tokens.flatten()
        return token_ids

    def copies(self, codebook_indices: Tensor, rows: Tensor, layout: _Layout, step: int) -> _Copies | None:
        """What of the first evaluation is the same for several images, which is then run once; None where nothing is.

        A batch of one prompt starts from equal grids, and so do the unconditional branches of any batch.
        """
        if step > 0 or len(rows) == 1 or not bool((codebook_indices == codebook_indices[:1]).all()):
            return None
        sequences = [self._branches[branch][row] for branch in layout.branches for row in rows.tolist()]
        kept: dict[tuple[Any, ...], int] = {}
        of_sequence = [kept.setdefault(sequence.content, len(kept)) for sequence in sequences]
        if len(kept) == len(sequences):
            return None
        different = [sequences[of_sequence.index(number)] for number in range(len(kept))]
        return _Copies(self._lay_out(different, tuple(range(len(kept))), 1), of_sequence)

    def wanted_positions(self, codebook_indices: Tensor, layout: _Layout) -> tuple[Tensor, list[int]]:
        """Positions of the masked cells of all branches, and how many lie in each sequence."""
        masked = codebook_indices == MASKED
        counts = masked.sum(dim=1).tolist()
        cells = masked_positions(masked, sum(counts))
        return layout.cells[:, cells].flatten(), counts * len(layout.cells)

    def branch_logits(
        self, hidden: Tensor, layout: _Layout, guided: bool, copies: _Copies | None = None
    ) -> tuple[Tensor, ...]:
        """Codebook logits [M, K] of each branch from the hidden states [computed branches * M, d], or of copies."""
        logits = self.vocabulary_rows.logits(hidden)
        if copies is not None:
            logits = logits.unflatten(0, (len(copies.layout.cells), -1))[copies.of_sequence].flatten(0, 1)
        return self.all_branches(logits, layout, guided)

    def all_branches(self, logits: Tensor, layout: _Layout, guided: bool) -> tuple[Tensor, ...]:
        """Logits [computed branches * M, K] by branch, the conditional ones in the place of those left out."""
        computed = dict(zip(layout.branches, logits.chunk(len(layout.branches))))
        return tuple(computed.get(n, computed[0]) for n in range(len(self._branches) if guided else 1))

    def _layout(self, active: tuple[int, ...], branches: tuple[int, ...]) -> _Layout:
        key = (active, branches)
        if key not in self._layouts:
            self._layouts.clear()  # rows that have finished do not come back
            self._layouts[key] = self._new_layout(active, branches)
        return self._layouts[key]

    def _new_layout(self, active: tuple[int, ...], branches: tuple[int, ...]) -> _Layout:
        sequences = [self._branches[branch][row] for branch in branches for row in active]
        return self._lay_out(sequences, branches, len(active))

    def _lay_out(self, sequences: Sequence[TokenSequence], branches: tuple[int, ...], images: int) -> _Layout:
        lengths = [len(s.token_ids) for s in sequences]
        starts = torch.tensor([0, *lengths]).cumsum(0)[:-1].tolist()
        cells = torch.cat([s.cell_places + start for s, start in zip(sequences, starts)])
        positions = torch.cat([torch.arange(len(s.token_ids)) + s.first_position for s in sequences])
        stale = torch.stack([torch.arange(len(s.cell_places)) < s.stale_cells for s in sequences])
        stale = stale.view(len(branches), images, -1)
        return _Layout(
            branches=branches,
            token_ids=torch.cat([s.token_ids for s in sequences]).to(self.device),
            cells=cells.view(len(branches), -1).to(self.device),
            stale=stale.to(self.device) if stale.any() else None,
            packed=PackedRows(lengths, positions.to(self.device)),
        )
