"""Embedding and head of the emoji model while it is trained: sums of learned parts, so codes learn from each other.

A code stands for a noun, a color and a cell of the sprite, or for a background and a row. Its rows of embedding and
head are the sums of the vectors of these parts and of a small one of its own; the exported model has plain tables.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..worlds.emoji.backgrounds import GRID
from ..worlds.emoji.codes import EMPTY, Codes


def code_parts(codes: Codes, codebook_size: int) -> tuple[Tensor, list[str]]:
    """Parts of each code, float32 [K, parts], and their names; a shared code has the mean of its uses."""
    names: dict[str, int] = {}
    rows: list[list[int]] = [[] for _ in range(codebook_size)]
    uses = np.zeros(codebook_size)

    def add(code: int, *parts: str) -> None:
        uses[code] += 1
        rows[code] += [names.setdefault(part, len(names)) for part in parts]

    for background, cells in codes.backgrounds.items():
        for cell, code in enumerate(cells):
            add(code, "background", "background " + background, f"row {cell // GRID}")
    for (noun, color), sprite in codes.sprites.items():
        for cell, code in enumerate(sprite):
            if code != EMPTY:
                add(code, "sprite", "noun " + noun, "color " + color, f"cell {cell}")
    table = torch.zeros(codebook_size, len(names))
    for code, parts in enumerate(rows):
        for part in parts:
            table[code, part] += 1 / uses[code]
    return table, list(names)


class FactoredTables(nn.Module):
    """Rows of words [words, d], and of codes as parts [K, parts] times part vectors plus an own vector each."""

    def __init__(self, parts: Tensor, words: int, width: int):
        super().__init__()
        self.parts: Tensor
        self.register_buffer("parts", parts, persistent=False)
        codes, features = parts.shape
        self.words = nn.Parameter(0.02 * torch.randn(words, width))
        self.part_embedding = nn.Parameter(0.02 * torch.randn(features, width))
        self.part_head = nn.Parameter(0.02 * torch.randn(features, width))
        self.own_embedding = nn.Parameter(torch.zeros(codes, width))
        self.own_head = nn.Parameter(0.002 * torch.randn(codes, width))

    def embedding(self) -> Tensor:
        """The embedding of all tokens [words + K, d]."""
        return torch.cat((self.words, self.parts @ self.part_embedding + self.own_embedding))

    def head(self) -> Tensor:
        """The head of the codes [K, d]."""
        return self.parts @ self.part_head + self.own_head
