"""Tiny random Lumina-DiMOO and MMaDA folders, laid out as published, in the real server."""

import pytest
from comfyui.large_models import LUMINA, MMADA, SIZES, edit_graph, large_graph, tokens
from tiny_checkpoints import write_lumina

pytestmark = pytest.mark.usefixtures("large_models")


def test_folders_are_offered_and_the_tokenizer_of_mmada_is_not(server):
    options = server.get("/object_info/LADR_LoadDLLM")["LADR_LoadDLLM"]["input"]["required"]["checkpoint"][1]["options"]
    assert {LUMINA, MMADA} <= set(options) and "magvitv2" not in options
    assert not any("vqvae" in option or "-of-" in option for option in options)


@pytest.mark.parametrize("model", [LUMINA, MMADA])
@pytest.mark.parametrize("sampler", ["ladr", "baseline"])
def test_a_picture_and_a_larger_one(play, model, sampler):
    prompt = large_graph(sampler, model)
    prompt.add("big", "ImageScaleBy", image=["decode", 0], upscale_method="lanczos", scale_by=2.0)
    prompt.add("image", "LADRProbe_ShowImage", image=["big", 0])
    result = play(prompt)
    width, height = SIZES[model]
    assert result.json("image")["shape"] == [1, 2 * height, 2 * width, 3]
    report = result.json("report")
    assert report["grid"] == {"height": height // 16, "width": width // 16} and 1 <= report["nfe"] <= 4
    assert 1 <= len(result.previews["sampler"]) <= report["nfe"]  # previews are throttled


@pytest.mark.parametrize("model", [LUMINA, MMADA])
def test_inpainting(play, model):
    result = play(large_graph("inpaint", model))
    before, after = (result.json(node)["samples"][0][0] for node in ("given", "show"))
    hole = {(row, column) for row in (1, 2) for column in (1, 2)}
    changed = {(r, c) for r, line in enumerate(before) for c, code in enumerate(line) if after[r][c] != code}
    assert changed and changed <= hole


def test_editing_follows_the_reference_the_task_and_the_second_scale(play):
    plain = tokens(play(large_graph("ladr", LUMINA)))
    edited = tokens(play(edit_graph()))
    assert edited != plain
    assert tokens(play(edit_graph().set("task", task="canny_control"))) != edited
    assert tokens(play(edit_graph().set("task", image_cfg=3.0))) != edited
    assert tokens(play(edit_graph().set("picture", x=32, side=12))) != edited
    assert play(edit_graph().set("task", image_cfg=3.0)).json("report")["settings"]["image_cfg"] == 3.0


def test_style_transfer_takes_two_references(play):
    prompt = edit_graph().set("task", task="image_ref_transfer")
    assert "reference images" in play(prompt, fails=True).error
    prompt.add("second", "ReferenceLatent", conditioning=["reference", 0], latent=["encode", 0])
    play(prompt.set("task", conditioning=["second", 0]))


def test_wrong_references_are_named(play):
    size = edit_graph().set("grid", width=96)
    assert "64 x 48" in play(size, fails=True).error
    masked = edit_graph().set("reference", latent=["grid", 0])
    assert "masked" in play(masked, fails=True).error
    no_task = edit_graph().set("sampler", positive=["reference", 0])
    assert "LADR Edit Task" in play(no_task, fails=True).error


def test_a_size_that_is_no_multiple_gets_the_nearest_pair(play):
    error = play(large_graph("ladr", LUMINA).set("grid", width=72), fails=True).error
    assert "multiples of 16" in error and "64 x 48" in error


def test_missing_files_are_named(play, server):
    folder = server.base / "models" / "dllm"
    write_lumina(folder / "without a shard")
    (folder / "without a shard" / "model-00002-of-00002.safetensors").unlink()
    error = play(large_graph("ladr", LUMINA).set("load", checkpoint="without a shard"), fails=True).error
    assert "model-00002-of-00002.safetensors" in error and "huggingface.co" in error
