"""A model without weights whose confidences are known for every cell, and which counts what it is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ladr_core.errors import InputError
from ladr_core.models.contract import Prompt
from ladr_core.token_grid import MASKED, TokenGrid


class FakeDenoiser:
    """Gives each cell its own distribution, which also depends on the known cells of the same image (and on no other).

    base [B, N, K] holds logits. With coupling, each known cell pulls its neighbors in the row toward its own token.
    """

    def __init__(self, base: Tensor, coupling: float = 0.0, branches: int = 2, broken_step: int | None = None) -> None:
        self.base = base
        self.codebook_size = base.shape[-1]
        self.device = base.device
        self.coupling = coupling
        self.branches = branches
        self.broken_step = broken_step
        self.calls = 0
        self.rows_seen: list[list[int]] = []
        self.guided_seen: list[bool] = []
        self.steps_seen: list[int] = []

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        self.calls += 1
        self.rows_seen.append(rows.tolist())
        self.guided_seen.append(guided)
        self.steps_seen.append(step)
        is_masked = codebook_indices == MASKED
        logits = self.base[rows].clone()
        if self.coupling:
            known = torch.nn.functional.one_hot(codebook_indices.clamp_min(0), self.codebook_size).to(logits.dtype)
            known = known * (~is_masked).unsqueeze(-1)
            logits[:, 1:] += self.coupling * known[:, :-1]
            logits[:, :-1] += self.coupling * known[:, 1:]
        conditional = logits[is_masked]
        if self.broken_step == step:
            conditional[-1, 0] = math.nan
        if not guided:
            return (conditional,)
        others = tuple(conditional.roll(shift, dims=-1) * 0.5 for shift in range(1, self.branches))
        return (conditional, *others)


class FakeDLLM:
    """A DLLM that binds to FakeDenoisers; an image's logits depend on its prompt's text alone."""

    name = "fake"
    cell_pixels = 8
    default_grid = TokenGrid(4, 4)

    def __init__(
        self, codebook_size: int = 8, sharpness: float = 2.0, coupling: float = 1.0, branches: int = 2
    ) -> None:
        self.codebook_size = codebook_size
        self.sharpness = sharpness
        self.coupling = coupling
        self.branches = branches
        self.transformer = torch.nn.Identity()
        self.vq = None
        self.bound: list[FakeDenoiser] = []

    def prompt_notices(self, text: str) -> list[str]:
        return []

    def fit_grid(self, width: int, height: int) -> TokenGrid:
        return TokenGrid(max(1, height // self.cell_pixels), max(1, width // self.cell_pixels))

    def grid_notices(self, grid: TokenGrid) -> list[str]:
        return []

    def check_grid(self, grid: TokenGrid) -> None:
        if grid.height < 1 or grid.width < 1:
            raise InputError("grid", str(grid), "1 x 1 cells or more", "Use 8 x 8 pixels or more")

    def bind(
        self, prompts: Sequence[Prompt], negatives: Sequence[Prompt], grid: TokenGrid, *, device: object
    ) -> FakeDenoiser:
        base = torch.stack([fake_logits(p.text, grid.cells, self.codebook_size) for p in prompts]) * self.sharpness
        self.bound.append(FakeDenoiser(base.to(torch.device(str(device))), self.coupling, self.branches))
        return self.bound[-1]


def fake_logits(text: str, cells: int, codebook_size: int) -> Tensor:
    """Logits [N, K] that depend on the text and nothing else."""
    generator = torch.Generator().manual_seed(sum(ord(c) * 31**i for i, c in enumerate(text)) % 2**31)
    return torch.randn(cells, codebook_size, generator=generator)


def logits_for_confidences(confidences: Sequence[float], codebook_size: int = 4) -> Tensor:
    """Logits [1, N, K] whose largest probability is the given one (above 1/K) at token n mod K, the rest equal."""
    rows = []
    for cell, confidence in enumerate(confidences):
        row = torch.full((codebook_size,), math.log((1 - confidence) / (codebook_size - 1)))
        row[cell % codebook_size] = math.log(confidence)
        rows.append(row)
    return torch.stack(rows).unsqueeze(0)
