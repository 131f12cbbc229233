"""The transformer against the recorded forwards of both large models, and its packed form against the plain one."""

from __future__ import annotations

import pytest
import torch
from golden_data import load_transformer
from safetensors.torch import load_file

from ladr_core.errors import CheckpointError
from ladr_core.leaf_weight import leaf_weight
from ladr_core.models.llada import LLaDAConfig, LLaDATransformer
from ladr_core.models.packing import PackedRows
from ladr_core.models.vocabulary_rows import VocabularyRows

SMALL = LLaDAConfig(d_model=32, n_layers=3, n_heads=4, n_kv_heads=2, mlp_hidden_size=48, embedding_size=60)


def all_logits(model: LLaDATransformer, hidden: torch.Tensor) -> torch.Tensor:
    return model.logits(hidden, 0, model.config.embedding_size)


def small_model(**changes) -> LLaDATransformer:
    torch.manual_seed(0)
    return LLaDATransformer(LLaDAConfig(**{**SMALL.__dict__, **changes})).eval()


@pytest.mark.parametrize("name", ["text", "image", "long"])
@torch.inference_mode()
def test_lumina_forward(golden, name):
    folder = golden("lumina_dimoo/forward.safetensors").parent
    data, model = load_file(folder / "forward.safetensors"), load_transformer(folder)
    inputs: list[torch.Tensor] = []
    for block in model.transformer["blocks"]:
        block.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    hidden = model(data[f"{name}.input_ids"][None])
    for i, value in enumerate([*inputs, hidden]):
        torch.testing.assert_close(value[0], data[f"{name}.hidden.{i}"], atol=2e-4, rtol=0)
    torch.testing.assert_close(all_logits(model, hidden)[0], data[f"{name}.logits"], atol=2e-4, rtol=0)


@torch.inference_mode()
def test_lumina_forward_in_bfloat16(golden):
    folder = golden("lumina_dimoo/forward.safetensors").parent
    data, model = load_file(folder / "forward.safetensors"), load_transformer(folder, torch.bfloat16)
    logits = all_logits(model, model(data["image.input_ids"][None]))[0]
    torch.testing.assert_close(logits, data["image.logits_bf16"], atol=0.6, rtol=0)


@torch.inference_mode()
def test_lumina_forward_with_the_real_vocabulary(golden):
    folder = golden("lumina_dimoo/realvocab/forward.safetensors").parent
    data, model = load_file(folder / "forward.safetensors"), load_transformer(folder)
    hidden = model(data["input_ids"][None])
    torch.testing.assert_close(model.logits(hidden, 126356, 8192)[0], data["image_logits"], atol=5e-4, rtol=0)


@pytest.mark.parametrize("name", ["plain_b1", "plain_b3", "t2i_cfg"])
@torch.inference_mode()
def test_mmada_forward(golden, name):
    folder = golden("mmada/tiny/forward.safetensors").parent
    data, model = load_file(folder / "forward.safetensors"), load_transformer(folder)
    ids = data[f"{name}.ids"].long()
    real = data.get(f"{name}.attention_mask", torch.ones_like(ids)).bool()
    hidden = model(ids, None if real.all() else real)
    torch.testing.assert_close(hidden[real], data[f"{name}.hidden3"][real], atol=1e-4, rtol=0)
    torch.testing.assert_close(all_logits(model, hidden)[real], data[f"{name}.logits"][real], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["plain_b3", "t2i_cfg"])
@torch.inference_mode()
def test_mmada_forward_in_bfloat16(golden, name):
    folder = golden("mmada/tiny/forward_bf16.safetensors").parent
    data, inputs = load_file(folder / "forward_bf16.safetensors"), load_file(folder / "forward.safetensors")
    model = load_transformer(folder, torch.bfloat16)
    ids = inputs[f"{name}.ids"].long()
    real = inputs.get(f"{name}.attention_mask", torch.ones_like(ids)).bool()
    logits = all_logits(model, model(ids, None if real.all() else real))
    torch.testing.assert_close(logits[real], data[f"{name}.logits_bf16"][real], atol=0.08, rtol=0)


