"""Every weight patch, however a core holds the layers, gives what it gives on plain 16-bit weights."""

from __future__ import annotations

import types

import pytest
import torch
from cores.stand_in_patchers import CARD, KINDS
from tiny_checkpoints import write_lumina
from torch import nn

from ladr_core.checkpoint.loading import load_dllm
from ladr_core.models.llada import LLaDAConfig, LLaDATransformer
from ladr_core.models.memory import table_bytes, weight_bytes

FIRST, COUNT = 126356, 48  # some codes of the head
BLOCK, EMBEDDING, HEAD = "transformer.blocks.0.q_proj", "transformer.wte", "transformer.ff_out"
PATCHED = {
    "block": (BLOCK, "transformer.blocks.1.ff_out"),
    "norm": ("transformer.blocks.0.attn_norm", "transformer.ln_f"),
    "tables": (EMBEDDING, HEAD),
}
DTYPES = {"bfloat16": 0.03, "float8_e4m3fn": 0.3}  # and how far the logits may be from float32's
WAYS = {"old": ("whole", "part", "unloaded"), "new": ("whole", "part", "unloaded"), "dynamic": ("lazy", "again")}
CASES = [(kind, way) for kind in KINDS for way in WAYS[kind]]


@pytest.fixture(scope="module")
def expected(folder):
    """By what is patched: the logits without a patch and with it, and the patch, on plain float32 weights."""
    found = {}
    for patched, names in PATCHED.items():
        reference = load_dllm(folder, dtype=torch.float32).transformer
        plain, deltas = _logits(reference), _deltas(reference, names)
        for name, delta in deltas.items():
            reference.get_parameter(name).add_(delta)
        found[patched] = plain, _logits(reference), deltas
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model as published."""
    path = tmp_path_factory.mktemp("models") / "lumina"
    write_lumina(path)
    return path


def _logits(transformer):
    with torch.no_grad():
        return transformer.logits(transformer(torch.arange(40)[None] * 7), FIRST, COUNT).float()


def _deltas(transformer, names):
    generator = torch.Generator().manual_seed(5)
    state = transformer.state_dict()
    return {
        f"{name}.weight": 0.4 * state[f"{name}.weight"].float().std().clamp_min(0.5)
        * torch.randn(state[f"{name}.weight"].shape, generator=generator)
        for name in names
    }  # fmt: skip


def _distance(found, expected):
    return float((found - expected).norm() / expected.norm())


def _patcher(on_core, kind, folder, dtype):
    """A patcher of this pack on a stand-in, over the tiny model."""
    module = on_core("nodes.weights_on_card", patcher=kind, lazy=kind == "dynamic")
    operations = on_core("nodes.layers", anew=False).Layers
    transformer = load_dllm(folder, operations=operations, dtype=getattr(torch, dtype)).transformer
    model = nn.Module()
    model.diffusion_model = transformer
    device = CARD if kind == "dynamic" else torch.device("cpu")
    return module.make_patcher(model, device, torch.device("cpu")), transformer


def _apply(patcher, way):
    if way in ("whole", "unloaded"):
        patcher.load(patcher.load_device, full_load=True)
    elif way == "part":
        patcher.load(patcher.load_device, lowvram_model_memory=1)
    else:
        patcher.load(patcher.load_device)
    if way == "unloaded":
        patcher.partially_unload(patcher.offload_device, 1)
    if way == "again":
        patcher.load(patcher.load_device)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("patched", PATCHED)
@pytest.mark.parametrize(("kind", "way"), CASES)
def test_a_patch_does_what_it_does_on_plain_weights(on_core, folder, expected, kind, way, patched, dtype):
    plain, wanted, deltas = expected[patched]
    patcher, transformer = _patcher(on_core, kind, folder, dtype)
    before = _logits(transformer)
    patcher.add_patches({f"diffusion_model.{name}": delta for name, delta in deltas.items()})
    _apply(patcher, way)
    found = _logits(transformer)
    assert _distance(found, wanted) < DTYPES[dtype] < _distance(plain, wanted) / 1.5
    patcher.unpatch_model()
    assert torch.equal(_logits(transformer), before)


@pytest.mark.parametrize(("kind", "way"), [case for case in CASES if case[1] != "whole"])
def test_8_bit_layers_in_part_give_the_numbers_of_a_whole_load(on_core, folder, kind, way):
    found = []
    for each in ("whole", way) if kind != "dynamic" else (way,):
        patcher, transformer = _patcher(on_core, kind, folder, "float8_e4m3fn")
        patcher.add_patches({f"diffusion_model.{k}": v for k, v in _deltas(transformer, PATCHED["block"]).items()})
        _apply(patcher, each)
        found.append(_logits(transformer))
    if kind == "dynamic":
        patcher, transformer = _patcher(on_core, "new", folder, "float8_e4m3fn")
        patcher.add_patches({f"diffusion_model.{k}": v for k, v in _deltas(transformer, PATCHED["block"]).items()})
        _apply(patcher, "whole")
        found.append(_logits(transformer))
    assert torch.equal(found[0], found[1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_tables_never_move(on_core, folder, kind):
    patcher, transformer = _patcher(on_core, kind, folder, "bfloat16")
    patcher.load(patcher.load_device, full_load=True)
    tables = transformer.vocabulary_tables.values()
    assert all(leaf.to("meta").weight.device.type == "cpu" and not hasattr(leaf, "_v") for leaf in tables)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_size_of_an_8b_model_stays_through_clones_and_patches(on_core, kind, dtype):
    """On the meta device: nothing is allocated."""
    module = on_core("nodes.weights_on_card", patcher=kind, lazy=kind == "dynamic")
    operations = on_core("nodes.layers", anew=False).Layers
    config = LLaDAConfig(d_model=4096, n_layers=32, n_heads=32, mlp_hidden_size=12288, embedding_size=134656)
    model = nn.Module()
    kept = getattr(torch, dtype)
    model.diffusion_model = LLaDATransformer(config, operations=operations, device="meta", dtype=kept)
    expected = weight_bytes(config, kept) - table_bytes(config, kept)
    patcher = module.make_patcher(model, CARD, torch.device("cpu"))
    for chain in range(4):
        assert patcher.model_size() == expected
        patcher = patcher.clone()
        patcher.add_patches({f"diffusion_model.{BLOCK}.weight": torch.ones(())}, strength=0.1 * chain)
    assert patcher.clone().clone().model_size() == expected


def test_a_node_that_wants_weights_of_its_own_is_refused_by_name(on_core, folder, monkeypatch):
    patcher, _ = _patcher(on_core, "dynamic", folder, "bfloat16")
    refusals = on_core("nodes.refusals", anew=False)
    asking = types.SimpleNamespace(RETURN_TYPES=("MODEL",), OUTPUT_NODE=False)
    monkeypatch.setattr(refusals, "asking_node", lambda: ("TorchCompileModel", asking))
    with pytest.raises(RuntimeError, match=r"^model: got .*; allowed: .*\. Remove TorchCompileModel: "):
        patcher.clone(disable_dynamic=True)
    assert type(patcher.clone()) is type(patcher)
