"""Train a PatchVQ whose codes a world assigns: the encoder learns to name them, the decoder to draw them.

Every picture comes with its codes (`worlds/emoji/codes.py`), so nothing is left to a moving codebook: cosine
similarities to the codebook are a classifier of patches, and the decoder gets the assigned codes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...vq.patch_vq import PatchVQ, PatchVQConfig
from .checkpoints import load_training_state, save_training_state

SHARPNESS = 24.0
"""Factor of the cosine similarities before the softmax over the codes."""
NAMING = 0.02
"""Weight of the encoder's cross-entropy beside the decoder's error."""
THINGS = 9
"""Further weight of cells with a part of a thing: backgrounds are learned at once."""
NOISE = 0.015
RATE = 2e-3

Draw = Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""Count, rng -> pictures [B, H, W, 3] uint8, codes [B, N], which cells are parts of things [B, N]."""


def start_at_patches(model: PatchVQ, pictures: np.ndarray, codes: np.ndarray) -> None:
    """Let the decoder begin as the principal components of the patches of pictures [B, H, W, 3] with codes [B, N].

    Each code's own vector begins as the mean of its patches; what lies behind them is left to the blocks.
    """
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    patches = F.pixel_unshuffle(pixels, model.cell_pixels).permute(0, 2, 3, 1).flatten(0, 2)
    index = torch.from_numpy(codes).flatten()
    mean = patches.mean(0)
    count = torch.bincount(index, minlength=model.codebook_size).clamp_min(1)
    means = torch.zeros(model.codebook_size, patches.shape[1]).index_add_(0, index, patches - mean) / count[:, None]
    _, spread, directions = torch.linalg.svd(patches[:: len(patches) // 8192 + 1] - mean, full_matrices=False)
    width = model.config.decoder_width
    scale = spread[:width] / min(len(patches), 8192) ** 0.5
    with torch.no_grad():
        model.decoder_out.weight.copy_((directions[:width] * scale[:, None]).T[:, :, None, None])
        model.decoder_out.bias.copy_(mean)
        model.drawn.weight.copy_(means @ (directions[:width] / scale[:, None]).T)
        for name, weight in model.named_parameters():
            if ".mix." in name:
                weight.zero_()


def train_assigned_vq(config: PatchVQConfig, draw: Draw, state_file: Path, *, minutes: float, batch: int = 8,
                      seed: int = 0, save_minutes: float = 0.5) -> None:
    """Train (or go on training) what `state_file` keeps until `minutes` of processor time are spent in all.

    Processor time, not the clock, as the machine may do other work; the rate falls to 0 by then.
    """
    torch.manual_seed(seed)
    model = PatchVQ(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.0)
    step, spent = load_training_state(state_file, model, optimizer, None)
    rng = np.random.default_rng((seed, step))
    if step == 0:
        pictures, codes, _ = draw(96, rng)
        start_at_patches(model, pictures, codes)
    started = saved = time.process_time()
    named: list[float] = []
    errors: list[float] = []
    while (total := spent + time.process_time() - started) < minutes * 60:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 100, 0.01 + 1.6 * (1 - total / (minutes * 60)))
        pictures, codes, things = draw(batch, rng)
        pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        indices = torch.from_numpy(codes).view(batch, pixels.shape[2] // config.cell_pixels, -1)
        weight = 1 + THINGS * torch.from_numpy(things).view_as(indices).float()
        loss, naming, error = losses(model, pixels, indices, weight)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        named.append(naming)
        errors.append(error)
        if step % 50 == 0:
            line = {"step": step, "named": round(float(np.mean(named[-50:])), 4),
                    "things_db": round(-10 * float(np.log10(np.mean(errors[-50:]))), 2),
                    "minutes": round(total / 60, 2)}
            print(json.dumps(line), flush=True)
        if time.process_time() - saved > save_minutes * 60:
            saved = time.process_time()
            save_training_state(state_file, model, optimizer, None, step, total)
    save_training_state(state_file, model, optimizer, None, step, spent + time.process_time() - started)


def losses(model: PatchVQ, pixels: Tensor, indices: Tensor, weight: Tensor) -> tuple[Tensor, float, float]:
    """The loss, the share of things' cells named rightly, and the mean square error of things' cells.

    pixels [B, 3, H, W] in 0 ... 1, indices and weight [B, h, w]; a weight above 1 marks a cell of a thing.
    """
    codebook = F.normalize(model.codebook.weight, dim=1)
    noisy = pixels + NOISE * torch.rand(len(pixels), 1, 1, 1) * torch.randn_like(pixels)
    scores = torch.einsum("bchw,kc->bhwk", model.features(noisy), codebook)
    naming = F.cross_entropy(SHARPNESS * scores.flatten(0, 2), indices.flatten(), reduction="none").view_as(weight)
    difference = model.draw(model.drawn(indices).permute(0, 3, 1, 2)) - pixels
    error = F.avg_pool2d((difference.abs() + 4 * difference**2).mean(1), model.cell_pixels)
    loss = ((error + NAMING * naming) * weight).sum() / weight.sum()
    with torch.no_grad():
        things = weight > 1
        right = (scores.argmax(-1) == indices)[things].float().mean().item()
        square = F.avg_pool2d((difference.clamp(-1, 1) ** 2).mean(1), model.cell_pixels)[things].mean().item()
    return loss, right, square
