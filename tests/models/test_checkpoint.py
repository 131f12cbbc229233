"""Loading folders as published and single files, and what is said about incomplete ones."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ladr_core.builtin import WEIGHTS
from ladr_core.checkpoint import find_parts, load_dllm
from ladr_core.checkpoint.families import LUMINA_DIMOO, MMADA, find_family
from ladr_core.checkpoint.layers import FLOAT8, CastingLayers, quantise_weight
from ladr_core.command_line import main
from ladr_core.errors import CheckpointError
from ladr_core.models.contract import Prompt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tiny_checkpoints import write_lumina, write_magvit, write_mmada  # noqa: E402

SHARD = "model-00002-of-00002.safetensors"
LAYER = "transformer.blocks.0.q_proj"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Both models as published, read-only by agreement."""
    root = tmp_path_factory.mktemp("models")
    write_lumina(root / "Lumina-DiMOO")
    write_mmada(root / "MMaDA")
    write_magvit(root / "magvitv2")
    return root


@pytest.fixture
def lumina(tmp_path):
    return write_lumina(tmp_path / "Lumina-DiMOO")


@pytest.fixture
def mmada(tmp_path):
    return write_mmada(tmp_path / "MMaDA")


def logits(model, dtype=torch.float32):
    with torch.inference_mode():
        ids = torch.arange(50)[None] * 7
        return model.transformer.logits(model.transformer(ids), 126356, 64).to(dtype)


def sizes_in_memory(model) -> int:
    return sum(parameter.nbytes for parameter in model.transformer.parameters())


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


@pytest.mark.parametrize("folder", ["Lumina-DiMOO", "MMaDA"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_converted_file_gives_the_same_model(published, tmp_path, folder, dtype):
    file = tmp_path / "one.safetensors"
    assert main(["convert", str(published / folder), str(file), "--dtype", dtype]) == 0
    wanted = getattr(torch, dtype)
    from_folder, from_file = load_dllm(published / folder, dtype=wanted), load_dllm(file)
    assert from_file.name == from_folder.name
    assert torch.equal(logits(from_folder), logits(from_file))
    for key, value in from_folder.vq.state_dict().items():
        assert torch.equal(value, from_file.vq.state_dict()[key])
    assert from_file.tokenizer.encode("a red fox") == from_folder.tokenizer.encode("a red fox")


def test_eight_bit_layers_are_half_as_large_and_close(published, tmp_path):
    file = tmp_path / "eight.safetensors"
    assert main(["convert", str(published / "Lumina-DiMOO"), str(file), "--dtype", "float8_e4m3fn"]) == 0
    names = load_file(file)
    assert names["model.scaled_fp8"].dtype == FLOAT8 and names["model.scaled_fp8"].numel() == 0
    assert (
        names[f"model.{LAYER}.weight"].dtype == FLOAT8 and names[f"model.{LAYER}.scale_weight"].dtype == torch.float32
    )
    full, eight = load_dllm(published / "Lumina-DiMOO"), load_dllm(file)
    at_once = load_dllm(published / "Lumina-DiMOO", dtype=FLOAT8)
    assert torch.equal(logits(eight), logits(at_once))
    layers = [p for p in eight.transformer.parameters() if p.dtype == FLOAT8]
    assert sum(p.nbytes for p in layers) * 2 == sum(
        p.nbytes for n, p in full.transformer.named_parameters() if ".blocks." in n and p.dim() == 2
    )
    assert sizes_in_memory(eight) < sizes_in_memory(full)
    wide = load_dllm(file, dtype=torch.float32)
    reference = full.transformer.state_dict()[f"{LAYER}.weight"].float()
    error = (wide.transformer.state_dict()[f"{LAYER}.weight"] - reference).abs()
    assert float((error / reference.abs().max()).max()) < 2**-4


def test_eight_bit_layers_compute_with_their_scale():
    torch.manual_seed(0)
    weight = torch.randn(24, 16) * 3
    stored, scale = quantise_weight(weight)
    assert stored.float().abs().max() == 448
    relative = (stored.float() * scale - weight).abs() / weight.abs().clamp_min(0.1)
    assert float(relative.max()) <= 2**-3


def test_zero_weights_survive_quantisation():
    stored, scale = quantise_weight(torch.zeros(4, 4))
    assert torch.equal(stored.float() * scale, torch.zeros(4, 4))


def test_other_layer_classes_are_used_for_every_weight(published):
    used = set()

    class Counting(CastingLayers):
        class Linear(CastingLayers.Linear):
            def __init__(self, *args, **kwargs):
                used.add("Linear")
                super().__init__(*args, **kwargs)

    model = load_dllm(published / "MMaDA", operations=Counting, dtype=FLOAT8)
    assert used == {"Linear"}
    assert isinstance(model.transformer.transformer["ff_out"], Counting.Linear)
    assert torch.isfinite(logits(model)).all()


def test_a_lora_can_be_added_to_eight_bit_layers(published):
    model = load_dllm(published / "MMaDA", dtype=FLOAT8)
    layer = model.transformer.get_submodule(LAYER)
    before = layer.convert_weight(layer.weight.float())
    layer.set_weight(before * 0.5, inplace_update=True)
    after = layer.convert_weight(layer.weight.float())
    torch.testing.assert_close(after, before * 0.5, atol=float(before.abs().max()) * 2**-4, rtol=0)


def test_a_missing_shard_is_named_with_size_and_page(lumina):
    (lumina / SHARD).unlink()
    with pytest.raises(CheckpointError) as error:
        load_dllm(lumina)
    message = str(error.value)
    assert f"{SHARD} (about " in message and str(lumina) in message
    assert "https://huggingface.co/Alpha-VLLM/Lumina-DiMOO" in message


def test_a_file_cut_short_is_named_with_its_size(lumina):
    path = lumina / SHARD
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - 1000)
    with pytest.raises(CheckpointError, match=rf"{SHARD} is cut off.*{size - 1000} bytes of {size}"):
        load_dllm(lumina)


@pytest.mark.parametrize("content", [b"", b"short", struct.pack("<Q", 2**60) + b"{}", struct.pack("<Q", 4) + b"nope"])
def test_a_file_of_another_kind_is_named(lumina, content):
    (lumina / SHARD).write_bytes(content)
    with pytest.raises(CheckpointError, match=SHARD):
        load_dllm(lumina)


def rewrite(path: Path, change) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, {"format": "pt"})


