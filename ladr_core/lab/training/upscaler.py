"""A small x4 upscaler for the emoji model's pictures, trained on the renderer's own pictures at 1024 pixels.

The network is Compact (SRVGGNetCompact of Real-ESRGAN, Wang et al., arXiv 2107.10833): convolutions with PReLU at low
resolution, a pixel shuffle, and the enlarged input added. Its weights have the names that ComfyUI's Load Upscale Model
recognizes. It learns from what the tokenizer decodes, so it also takes away the tokenizer's blur.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from ...vq.patch_vq import PatchVQ
from ..worlds.emoji.backgrounds import background_pixels
from ..worlds.emoji.sprites import CELL_PIXELS, SPRITE_CELLS, Sprites
from ..worlds.emoji.token_posterior import TokenPosterior
from ..worlds.emoji.world import EmojiWorld
from ..worlds.scene import Scene
from .checkpoints import load_training_state, save_training_state

SCALE = 4
FEATURES, CONVOLUTIONS = 32, 6
CROP = 48
"""Side of the crops at low resolution, in pixels: a sprite is 64 wide."""
PLAIN_SHARE = 0.25
"""Share of the crops that come from the renderer, not from the tokenizer: the user may upscale other pictures."""
EDGE = 8
"""Pixels at the edge of a crop that the printed error leaves out: there the zeros around a crop show."""
RATE = 1e-3


class Compact(nn.Module):
    """Compact upscaler: pictures [B, 3, H, W] in 0 ... 1 to [B, 3, 4 H, 4 W]."""

    def __init__(self, features: int = FEATURES, convolutions: int = CONVOLUTIONS):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(convolutions):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        layers.append(nn.Conv2d(features, 3 * SCALE**2, 3, padding=1))
        self.body = nn.ModuleList(layers)
        self._start_bilinear()

    @torch.no_grad()
    def _start_bilinear(self) -> None:
        """Begin as bilinear enlargement: most pixels are flat, so a network from nothing stays at the added input."""
        *inner, last = (layer for layer in self.body if isinstance(layer, nn.Conv2d))
        for parameter in (parameter for conv in inner for parameter in conv.parameters()):
            parameter[:3] = 0
        for conv in inner:  # three channels carry the picture through
            conv.weight[range(3), range(3), 1, 1] = 1
        for parameter in last.parameters():
            parameter.zero_()
        for layer in self.body:
            if isinstance(layer, nn.PReLU):
                layer.weight[:3] = 1
        points = torch.eye(9).view(9, 1, 3, 3)
        center = slice(SCALE, 2 * SCALE)
        enlarged = F.interpolate(points, scale_factor=SCALE, mode="bilinear")[:, 0, center, center]
        kernels = enlarged.flatten(1).T.reshape(SCALE**2, 3, 3)
        kernels[:, 1, 1] -= 1  # the input is added in the end
        for color in range(3):
            last.weight[color * SCALE**2 : (color + 1) * SCALE**2, color] = kernels

    def forward(self, pictures: Tensor) -> Tensor:
        """Enlarge pictures."""
        x = pictures
        for layer in self.body:
            x = layer(x)
        return F.pixel_shuffle(x, SCALE) + F.interpolate(pictures, scale_factor=SCALE, mode="nearest")


def render_large(scene: Scene, large: Sprites) -> np.ndarray:
    """Picture of a scene at four times the size, float32 [1024, 1024, 3] in 0 ... 1, from sprites of that size."""
    picture = background_pixels(scene.background.tint, SCALE) / 255
    for thing in scene.objects:
        cell = CELL_PIXELS * SCALE
        top, left, side = thing.row * cell, thing.column * cell, SPRITE_CELLS * cell
        sprite = large.pixels[thing.shape, thing.color]
        box = picture[top : top + side, left : left + side]
        box += sprite[..., 3:] * (sprite[..., :3] - box)
    return picture


def crops(world: EmojiWorld, posterior: TokenPosterior, large: Sprites, vq: PatchVQ, count: int,
          rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Pairs of crops around things: low resolution [B, 3, 48, 48] and high resolution [B, 3, 192, 192], 0 ... 1."""
    low: list[Tensor] = []
    high: list[Tensor] = []
    while len(low) < count:
        scene = world.sample(rng)
        wanted = render_large(scene, large)
        if rng.random() < PLAIN_SHARE:
            given = torch.from_numpy(world.render(scene)).permute(2, 0, 1).float() / 255
        else:
            with torch.no_grad():
                given = vq.decode(torch.from_numpy(posterior.tokens(scene)).view(1, 16, 16))[0]
        for thing in scene.objects:
            top, left = (int(np.clip(place * CELL_PIXELS + rng.integers(-24, 40), 0, given.shape[1] - CROP))
                         for place in (thing.row, thing.column))
            low.append(given[:, top : top + CROP, left : left + CROP])
            part = wanted[top * SCALE : (top + CROP) * SCALE, left * SCALE : (left + CROP) * SCALE]
            high.append(torch.from_numpy(np.ascontiguousarray(part)).permute(2, 0, 1))
    return torch.stack(low[:count]), torch.stack(high[:count])


def train_upscaler(world: EmojiWorld, posterior: TokenPosterior, large: Sprites, vq: PatchVQ, folder: Path, *,
                   minutes: float, batch: int = 8, seed: int = 0, save_minutes: float = 0.5) -> None:
    """Train (or go on training) in `folder` until `minutes` of processor time are spent in all."""
    torch.manual_seed(seed)
    model = Compact()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    step, spent = load_training_state(folder / "upscaler.pt", model, optimizer, None)
    rng = np.random.default_rng((seed, step))
    started = saved = time.process_time()
    errors: list[tuple[float, ...]] = []
    while (total := spent + time.process_time() - started) < minutes * 60:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 50, 0.02 + 1.6 * (1 - total / (minutes * 60)))
        low, high = crops(world, posterior, large, vq, batch, rng)
        made = model(low)
        loss = (made - high).abs().mean() + 4 * F.mse_loss(made, high)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        with torch.no_grad():
            plain = F.interpolate(low, scale_factor=SCALE, mode="bicubic").clamp(0, 1)
            inner = (..., slice(EDGE, -EDGE), slice(EDGE, -EDGE))
            ours_and_plain = (F.mse_loss(picture[inner].clamp(0, 1), high[inner]).item() for picture in (made, plain))
            errors.append(tuple(ours_and_plain))
        if step % 50 == 0:
            ours, bicubic = (round(-10 * float(np.log10(value)), 2) for value in np.mean(errors[-50:], 0))
            line = {"step": step, "db": ours, "bicubic_db": bicubic, "minutes": round(total / 60, 2)}
            print(json.dumps(line), flush=True)
        if time.process_time() - saved > save_minutes * 60:
            saved = time.process_time()
            save_training_state(folder / "upscaler.pt", model, optimizer, None, step, total)
    save_training_state(folder / "upscaler.pt", model, optimizer, None, step, spent + time.process_time() - started)


def export_upscaler(folder: Path, target: Path) -> int:
    """Write the upscaler's weights in float16 to `target`; returns the bytes of the file."""
    state = torch.load(folder / "upscaler.pt", weights_only=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half().contiguous() for name, value in state["model"].items()}
    save_file(weights, str(target), metadata={"format": "pt", "steps": str(state["step"])})
    return target.stat().st_size
