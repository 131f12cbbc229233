"""LATENT in and out: codebook indices as float32 [B, 1, H, W], -1 = masked, with core's noise_mask and batch_index."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import comfy.model_management
import comfy.utils
import torch
import torch.nn.functional as F
from torch import Tensor

from ..ladr_core.errors import InputError
from ..ladr_core.models.contract import DLLM
from ..ladr_core.settings import BATCH_SIZE, HEIGHT, WIDTH
from ..ladr_core.token_grid import MASKED, TokenGrid
from .latent_origin import MADE_KEY, check_made, made_entry, mark_tokens

SIZE_KEY = "ladr_size"  # (width, height) in pixels of an empty token grid, whose cell size only the model knows
FINEST_CELL = 8  # pixels per cell of an empty grid that no model has seen yet
MOST_CELLS = 2**24  # of a whole batch: 4096 pictures of 512 x 512 pixels, 64 MiB
_ALLOWED = "Empty Token Grid, or VAE Encode with the VAE of Load dLLM"
_SPOILT = "Latent resize, crop, flip and blend nodes do not work on token grids: do it on the image, before VAE Encode"


@dataclass(frozen=True)
class TokenLatent:
    """A LATENT as the sampler wants it."""

    indices: Tensor  # [B, H, W] int64, -1 = masked
    editable: Tensor | None  # [B, H, W] bool, None = every cell
    batch_index: list[int]  # what each image adds to the seed

    @property
    def grid(self) -> TokenGrid:
        """Height and width in cells."""
        return TokenGrid(*self.indices.shape[-2:])


def empty_latent(width: int, height: int, batch_size: int) -> dict[str, Any]:
    """A LATENT whose every cell is masked; the sampler cuts it into the cells of its model."""
    # ComfyUI checks what is typed into a widget, not what comes through a wire.
    width, height, batch_size = WIDTH.check(width), HEIGHT.check(height), BATCH_SIZE.check(batch_size)
    shape = (batch_size, 1, height // FINEST_CELL, width // FINEST_CELL)
    if math.prod(shape) > MOST_CELLS:
        fits = MOST_CELLS // math.prod(shape[1:])
        raise InputError(
            "batch_size", f"{batch_size} pictures of {width} x {height} pixels",
            f"at most {fits} pictures of that size", f"Set batch_size to {fits}, or make the pictures smaller",
        )  # fmt: skip
    samples = torch.full(shape, float(MASKED), device=comfy.model_management.intermediate_device())
    return {"samples": samples, SIZE_KEY: (width, height)}


def read_latent(name: str, latent: Any, dllm: DLLM) -> TokenLatent:
    """Indices, editable cells and seed offsets of a LATENT input, checked against the model."""
    if not isinstance(latent, dict) or not isinstance(latent.get("samples"), torch.Tensor):
        raise InputError(name, "no latent", _ALLOWED, "Connect Empty Token Grid")
    indices = read_indices(name, latent["samples"], dllm.codebook_size)
    check_made(name, latent, indices, dllm.name)
    if SIZE_KEY in latent:
        indices = _fit_empty(name, indices, latent[SIZE_KEY], dllm)
    dllm.check_grid(TokenGrid(*indices.shape[-2:]))
    batch = len(indices)
    editable = _editable(latent.get("noise_mask"), indices.shape)
    batch_index = [int(i) for i in latent.get("batch_index") or range(batch)]
    if len(batch_index) != batch:
        raise InputError(
            name, f"{len(batch_index)} batch indices for {batch} images", "one per image",
            "Remove the node that changed the batch, or use Latent Batch Seed Behavior set to random",
        )  # fmt: skip
    return TokenLatent(indices, editable, batch_index)


def read_indices(name: str, samples: Any, codebook_size: int) -> Tensor:
    """Codebook indices [B, H, W] of samples [B, 1, H, W]: whole numbers from -1 (masked) to codebook_size - 1."""
    if not isinstance(samples, torch.Tensor) or samples.dim() != 4 or samples.shape[1] != 1:
        shape = list(samples.shape) if isinstance(samples, torch.Tensor) else type(samples).__name__
        raise InputError(
            name, f"a latent of another kind of model (shape {shape})", f"a token grid: {_ALLOWED}",
            "Use Empty Token Grid in place of Empty Latent Image",
        )  # fmt: skip
    if samples.numel() == 0:
        raise InputError(name, f"an empty latent (shape {list(samples.shape)})", _ALLOWED, "Use a batch of 1 or more")
    values = samples[:, 0].float()
    if not torch.isfinite(values).all():
        raise InputError(name, "a latent with NaN or infinite values", _ALLOWED, "Make it again with VAE Encode")
    if (values != values.round()).any():
        raise InputError(name, "a latent with fractions", f"whole numbers: {_ALLOWED}", _SPOILT)
    low, high = int(values.min()), int(values.max())
    if low < MASKED or high >= codebook_size:
        raise InputError(
            name, f"codebook indices from {low} to {high}", f"{MASKED} (masked) to {codebook_size - 1} for this model",
            "Encode the picture with the VAE of this model's Load dLLM",
        )  # fmt: skip
    return values.long()


def write_latent(latent: dict[str, Any], indices: Tensor, model: str) -> dict[str, Any]:
    """A copy of the input LATENT that holds the indices [B, H, W], as float32 on ComfyUI's intermediate device.

    model: the model whose tokens they are, for later readers.
    """
    result = {key: value for key, value in latent.items() if key != SIZE_KEY}
    result["samples"] = indices[:, None].to(comfy.model_management.intermediate_device(), torch.float32).contiguous()
    result[MADE_KEY] = made_entry(indices, model)
    mark_tokens(result["samples"], model)
    return result


def _fit_empty(name: str, indices: Tensor, size: tuple[int, int], dllm: DLLM) -> Tensor:
    width, height = size
    drawn = (max(1, height // FINEST_CELL), max(1, width // FINEST_CELL))
    if tuple(indices.shape[-2:]) != drawn:
        raise InputError(
            name, f"an empty token grid of {width} x {height} pixels that was resized or cropped", _ALLOWED,
            "Set the size in Empty Token Grid",
        )  # fmt: skip
    if (indices != MASKED).any():
        return indices
    cell = dllm.cell_pixels
    if width % cell or height % cell:
        fits = dllm.fit_grid(width, height)
        raise InputError(
            name, f"{width} x {height} pixels", f"width and height in multiples of {cell} for {dllm.name}",
            f"Set Empty Token Grid to {fits.width * cell} x {fits.height * cell}",
        )  # fmt: skip
    return torch.full((len(indices), height // cell, width // cell), MASKED, device=indices.device)


def _editable(noise_mask: Any, shape: torch.Size) -> Tensor | None:
    """Cells [B, H, W] that a noise mask frees: those with at least one pixel that is masked."""
    if noise_mask is None:
        return None
    mask = noise_mask.reshape((-1, 1, *noise_mask.shape[-2:])).float()
    cells = F.adaptive_max_pool2d(mask, tuple(shape[-2:]))[:, 0] >= 0.5
    return comfy.utils.repeat_to_batch_size(cells, shape[0])
