"""Write the built-in model's safetensors file out of a training folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..builtin import CONFIG_KEY, TRANSFORMER_PREFIX, VQ_PREFIX
from ..models.builtin_layout import BuiltinLayout
from ..models.llada import LLaDATransformer
from ..vq.patch_vq import PatchVQ, PatchVQConfig
from ..worlds.scene import World
from .transformer import builtin_config


def export_builtin(world: World, folder: Path, target: Path) -> dict:
    """Write the averaged transformer (float16) and the VQ tokenizer (float32) to `target`; returns a record."""
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
