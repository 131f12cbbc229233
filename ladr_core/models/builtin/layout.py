"""Token ids, words and sequence layout of the built-in models.

A sequence is 24 word tokens, the begin-of-image token, each of the 16 rows closed by a newline token, and the
end-of-image token. Its length never changes, so conditional and unconditional sequences share one batch exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from ...prompt_notices import split_words
from .reading import Reader

TEXT_LENGTH = 24
PAD, UNKNOWN, UNCONDITION = 0, 1, 2
FIRST_WORD = 3
SHAPES, EMOJI = "shapes", "emoji"
_SHAPES_SYNONYMS = {
    "grey": "gray", "disc": "circle", "disk": "circle", "ball": "circle", "box": "square", "rhombus": "diamond",
    "plus": "cross", "violet": "purple", "beneath": "under", "image": "picture", "photo": "picture",
    "drawing": "picture", "backdrop": "background", "stripes": "striped", "dots": "dotted", "checked": "checkered",
}


@dataclass(frozen=True)
class BuiltinLayout:
    """Where everything lies in the vocabulary and in the sequence of a built-in model.

    world: what it draws; synonyms: words that stand for one of `words`; skips_unknown: whether words that the model
    does not know are left out of the sequence, or keep their place in it as UNKNOWN.
    """

    words: tuple[str, ...]
    codebook_size: int
    height: int = 16
    width: int = 16
    world: str = SHAPES
    synonyms: Mapping[str, str] = field(default_factory=lambda: _SHAPES_SYNONYMS)
    skips_unknown: bool = False

    @property
    def begin_image(self) -> int:
        """Token id before the first row."""
        return FIRST_WORD + len(self.words)

    @property
    def end_image(self) -> int:
        """Token id after the last row."""
        return self.begin_image + 1

    @property
    def newline(self) -> int:
        """Token id that closes each row."""
        return self.begin_image + 2

    @property
    def mask_token_id(self) -> int:
        """Token id of a masked cell."""
        return self.begin_image + 3

    @property
    def image_offset(self) -> int:
        """Token id of codebook index 0."""
        return self.begin_image + 4

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids (V)."""
        return self.image_offset + self.codebook_size

    @property
    def sequence_length(self) -> int:
        """Number of tokens in a sequence (L)."""
        return TEXT_LENGTH + self.height * (self.width + 1) + 2

    def known_words(self, text: str) -> list[tuple[str, bool]]:
        """The words and signs of a prompt in order, as they are written, each with whether the model knows it."""
        words = split_words(text)
        if self._reader is not None:
            unknown = self._reader.read([plain for _, plain in words]).unknown
            return [(written, i not in unknown) for i, (written, _) in enumerate(words)]
        return [(written, self.synonyms.get(plain, plain) in self._ids) for written, plain in words]

    def reading_notices(self, text: str) -> list[str]:
        """What a prompt asks for that its words cannot say to the model, a sentence each."""
        return self._reader.read([plain for _, plain in split_words(text)]).notices if self._reader else []

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: FIRST_WORD + i for i, word in enumerate(self.words)}

    @cached_property
    def _reader(self) -> Reader | None:
        """Rephrases what people write; the shapes, and files of other worlds, read word by word."""
        return Reader(self.words, self.synonyms) if self.world == EMOJI and self.skips_unknown else None

    def word_ids(self, text: str) -> list[int]:
        """A token id for each Latin word of a prompt that is not skipped; other scripts and signs have none."""
        if self._reader is not None:
            return [self._ids[word] for word in self._reader.read([plain for _, plain in split_words(text)]).words]
        plain_words = (plain for _, plain in split_words(text) if plain)
        ids = [self._ids.get(self.synonyms.get(plain, plain), UNKNOWN) for plain in plain_words]
        return [number for number in ids if not self.skips_unknown or number != UNKNOWN]

    def encode_text(self, text: str) -> list[int]:
        """The 24 token ids of a prompt; an empty one is the unconditional prompt, a longer one loses its tail."""
        found = self.word_ids(text)[:TEXT_LENGTH] or [UNCONDITION]
        return found + [PAD] * (TEXT_LENGTH - len(found))

    def cell_positions(self) -> Tensor:
        """Sequence position [N] of each cell, row-major."""
        row, column = torch.meshgrid(torch.arange(self.height), torch.arange(self.width), indexing="ij")
        return (TEXT_LENGTH + 1 + row * (self.width + 1) + column).flatten()

    def sequences(self, text_ids: Tensor, codebook_indices: Tensor) -> Tensor:
        """Token ids [B, L] of text_ids [B, 24] and codebook_indices [B, N], -1 = masked."""
        batch = len(text_ids)
        tokens = torch.full((batch, self.sequence_length), self.newline, dtype=torch.int64, device=text_ids.device)
        tokens[:, :TEXT_LENGTH] = text_ids
        tokens[:, TEXT_LENGTH], tokens[:, -1] = self.begin_image, self.end_image
        cells = torch.where(codebook_indices < 0, self.mask_token_id, codebook_indices + self.image_offset)
        tokens[:, self.cell_positions().to(text_ids.device)] = cells
        return tokens
