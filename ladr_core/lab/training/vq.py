"""Train the built-in image tokenizer: reconstruction of crops, codebook by moving averages, unused codes re-seeded."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...vq.patch_vq import PatchVQ, PatchVQConfig
from ..worlds.scene import World
from .checkpoints import load_training_state, save_training_state
from .scenes import crops_around_objects, render_batch

CROP_CELLS = 8
COMMITMENT = 0.25
CODEBOOK_DECAY = 0.99
RESEED_EVERY = 50
UNUSED_BELOW = 0.02


class CodebookAverages:
    """Moving averages of how often and for which features each of the K codes is used."""

    def __init__(self, model: PatchVQ):
        self.model = model
        self.usage = torch.ones(model.codebook_size, device=model.codebook.weight.device)
        self.sums = F.normalize(model.codebook.weight.detach(), dim=1).clone()

    @torch.no_grad()
    def update(self, features: Tensor, indices: Tensor) -> None:
        """Move the codes toward the mean of the features [M, C] that chose them (indices [M])."""
        counts = torch.bincount(indices, minlength=self.model.codebook_size).float()
        sums = torch.zeros_like(self.sums).index_add_(0, indices, features)
        self.usage.mul_(CODEBOOK_DECAY).add_(counts, alpha=1 - CODEBOOK_DECAY)
        self.sums.mul_(CODEBOOK_DECAY).add_(sums, alpha=1 - CODEBOOK_DECAY)
        self.model.codebook.weight.copy_(F.normalize(self.sums, dim=1))

    @torch.no_grad()
    def reseed(self, features: Tensor, errors: Tensor) -> int:
        """Give codes that are hardly used to features [M, C], chosen by their error [M]; returns how many."""
        unused = (self.usage < UNUSED_BELOW).nonzero().flatten()
        if len(unused):
            unused = unused[: len(features)]
            chosen = torch.multinomial(errors + 1e-9, len(unused))
            self.usage[unused], self.sums[unused] = 0.2, features[chosen] * 0.2
            self.model.codebook.weight[unused] = features[chosen]
        return len(unused)


def vq_optimizer(model: PatchVQ) -> torch.optim.Optimizer:
    """AdamW for everything but the codebook, which follows moving averages."""
    weights = [p for name, p in model.named_parameters() if name != "codebook.weight"]
    return torch.optim.AdamW(weights, lr=2e-3, betas=(0.9, 0.99), weight_decay=1e-4)


def train_vq(world: World, folder: Path, *, minutes: float, batch: int = 96, seed: int = 0,
             device: str = "cpu") -> None:
    """Train (or go on training) a PatchVQ in `folder` for some minutes; saves every few minutes and at the end."""
    config = PatchVQConfig()
    torch.manual_seed(seed)
    model = PatchVQ(config).to(device)
    averages = CodebookAverages(model)
    optimizer = vq_optimizer(model)
    weights = optimizer.param_groups[0]["params"]
    step, spent = load_training_state(folder / "vq.pt", model, optimizer, averages)
    rng = np.random.default_rng((seed, step))
    started = saved = time.time()
    while (elapsed := time.time() - started) < minutes * 60:
        progress = min(1.0, elapsed / (minutes * 60))
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 100, 0.02 + 2 * (1 - progress))
        scenes = [world.sample(rng) for _ in range(batch)]
        pixels = crops_around_objects(render_batch(world, scenes), scenes, CROP_CELLS, config.cell_pixels, rng)
        pixels = pixels.to(device)
        with torch.autocast(device, torch.bfloat16):
            features = model.features(pixels)
            indices = model.to_indices(features.detach())
            codes = F.embedding(indices, model.codebook.weight).permute(0, 3, 1, 2)
            decoded = model.decode_codes(features + (codes - features).detach())
        difference = decoded - pixels
        error = difference.abs() + 2 * difference**2
        loss = error.mean() + COMMITMENT * (features - codes.detach()).pow(2).sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        flat = features.detach().permute(0, 2, 3, 1).flatten(0, 2)
        averages.update(flat, indices.flatten())
        step += 1
        if step % RESEED_EVERY == 0 and progress < 0.75:
            cell_error = F.avg_pool2d(error.detach().mean(1, keepdim=True), config.cell_pixels).flatten()
            averages.reseed(flat, cell_error)
        if step % 50 == 0:
            line = {"step": step, "loss": round(loss.item(), 5), "mse": round(difference.pow(2).mean().item(), 6),
                    "used": int((averages.usage > UNUSED_BELOW).sum()), "minutes": round((spent + elapsed) / 60, 2)}
            print(json.dumps(line), flush=True)
        if time.time() - saved > 120:
            saved = time.time()
            save_training_state(folder / "vq.pt", model, optimizer, averages, step, spent + elapsed)
    save_training_state(folder / "vq.pt", model, optimizer, averages, step, spent + time.time() - started)
