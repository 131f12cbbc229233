"""Sizes of the single files that `convert` writes of the published models, computed from the tensors' shapes.

python -m ladr_core.lab single_file     writes docs/results/single_file.json
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import prod
from pathlib import Path

from ...checkpoint.loading import HEAD, is_layer
from ...checkpoint.parts import expected_shapes
from ...file_reading import Fields
from ...models.families import FAMILIES
from ...models.family import Family
from ...models.llada import LLaDAConfig

OUT = Path(__file__).resolve().parents[3] / "docs" / "results" / "single_file.json"
# As published; the number of rows is that of the embedding.
SIZES = {"d_model": 4096, "n_layers": 32, "n_heads": 32, "mlp_hidden_size": 12288}
ROWS = {"lumina-dimoo": 134_548, "mmada": 134_656}
VQ_CONFIG = {"lumina-dimoo": {"mid_block_add_attention": False}, "mmada": {}}


def file_bytes(family: Family, eight_bit: bool) -> dict[str, int]:
    """Bytes of transformer and image tokenizer in one file; header and text tokenizer come to this."""
    import torch

    shapes = expected_shapes(LLaDAConfig.from_dict({**SIZES, "vocab_size": ROWS[family.name]}))
    transformer = sum(prod(shape) * (1 if eight_bit and is_layer(name, shape) else 2) for name, shape in shapes.items())
    if eight_bit:
        transformer += 4 * sum(is_layer(name, shape) or name == HEAD + ".weight" for name, shape in shapes.items())
    vq = family.build_vq(Fields(VQ_CONFIG[family.name], "config.json", ""), torch.nn)
    tokenizer = sum(value.numel() * value.element_size() for value in vq.state_dict().values())
    return {"transformer": transformer, "image_tokenizer": tokenizer, "together": transformer + tokenizer}


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute and write."""
    record = {
        "what": "bytes of one .safetensors file, without its header of about ten megabytes (the text tokenizer)",
        "models": {
            family.title: {"bfloat16": file_bytes(family, False), "float8_e4m3fn": file_bytes(family, True)}
            for family in FAMILIES
        },
    }
    OUT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))
    return 0
