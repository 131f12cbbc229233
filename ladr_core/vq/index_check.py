"""Refusal of indices that no codebook holds, before they reach a lookup."""

from __future__ import annotations

from torch import Tensor

from ..errors import InputError


def require_codebook_indices(indices: Tensor, codebook_size: int) -> None:
    """Raise InputError unless every index of indices [...] lies in 0 ... codebook_size - 1."""
    if indices.numel() == 0:
        return
    low, high = int(indices.min()), int(indices.max())
    if low == -1:
        masked = int((indices == -1).sum())
        raise InputError(
            "latent", f"{masked} cells that are still masked", "a finished token grid", "Run a dLLM sampler on it first"
        )
    if low < 0 or high >= codebook_size:
        raise InputError(
            "latent",
            f"codebook indices from {low} to {high}",
            f"0 to {codebook_size - 1}",
            "Decode with the VAE of the model that made the grid, and do not resize or blend token grids",
        )
