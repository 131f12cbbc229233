"""Train the emoji model's transformer on exact conditionals, for random masks and for those that samplers leave.

Beside masks of random scenes (see `emoji_batches`), a part of the batches are states in the middle of the samplers'
own runs, with the network's own mistakes in them: the conditionals are exact there too, and states that no scene fits
are dropped.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...models.builtin.layout import TEXT_LENGTH, BuiltinLayout
from ...models.llada import LLaDATransformer
from ..worlds.emoji.codes import Codes
from ..worlds.emoji.token_posterior import TokenPosterior
from ..worlds.emoji.world import EmojiWorld
from .checkpoints import load_training_state, save_training_state
from .emoji_batches import Batch, Scenes, cross_entropy, target_entropy
from .emoji_start import start_from_shapes
from .factored_tables import FactoredTables, code_parts
from .muon import Muon
from .trajectories import TrajectoryStates
from .transformer import MovingAverage, builtin_config, written_out_attention
from .workers import Workers

BLOCK_RATE, PART_RATE, OWN_RATE = 0.006, 3e-3, 1e-3
HEAD_STEPS = 100
"""Steps in which the head alone learns: to begin with it fits neither the network nor the codes."""


class EmojiNetwork(nn.Module):
    """The transformer with factored tables in the place of its own."""

    def __init__(self, layout: BuiltinLayout, codes: Codes, width: int, layers: int):
        super().__init__()
        self.layout = layout
        self.config = builtin_config(layout, width, layers)
        self.transformer = LLaDATransformer(self.config)
        for name in ("wte", "ff_out"):
            del self.transformer.transformer[name]
        parts, self.part_names = code_parts(codes, layout.codebook_size)
        self.tables = FactoredTables(parts, layout.image_offset, width)
        self._text, self._cells = torch.arange(TEXT_LENGTH), layout.cell_positions()
        others = torch.ones(layout.sequence_length, dtype=torch.bool)
        others[self._text], others[self._cells] = False, False
        self._others = others.nonzero()[:, 0]

    def forward(self, batch: Batch, head_only: bool = False) -> Tensor:
        """Logits [M, K] of the masked cells that are kept; head_only: with gradients for the head alone."""
        with torch.set_grad_enabled(not head_only and torch.is_grad_enabled()):
            hidden = self.hidden_states(batch)
        return F.linear(hidden, self.tables.head())

    def plain_weights(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The transformer's weights with plain tables, from a state of this module."""
        return plain_weights(state, self.tables.parts)

    def hidden_states(self, batch: Batch) -> Tensor:
        """Hidden states [M, d] of the masked cells that are kept."""
        places = self._cells[batch.kept]
        around = self._others[torch.rand(len(self._others)) < len(batch.kept) / len(self._cells)]
        positions = torch.cat((self._text, around, places))
        tokens = self.layout.sequences(batch.texts, batch.masked)[:, positions]
        x = self.transformer.add_positions(F.embedding(tokens, self.tables.embedding()), positions)
        hidden = self.transformer.run_blocks(x, positions)[:, -len(places):]
        return hidden[batch.masked[:, batch.kept] < 0]


def plain_weights(state: dict[str, Tensor], parts: Tensor) -> dict[str, Tensor]:
    """The transformer's weights with plain tables, from an EmojiNetwork's state."""
    prefix = "transformer."
    weights = {k[len(prefix):]: v for k, v in state.items() if k.startswith(prefix)}
    table = {k[len("tables."):]: v for k, v in state.items() if k.startswith("tables.")}
    words = table["words"]
    weights["transformer.wte.weight"] = torch.cat(
        (words, parts @ table["part_embedding"] + table["own_embedding"])
    )
    weights["transformer.ff_out.weight"] = torch.cat(
        (torch.zeros_like(words), parts @ table["part_head"] + table["own_head"])
    )
    return weights


