"""Folders with the published names, shapes and sizes (sparse files of zeros): all is found, nothing is read early."""

from __future__ import annotations

import json
import sys
from math import prod
from pathlib import Path

import pytest
import torch

from ladr_core.checkpoint import load_dllm
from ladr_core.checkpoint.parts import expected_shapes
from ladr_core.models.llada import LLaDAConfig
from ladr_core.vq.amused_vq import VQModel, VQModelConfig
from ladr_core.vq.magvit2 import MAGVITv2, MAGVITv2Config

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tiny_checkpoints import SHARED, SPECIAL, tokenizer_json  # noqa: E402

SIZES = {"d_model": 4096, "n_layers": 32, "n_heads": 32, "n_kv_heads": 32, "mlp_hidden_size": 12288}
BYTES = {"BF16": 2, "F32": 4, "I64": 8}
GIGABYTE = 10**9

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="16 GB files that take no room need Linux")


def write_sparse(path: Path, tensors: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    """A safetensors file of zeros that takes no room on the disk."""
    end, entries = 0, {}
    for name, (dtype, shape) in tensors.items():
        start, end = end, end + BYTES[dtype] * prod(shape)
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
    header = json.dumps(entries).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + end)


def write_folder(folder: Path, rows: int, shards: int, **fields) -> None:
    """The transformer and its tokenizer."""
    folder.mkdir()
    config = {**SHARED, **SIZES, **fields}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(tokenizer_json(SPECIAL), encoding="utf-8")
    shapes = expected_shapes(LLaDAConfig.from_dict({**config, "embedding_size": rows}))
    names, weight_map = list(shapes), {}
    for number in range(shards):
        part = {"model." + name: ("BF16", shapes[name]) for name in names[number::shards]}
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        write_sparse(folder / file, part)
        weight_map |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def write_vq(path: Path, model: torch.nn.Module, config: dict) -> None:
    """An image tokenizer."""
    path.parent.mkdir()
    (path.parent / "config.json").write_text(json.dumps(config))
    state = model.state_dict().items()
    write_sparse(path, {n: ("I64" if v.dtype == torch.int64 else "F32", tuple(v.shape)) for n, v in state})


def memory_in_use() -> int:
    """Resident bytes that belong to the process and not to a file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


@pytest.mark.parametrize("name", ["lumina-dimoo", "mmada"])
def test_a_folder_of_the_published_size_loads_without_being_read(tmp_path, name):
    folder = tmp_path / "model"
    if name == "lumina-dimoo":
        fields = {"model_type": "llada", "architectures": ["LLaDAForMultiModalGeneration"], "vocab_size": 134548}
        write_folder(folder, 134548, 4, **fields)
        config = {"mid_block_add_attention": False, "lookup_from_codebook": True}
        vq_file = folder / "vqvae" / "diffusion_pytorch_model.safetensors"
        write_vq(vq_file, VQModel(VQModelConfig(), device="meta"), config)
        expected = (8_081_805_312, 146_244_675)
    else:
        write_folder(folder, 134656, 4, model_type="mmada", architectures=["MMadaModelLM"], vocab_size=126464)
        vq_file = folder / "magvitv2" / "pytorch_model.safetensors"
        write_vq(vq_file, MAGVITv2(MAGVITv2Config(), device="meta"), {"_class_name": "MAGVITv2"})
        expected = (8_082_690_048, 95_387_004)
    before = memory_in_use()
    model = load_dllm(folder)
    assert memory_in_use() - before < GIGABYTE // 4
    assert model.name == name
    found = tuple(sum(p.numel() for p in part.parameters()) for part in (model.transformer, model.vq))
    assert found == expected
    assert sum(p.nbytes for p in model.transformer.parameters()) == 2 * expected[0]
