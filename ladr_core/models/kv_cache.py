"""KV cache: between full evaluations only the cells that were masked at the evaluation before are computed anew.

So every logit is fresh, whatever the sampler: those of the frontier and of all other masked cells. Kept are keys and
values of settled places, the prompt and the cells whose token has been computed once, until the image has become
denser by a given share of its cells. It goes by what changed, never by step numbers: LADR's steps are few and large.
By default they are kept to the end: on the built-in model renewing them gained nothing (docs/speed.md).
Related: dKV-Cache (arXiv 2505.15781), which keeps decoded tokens of text, and ML-Cache (arXiv 2510.06308).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from ..token_grid import MASKED, masked_positions
from .contract import Denoiser
from .sequence import SequenceDenoiser, _Layout

NEARLY_ALL = 0.85  # of a sequence: computing the rest too costs little and renews what is kept


def with_kv_cache(denoiser: Denoiser, refresh: float) -> Denoiser:
    """The same denoiser with a KV cache; raises InputError where it keeps something itself or pads its sequences."""
    if type(denoiser) is SequenceDenoiser:
        return KVCacheDenoiser(denoiser, refresh)
    raise InputError(
        "kv_cache",
        "true",
        "false with ml_cache, with padded text, and for a model that is not a dLLM of this pack",
        "Turn kv_cache off, or turn the other one off",
    )


class KVCacheDenoiser(SequenceDenoiser):
    """A SequenceDenoiser that keeps keys and values of settled places; each image is renewed at its own time.

    refresh: share of an image's cells that may become known before all of its places are computed anew; 0 computes all
    at each evaluation, which is exact.
    """

    def __init__(self, denoiser: SequenceDenoiser, refresh: float):
        super().__init__(denoiser.transformer, denoiser._branches, denoiser.vocabulary, denoiser.device)
        self.refresh = refresh
        self.computed_places = 0  # of all sequences and evaluations so far
        self._sequences: list[tuple[int, int]] = []  # branch and row of each
        self._keys: list[Tensor] = []  # per layer [1, kv heads, L, head_dim], rotated
        self._values: list[Tensor] = []
        self._was_masked: dict[int, Tensor] = {}  # by row: [N] bool at the evaluation before
        self._masked_count: dict[int, int] = {}  # by row: how many these are
        self._masked_when_full: dict[int, int] = {}  # by row: masked cells when all places were computed last

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """See SequenceDenoiser."""
        layout, token_ids = self.arrange(codebook_indices, rows, guided)
        wanted, counts = self.wanted_positions(codebook_indices, layout)
        active: list[int] = rows.tolist()
        renewed = self._renewed(layout, active, counts[: len(active)], codebook_indices.shape[1])
        if len(renewed) == len(active):
            places, asked = None, list(layout.packed.lengths)
        else:
            places, asked = self._places(layout, active, renewed)
        copies = None if places is not None else self.copies(codebook_indices, rows, layout, step)
        if copies is None:
            hidden = self._run(token_ids, layout, places, asked, wanted, counts)
        else:
            asked = list(copies.layout.packed.lengths)
            token_ids = self.fill_in(copies.layout, codebook_indices[:1])
            wanted_once = self.wanted_positions(codebook_indices[:1], copies.layout)
            hidden = self._run(token_ids, copies.layout, None, asked, *wanted_once)
            self._keep_parts(asked, copies.of_sequence)
        self.computed_places += sum(asked)
        masked = codebook_indices == MASKED
        for place, row in enumerate(active):
            self._was_masked[row], self._masked_count[row] = masked[place], counts[place]
            if row in renewed:
                self._masked_when_full[row] = counts[place]
        return self.branch_logits(hidden, layout, guided, copies)

    def _renewed(self, layout: _Layout, active: list[int], masked: list[int], cells: int) -> set[int]:
        """The rows of which all places are computed; brings what is kept into the order of the layout."""
        sequences = [(branch, row) for branch in layout.branches for row in active]
        if not set(sequences) <= set(self._sequences):
            self._sequences = sequences
            return set(active)
        if sequences != self._sequences:
            self._keep(sequences)
        renewed = set()
        for place, row in enumerate(active):
            shortest = min(layout.packed.lengths[place :: len(active)])
            denser = self._masked_when_full[row] - masked[place]
            if denser > self.refresh * cells or self._masked_count[row] >= NEARLY_ALL * shortest:
                renewed.add(row)
        return renewed

    def _keep(self, sequences: list[tuple[int, int]]) -> None:
        """Drop keys and values of all other sequences: of images that are finished, and of a branch no longer asked."""
        lengths = [len(self._branches[branch][row].token_ids) for branch, row in self._sequences]
        numbers = {sequence: number for number, sequence in enumerate(self._sequences)}
        self._keep_parts(lengths, [numbers[sequence] for sequence in sequences])
        self._sequences = sequences

    def _keep_parts(self, lengths: list[int], numbers: list[int]) -> None:
        """Keep keys and values of the parts with these numbers, in this order; lengths: those of all parts now."""
        starts = [sum(lengths[:number]) for number in numbers]
        kept = torch.cat([torch.arange(start, start + lengths[n]) for start, n in zip(starts, numbers)])
        kept = kept.to(self.device)
        for layer in range(len(self._keys)):  # one at a time: the others are not alive twice
            self._keys[layer] = self._keys[layer][:, :, kept]
            self._values[layer] = self._values[layer][:, :, kept]

    def _places(self, layout: _Layout, active: list[int], renewed: set[int]) -> tuple[Tensor, list[int]]:
        """Places [S] to compute, ascending, and how many of them lie in each sequence."""
        lengths = layout.packed.lengths
        whole = [row in renewed for _ in layout.branches for row in active]
        chosen = torch.cat([torch.full((n,), every, dtype=torch.bool) for n, every in zip(lengths, whole)])
        chosen = chosen.to(self.device)
        was_masked = torch.stack([self._was_masked[row] for row in active]).flatten()
        cells = layout.cells.flatten()
        chosen[cells] |= was_masked.repeat(len(layout.branches))
        partly = [self._masked_count[row] for _ in layout.branches for row in active]
        asked = [length if every else some for length, every, some in zip(lengths, whole, partly)]
        return masked_positions(chosen, sum(asked)), asked

    def _run(
        self,
        token_ids: Tensor,
        layout: _Layout,
        places: Tensor | None,
        asked: list[int],
        wanted: Tensor,
        counts: list[int],
    ) -> Tensor:
        """Normalized hidden states at the wanted places; the places [S] (None = all) are computed and kept."""
        transformer, packed = self.transformer, layout.packed
        cos, sin = packed.rotary(transformer.config.head_dim, transformer.config.rope_theta)
        positions = packed.positions
        if places is None:
            self._keys, self._values = [], []
        else:
            token_ids, positions, cos, sin = token_ids[places], positions[places], cos[places], sin[places]
            wanted = torch.searchsorted(places, wanted)
        x = self.vocabulary_rows.embed(token_ids[None], positions)
        attention = packed.attention(transformer.attention, asked)
        *blocks, last = transformer.transformer["blocks"]
        for layer, block in enumerate(blocks):
            q, k, v = block.project(x, cos, sin)
            x = block.add_mlp(x + block.attend(q, *self._keep_layer(layer, places, k, v), None, attention))
        normed = last.attn_norm(x)
        keys, values = self._keep_layer(len(blocks), places, *last.keys_values(normed, cos, sin))
        q = last.queries(normed[:, wanted], cos[wanted], sin[wanted])
        attention = packed.attention(transformer.attention, counts)
        x = last.add_mlp(x[:, wanted] + last.attend(q, keys, values, None, attention))
        return transformer.transformer["ln_f"](x)[0]

    def _keep_layer(self, layer: int, places: Tensor | None, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of all places in this layer, those of the computed ones renewed."""
        if places is None:
            self._keys.append(k)
            self._values.append(v)
        else:
            self._keys[layer].index_copy_(2, places, k)
            self._values[layer].index_copy_(2, places, v)
        return self._keys[layer], self._values[layer]