class Optimizers:
    """Muon for the matrices of the blocks, AdamW for the rest, behind one optimizer's interface."""

    def __init__(self, model: EmojiNetwork):
        named = list(model.named_parameters())
        matrices = [p for name, p in named if ".blocks." in name and p.dim() == 2]
        own = [p for name, p in named if "tables.own" in name]
        chosen = {id(p) for p in matrices + own}
        others = [p for _, p in named if id(p) not in chosen]
        self.muon = Muon(matrices, lr=BLOCK_RATE, momentum=0.95, weight_decay=0.01)
        self.adamw = torch.optim.AdamW([{"params": others, "rate": PART_RATE}, {"params": own, "rate": OWN_RATE}],
                                       betas=(0.9, 0.98), weight_decay=0.0)

    def step(self, scale: float) -> None:
        """One update with all learning rates scaled."""
        for optimizer in (self.muon, self.adamw):
            for group in optimizer.param_groups:
                group["lr"] = group.get("rate", BLOCK_RATE) * scale
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict:
        """State of both optimizers."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Restore the state of both optimizers."""
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])


def learning_rate_scale(progress: float, step: int) -> float:
    """Warm up over 50 steps, stay, and fall linearly to almost nothing over the last half of the training."""
    return min(1.0, (step + 1) / 50) * min(1.0, max(0.02, (1 - progress) / 0.5))


def train_emoji(world: EmojiWorld, codes: Codes, codebook_size: int, folder: Path, *, minutes: float, batch: int = 32,
                seed: int = 0, save_minutes: float = 0.5, width: int = 128, layers: int = 6, shapes=None,
                share: float = 0.35, whole_from: float = 0.95, trajectories: float = 0.0,
                workers: Workers | None = None) -> None:
    """Train (or go on training) in `folder` until the first worker has spent `minutes` of processor time in all.

    shapes: the model to begin with; share: of the cells that the network sees before `whole_from` of the minutes, as
    a short sequence costs less; trajectories: share of the later batches that are states of samplers' runs.
    """
    workers = workers or Workers()
    batch //= workers.count
    torch.manual_seed(seed)
    layout = BuiltinLayout(world.vocabulary, codebook_size)
    model = EmojiNetwork(layout, codes, width, layers)
    model.transformer.attention = written_out_attention
    if shapes is not None:
        start_from_shapes(shapes, model.transformer, model.tables, model.part_names, world.vocabulary, seed)
    optimizer, average = Optimizers(model), MovingAverage(model)
    step, spent = load_training_state(folder / "transformer.pt", model, optimizer, average)
    rng = np.random.default_rng((seed, step, workers.rank))
    together = np.random.default_rng((seed, step))  # all workers take the same kind of batch: none waits for another
    source = Scenes(world, TokenPosterior(codes), layout, rng)
    started = saved = time.process_time()
    excess: list[float] = []
    runs = TrajectoryStates(source, model, average)
    while (total := workers.agree(spent + time.process_time() - started)) < minutes * 60:
        whole = total >= whole_from * minutes * 60
        if whole and together.random() < trajectories:
            part = runs.draw(batch)
        else:
            part = source.random_masks(batch, 1.0 if whole else share)
        loss = cross_entropy(model(part, head_only=step < HEAD_STEPS), part)
        loss.backward()
        workers.average_gradients(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(learning_rate_scale(total / (minutes * 60), step))
        average.update(model, step)
        step += 1
        excess.append(loss.item() - target_entropy(part, codebook_size))
        if workers.rank > 0:
            continue
        if step % 10 == 0:
            line = {"step": step, "excess": round(float(np.mean(excess[-10:])), 4), "loss": round(loss.item(), 4),
                    "minutes": round(total / 60, 2)}
            print(json.dumps(line), flush=True)
        if time.process_time() - saved > save_minutes * 60:
            saved = time.process_time()
            save_training_state(folder / "transformer.pt", model, optimizer, average, step, total)
    if workers.rank == 0:
        spent += time.process_time() - started
        save_training_state(folder / "transformer.pt", model, optimizer, average, step, spent)
