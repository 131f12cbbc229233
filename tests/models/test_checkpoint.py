"""Loading folders as published: every weight where it belongs, and the families told apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from draw_tokens import sample_tokens
from safetensors.torch import load_file
from tiny_checkpoints import SHARD

from ladr_core.checkpoint import find_parts, load_dllm
from ladr_core.models.builtin.loading import SHAPES_WEIGHTS
from ladr_core.models.contract import Prompt
from ladr_core.models.families import LUMINA_DIMOO, MMADA, find_family


@pytest.mark.parametrize("folder, name, side", [("Lumina-DiMOO", "lumina-dimoo", 64), ("MMaDA", "mmada", 32)])
def test_a_published_folder_loads_as_it_is(published, folder, name, side):
    model = load_dllm(published / folder)
    assert model.name == name and model.cell_pixels == 16 and model.codebook_size == 8192
    assert (model.default_grid.height, model.default_grid.width) == (side, side)
    stored = load_file(published / folder / SHARD)
    own = model.transformer.state_dict()
    assert all(torch.equal(own[key.removeprefix("model.")], value) for key, value in stored.items())
    assert not any(p.requires_grad for p in model.transformer.parameters())
    assert all(p.dtype == torch.float32 for p in model.vq.parameters())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux to look at its own memory map")
def test_weights_stay_memory_mapped(published):
    """The weights lie in the mapped files: nothing of them is held in memory twice."""
    model = load_dllm(published / "Lumina-DiMOO")
    mapped = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(".safetensors"):
            first, last = line.split()[0].split("-")
            mapped.append(range(int(first, 16), int(last, 16)))
    assert all(any(p.data_ptr() in part for part in mapped) for p in model.transformer.parameters())


def test_families_are_told_apart_by_their_configuration(tmp_path):
    assert find_family({"model_type": "mmada"}, tmp_path) is MMADA
    assert find_family({"model_type": "llada", "llm_vocab_size": 126464}, tmp_path) is MMADA
    assert find_family({"model_type": "llada"}, tmp_path) is None
    (tmp_path / "vqvae").mkdir()
    assert find_family({"model_type": "llada"}, tmp_path) is LUMINA_DIMOO
    assert find_family({"model_type": "llada", "llm_vocab_size": 126464}, tmp_path) is MMADA


def test_the_built_in_model_loads_by_the_same_function():
    if not SHAPES_WEIGHTS.is_file():
        pytest.skip("the built-in model's file is not here")
    assert load_dllm(SHAPES_WEIGHTS).name == "builtin-shapes"


def test_the_number_of_token_ids_is_that_of_the_weights(lumina_folder):
    path = lumina_folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "vocab_size": 126464, "embedding_size": None}))
    assert find_parts(lumina_folder).transformer_config.embedding_size == 134548
    assert load_dllm(lumina_folder).transformer.config.embedding_size == 134548


def test_loaded_models_draw(published):
    from ladr_core.settings import SamplerSettings
    from ladr_core.token_grid import TokenGrid

    model = load_dllm(published / "Lumina-DiMOO", dtype=torch.float32)
    settings = SamplerSettings(steps=3)
    for sampler in ("ladr", "baseline", "lumina-dimoo"):
        tokens, report = sample_tokens(
            model, [Prompt("a red fox")], [Prompt("")], TokenGrid(4, 6), sampler=sampler, settings=settings
        )
        assert tokens.shape == (1, 4, 6) and int(tokens.min()) >= 0 and report.nfe <= 3
        pixels = model.vq.decode(tokens)
        assert pixels.shape == (1, 3, 64, 96) and torch.isfinite(pixels).all()
