"""Writes tiny random Lumina-DiMOO and MMaDA folders in the layout of the published ones, with the real token ids.

python tests/tiny_checkpoints.py FOLDER     writes FOLDER/Lumina-DiMOO, FOLDER/MMaDA-8B-MixCoT and FOLDER/magvitv2
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ladr_core.models.llada import LLaDAConfig, LLaDATransformer  # noqa: E402
from ladr_core.vq.amused_vq import VQModel, VQModelConfig  # noqa: E402
from ladr_core.vq.magvit2 import MAGVITv2, MAGVITv2Config  # noqa: E402

SHARD = "model-00002-of-00002.safetensors"  # the last one of each model
SPREAD = 0.4  # of the weights: wide enough that the text changes the tokens
RANK = 2  # of a LoRA
LUMINA_ROWS, MMADA_ROWS = 134548, 134656
SIZES = {"d_model": 16, "n_layers": 2, "n_heads": 2, "n_kv_heads": 2, "mlp_hidden_size": 24}
SHARED = {
    "block_type": "llama", "activation_type": "silu", "layer_norm_type": "rms", "rope": True, "rope_theta": 500000.0,
    "rms_norm_eps": 1e-5, "include_bias": False, "weight_tying": False, "max_sequence_length": 4096,
    "mask_token_id": 126336, "eos_token_id": 126081, "pad_token_id": 126081, "torch_dtype": "bfloat16", **SIZES,
}  # fmt: skip
LUMINA_VQ = {
    "_class_name": "VQModel", "act_fn": "silu", "block_out_channels": [16] * 5, "in_channels": 3, "out_channels": 3,
    "latent_channels": 4, "layers_per_block": 1, "lookup_from_codebook": True, "mid_block_add_attention": False,
    "norm_num_groups": 8, "norm_type": "group", "num_vq_embeddings": 8192, "vq_embed_dim": None,
}  # fmt: skip
MAGVIT = MAGVITv2Config(
    bits=13, encoder_width=32, encoder_multipliers=(1,) * 5, encoder_blocks=(1,) * 5,
    decoder_width=32, decoder_multipliers=(1,) * 5, decoder_blocks=(1,) * 5,
)  # fmt: skip
SPECIAL = {
    "<|startoftext|>": 126080, "<|endoftext|>": 126081, "<|mdm_mask|>": 126336, "<uncondition>": 126351,
}  # fmt: skip


def tokenizer_json(special: dict[str, int]) -> str:
    """A byte-level tokenizer without merges: 256 ids for bytes, and the special tokens at their real ids."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: number for number, piece in enumerate(alphabet)} | special
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return tokenizer.to_str()


def write_lumina(
    folder: Path, *, seed: int = 0, shards: int = 2, dtype: torch.dtype = torch.bfloat16, spread: float = SPREAD
) -> Path:
    """A Lumina-DiMOO folder with its ``vqvae``; spread: standard deviation of its weights."""
    config = {"model_type": "llada", "architectures": ["LLaDAForMultiModalGeneration"], **SHARED}
    _write_model(folder, config, LUMINA_ROWS, seed, shards, dtype, SPECIAL, spread)
    torch.manual_seed(seed)
    vq = VQModel(VQModelConfig.from_dict(LUMINA_VQ))
    vq.quantize["embedding"].weight.data.normal_(std=0.3)
    _write_json(folder / "vqvae" / "config.json", LUMINA_VQ)
    save_file(vq.state_dict(), folder / "vqvae" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    return folder


def write_mmada(
    folder: Path, *, seed: int = 0, shards: int = 2, dtype: torch.dtype = torch.bfloat16, spread: float = SPREAD
) -> Path:
    """An MMaDA folder; its image tokenizer is written by `write_magvit`, as it is published apart."""
    config = {"model_type": "mmada", "architectures": ["MMadaModelLM"], "codebook_size": 8192, **SHARED}
    special = {name: number for name, number in SPECIAL.items() if name != "<uncondition>"}
    _write_model(folder, config, MMADA_ROWS, seed, shards, dtype, special, spread)
    return folder


def write_magvit(folder: Path, *, seed: int = 0) -> Path:
    """A ``magvitv2`` folder."""
    torch.manual_seed(seed)
    _write_json(folder / "config.json", MAGVIT.to_dict())
    save_file(MAGVITv2(MAGVIT).state_dict(), folder / "pytorch_model.safetensors", {"format": "pt"})
    return folder


def lora_factors(layers: Sequence[str], rows: int, *, seed: int = 11) -> dict[str, tuple[Tensor, Tensor]]:
    """Random LoRA factors A [RANK, inputs] and B [outputs, RANK] for layers of a model with so many token rows."""
    config = LLaDAConfig.from_dict({**SHARED, "embedding_size": rows})
    shapes = {name: value.shape for name, value in LLaDATransformer(config, device="meta").state_dict().items()}
    noise, factors = torch.Generator().manual_seed(seed), {}
    for layer in layers:
        outputs, inputs = shapes[layer + ".weight"]
        factors[layer] = torch.randn(RANK, inputs, generator=noise), torch.randn(outputs, RANK, generator=noise)
    return factors


def write_lora(path: Path, factors: Mapping[str, tuple[Tensor, Tensor]], alpha: float) -> None:
    """Write a LoRA under the names that ComfyUI knows."""
    tensors = {}
    for layer, (a, b) in factors.items():
        name = f"diffusion_model.{layer}"
        tensors |= {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b, f"{name}.alpha": torch.tensor(alpha)}
    save_file(tensors, path, {"format": "pt"})


def write_adapter(folder: Path, factors: Mapping[str, tuple[Tensor, Tensor]], alpha: float) -> None:
    """Write the same LoRA as the PEFT library does."""
    _write_json(folder / "adapter_config.json", {"peft_type": "LORA", "lora_alpha": alpha, "r": RANK})
    tensors = {}
    for layer, (a, b) in factors.items():
        name = f"base_model.model.model.{layer}"
        tensors |= {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})


def _write_model(
    folder: Path,
    config: dict[str, Any],
    rows: int,
    seed: int,
    shards: int,
    dtype: torch.dtype,
    special: dict[str, int],
    spread: float,
) -> None:
    torch.manual_seed(seed)
    config = {**config, "vocab_size": rows, "embedding_size": rows}
    model = LLaDATransformer(LLaDAConfig.from_dict(config))
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(std=spread)
    tensors = {"model." + name: value.to(dtype).contiguous() for name, value in model.state_dict().items()}
    _write_json(folder / "config.json", config)
    (folder / "tokenizer.json").write_text(tokenizer_json(special), encoding="utf-8")
    _write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
    names = sorted(tensors)
    weight_map = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: tensors[name] for name in names[number::shards]}
        save_file(part, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    size = sum(value.nbytes for value in tensors.values())
    _write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": weight_map})


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    for write, name in ((write_lumina, "Lumina-DiMOO"), (write_mmada, "MMaDA-8B-MixCoT"), (write_magvit, "magvitv2")):
        print(write(target / name))
