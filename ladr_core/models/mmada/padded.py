"""Sequences padded to one length and the padding hidden, as published for MMaDA: the same numbers to the last bit.

Leaving the padding out, as SequenceDenoiser does, is faster and differs by rounding only, which 16-bit sampling shows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..sequence import SequenceDenoiser


class PaddedDenoiser(SequenceDenoiser):
    """A SequenceDenoiser that fills every sequence on its left up to its first rotary position."""

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """See SequenceDenoiser."""
        layout, token_ids = self.arrange(codebook_indices, rows, guided)
        wanted, _ = self.wanted_positions(codebook_indices, layout)
        lengths, positions = layout.packed.lengths, layout.packed.positions
        width = int(positions.max()) + 1
        row = torch.arange(len(lengths), device=self.device).repeat_interleave(
            torch.tensor(lengths, device=self.device)
        )
        padded = token_ids[:1].repeat(len(lengths), width)  # which token fills does not matter
        columns = torch.arange(width, device=self.device)
        dtype = self.transformer.compute_dtype or self.transformer.transformer["wte"].weight.dtype
        # Published as 1 for real keys instead of 0: the same weights, other roundings.
        key_bias = torch.full_like(padded, torch.finfo(dtype).min, dtype=dtype)
        padded[row, positions], key_bias[row, positions] = token_ids, 1.0
        hidden = self.transformer.run_blocks(self.vocabulary_rows.embed(padded, columns), columns, key_bias)
        # Logits of every position: in 16 bit a product with fewer rows may round differently.
        logits = self.vocabulary_rows.logits(hidden)
        return self.all_branches(logits[row[wanted], positions[wanted]], layout, guided)
