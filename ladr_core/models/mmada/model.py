"""MMaDA: token ids and sequence layout for text-to-image (arXiv 2505.15809; github.com/Gen-Verse/MMaDA)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...errors import CheckpointError, InputError
from ...token_grid import TokenGrid
from ...vq.contract import VQTokenizer
from ..contract import Prompt
from ..llada import LLaDATransformer
from ..lumina_dimoo.prompts import TEXT_TO_IMAGE
from ..sequence import SequenceDenoiser, TokenSequence, VocabularySlice
from ..text_tokenizer import TextTokenizer
from .padded import PaddedDenoiser

logger = logging.getLogger(__name__)

PUBLISHED_GRID = TokenGrid(32, 32)  # 512 x 512 pixels


@dataclass(frozen=True)
class MMaDAIds:
    """Token ids of MMaDA, and the room its layout gives to text.

    The published code takes the image offset from the length of the tokenizer; it is a constant here, because a
    tokenizer with one token more would shift every image token.
    """

    begin_text: int = 126080
    end_text: int = 126081
    begin_image: int = 126084
    end_image: int = 126085
    text_to_image: int = 126088
    mask: int = 126336
    image_offset: int = 126349
    codebook_size: int = 8192
    text_length: int = 512

    @property
    def vocabulary(self) -> VocabularySlice:
        """Where the codebook lies."""
        return VocabularySlice(self.codebook_size, self.image_offset, self.mask)


def text_part(text_ids: Sequence[int], ids: MMaDAIds) -> list[int]:
    """Task token, begin of text, text, end of text: at most text_length + 1 ids, the text cut where there are more."""
    text = list(text_ids)
    if text[:1] != [ids.begin_text]:
        text.insert(0, ids.begin_text)
    part = [ids.text_to_image, *text, ids.end_text]
    room = ids.text_length + 1
    return part if len(part) <= room else [*part[: room - 1], ids.end_text]


def image_sequence(text_ids: Sequence[int], cells: int, ids: MMaDAIds, *, stale_cells: int = 0) -> TokenSequence:
    """The sequence of a prompt's token ids and N cells.

    The published layout pads the text on the left and hides the padding; leaving it out and counting positions from
    where the text would begin is the same, shorter.
    """
    part = text_part(text_ids, ids)
    tokens = torch.tensor([*part, ids.begin_image, *([ids.mask] * cells), ids.end_image])
    positions = torch.arange(len(part) + 1, len(part) + 1 + cells)
    return TokenSequence(tokens, positions, first_position=ids.text_length + 1 - len(part), stale_cells=stale_cells)


class MMaDA:
    """The loaded model; see `ladr_core.models.contract.DLLM`."""

    name = "mmada"

    def __init__(
        self,
        transformer: LLaDATransformer,
        vq: VQTokenizer,
        tokenizer: TextTokenizer,
        ids: MMaDAIds = MMaDAIds(),
        grid: TokenGrid = PUBLISHED_GRID,
        padded: bool = False,
    ):
        self.transformer, self.vq, self.tokenizer, self.ids = transformer, vq, tokenizer, ids
        self.codebook_size, self.cell_pixels = ids.codebook_size, vq.cell_pixels
        self.default_grid, self.padded = grid, padded
        rows, needed = transformer.config.embedding_size, ids.image_offset + ids.codebook_size
        if rows < needed:
            raise CheckpointError(f"the embedding has {rows} rows, but MMaDA's image tokens end at {needed}.")
        if len(tokenizer) > ids.image_offset:
            logger.warning(
                "The tokenizer has %d tokens, but MMaDA's image tokens start at %d; is it MMaDA's own?",
                len(tokenizer), ids.image_offset,
            )  # fmt: skip

    def with_padding(self, padded: bool) -> MMaDA:
        """The same model with its text padded as published, or (False) without."""
        return MMaDA(self.transformer, self.vq, self.tokenizer, self.ids, self.default_grid, padded)

    def check_grid(self, grid: TokenGrid) -> None:
        """Raise InputError unless the grid is the one the model knows: its cells have no row markers."""
        if grid == self.default_grid:
            return
        side, own = self.cell_pixels, self.default_grid
        raise InputError(
            "width x height",
            f"{grid.width * side} x {grid.height * side} pixels ({grid})",
            f"{own.width * side} x {own.height * side} pixels for MMaDA",
            f"Set width to {own.width * side} and height to {own.height * side}, and upscale the picture afterward",
        )

    def fit_grid(self, width: int, height: int) -> TokenGrid:
        """The only grid it draws, whatever the size in pixels."""
        return self.default_grid

    def grid_notices(self, grid: TokenGrid) -> list[str]:
        """Nothing: other grids are refused."""
        return []

    def prompt_notices(self, text: str) -> list[str]:
        """What the model will not see of a prompt, one sentence each."""
        found, room = len(self.tokenizer.encode(text)), self.ids.text_length - 2
        if found <= room:
            return []
        return [f"The prompt has {found} tokens; MMaDA reads the first {room}."]

    def bind(
        self, prompts: Sequence[Prompt], negatives: Sequence[Prompt], grid: TokenGrid, *, device: Any
    ) -> SequenceDenoiser:
        """Bind the prompts of B images and as many negatives; an empty negative is the unconditional prompt."""
        self.check_grid(grid)
        branches = [[self._sequence(p, grid) for p in branch] for branch in (prompts, negatives)]
        kind = PaddedDenoiser if self.padded else SequenceDenoiser
        return kind(self.transformer, branches, self.ids.vocabulary, device)

    def _sequence(self, prompt: Prompt, grid: TokenGrid) -> TokenSequence:
        if prompt.reference_indices or prompt.task != TEXT_TO_IMAGE:
            raise InputError(
                "conditioning", f"the task {prompt.task!r}", "text-to-image for MMaDA",
                "Remove the edit task and the reference images, or load Lumina-DiMOO, which can edit",
            )  # fmt: skip
        text_ids = self.tokenizer.encode(prompt.text)
        if self.ids.mask in text_ids:
            raise InputError(
                "text", "a prompt that contains the mask token", "ordinary text", "Remove <|mdm_mask|> from the prompt"
            )
        return image_sequence(text_ids, grid.cells, self.ids)
