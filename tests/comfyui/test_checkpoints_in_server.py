"""Tiny random Lumina-DiMOO and MMaDA folders, laid out as published, in the real server."""

import pytest
from comfyui.conftest import graph
from tiny_checkpoints import write_lumina, write_magvit, write_mmada

LUMINA, MMADA = "Lumina-DiMOO", "MMaDA-8B-MixCoT"
SIZES = {LUMINA: (64, 48), MMADA: (512, 512)}


@pytest.fixture(scope="module", autouse=True)
def large_models(server):
    """The three folders, beside the other models."""
    folder = server.base / "models" / "dllm"
    write_lumina(folder / LUMINA)
    write_mmada(folder / MMADA)
    write_magvit(folder / "magvitv2")


def _graph(name, model):
    prompt = graph(name).set("load", checkpoint=model).set("sampler", steps=4 if model == LUMINA else 2)
    width, height = SIZES[model]
    if "grid" in prompt:
        prompt.set("grid", width=width, height=height)
    return prompt


def _edit(width=64, height=48):
    prompt = _graph("ladr", LUMINA).set("grid", width=width, height=height)
    prompt.add("picture", "LADRProbe_MakePicture", width=width, height=height, batch=1, x=16, y=16, side=16)
    prompt.add("encode", "VAEEncode", pixels=["picture", 0], vae=["load", 2])
    prompt.add("reference", "ReferenceLatent", conditioning=["positive", 0], latent=["encode", 0])
    prompt.add("task", "LADR_EditTask", conditioning=["reference", 0], task="edit_add", image_cfg=1.0)
    return prompt.set("sampler", positive=["task", 0])


def _tokens(result):
    return result.json("show")["samples"]


def test_folders_are_offered_and_the_tokenizer_of_mmada_is_not(server):
    options = server.get("/object_info/LADR_LoadDLLM")["LADR_LoadDLLM"]["input"]["required"]["checkpoint"][1]["options"]
    assert {LUMINA, MMADA} <= set(options) and "magvitv2" not in options
    assert not any("vqvae" in option or "-of-" in option for option in options)


@pytest.mark.parametrize("model", [LUMINA, MMADA])
@pytest.mark.parametrize("sampler", ["ladr", "baseline"])
def test_a_picture_and_a_larger_one(play, model, sampler):
    prompt = _graph(sampler, model)
    prompt.add("big", "ImageScaleBy", image=["decode", 0], upscale_method="lanczos", scale_by=2.0)
    prompt.add("image", "LADRProbe_ShowImage", image=["big", 0])
    result = play(prompt)
    width, height = SIZES[model]
    assert result.json("image")["shape"] == [1, 2 * height, 2 * width, 3]
    report = result.json("report")
    assert report["grid"] == {"height": height // 16, "width": width // 16} and 1 <= report["nfe"] <= 4
    assert len(result.previews["sampler"]) == report["nfe"]


@pytest.mark.parametrize("model", [LUMINA, MMADA])
def test_inpainting(play, model):
    width, height = SIZES[model]
    prompt = _graph("inpaint", model).set("picture", width=width, height=height, x=16, y=16, side=20)
    result = play(prompt)
    before, after = (result.json(node)["samples"][0][0] for node in ("given", "show"))
    hole = {(row, column) for row in (1, 2) for column in (1, 2)}
    changed = {(r, c) for r, line in enumerate(before) for c, code in enumerate(line) if after[r][c] != code}
    assert changed and changed <= hole


@pytest.mark.parametrize(
    ("model", "dtype"), [(LUMINA, "bfloat16"), (LUMINA, "float32"), (LUMINA, "float8_e4m3fn"), (MMADA, "float8_e4m3fn")]
)
def test_loaded_in_part_the_tokens_are_the_same(play, model, dtype):
    full = play(_graph("ladr", model).set("load", dtype=dtype))
    part = _graph("ladr", model).set("load", dtype=dtype)
    part.add("limit", "LADRProbe_SmallBudget", model=["load", 0], megabytes=0.001).set("sampler", model=["limit", 0])
    part.add("loaded", "LADRProbe_ShowLoaded", latent=["sampler", 0])
    result = play(part)
    assert any(entry["lowvram"] for entry in result.json("loaded") if entry["model"] == "DLLMModel")
    assert _tokens(result) == _tokens(full)


def test_eight_bits_take_fewer_bytes(play):
    kept = {}
    for dtype in ("bfloat16", "float8_e4m3fn"):
        prompt = _graph("ladr", LUMINA).set("load", dtype=dtype)
        prompt.add("loaded", "LADRProbe_ShowLoaded", latent=["sampler", 0])
        kept[dtype] = next(e["bytes"] for e in play(prompt).json("loaded") if e["model"] == "DLLMModel")
    assert kept["float8_e4m3fn"] < kept["bfloat16"]


def test_editing_follows_the_reference_the_task_and_the_second_scale(play):
    plain = _tokens(play(_graph("ladr", LUMINA)))
    edited = _tokens(play(_edit()))
    assert edited != plain
    assert _tokens(play(_edit().set("task", task="canny_control"))) != edited
    assert _tokens(play(_edit().set("task", image_cfg=3.0))) != edited
    assert _tokens(play(_edit().set("picture", x=32, side=12))) != edited
    assert play(_edit().set("task", image_cfg=3.0)).json("report")["settings"]["image_cfg"] == 3.0


def test_style_transfer_takes_two_references(play):
    prompt = _edit().set("task", task="image_ref_transfer")
    assert "reference images" in play(prompt, fails=True).error
    prompt.add("second", "ReferenceLatent", conditioning=["reference", 0], latent=["encode", 0])
    play(prompt.set("task", conditioning=["second", 0]))


def test_wrong_references_are_named(play):
    size = _edit().set("grid", width=96)
    assert "64 x 48" in play(size, fails=True).error
    masked = _edit().set("reference", latent=["grid", 0])
    assert "masked" in play(masked, fails=True).error
    no_task = _edit().set("sampler", positive=["reference", 0])
    assert "LADR Edit Task" in play(no_task, fails=True).error


def test_a_size_that_is_no_multiple_gets_the_nearest_pair(play):
    error = play(_graph("ladr", LUMINA).set("grid", width=72), fails=True).error
    assert "multiples of 16" in error and "64 x 48" in error


def test_missing_files_are_named(play, server):
    folder = server.base / "models" / "dllm"
    write_lumina(folder / "without a shard")
    (folder / "without a shard" / "model-00002-of-00002.safetensors").unlink()
    error = play(_graph("ladr", LUMINA).set("load", checkpoint="without a shard"), fails=True).error
    assert "model-00002-of-00002.safetensors" in error and "huggingface.co" in error
