"""Nothing of Lumina-DiMOO or MMaDA is left in memory once ComfyUI is told to free it, whatever ended the run."""

import pytest
from comfyui.client import free
from comfyui.conftest import Graph
from comfyui.large_models import (
    LUMINA,
    MMADA,
    edit_graph,
    in_part,
    large_graph,
    loaded_model,
    show_loaded,
    tokens,
    with_lora,
    without_picture,
)
from tiny_checkpoints import LUMINA_ROWS, MMADA_ROWS, lora_factors, write_lora

SLACK = 2**16  # bytes; the smallest table of these models takes 4 MB
both = pytest.mark.parametrize("model", [LUMINA, MMADA])


@pytest.fixture(scope="module", autouse=True)
def broken_loras(server, large_models):
    """For each model a LoRA that turns its head into NaN."""
    for model, rows in ((LUMINA, LUMINA_ROWS), (MMADA, MMADA_ROWS)):
        a, b = lora_factors(["transformer.ff_out"], rows)["transformer.ff_out"]
        factors = {"transformer.ff_out": (a, b * float("nan"))}
        write_lora(server.base / "models" / "loras" / f"{model} nan.safetensors", factors, 1.0)


def _alive(play):
    return play(Graph().add("alive", "LADRProbe_ShowAlive")).json("alive")


@pytest.fixture
def nothing_left(play, server):
    """Compare what exists before a test's runs and after ComfyUI has been told to free its memory."""
    free(server)
    before, log = _alive(play), len(server.log_text())
    assert before["modules"] == []
    yield
    free(server)
    after = _alive(play)
    assert after["modules"] == []
    assert after["bytes"] <= before["bytes"] + SLACK
    assert "memory leak" not in server.log_text()[log:]


def _graph(name, model):
    prompt = large_graph(name, model).set("load", dtype="bfloat16")
    return prompt.add("alive", "LADRProbe_ShowAlive", latent=["sampler", 0])


@both
@pytest.mark.parametrize("kind", ["ladr", "inpaint", "in part"])
def test_after_a_run(play, nothing_left, model, kind):
    prompt = in_part(_graph("ladr", model)) if kind == "in part" else _graph(kind, model)
    alive = play(prompt).json("alive")
    assert {"DLLMModel", "AskedTransformer"} <= set(alive["modules"]) and alive["bytes"] > 2**23


def test_after_an_edit(play, nothing_left):
    play(edit_graph())


@both
def test_after_an_interrupted_run(play, nothing_left, model):
    prompt = without_picture(_graph("baseline", model)).set("sampler", steps=200)
    if model == LUMINA:
        prompt.set("grid", width=256, height=256)
    assert play(prompt, fails=True, interrupt_at=2).status == "interrupted"


@both
def test_after_an_error_in_the_middle_of_sampling(play, nothing_left, model):
    prompt = with_lora(without_picture(_graph("ladr", model)), f"{model} nan.safetensors")
    result = play(prompt, fails=True)
    assert "NaN" in result.error and result.error_node == "LADR_Sampler"


@both
def test_after_a_wrong_latent_in_the_middle_of_a_graph(play, nothing_left, model):
    prompt = without_picture(large_graph("inpaint", model))
    prompt.add("blend", "LatentBlend", samples1=["sampler", 0], samples2=["encode", 0], blend_factor=0.3)
    prompt["again"] = {"class_type": "LADR_Sampler", "inputs": {**prompt["sampler"]["inputs"]}}
    prompt.set("again", latent_image=["blend", 0]).add("after", "LADRProbe_ShowLatent", latent=["again", 0])
    result = play(prompt, fails=True)
    assert "fractions" in result.error and "sampler" in result.executed


@both
def test_unloaded_but_kept_a_model_draws_the_same_again(play, server, model):
    def prompt(preview):  # another value, so that the tokens are not taken from the cache
        return show_loaded(large_graph("ladr", model).set("sampler", preview=preview))

    first = play(prompt(True))
    server.post("/free", {"unload_models": True})
    play(prompt(True))  # the server unloads between two prompts, so after this one at the latest
    assert "DLLMModel" not in [entry["model"] for entry in play(prompt(True)).json("loaded")]
    again = play(prompt(False))
    assert tokens(again) == tokens(first) and loaded_model(again)["bytes"] == loaded_model(first)["bytes"]