@torch.inference_mode()
def test_mmada_forward_with_the_real_vocabulary(golden):
    folder = golden("mmada/realvocab/forward.safetensors").parent
    data, model = load_file(folder / "forward.safetensors"), load_transformer(folder)
    places, real = data["positions"].long(), data["attention_mask"].bool()
    hidden = model(data["ids"].long(), real)[:, places][real[:, places]]
    expected = data["logits_image_slice"][real[:, places]]
    torch.testing.assert_close(model.logits(hidden, 126349, 8192), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@torch.inference_mode()
def test_packed_rows_equal_rows_alone(kv_heads):
    model = small_model(n_kv_heads=kv_heads)
    rows = [torch.randint(0, 60, (length,)) for length in (7, 7, 11, 4)]
    asked = [[0, 3, 6], [1, 2, 5], [], [3]]
    packed = PackedRows([len(r) for r in rows], torch.cat([torch.arange(len(r)) for r in rows]))
    starts = [0, 7, 14, 25]
    wanted = torch.tensor([s + i for s, places in zip(starts, asked) for i in places])
    x = model.embed(torch.cat(rows)[None], packed.positions)
    result = model.run_packed(x, packed, wanted, [len(places) for places in asked])
    alone = torch.cat([model(row[None])[0, places] for row, places in zip(rows, asked)])
    torch.testing.assert_close(result, alone, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_long_sequence_does_not_depend_on_the_tokens_computed_together(monkeypatch):
    model = small_model()
    ids = torch.randint(0, 60, (2, 23))
    whole = model(ids)
    monkeypatch.setattr("ladr_core.models.llada.MLP_ROWS", 5)
    torch.testing.assert_close(model(ids), whole, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("compute_dtype", [None, torch.bfloat16])
@torch.inference_mode()
def test_the_rows_a_run_uses_stand_for_the_whole_tables(compute_dtype):
    model = small_model()
    model.compute_dtype = compute_dtype
    rows = VocabularyRows(model, torch.tensor([7, 3, 7]), 20, 30, "cpu")
    ids, positions = torch.tensor([[3, 7, 20, 49]]), torch.arange(4)
    x = rows.embed(ids, positions)
    assert torch.equal(x, model.embed(ids, positions))
    assert torch.equal(rows.logits(x), model.logits(x, 20, 30))
    with pytest.raises(IndexError):
        rows.embed(torch.tensor([[4]]), positions[:1])


@torch.inference_mode()
def test_padding_is_never_attended():
    model = small_model()
    row = torch.randint(0, 60, (1, 9))
    padded = torch.cat((torch.randint(0, 60, (1, 5)), row), dim=1)
    positions = torch.cat((torch.zeros(5, dtype=torch.long), torch.arange(9)))[None]
    key_mask = torch.tensor([[False] * 5 + [True] * 9])
    torch.testing.assert_close(model(padded, key_mask, positions)[:, 5:], model(row), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_grouped_heads_equal_repeated_heads():
    grouped = small_model(n_kv_heads=2)
    full = small_model(n_kv_heads=4)
    state = grouped.state_dict()
    for key in state:
        if "k_proj" in key or "v_proj" in key:
            state[key] = state[key].unflatten(0, (2, 8)).repeat_interleave(2, dim=0).flatten(0, 1)
    full.load_state_dict(state)
    ids = torch.randint(0, 60, (2, 12))
    torch.testing.assert_close(grouped(ids), full(ids), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rows, expected", [(134548, 8_081_805_312), (134656, 8_082_690_048)])
def test_full_size_has_the_published_number_of_parameters(rows, expected):
    config = LLaDAConfig(d_model=4096, n_layers=32, n_heads=32, mlp_hidden_size=12288, embedding_size=rows)
    model = LLaDATransformer(config, device="meta")
    assert sum(p.numel() for p in model.parameters()) == expected
    assert len(model.state_dict()) == 291


def test_every_weight_sits_in_a_leaf():
    model = LLaDATransformer(SMALL, device="meta")
    for module in model.modules():
        assert not (list(module.children()) and list(module.parameters(recurse=False)))


@torch.inference_mode()
def test_a_leaf_may_keep_its_weight_in_another_form():
    model = small_model()
    head = model.transformer["ff_out"]
    hidden = torch.randn(3, 32)
    expected = model.logits(hidden, 10, 5)
    stored = head.weight.detach().clone()
    head.read_weight = lambda like, rows: stored[rows].to(like)
    head.weight.zero_()
    assert torch.equal(model.logits(hidden, 10, 5), expected)
    assert leaf_weight(head, hidden, slice(0, 2)).shape == (2, 32)


@pytest.mark.parametrize("field, value", [("scale_logits", True), ("weight_tying", True), ("block_type", "sequential")])
def test_other_kinds_of_transformer_are_refused(field, value):
    with pytest.raises(CheckpointError, match=field):
        LLaDAConfig.from_dict({"d_model": 8, "n_layers": 1, "n_heads": 1, "vocab_size": 10, field: value})
