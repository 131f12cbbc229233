"""The rows of embedding and head that a run uses: a few thousand of 134,000, so the two tables may stay in RAM."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..leaf_weight import leaf_weight
from .llada import LLaDATransformer


class VocabularyRows:
    """Copies of a transformer's embedding rows of some tokens and head rows of the codebook, on the run's device.

    token_ids: on the CPU, all that a run may ask for, beside those of the codebook, which begins at token id `first`
    and has `count` codes. Made when the weights are in place, as a LoRA may change them.
    """

    def __init__(self, transformer: LLaDATransformer, token_ids: Tensor, first: int, count: int, device: Any):
        used = torch.cat((token_ids, torch.arange(first, first + count))).unique().to(device)
        self._transformer = transformer
        # Past the end for tokens that were not named, so that one of them is an error.
        self._row_of_token = torch.full((transformer.config.embedding_size,), len(used), device=device)
        self._row_of_token[used] = torch.arange(len(used), device=device)
        rows = transformer.transformer["wte"](used)
        self._embedding = rows if transformer.compute_dtype is None else rows.to(transformer.compute_dtype)
        self._head = leaf_weight(transformer.transformer["ff_out"], self._embedding[:0], slice(first, first + count))

    def embed(self, token_ids: Tensor, positions: Tensor) -> Tensor:
        """The same as LLaDATransformer.embed, for token ids [B, L] that were named."""
        return self._transformer.add_positions(F.embedding(self._row_of_token[token_ids], self._embedding), positions)

    def logits(self, hidden: Tensor) -> Tensor:
        """Codebook logits [..., K] of hidden states [..., d]."""
        return F.linear(hidden, self._head)
