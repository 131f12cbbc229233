"""A stand-in for the built-in model: it knows the answer's tokens and puts a given confidence on them."""

from __future__ import annotations

import numpy as np
import torch

from ladr_core.lab.evaluation.prompts import EvaluationPrompt
from ladr_core.lab.worlds.shapes.world import ShapesWorld
from ladr_core.token_grid import MASKED, TokenGrid

GRID = TokenGrid(16, 16)


class PatchBook(torch.nn.Module):
    """An image tokenizer without loss: its codebook is the list of all 8 x 8 patches of some pictures."""

    cell_pixels = 8

    def __init__(self, pictures: np.ndarray):
        super().__init__()
        patches, indices = np.unique(self._cut(pictures).reshape(-1, 8 * 8 * 3), axis=0, return_inverse=True)
        self.register_buffer("patches", torch.from_numpy(patches))
        self.indices = torch.from_numpy(indices.reshape(-1, 16, 16))
        self.codebook_size = len(patches)

    @staticmethod
    def _cut(pictures: np.ndarray) -> np.ndarray:
        cells = pictures.reshape(-1, 16, 8, 16, 8, 3).transpose(0, 1, 3, 2, 4, 5)
        return np.ascontiguousarray(cells)

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Index of the nearest patch of every cell."""
        pictures = (pixels.permute(0, 2, 3, 1) * 255).round().numpy()
        cut = torch.from_numpy(self._cut(pictures).reshape(-1, 192)).float()
        return torch.cdist(cut, self.patches.float()).argmin(1).reshape(-1, 16, 16)

    def decode(self, indices: torch.Tensor) -> torch.Tensor:
        """Pixels [B, 3, 128, 128] of indices [B, 16, 16]."""
        cut = self.patches[indices].reshape(-1, 16, 16, 8, 8, 3).permute(0, 5, 1, 3, 2, 4)
        return cut.reshape(-1, 3, 128, 128).float() / 255


class KnowingDenoiser:
    """Gives the answer's tokens a logit lead that grows with what is known, plus fixed noise."""

    def __init__(self, answers: torch.Tensor, codebook_size: int, lead: float):
        self.answers, self.codebook_size, self.lead, self.device = answers, codebook_size, lead, torch.device("cpu")

    def predict(self, codebook_indices: torch.Tensor, rows: torch.Tensor, *, guided: bool, step: int):
        wanted = codebook_indices == MASKED
        known = 1 - wanted.float().mean(1, keepdim=True)
        logits = torch.nn.functional.one_hot(self.answers[rows], self.codebook_size).float()
        logits = (logits * (self.lead * (0.5 + known))[..., None])[wanted]
        return (logits, logits * 0.5) if guided else (logits,)


class KnowingModel:
    """A DLLM that draws the scene of each prompt, more or less well."""

    name = "builtin-shapes"
    cell_pixels = 8
    default_grid = GRID

    def __init__(self, prompts: list[EvaluationPrompt], lead: float = 30.0):
        pictures = np.stack([ShapesWorld().render(prompt.scene) for prompt in prompts])
        self.vq = PatchBook(pictures)
        self.codebook_size = self.vq.codebook_size
        self.transformer = torch.nn.Linear(1, 1)
        torch.nn.init.constant_(self.transformer.weight, lead)
        torch.nn.init.zeros_(self.transformer.bias)
        self.lead = lead
        self.answers = {prompt.text: self.vq.indices[i].flatten() for i, prompt in enumerate(prompts)}
        self.pictures_asked = 0

    def prompt_notices(self, text: str) -> list[str]:
        return []

    def fit_grid(self, width: int, height: int) -> TokenGrid:
        return TokenGrid(max(1, height // self.cell_pixels), max(1, width // self.cell_pixels))

    def grid_notices(self, grid: TokenGrid) -> list[str]:
        return []

    def check_grid(self, grid: TokenGrid) -> None:
        """Every grid is fine."""

    def bind(self, prompts, negatives, grid, *, device) -> KnowingDenoiser:
        self.pictures_asked += len(prompts)
        answers = torch.stack([self.answers[prompt.text] for prompt in prompts])
        return KnowingDenoiser(answers, self.codebook_size, self.lead)
