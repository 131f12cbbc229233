"""Train the built-in transformer: predict masked cells of tokenized scenes from their captions.

Mask ratios follow the cosine schedule, one caption in ten is dropped for guidance, hidden matrices are trained by Muon
and everything else by AdamW; the weights that count are the moving average (MaskGIT, Chang et al., arXiv 2202.04200).
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models.builtin.layout import BuiltinLayout
from ...models.llada import LLaDAConfig, LLaDATransformer
from ...vq.patch_vq import PatchVQ, PatchVQConfig
from ..worlds.scene import Caption, Scene
from ..worlds.shapes.token_posterior import TokenPosterior
from ..worlds.shapes.world import ShapesWorld
from .checkpoints import load_training_state, save_training_state
from .workers import Workers

CAPTION_DROPOUT = 0.1
CATEGORY_SHARES = {"single": 0.04, "two": 0.22, "counting": 0.3, "color": 0.06, "position": 0.14, "attribution": 0.24}
"""How often each kind of scene is shown: those that bind several words to places and colors take longest to learn."""
MIRRORED_RELATIONS = ("right", "below")
MIRRORED_FROM = 0.4
"""Share of a training from nothing after which relations whose first object is the right or lower one come as often.

Which object lies where is an exclusive or of the relation and the order of the words, which gives no gradient to begin
with; with one half of the relations first, the order alone decides.
"""
EARLY = (0.8, 1.0)
"""Mask ratios of three scenes in eight: what lies where is decided while few cells are known."""
OUTLINE, MIDDLE = 1, 2
EMA_DECAY = 0.998
MUON_RATE = 0.02
ADAM_RATE = 2e-3


def builtin_config(layout: BuiltinLayout, width: int = 128, layers: int = 6) -> LLaDAConfig:
    """Sizes of the built-in transformer."""
    return LLaDAConfig(d_model=width, n_layers=layers, n_heads=width // 32, mlp_hidden_size=3 * width,
                       embedding_size=layout.vocabulary_size, rope_theta=10000.0,
                       max_sequence_length=layout.sequence_length, learned_positions=True)


class MovingAverage:
    """Moving average of a model's weights, kept beside them in the training state."""

    def __init__(self, model: nn.Module):
        self.weights = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the averages toward the model's weights, faster in the first steps."""
        decay = min(EMA_DECAY, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            self.weights[name].lerp_(value, 1 - decay)


class MuonAndAdamW:
    """Muon for the matrices of the blocks, AdamW for embeddings, head and norms, behind one optimizer's interface."""

    def __init__(self, model: LLaDATransformer):
        matrices = [p for name, p in model.named_parameters() if ".blocks." in name and p.dim() == 2]
        chosen = {id(p) for p in matrices}
        others = [p for p in model.parameters() if id(p) not in chosen]
        self.muon = torch.optim.Muon(matrices, lr=MUON_RATE, momentum=0.95, weight_decay=0.01)
        self.adamw = torch.optim.AdamW(others, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0)

    def step(self, scale: float) -> None:
        """One update with both learning rates scaled."""
        for optimizer, rate in ((self.muon, MUON_RATE), (self.adamw, ADAM_RATE)):
            for group in optimizer.param_groups:
                group["lr"] = rate * scale
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict:
        """State of both optimizers."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Restore the state of both optimizers."""
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])


def written_out_attention(q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None) -> Tensor:
    """Attention as two matrix products: compiled, in bfloat16, twice as fast on a CPU as its fused kernel."""
    return ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).softmax(-1).to(v.dtype) @ v


def learning_rate_scale(progress: float, step: int) -> float:
    """Warm up over 200 steps, stay, and fall linearly to almost nothing over the last three fifths of the training."""
    return min(1.0, (step + 1) / 200) * min(1.0, max(0.01, (1 - progress) / 0.6))


