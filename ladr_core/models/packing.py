"""Rows of different lengths laid end to end: linear layers see no padding, attention stays within each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Attention = Callable[[Tensor, Tensor, Tensor, "Tensor | None"], Tensor]


def rotary_tables(positions: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine [..., L, head_dim / 2] in float32 for token positions [..., L] (Su et al., arXiv 2104.09864)."""
    exponents = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32) / head_dim
    angles = positions.float()[..., None] * (1.0 / theta**exponents)
    return angles.cos(), angles.sin()


def _split_rows(x: Tensor, rows: int) -> Tensor:
    """Turn x [1, heads, rows * l, head_dim] into [rows, heads, l, head_dim] without copying."""
    return x[0].unflatten(1, (rows, -1)).transpose(0, 1)


class PackedRows:
    """Lengths and token positions of rows that are packed into one sequence of L = sum(lengths) tokens."""

    def __init__(self, lengths: Sequence[int], positions: Tensor):
        self.lengths = tuple(lengths)
        self.positions = positions  # [L]
        self._tables: tuple[Tensor, Tensor] | None = None

    def rotary(self, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
        """Cosine and sine [L, head_dim / 2], computed once."""
        if self._tables is None:
            self._tables = rotary_tables(self.positions, head_dim, theta)
        return self._tables

    def attention(self, attention: Attention, counts: Sequence[int] | None = None) -> Attention:
        """Attention of packed queries, keys and values, row by row; neighbors of equal size go together.

        counts: queries of each row where not every token asks (L keys, sum(counts) queries); None = all of them.
        """
        queries = self.lengths if counts is None else tuple(counts)
        groups: list[tuple[int, int, int]] = []  # rows, queries of each, keys of each
        for asked, length in zip(queries, self.lengths):
            if groups and groups[-1][1:] == (asked, length):
                groups[-1] = (groups[-1][0] + 1, asked, length)
            else:
                groups.append((1, asked, length))

        def attend(q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None) -> Tensor:
            if len(groups) == 1:
                rows = groups[0][0]
                out = attention(_split_rows(q, rows), _split_rows(k, rows), _split_rows(v, rows), None)
                return out.transpose(1, 2).flatten(0, 1)[None].transpose(1, 2)
            # In the order of the linear layer that comes next, so that nothing is copied again on the way there.
            result = q.new_empty(q.shape[2], q.shape[1], q.shape[3])  # [queries, heads, head_dim]
            first_query, first_key = 0, 0
            for rows, asked, length in groups:
                after_query, after_key = first_query + rows * asked, first_key + rows * length
                if asked:
                    part_q = _split_rows(q[:, :, first_query:after_query], rows)
                    part_k = _split_rows(k[:, :, first_key:after_key], rows)
                    part_v = _split_rows(v[:, :, first_key:after_key], rows)
                    out = attention(part_q, part_k, part_v, None)  # [rows, heads, asked, head_dim]
                    result[first_query:after_query].unflatten(0, (rows, asked)).copy_(out.transpose(1, 2))
                first_query, first_key = after_query, after_key
            return result[None].transpose(1, 2)

        return attend
