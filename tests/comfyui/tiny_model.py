"""Writes tiny random models in the built-in model's file format, so that a graph runs in milliseconds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from ladr_core.models.builtin.layout import BuiltinLayout
from ladr_core.models.builtin.loading import CONFIG_KEY, TRANSFORMER_PREFIX, VQ_PREFIX
from ladr_core.models.llada import LLaDAConfig, LLaDATransformer
from ladr_core.vq.patch_vq import PatchVQ, PatchVQConfig

WORDS = tuple("a the of on left right red green blue circle square triangle two three background and".split())
WIDTH = 32


def tiny_image_tokenizer() -> PatchVQ:
    """The tiny model's, with new random weights."""
    return PatchVQ(PatchVQConfig(codebook_size=1024, encoder_width=16, decoder_width=16, decoder_blocks=1))


def _parts() -> tuple[LLaDATransformer, PatchVQ]:
    torch.manual_seed(7)
    vq = tiny_image_tokenizer()
    layout = BuiltinLayout(WORDS, 1024)
    config = LLaDAConfig(
        d_model=WIDTH, n_layers=2, n_heads=2, mlp_hidden_size=2 * WIDTH, embedding_size=layout.vocabulary_size,
        max_sequence_length=layout.sequence_length, learned_positions=True,
    )  # fmt: skip
    transformer = LLaDATransformer(config)
    for parameter in transformer.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.4)  # wide enough that the text changes the tokens
    return transformer, vq


def write_tiny(path: Path, *, broken: str = "") -> None:
    """Write a model; broken: 'nan' puts NaN into its weights, 'cut' ends the file early."""
    transformer, vq = _parts()
    if broken == "nan":
        transformer.transformer["ln_f"].weight.data.fill_(float("nan"))
    tensors = {TRANSFORMER_PREFIX + k: v for k, v in transformer.state_dict().items()}
    tensors |= {VQ_PREFIX + k: v for k, v in vq.state_dict().items()}
    config = {"words": WORDS, "vq": asdict(vq.config), "transformer": asdict(transformer.config)}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, path, {CONFIG_KEY: json.dumps(config)})
    if broken == "cut":
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])


def write_lora(path: Path, keys: tuple[str, ...]) -> None:
    """Write a LoRA of rank 2 in ComfyUI's generic naming for some of the tiny model's linear layers."""
    shapes = {k: v.shape for k, v in _parts()[0].state_dict().items()}
    torch.manual_seed(11)
    tensors = {}
    for key in keys:
        out_size, in_size = shapes[key + ".weight"]
        tensors[f"diffusion_model.{key}.lora_up.weight"] = torch.randn(out_size, 2)
        tensors[f"diffusion_model.{key}.lora_down.weight"] = torch.randn(2, in_size)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
