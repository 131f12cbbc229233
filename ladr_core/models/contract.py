"""What the sampler asks of a model: a `DLLM` is loaded once, a `Denoiser` is one bound to prompts and a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..token_grid import TokenGrid

if TYPE_CHECKING:
    from ..vq.contract import VQTokenizer


@dataclass(frozen=True)
class Prompt:
    """The text of one image, the task it asks for, and reference images as codebook indices [H', W'] each."""

    text: str
    task: str = "text-to-image"
    reference_indices: tuple[Tensor, ...] = ()


@runtime_checkable
class Denoiser(Protocol):
    """A model bound to the prompts of B images and one token grid; all the denoising loop sees of a network."""

    codebook_size: int
    device: torch.device

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """Logits of every branch for the masked cells; one call is one NFE however many branches it has.

        codebook_indices [b, N]: grids of the rows still active, MASKED (-1) where unknown; rows [b]: their numbers in
        the batch; step: number of network evaluations done before this one. Returns (conditional,) or, when guided,
        (conditional, unconditional) or (conditional, unconditional, without images): float tensors [M, K] for the
        masked cells in the order of `(codebook_indices == MASKED).nonzero()`, which the caller may overwrite.
        guided=False asks for the first alone.
        """
        ...


@runtime_checkable
class LeavesOutBranches(Protocol):
    """A Denoiser that can do without branches of guidance that have no effect."""

    def leave_out(self, branches: frozenset[int]) -> None:
        """Do not compute these branches (1 = unconditional, 2 = without images); give the conditional one for them."""
        ...


class DLLM(Protocol):
    """A loaded model: names, sizes, the network that ComfyUI moves between devices, and its image tokenizer."""

    name: str  # "builtin-shapes", "builtin-emoji", "lumina-dimoo", "mmada"
    codebook_size: int
    cell_pixels: int  # pixels per cell side
    default_grid: TokenGrid

    @property
    def transformer(self) -> torch.nn.Module:
        """The network, every weight of it."""
        ...

    @property
    def vq(self) -> VQTokenizer:
        """The image tokenizer."""
        ...

    def check_grid(self, grid: TokenGrid) -> None:
        """Raise InputError with the nearest valid size in pixels where the model cannot draw this grid."""
        ...

    def fit_grid(self, width: int, height: int) -> TokenGrid:
        """The grid nearest to a size in pixels that the model can draw: what a sentence may advise."""
        ...

    def grid_notices(self, grid: TokenGrid) -> list[str]:
        """That the model was not trained for a grid which it can draw, and the nearest it was, a sentence each."""
        ...

    def prompt_notices(self, text: str) -> list[str]:
        """What the model will not see of a prompt, one sentence each."""
        ...

    def bind(
        self,
        prompts: Sequence[Prompt],
        negatives: Sequence[Prompt],
        grid: TokenGrid,
        *,
        device: Any,
    ) -> Denoiser:
        """Bind the prompts of B images (and as many negatives) and a grid, ready to predict on `device`."""
        ...