def test_missing_surplus_and_misshapen_tensors_are_listed_by_name(lumina):
    def change(tensors):
        names = sorted(tensors)
        del tensors[names[0]]
        tensors[names[1]] = torch.zeros(3, 5)
        tensors["model.transformer.extra"] = torch.zeros(1)

    names = sorted(load_file(lumina / SHARD))
    rewrite(lumina / SHARD, change)
    with pytest.raises(CheckpointError) as error:
        load_dllm(lumina)
    message = str(error.value)
    assert names[0].removeprefix("model.") in message and "1 tensors are missing" in message
    assert f"{names[1]} is [3, 5] instead of" in message
    assert "model.transformer.extra" in message and "huggingface.co" in message


def test_surplus_tensors_alone_are_a_notice(lumina, caplog):
    rewrite(lumina / SHARD, lambda tensors: tensors.update({"model.transformer.extra": torch.zeros(1)}))
    assert load_dllm(lumina).name == "lumina-dimoo"
    assert "model.transformer.extra" in caplog.text


def test_a_missing_tokenizer_is_named(lumina):
    (lumina / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is missing"):
        load_dllm(lumina)


def test_a_missing_image_tokenizer_is_named_with_its_folder(mmada):
    with pytest.raises(CheckpointError) as error:
        load_dllm(mmada)
    assert "https://huggingface.co/showlab/magvitv2" in str(error.value) and "0.38 GB" not in str(error.value)
    assert "381.55 MB" in str(error.value) and str(mmada / "magvitv2") in str(error.value)


@pytest.mark.parametrize("place", ["inside", "beside", "named", "file"])
def test_the_image_tokenizer_may_lie_in_several_places(mmada, place):
    where = {"inside": mmada / "magvitv2", "beside": mmada.parent / "magvitv2"}.get(place, mmada.parent / "elsewhere")
    write_magvit(where)
    vq_path = {"named": where, "file": where / "pytorch_model.safetensors"}.get(place)
    if place == "file":  # a bare file has no sizes of its own and so must be the published ones
        with pytest.raises(CheckpointError, match="image tokenizer .* do not fit"):
            load_dllm(mmada, vq_path=vq_path)
        return
    assert load_dllm(mmada, vq_path=vq_path).vq.codebook_size == 8192


def test_pickled_files_are_not_read(mmada):
    folder = mmada / "magvitv2"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin cannot be read: this pack loads no pickled files"):
        load_dllm(mmada)
    with pytest.raises(CheckpointError, match="no pickled"):
        load_dllm(folder / "pytorch_model.bin")


def test_an_index_that_leads_out_of_its_folder_is_refused(lumina):
    index = lumina / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"] = dict.fromkeys(content["weight_map"], "../../" + SHARD)
    index.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="outside its folder"):
        load_dllm(lumina)


