"""Attention within rows laid end to end, and how often its output is copied."""

import pytest
import torch

from ladr_core.models.llada import dot_product_attention
from ladr_core.models.packing import PackedRows

HEADS, WIDTH = 2, 4


@pytest.mark.parametrize(
    ("lengths", "counts"),
    [([5, 5], None), ([5], None), ([5, 3, 3], None), ([5, 3, 3], [2, 1, 1]), ([5, 3, 4], [2, 0, 1]), ([5, 5], [3, 3])],
)
def test_each_row_is_attended_alone_and_written_in_the_order_of_the_next_layer(lengths, counts):
    generator = torch.Generator().manual_seed(0)
    asked = counts or lengths
    q = torch.randn(1, HEADS, sum(asked), WIDTH, generator=generator)
    k, v = torch.randn(2, 1, HEADS, sum(lengths), WIDTH, generator=generator).unbind(0)
    packed = PackedRows(lengths, torch.zeros(sum(lengths)))
    got = packed.attention(dot_product_attention, counts)(q, k, v, None)
    rows = zip(q.split(asked, dim=2), k.split(lengths, dim=2), v.split(lengths, dim=2))
    expected = torch.cat([dot_product_attention(*row, None) for row in rows if row[0].shape[2]], dim=2)
    assert torch.equal(got, expected)
    if len(set(zip(asked, lengths))) > 1:  # written into one tensor: merging the heads copies nothing more
        assert got.transpose(1, 2).is_contiguous()
