"""Lumina-DiMOO: token ids, sequence layouts and grids (arXiv 2510.06308; github.com/Alpha-VLLM/Lumina-DiMOO)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...errors import CheckpointError, InputError
from ...token_grid import TokenGrid
from ...vq.contract import VQTokenizer
from ..contract import Prompt
from ..llada import LLaDATransformer
from ..ml_cache import MLCacheDenoiser, MLCacheSettings
from ..sequence import SequenceDenoiser, TokenSequence, VocabularySlice
from ..text_tokenizer import TextTokenizer
from .image_sizes import drawing_notice
from .prompts import TEXT_TO_IMAGE, UNCONDITION, conditional_prompt, reference_count, unconditional_prompt

logger = logging.getLogger(__name__)

MOST_CELLS = 128 * 128  # four times the largest grid the model was trained on
LONGEST_PROMPT = 4096  # token ids; the model was trained on sequences of at most 5120 with the image


@dataclass(frozen=True)
class LuminaIds:
    """Token ids of Lumina-DiMOO."""

    newline: int = 126084
    mask: int = 126336
    begin_image: int = 126349
    end_image: int = 126350
    uncondition: int = 126351
    begin_answer: int = 126354
    end_answer: int = 126355
    image_offset: int = 126356
    codebook_size: int = 8192

    @property
    def vocabulary(self) -> VocabularySlice:
        """Where the codebook lies."""
        return VocabularySlice(self.codebook_size, self.image_offset, self.mask)


def grid_tokens(token_ids: Tensor, newline: int) -> Tensor:
    """Token ids [H, W] row by row, each row closed by a newline: [H * (W + 1)]."""
    return torch.nn.functional.pad(token_ids, (0, 1), value=newline).flatten()


def image_tokens(codebook_indices: Tensor, ids: LuminaIds) -> Tensor:
    """A known image [H, W] as it stands in a prompt, with begin and end: [H * (W + 1) + 2]."""
    rows = grid_tokens(codebook_indices.cpu() + ids.image_offset, ids.newline)
    return torch.cat((torch.tensor([ids.begin_image]), rows, torch.tensor([ids.end_image])))


def prompt_prefix(prompt_ids: Sequence[int], images: Sequence[Tensor], ids: LuminaIds) -> Tensor:
    """Prompt token ids with the known images [H, W] put before the last of them."""
    prompt = torch.tensor(list(prompt_ids), dtype=torch.int64)
    if not images:
        return prompt
    return torch.cat((prompt[:-1], *(image_tokens(image, ids) for image in images), prompt[-1:]))


def answer_sequence(prefix: Tensor, grid: TokenGrid, ids: LuminaIds) -> TokenSequence:
    """The sequence that asks for a grid: prefix [P], begin of answer and image, rows, end of image and answer."""
    rows = grid_tokens(torch.full((grid.height, grid.width), ids.mask), ids.newline)
    begin, end = torch.tensor([ids.begin_answer, ids.begin_image]), torch.tensor([ids.end_image, ids.end_answer])
    first = len(prefix) + 2
    y, x = torch.meshgrid(torch.arange(grid.height), torch.arange(grid.width), indexing="ij")
    positions = first + y * (grid.width + 1) + x
    return TokenSequence(torch.cat((prefix, begin, rows, end)), positions.flatten())


class LuminaDiMOO:
    """The loaded model; see `ladr_core.models.contract.DLLM`."""

    name = "lumina-dimoo"
    default_grid = TokenGrid(64, 64)

    def __init__(
        self,
        transformer: LLaDATransformer,
        vq: VQTokenizer,
        tokenizer: TextTokenizer,
        ids: LuminaIds = LuminaIds(),
        ml_cache: MLCacheSettings | None = None,
    ):
        self.transformer, self.vq, self.tokenizer, self.ids, self.ml_cache = transformer, vq, tokenizer, ids, ml_cache
        self.codebook_size, self.cell_pixels = ids.codebook_size, vq.cell_pixels
        rows, needed = transformer.config.embedding_size, ids.image_offset + ids.codebook_size
        if rows < needed:
            raise CheckpointError(f"the embedding has {rows} rows, but Lumina-DiMOO's image tokens end at {needed}.")
        if rows > needed:
            logger.warning("The embedding has %d rows, %d more than Lumina-DiMOO uses.", rows, rows - needed)
        found = tokenizer.encode(UNCONDITION)
        if ids.uncondition not in found:
            raise CheckpointError(
                f"the tokenizer reads {UNCONDITION} as {found} instead of [{ids.uncondition}]; "
                "put the tokenizer files published with Lumina-DiMOO beside its weights."
            )
        if len(found) > 1:
            logger.warning("The tokenizer adds tokens of its own to a text (%s); Lumina-DiMOO expects none.", found)

    def with_ml_cache(self, settings: MLCacheSettings | None) -> LuminaDiMOO:
        """The same model whose denoisers reuse keys and values between steps (or do not, for None)."""
        return LuminaDiMOO(self.transformer, self.vq, self.tokenizer, self.ids, settings)

    def check_grid(self, grid: TokenGrid) -> None:
        """Raise InputError where the grid is empty or larger than the model can draw."""
        if grid.height >= 1 and grid.width >= 1 and grid.cells <= MOST_CELLS:
            return
        side = self.cell_pixels
        fits = self.fit_grid(grid.width * side, grid.height * side)
        height, width = fits.height * side, fits.width * side
        given = f"{grid.width * side} x {grid.height * side} pixels ({grid})"
        raise InputError(
            "width x height",
            given,
            f"at least {side} pixels a side and at most {MOST_CELLS} cells of {side} x {side} pixels",
            f"Set width to {width} and height to {height}; the model was trained around 1024 x 1024",
        )

    def fit_grid(self, width: int, height: int) -> TokenGrid:
        """The nearest whole number of cells, fewer where these would be too many."""
        rows, columns = (max(1, round(pixels / self.cell_pixels)) for pixels in (height, width))
        scale = min(1.0, (MOST_CELLS / (rows * columns)) ** 0.5)
        return TokenGrid(max(1, min(int(rows * scale), MOST_CELLS)), max(1, min(int(columns * scale), MOST_CELLS)))

    def grid_notices(self, grid: TokenGrid) -> list[str]:
        """That the model was not trained for so few or so many cells, or so long a shape, and the nearest it was."""
        notice = drawing_notice((grid.width * self.cell_pixels, grid.height * self.cell_pixels))
        return [] if notice is None else [notice]

    def prompt_notices(self, text: str) -> list[str]:
        """What the model will not see of a prompt: nothing, as it reads all of it or refuses it."""
        return []

    def bind(
        self, prompts: Sequence[Prompt], negatives: Sequence[Prompt], grid: TokenGrid, *, device: Any
    ) -> SequenceDenoiser:
        """Bind the prompts of B images and as many negatives.

        An edit has a third branch: the whole text without its images. A negative prompt takes the place of the
        unconditional text.
        """
        self.check_grid(grid)
        tasks = {p.task for p in prompts}
        if len({task == TEXT_TO_IMAGE for task in tasks}) > 1:
            raise InputError(
                "conditioning", "edit tasks and text-to-image in one batch", "one kind of task per batch",
                "Sample them one after the other",
            )  # fmt: skip
        branches = list(zip(*(self._sequences(p, n, grid) for p, n in zip(prompts, negatives, strict=True))))
        if self.ml_cache is None:
            return SequenceDenoiser(self.transformer, branches, self.ids.vocabulary, device)
        return MLCacheDenoiser(self.transformer, branches, self.ids.vocabulary, device, self.ml_cache)

    def _sequences(self, prompt: Prompt, negative: Prompt, grid: TokenGrid) -> list[TokenSequence]:
        self._check_references(prompt, grid)
        images = prompt.reference_indices
        conditional = self._prompt_ids(conditional_prompt(prompt.task, prompt.text))
        unconditional = self._prompt_ids(unconditional_prompt(prompt.task, negative.text))
        prefixes = [prompt_prefix(conditional, images, self.ids), prompt_prefix(unconditional, images, self.ids)]
        if images:
            prefixes.append(prompt_prefix(conditional, (), self.ids))
        return [answer_sequence(prefix, grid, self.ids) for prefix in prefixes]

    def _prompt_ids(self, text: str) -> list[int]:
        found = self.tokenizer.encode(text)
        if len(found) > LONGEST_PROMPT:
            raise InputError(
                "text", f"a prompt of {len(found)} tokens", f"at most {LONGEST_PROMPT} tokens", "Shorten the prompt"
            )
        if self.ids.mask in found:
            raise InputError(
                "text", "a prompt that contains the mask token", "ordinary text", "Remove <|mdm_mask|> from the prompt"
            )
        return found

    def _check_references(self, prompt: Prompt, grid: TokenGrid) -> None:
        images = prompt.reference_indices
        least, most = reference_count(prompt.task)
        if not least <= len(images) <= most:
            allowed = f"{least} for the task {prompt.task!r}" if least == most else f"{least} to {most}"
            raise InputError(
                "reference images", len(images), allowed,
                "Add or remove ReferenceLatent nodes, or choose another task with LADR Edit Task",
            )  # fmt: skip
        for image in images:
            if image.min() < 0 or image.max() >= self.codebook_size:
                raise InputError(
                    "reference images", f"codebook indices from {int(image.min())} to {int(image.max())}",
                    f"0 to {self.codebook_size - 1}", "Encode the image with this model's VAE",
                )  # fmt: skip
        if images and (grid.height, grid.width) != tuple(images[-1].shape):
            height, width = images[-1].shape
            side = self.cell_pixels
            raise InputError(
                "width x height", f"{grid.width * side} x {grid.height * side} pixels",
                f"the size of the {'style ' if most == 2 else ''}reference image, {width * side} x {height * side}",
                "Make the latent of that size, for example by encoding the reference image itself",
            )  # fmt: skip


def shifted_ids(shift: int, codebook_size: int) -> LuminaIds:
    """Token ids of a reduced model: every special id lower by `shift`, and a smaller codebook."""
    real = LuminaIds()
    names = [name for name in LuminaIds.__dataclass_fields__ if name != "codebook_size"]
    return replace(real, codebook_size=codebook_size, **{name: getattr(real, name) - shift for name in names})