def draw_scenes(world: ShapesWorld, count: int, mirrored: bool,
                rng: np.random.Generator) -> tuple[list[Scene], list[Caption | None]]:
    """Scenes in the shares of CATEGORY_SHARES with their captions, some dropped; nine in ten MIRRORED_RELATIONS redrawn
    unless `mirrored`."""
    scenes: list[Scene] = []
    captions: list[Caption | None] = []
    for category in rng.choice(list(CATEGORY_SHARES), count, p=list(CATEGORY_SHARES.values())):
        scene, caption = world.sample_with_caption(rng, category)
        while scene.relation in MIRRORED_RELATIONS and not mirrored and rng.random() < 0.9:
            scene, caption = world.sample_with_caption(rng, category)
        scenes.append(scene)
        captions.append(None if rng.random() < CAPTION_DROPOUT else caption)
    return scenes, captions


def mask_cells(indices: Tensor, height: int, rng: np.random.Generator, objects: Tensor | None = None) -> Tensor:
    """Copy of indices [B, H*W] with a share of the cells of each row masked: cos(pi u / 2), u uniform, or EARLY.

    Half of the rows lose cells anywhere, half lose connected patches: samplers that keep the most confident cells first
    leave holes, which masks drawn cell by cell rarely show. Where objects [B, H*W] is given (see `object_cells`), a
    quarter of the rows loses an object's cells before the background, and a quarter its outline first and its middle
    last: samplers know the background, and then an object's color, before they decide on its shape.
    """
    batch, cells = indices.shape
    ratio = torch.from_numpy(np.cos(np.pi / 2 * rng.permutation((np.arange(batch) + rng.random(batch)) / batch)))
    for rows in (ratio[1::4], ratio[3::8]):
        rows.copy_(torch.from_numpy(rng.uniform(*EARLY, len(rows))))
    count = (ratio * cells).ceil().clamp(1, cells)
    order = torch.from_numpy(rng.random((batch, cells)))
    patchy = batch // 2
    noise = torch.from_numpy(rng.standard_normal((patchy, 1, height, cells // height)))
    kernel = int(rng.choice((3, 5, 7)))
    for _ in range(2):
        noise = F.avg_pool2d(noise, kernel, 1, kernel // 2, count_include_pad=False)
    order[:patchy] = noise.flatten(1)
    rank = order.argsort(1).argsort(1)
    if objects is not None:
        rank[::4] -= cells * (objects[::4] > 0).long()
        rank[2::4] -= cells * (objects[2::4] == OUTLINE).long() - cells * (objects[2::4] == MIDDLE).long()
        rank = rank.argsort(1).argsort(1)
    return indices.masked_fill(rank < count[:, None], -1)


def object_cells(scenes: list[Scene], captions: list[Caption | None], height: int, width: int) -> Tensor:
    """Which cells [B, H*W] are the OUTLINE and the MIDDLE of an object's box, 0 elsewhere.

    All 0 where the caption was dropped: a mask that looks at the picture is harmless only for exact targets, which hold
    for any choice of the known cells.
    """
    parts = torch.zeros(len(scenes), height, width, dtype=torch.int64)
    for row, scene, caption in zip(parts, scenes, captions):
        for thing in scene.objects if caption else ():
            box = row[thing.row : thing.row + thing.size, thing.column : thing.column + thing.size]
            box[:] = OUTLINE
            box[1:-1, 1:-1] = MIDDLE
    return parts.flatten(1)


def targets(posterior: TokenPosterior, scenes: list[Scene], captions: list[Caption | None], indices: Tensor,
            masked: Tensor) -> Tensor:
    """Probabilities [M, K] of the codes in the masked cells: exact given the caption, the scene's own code without one.

    A scene's own codes are one draw from the exact probabilities; learning from the latter leaves out that noise.
    """
    parts = []
    for scene, caption, own, left in zip(scenes, captions, indices, masked):
        wanted = left < 0
        if caption is None:
            parts.append(F.one_hot(own[wanted], posterior.codebook_size).float())
        else:
            parts.append(torch.from_numpy(posterior.probabilities(scene, caption, left.numpy()))[wanted])
    return torch.cat(parts)


def train_transformer(world: ShapesWorld, vq: PatchVQ, folder: Path, *, minutes: float, batch: int = 32, seed: int = 0,
                      save_minutes: float = 3.0, width: int = 128, layers: int = 6, compiled: bool = True,
                      device: str = "cpu", workers: Workers | None = None,
                      mirrored_from: float = MIRRORED_FROM, rate: float = 1.0) -> None:
    """Train (or go on training) in `folder` until `minutes` of training are spent in all."""
    workers = workers or Workers()
    batch //= workers.count
    layout = BuiltinLayout(world.vocabulary, vq.codebook_size)
    torch.manual_seed(seed)
    model = LLaDATransformer(builtin_config(layout, width, layers))
    for name, p in model.named_parameters():
        if p.dim() == 2:
            nn.init.normal_(p, std=0.02 if "transformer.w" in name or name == "transformer.ff_out.weight" else
                            0.5 / math.sqrt(p.shape[1]))
        if name.endswith(("attn_out.weight", "ff_out.weight")) and ".blocks." in name:
            nn.init.zeros_(p)
    model.to(device)
    optimizer, average = MuonAndAdamW(model), MovingAverage(model)
    step, spent = load_training_state(folder / "transformer.pt", model, optimizer, average)
    if device == "cpu":
        model.attention = written_out_attention
    network = torch.compile(model) if compiled else model
    rng = np.random.default_rng((seed, step, workers.rank))
    positions, posterior = layout.cell_positions(), TokenPosterior(world, vq)
    started = saved = time.time()
    losses: list[float] = []
    while (total := workers.agree(spent + time.time() - started)) < minutes * 60:
        scenes, captions = draw_scenes(world, batch, total >= mirrored_from * minutes * 60, rng)
        texts = [layout.encode_text(caption.text if caption else "") for caption in captions]
        indices = torch.from_numpy(np.stack([posterior.tokens(scene) for scene in scenes]))
        masked = mask_cells(indices, layout.height, rng, object_cells(scenes, captions, layout.height, layout.width))
        wanted = (masked < 0).to(device)
        with torch.autocast(device, torch.bfloat16):
            hidden = network(layout.sequences(torch.tensor(texts), masked).to(device))[:, positions]
            logits = model.logits(hidden[wanted], layout.image_offset, layout.codebook_size)
        loss = F.cross_entropy(logits.float(), targets(posterior, scenes, captions, indices, masked).to(device))
        loss.backward()
        workers.average_gradients(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(rate * learning_rate_scale(total / (minutes * 60), step))
        average.update(model, step)
        step += 1
        losses.append(loss.item())
        if step % 100 == 0 and workers.rank == 0:
            line = {"step": step, "loss": round(float(np.mean(losses[-100:])), 4),
                    "samples": step * batch * workers.count, "minutes": round(total / 60, 2)}
            print(json.dumps(line), flush=True)
        if time.time() - saved > save_minutes * 60 and workers.rank == 0:
            saved = time.time()
            save_training_state(folder / "transformer.pt", model, optimizer, average, step, total)
    if workers.rank == 0:
        save_training_state(folder / "transformer.pt", model, optimizer, average, step, spent + time.time() - started)


def train_shapes_transformer(workers: Workers, folder: Path, patterns: tuple[str, ...], minutes: float, batch: int,
                             seed: int, compiled: bool, device: str, mirrored_from: float,
                             rate: float) -> None:
    """One worker's part of training on the shapes world, with the image tokenizer in the folder."""
    vq = PatchVQ(PatchVQConfig())
    vq.load_state_dict(torch.load(folder / "vq.pt", weights_only=True)["model"])
    train_transformer(ShapesWorld(patterns), vq.eval().requires_grad_(False), folder, minutes=minutes, batch=batch,
                      seed=seed, compiled=compiled, device=device, workers=workers, mirrored_from=mirrored_from,
                      rate=rate)
