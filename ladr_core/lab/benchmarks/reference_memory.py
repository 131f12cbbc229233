"""Bytes that one 1024 x 1024 picture of Lumina-DiMOO needs beside the layers, in its official code and in ours.

Computed from the sizes of the tensors that are alive at the peak of a run with guidance; nothing is run.
official_lumina.py writes the same sums beside what it measures at a reduced width, where they can be compared.

The official code projects every position on the whole vocabulary. Its peak is at the output head of a pass that
computes every position. In the conditional pass both such tensors of the step before are alive beside the new one, in
the unconditional pass one of them and the new conditional one; with ML-Cache also one of zeros, replaced at once, and
the keys and values so far. Ours projects the masked cells on the codebook. Its peak is in a block, with both branches
side by side and with ML-Cache their keys and values, or in guidance where the codebook is large for the width.

On the card the official code holds embedding, head and the image tokenizer while it samples. Ours copies the rows of
embedding and head that a run uses; ComfyUI loads the image tokenizer before and after.
"""

from __future__ import annotations

from typing import Any

PUBLISHED = {"d_model": 4096, "n_layers": 32, "mlp_hidden_size": 12288, "embedding_size": 134548}
PUBLISHED_CODEBOOK, PUBLISHED_SIDE = 8192, 64
PUBLISHED_IMAGE_TOKENIZER = 4 * 146_244_675  # in float32
PROMPT, UNCONDITIONAL = 100, 20  # tokens


def sequence_lengths(side: int) -> tuple[int, int]:
    """Tokens of the conditional and of the unconditional sequence: prompt, grid with row ends, four marks."""
    grid = side * (side + 1) + 4
    return PROMPT + grid, UNCONDITIONAL + grid


def official_bytes(sizes: dict[str, Any], codebook: int, side: int, itemsize: int, cache: bool) -> dict[str, int]:
    """Parts of the official code's peak."""
    first, second = sequence_lengths(side)
    # Old ones, the new one, and zeros; then keys and values of how many tokens.
    moments = [
        (first, [first, second, first, first if cache else 0], first if cache else 0),
        (second, [second, first, second, second if cache else 0], first + second if cache else 0),
    ]
    parts = [
        {
            "full-vocabulary logits": sum(logits) * sizes["embedding_size"] * itemsize,
            "image logits": 4 * side**2 * codebook * itemsize,  # of both branches, combined, and as probabilities
            "keys and values": _keys_and_values(sizes, kept, itemsize),
            "attention bias": tokens**2 * (4 + 1),  # in float32 and as a mask
            "activations": 2 * tokens * sizes["d_model"] * itemsize,
        }
        for tokens, logits, kept in moments
    ]
    return max(parts, key=lambda moment: sum(moment.values()))


def our_bytes(sizes: dict[str, Any], codebook: int, side: int, itemsize: int, cache: bool) -> dict[str, int]:
    """Parts of our code's peak."""
    both = sum(sequence_lengths(side))
    # At most ten of the width in a norm: input twice, queries, keys and values, and the norm in float32. With ML-Cache
    # four fewer, as keys and values count elsewhere.
    block = both * (6 if cache else 10) * sizes["d_model"] * itemsize
    # Of both branches, combined, and one product; with ML-Cache also kept for the cells of both.
    guidance = side**2 * codebook * itemsize * (6 if cache else 4)
    return {
        "full-vocabulary logits": 0,
        "image logits": guidance if guidance > block else 0,
        "keys and values": _keys_and_values(sizes, both if cache else 0, itemsize),
        "attention bias": 0,
        "activations": block if block >= guidance else 0,
    }


def _keys_and_values(sizes: dict[str, Any], tokens: int, itemsize: int) -> int:
    return 2 * tokens * sizes["n_layers"] * sizes["d_model"] * itemsize


def published_sums(cache: bool) -> dict[str, dict[str, int]]:
    """The parts for the published sizes in bfloat16 at 1024 x 1024 pixels."""
    row = 2 * PUBLISHED["d_model"] * 2  # of embedding and head
    rows = {"official": PUBLISHED["embedding_size"], "ours": PUBLISHED_CODEBOOK + PROMPT + UNCONDITIONAL}
    tokenizer = {"official": PUBLISHED_IMAGE_TOKENIZER, "ours": 0}
    found = {}
    for kind, sums in (("official", official_bytes), ("ours", our_bytes)):
        parts = sums(PUBLISHED, PUBLISHED_CODEBOOK, PUBLISHED_SIDE, 2, cache)
        held = {"embedding and head": rows[kind] * row, "image tokenizer": tokenizer[kind]}
        found[kind] = held | parts
    return found


if __name__ == "__main__":
    for with_cache in (False, True):
        for kind, parts in published_sums(with_cache).items():
            listed = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in parts.items())
            print(f"ML-Cache {with_cache}, {kind}: {listed}; together {sum(parts.values()) / 1e9:.2f} GB")
