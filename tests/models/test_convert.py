"""One file of a whole model, layers in 8 bits, and LoRAs under the names ComfyUI knows."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from ladr_core.checkpoint import load_dllm
from ladr_core.checkpoint.eight_bit_layers import FLOAT8, CastingLayers, quantize_weight, round_randomly, scaled_layers
from ladr_core.command_line import main

LAYER = "transformer.blocks.0.q_proj"


def logits(model, dtype=torch.float32):
    with torch.inference_mode():
        ids = torch.arange(50)[None] * 7
        return model.transformer.logits(model.transformer(ids), 126356, 64).to(dtype)


def sizes_in_memory(model) -> int:
    return sum(parameter.nbytes for parameter in model.transformer.parameters())


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
    stored, scale = quantize_weight(weight)
    assert 224 < stored.float().abs().max() <= 448
    assert scale.bfloat16() == scale and torch.frexp(scale).mantissa == 0.5  # a power of two
    relative = (stored.float() * scale - weight).abs() / weight.abs().clamp_min(0.1)
    assert float(relative.max()) <= 2**-3


def test_zero_weights_survive_quantization():
    stored, scale = quantize_weight(torch.zeros(4, 4))
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


def scaled_layer(weight, scale):
    layer = scaled_layers(CastingLayers).Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = torch.nn.Parameter(weight, requires_grad=False)
    layer.scale_weight.data.copy_(scale)
    return layer


def test_a_small_lora_is_not_rounded_away():
    torch.manual_seed(0)
    stored, scale = quantize_weight(torch.randn(256, 192) * 0.02)
    layer = scaled_layer(stored, scale)
    before = layer.convert_weight(layer.weight.float())
    delta = torch.outer(torch.randn(256), torch.randn(192))
    delta *= 0.01 * before.norm() / delta.norm()
    first = layer.set_weight(before + delta, seed=5, return_weight=True)
    kept = ((first.float() * scale - before) * delta).sum() / (delta * delta).sum()
    assert 0.9 <= float(kept) <= 1.1
    assert torch.equal(first.float(), layer.set_weight(before + delta, seed=5, return_weight=True).float())
    assert not torch.equal(first.float(), layer.set_weight(before + delta, seed=6, return_weight=True).float())


def test_random_rounding_leaves_every_float8_number_as_it_is():
    every = torch.arange(256, dtype=torch.uint8).view(FLOAT8)
    every = every[every.float().isfinite()]
    assert torch.equal(round_randomly(every.float(), 3).float(), every.float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scale", [2.0**-13, 1.003e-4, 3.7e-6])
def test_any_scale_keeps_the_gain_of_a_layer(dtype, scale):
    torch.manual_seed(1)
    stored = (torch.randn(64, 512) * 100).clamp(-448, 448).to(FLOAT8)
    layer, x = scaled_layer(stored, scale), torch.randn(32, 512).to(dtype)
    expected = x.double() @ (stored.double() * scale).T
    found = layer(x).double()
    gain = float((found * expected).sum() / (expected * expected).sum())
    assert found.dtype == torch.float64 and abs(gain - 1) < 2e-4
    # A large input must not overflow before it is scaled.
    assert torch.isfinite(layer((x * 300).to(dtype))).all()


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
