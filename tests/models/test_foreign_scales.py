"""Weights that somebody else stored in 8 bits: used rightly in every known spelling, or refused by name."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ladr_core.checkpoint import load_dllm
from ladr_core.checkpoint.eight_bit_layers import FLOAT8
from ladr_core.checkpoint.scales import block_size, expand_scale
from ladr_core.command_line import main
from ladr_core.errors import CheckpointError
from ladr_core.leaf_weight import leaf_weight

LAYER = "transformer.blocks.0.q_proj"  # [16, 16]
HEAD = "transformer.ff_out"


def rewrite(folder: Path, change) -> None:
    """Change the tensors of a model, whichever shard they are in; new ones go into the first."""
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    files = sorted(set(index["weight_map"].values()))
    tensors = {name: value for file in files for name, value in load_file(folder / file).items()}
    change(tensors)
    save_file(tensors, folder / files[0], {"format": "pt"})
    for file in files[1:]:
        (folder / file).unlink()
    index["weight_map"] = dict.fromkeys(tensors, files[0])
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def stored(weight: torch.Tensor, kind: str, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight in 8 bits, and its scale: one number, one for each row, or one for each block of 8 x 8."""
    most = 127.0 if dtype == torch.int8 else torch.finfo(dtype).max
    groups = {"one": weight.abs().max(), "rows": weight.abs().amax(dim=1, keepdim=True)}
    groups["flat rows"] = groups["rows"].flatten()
    groups["blocks"] = weight.abs().reshape(2, 8, 2, 8).amax(dim=(1, 3)) if weight.shape == (16, 16) else None
    scale = groups[kind] / most
    scaled = weight / expand_scale(scale.reshape(-1, 1) if kind == "flat rows" else scale, tuple(weight.shape))
    return (scaled.round() if dtype == torch.int8 else scaled).to(dtype), scale.float()


def true_weight(folder: Path) -> torch.Tensor:
    return load_dllm(folder, dtype=torch.float32).transformer.get_submodule(LAYER).weight.clone()


def read(folder: Path, dtype: torch.dtype | None) -> torch.Tensor:
    leaf = load_dllm(folder, dtype=dtype).transformer.get_submodule(LAYER)
    return leaf_weight(leaf, torch.empty(0, dtype=torch.float32))


SPELLED = [
    ("scale_weight", "one", torch.float8_e4m3fn), ("weight_scale", "rows", torch.float8_e4m3fn),
    ("weight_scale", "flat rows", torch.float8_e4m3fn), ("weight_scale_inv", "blocks", torch.float8_e4m3fn),
    ("weight_scale", "one", torch.float8_e5m2), ("weight_scale", "rows", torch.int8),
]  # fmt: skip


@pytest.mark.parametrize("kept", [None, torch.float32], ids=str)
@pytest.mark.parametrize(("spelling", "kind", "dtype"), SPELLED, ids=str)
def test_scales_are_multiplied(lumina_folder, spelling, kind, dtype, kept):
    true = true_weight(lumina_folder)

    def change(tensors):
        name = f"model.{LAYER}"
        tensors[f"{name}.weight"], scale = stored(tensors[f"{name}.weight"].float(), kind, dtype)
        tensors[f"{name}.{spelling}"] = scale
        tensors[f"{name}.input_scale"] = torch.ones(())

    rewrite(lumina_folder, change)
    found = read(lumina_folder, kept)
    error = ((found - true).norm() / true.norm()).item()
    assert error < 0.12, error  # two mantissa bits of e5m2; a forgotten scale is wrong by its whole size


def test_a_forward_with_scales_of_rows_and_blocks_is_that_of_the_weights(lumina_folder):
    def change(tensors):
        for block, kind in ((0, "rows"), (1, "blocks")):
            name = f"model.transformer.blocks.{block}.q_proj"
            tensors[f"{name}.weight"], tensors[f"{name}.weight_scale"] = stored(
                tensors[f"{name}.weight"].float(), kind, FLOAT8
            )

    rewrite(lumina_folder, change)
    eight, full = (load_dllm(lumina_folder, dtype=dtype).transformer for dtype in (None, torch.float32))
    for name, weight in full.named_parameters():
        weight.copy_(leaf_weight(eight.get_submodule(name.removesuffix(".weight")), weight))
    tokens = torch.arange(20)[None]
    difference = (eight(tokens).float() - full(tokens)).norm() / full(tokens).norm()
    assert difference < 0.05  # of calculating in bfloat16


def test_comfyuis_formats(lumina_folder):
    true = true_weight(lumina_folder)

    def change(tensors, **more):
        name = f"model.{LAYER}"
        tensors[f"{name}.weight"], tensors[f"{name}.weight_scale"] = stored(true, "one", FLOAT8)
        text = json.dumps({"format": "float8_e4m3fn", **more}).encode()
        tensors[f"{name}.comfy_quant"] = torch.tensor(list(text), dtype=torch.uint8)

    rewrite(lumina_folder, change)
    assert (read(lumina_folder, torch.float32) - true).norm() / true.norm() < 0.05
    rewrite(lumina_folder, lambda tensors: change(tensors, format="nvfp4"))
    with pytest.raises(CheckpointError, match=r"gives the format the text 'nvfp4'; get the published weights"):
        load_dllm(lumina_folder)
    rewrite(lumina_folder, lambda tensors: change(tensors, format="int8_tensorwise", convrot=True))
    with pytest.raises(CheckpointError, match="with rotated weights"):
        load_dllm(lumina_folder)


