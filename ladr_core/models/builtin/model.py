"""The built-in models: a small LLaDA transformer on a world of drawn scenes, 16 x 16 cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...errors import InputError
from ...prompt_notices import listed
from ...token_grid import MASKED, TokenGrid
from ...vq.patch_vq import PatchVQ
from ..contract import Prompt
from ..llada import LLaDATransformer
from ..sequence import SequenceDenoiser, TokenSequence, VocabularySlice
from .layout import TEXT_LENGTH, BuiltinLayout


class BuiltinDLLM:
    """The loaded built-in model; see `ladr_core.models.contract.DLLM`."""

    def __init__(self, transformer: LLaDATransformer, vq: PatchVQ, layout: BuiltinLayout):
        self.transformer, self.vq, self.layout = transformer, vq, layout
        self.name = "builtin-" + layout.world
        self.codebook_size, self.cell_pixels = layout.codebook_size, vq.cell_pixels
        self.default_grid = TokenGrid(layout.height, layout.width)

    def check_grid(self, grid: TokenGrid) -> None:
        """Raise InputError unless the grid is the one the model was trained on."""
        if grid != self.default_grid:
            width, height = self.default_grid.width * self.cell_pixels, self.default_grid.height * self.cell_pixels
            given = f"{grid.width * self.cell_pixels} x {grid.height * self.cell_pixels} pixels ({grid})"
            raise InputError("width x height", given, f"{width} x {height} pixels for the built-in model",
                             f"Set width to {width} and height to {height}, and upscale the picture afterward")

    def bind(
        self, prompts: Sequence[Prompt], negatives: Sequence[Prompt], grid: TokenGrid, *, device: Any
    ) -> SequenceDenoiser:
        """Bind the prompts of B images (and as many negatives), ready to predict on `device`."""
        self.check_grid(grid)
        branches = [self._sequences(prompts), self._sequences(negatives)]
        layout = self.layout
        vocabulary = VocabularySlice(self.codebook_size, layout.image_offset, layout.mask_token_id)
        return SequenceDenoiser(self.transformer, branches, vocabulary, device)

    def _sequences(self, prompts: Sequence[Prompt]) -> list[TokenSequence]:
        """The sequence of each prompt, all cells masked."""
        for prompt in {p.text: p for p in prompts}.values():
            if prompt.reference_indices or prompt.task != "text-to-image":
                raise InputError("conditioning", f"the task {prompt.task!r}", "text-to-image for the built-in model",
                                 "Remove the edit task and the reference images, or load a model that can edit")
        text_ids = torch.tensor([self.layout.encode_text(p.text) for p in prompts])
        masked = torch.full((len(prompts), self.default_grid.cells), MASKED)
        places = self.layout.cell_positions()
        return [TokenSequence(token_ids, places) for token_ids in self.layout.sequences(text_ids, masked)]

    def fit_grid(self, width: int, height: int) -> TokenGrid:
        """The only grid it draws, whatever the size in pixels."""
        return self.default_grid

    def grid_notices(self, grid: TokenGrid) -> list[str]:
        """Nothing: other grids are refused."""
        return []

    def prompt_notices(self, text: str) -> list[str]:
        """What the model will not see of a prompt, one sentence each."""
        words = self.layout.known_words(text)
        unknown = list(dict.fromkeys(word for word, known in words if not known))
        notices = []
        if unknown:
            notices.append(f"The built-in model does not know: {listed(unknown)}. It knows {len(self.layout.words)} "
                           "words, listed on the help page of Load dLLM.")
        if unknown and not any(known for _, known in words):
            notices.append("It knows no word of this prompt, so it chooses what to draw.")
        notices += self.layout.reading_notices(text)
        count = len(self.layout.word_ids(text))
        if count > TEXT_LENGTH:
            notices.append(f"The prompt has {count} words; the built-in model reads the first {TEXT_LENGTH}.")
        return notices