def test_folders_of_other_models_are_refused_by_what_they_are(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}))
    with pytest.raises(CheckpointError, match="LlamaForCausalLM"):
        load_dllm(tmp_path)
    write_magvit(tmp_path / "magvitv2")
    with pytest.raises(CheckpointError, match="holds only an image tokenizer"):
        load_dllm(tmp_path / "magvitv2")
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        load_dllm(tmp_path / "magvitv2" / "..", vq_path=None) if not (tmp_path / "config.json").unlink() else None


def test_families_are_told_apart_by_their_configuration():
    assert find_family({"model_type": "mmada"}) is MMADA
    assert find_family({"model_type": "llada", "llm_vocab_size": 126464}) is MMADA
    assert find_family({"model_type": "llada"}, has_vqvae=True) is LUMINA_DIMOO
    assert find_family({"model_type": "llada"}) is None


def test_the_built_in_model_loads_by_the_same_function():
    if not WEIGHTS.is_file():
        pytest.skip("the built-in model's file is not here")
    assert load_dllm(WEIGHTS).name == "builtin-shapes"


def test_a_file_without_a_description_is_refused(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="does not say which model it is"):
        load_dllm(tmp_path / "x.safetensors")


def test_the_number_of_token_ids_is_that_of_the_weights(lumina):
    path = lumina / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "vocab_size": 126464, "embedding_size": None}))
    assert find_parts(lumina).transformer_config.embedding_size == 134548
    assert load_dllm(lumina).transformer.config.embedding_size == 134548


def test_convert_refuses_to_overwrite_and_leaves_nothing_behind(published, tmp_path, capsys):
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"mine")
    assert main(["convert", str(published / "MMaDA"), str(file)]) == 2
    assert "exists already" in capsys.readouterr().err and file.read_bytes() == b"mine"
    assert main(["convert", str(published / "MMaDA"), str(tmp_path / "y.bin")]) == 2
    assert main(["convert", str(published / "MMaDA"), str(tmp_path / "y.safetensors"), "--dtype", "int4"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_peft_lora_names_are_rewritten(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    a, b = torch.randn(4, 16), torch.randn(16, 4)
    prefix = "base_model.model.model.transformer.blocks.1.ff_proj"
    save_file({f"{prefix}.lora_A.weight": a, f"{prefix}.lora_B.weight": b}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"lora_alpha": 8, "r": 4}))
    target = tmp_path / "lora.safetensors"
    assert main(["convert", str(folder), str(target)]) == 0
    written = load_file(target)
    layer = "diffusion_model.transformer.blocks.1.ff_proj"
    assert set(written) == {f"{layer}.lora_A.weight", f"{layer}.lora_B.weight", f"{layer}.alpha"}
    assert torch.equal(written[f"{layer}.lora_A.weight"], a) and written[f"{layer}.alpha"].item() == 8.0
    (folder / "adapter_config.json").write_text(json.dumps({"lora_alpha": 8, "r": 4, "use_rslora": True}))
    assert main(["convert", str(folder), str(tmp_path / "rs.safetensors")]) == 0
    assert load_file(tmp_path / "rs.safetensors")[f"{layer}.alpha"].item() == 16.0  # alpha / sqrt(4) = 16 / 4


def test_peft_files_with_other_parts_are_refused(tmp_path, capsys):
    name = "base_model.model.model.transformer.blocks.1.ff_proj"
    tensors = {f"{name}.lora_A.weight": torch.zeros(2, 3), f"{name}.lora_magnitude_vector": torch.zeros(3)}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    assert main(["convert", str(tmp_path), str(tmp_path / "out.safetensors")]) == 2
    assert "lora_magnitude_vector" in capsys.readouterr().err


def test_loaded_models_draw(published):
    from ladr_core.sampling import sample_tokens
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