REFUSED = {
    "int8 alone": (
        lambda t, n: t.update({f"{n}.weight": t[f"{n}.weight"].to(torch.int8)}), "stored as I8 without a scale"
    ),
    "bitsandbytes": (
        lambda t, n: t.update({f"{n}.weight": t[f"{n}.weight"].to(torch.int8), f"{n}.SCB": torch.ones(16)}),
        "stored as I8 without a scale",
    ),
    "bitsandbytes beside": (lambda t, n: t.update({f"{n}.SCB": torch.ones(16)}), "written by bitsandbytes in 8 bits"),
    "GPTQ": (lambda t, n: t.update({f"{n}.qweight": torch.ones(2, dtype=torch.int32)}), "GPTQ or AWQ"),
    "a bias": (lambda t, n: t.update({f"{n}.bias": torch.ones(16)}), "are not understood"),
    "zero point": (lambda t, n: t.update({f"{n}.weight_zero_point": torch.ones(16)}), "zero point"),
    "LoRA": (lambda t, n: t.update({f"{n}.lora_A.weight": torch.ones(2, 16)}), "a LoRA that is not merged"),
    "one block more": (
        lambda t, n: t.update({"model.transformer.blocks.2.q_proj.weight": torch.ones(16, 16)}), "not understood"
    ),
    "an odd scale": (
        lambda t, n: t.update({f"{n}.weight": t[f"{n}.weight"].to(FLOAT8), f"{n}.weight_scale": torch.ones(5)}),
        "neither one number nor one for each row or block",
    ),
    "two scales": (
        lambda t, n: t.update({f"{n}.scale_weight": torch.ones(()), f"{n}.weight_scale": torch.ones(())}), "two scales"
    ),
    "a scale that is no number": (
        lambda t, n: t.update(
            {f"{n}.weight": t[f"{n}.weight"].to(FLOAT8), f"{n}.weight_scale": torch.tensor(math.nan)}
        ),
        "negative or not finite",
    ),
    "a scale in bits": (
        lambda t, n: t.update(
            {f"{n}.weight": t[f"{n}.weight"].to(FLOAT8), f"{n}.weight_scale": torch.ones((), dtype=torch.uint8)}
        ),
        "weight_scale is stored as U8",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_understood_is_refused_by_name(lumina_folder, tmp_path, capsys, change, said):
    rewrite(lumina_folder, lambda tensors: change(tensors, f"model.{LAYER}"))
    with pytest.raises(CheckpointError, match=said):
        load_dllm(lumina_folder)
    assert main(["convert", str(lumina_folder), str(tmp_path / "out.safetensors")]) == 2
    assert said in capsys.readouterr().err and not list(tmp_path.glob("*.part")) and not list(tmp_path.glob("out*"))


METHODS = [("fp8", True), ("compressed-tensors", True), ("gptq", False), (5, False)]


@pytest.mark.parametrize(("method", "is_known"), METHODS)
def test_the_method_that_a_config_names(lumina_folder, method, is_known):
    config = json.loads((lumina_folder / "config.json").read_text())
    (lumina_folder / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": method}}))
    if is_known:
        assert load_dllm(lumina_folder)
        return
    with pytest.raises(CheckpointError, match="gptq, which this pack does not read|quant_method is 5"):
        load_dllm(lumina_folder)


@pytest.mark.parametrize("kind", ["one", "rows", "blocks"])
def test_convert_keeps_foreign_scales_exactly(lumina_folder, tmp_path, kind):
    def change(tensors):
        name = f"model.{LAYER}"
        weight = tensors[f"{name}.weight"].float()
        tensors[f"{name}.weight"], tensors[f"{name}.weight_scale"] = stored(weight, kind, FLOAT8)

    rewrite(lumina_folder, change)
    target = tmp_path / "one.safetensors"
    assert main(["convert", str(lumina_folder), str(target)]) == 0
    assert torch.equal(read(target, torch.float32), read(lumina_folder, torch.float32))
    assert torch.equal(read(target, None), read(lumina_folder, None))


def test_blocks_cover_lengths_that_they_do_not_divide():
    assert (block_size(4096, 32), block_size(12288, 96), block_size(300, 3), block_size(16, 5)) == (128, 128, 128, 0)
    scale = torch.arange(6.0).reshape(3, 2) + 1
    wide = expand_scale(scale, (300, 200))
    assert wide.shape == (300, 200) and wide[0, 0] == 1 and wide[127, 127] == 1 and wide[299, 199] == 6


def test_weights_that_are_not_finite_are_not_converted(lumina_folder, tmp_path, capsys):
    def change(tensors):
        tensors[f"model.{LAYER}.weight"][0, 0] = math.inf

    rewrite(lumina_folder, change)
    for dtype in ("bfloat16", "float8_e4m3fn"):
        assert main(["convert", str(lumina_folder), str(tmp_path / "out.safetensors"), "--dtype", dtype]) == 2
        assert f"{LAYER}.weight holds numbers that are not finite" in capsys.readouterr().err
