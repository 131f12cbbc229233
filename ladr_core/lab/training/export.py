"""Write the built-in model's safetensors file out of a training folder, and start a training from such a file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from ...models.builtin.layout import BuiltinLayout
from ...models.builtin.loading import CONFIG_KEY, load_builtin
from ...models.llada import TRANSFORMER_PREFIX, LLaDATransformer
from ...vq.contract import VQ_PREFIX
from ...vq.patch_vq import PatchVQ, PatchVQConfig
from ..worlds.scene import World
from .checkpoints import save_training_state
from .transformer import MovingAverage, MuonAndAdamW, builtin_config
from .vq import CodebookAverages, vq_optimizer


def export_builtin(world: World, folder: Path, target: Path) -> dict:
    """Write the averaged transformer (float16) and the image tokenizer (float32) to `target`; returns a record."""
    vq_state = torch.load(folder / "vq.pt", weights_only=True)
    state = torch.load(folder / "transformer.pt", weights_only=True)
    weights = state["extra"]["weights"]
    layout = BuiltinLayout(world.vocabulary, PatchVQConfig().codebook_size)
    width = weights["transformer.ln_f.weight"].shape[0]
    layers = len([k for k in weights if k.endswith("q_proj.weight")])
    config = builtin_config(layout, width, layers)
    LLaDATransformer(config, device="meta").load_state_dict(weights, strict=True, assign=True)
    PatchVQ(PatchVQConfig(), device="meta").load_state_dict(vq_state["model"], strict=True, assign=True)
    tensors = {TRANSFORMER_PREFIX + k: v.half().contiguous() for k, v in weights.items()}
    tensors |= {VQ_PREFIX + k: v.float().contiguous() for k, v in vq_state["model"].items()}
    record = {"world": world.name, "steps": state["step"], "minutes": round(state["seconds"] / 60, 1),
              "vq_steps": vq_state["step"], "vq_minutes": round(vq_state["seconds"] / 60, 1)}
    description = {"words": list(world.vocabulary), "transformer": asdict(config), "vq": asdict(PatchVQConfig()),
                   "training": record}
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(target), metadata={"format": "pt", CONFIG_KEY: json.dumps(description)})
    return record


def start_from(source: Path, folder: Path) -> None:
    """Begin a training in an empty `folder` from an exported file; its optimizers start anew, at step 0."""
    model = load_builtin(source)
    model.transformer.requires_grad_(True)
    vq = model.vq.requires_grad_(True)
    save_training_state(folder / "vq.pt", vq, vq_optimizer(vq), CodebookAverages(vq), 0, 0.0)
    optimizer, average = MuonAndAdamW(model.transformer), MovingAverage(model.transformer)
    save_training_state(folder / "transformer.pt", model.transformer, optimizer, average, 0, 0.0)
