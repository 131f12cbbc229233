"""Weights in the real server: dtypes, LoRA, merging, loading in part, unloading."""

import pytest
from comfyui.client import free
from comfyui.conftest import graph

LOADED = {"class_type": "LADRProbe_ShowLoaded", "inputs": {"latent": ["sampler", 0]}}


def _tokens(result):
    return result.json("show")["samples"]


def _with_lora(strength: float):
    prompt = graph("ladr").add(
        "lora", "LoraLoaderModelOnly", model=["load", 0], lora_name="tiny lora.safetensors", strength_model=strength
    )
    return prompt.set("sampler", model=["lora", 0])


def _in_part(prompt, megabytes: float):
    source = prompt["sampler"]["inputs"]["model"]
    prompt.add("limit", "LADRProbe_SmallBudget", model=source, megabytes=megabytes)
    prompt["loaded"] = LOADED
    return prompt.set("sampler", model=["limit", 0])


def test_each_dtype_takes_its_own_bytes(play):
    bytes_of = {}
    for dtype in ("float32", "bfloat16", "float16", "float8_e4m3fn"):
        prompt = graph("ladr").set("load", dtype=dtype)
        prompt["loaded"] = LOADED
        loaded = play(prompt).json("loaded")
        bytes_of[dtype] = next(entry["bytes"] for entry in loaded if entry["model"] == "DLLMModel")
    assert bytes_of["float32"] == 2 * bytes_of["bfloat16"] == 2 * bytes_of["float16"]
    assert bytes_of["bfloat16"] == 2 * bytes_of["float8_e4m3fn"]


def test_lora_changes_the_tokens_and_strength_zero_does_not(play):
    plain = _tokens(play(graph("ladr")))
    assert _tokens(play(_with_lora(0.8))) != plain
    assert _tokens(play(_with_lora(0.0))) == plain
    assert _tokens(play(graph("ladr").set("sampler", seed=1))) == plain  # the patched weights are gone again


def test_lora_on_both_model_and_clip(play):
    both = graph("ladr").add(
        "lora", "LoraLoader", model=["load", 0], clip=["load", 1], lora_name="tiny lora.safetensors",
        strength_model=0.8, strength_clip=1.0,
    )  # fmt: skip
    both.set("sampler", model=["lora", 0]).set("positive", clip=["lora", 1])
    assert _tokens(play(both)) == _tokens(play(_with_lora(0.8)))


def test_every_lora_key_was_taken(play, server):
    log = len(server.log_text())
    play(_with_lora(0.7))
    assert "not loaded" not in server.log_text()[log:].lower()


def test_merging_models(play):
    plain, lora = _tokens(play(graph("ladr"))), _tokens(play(_with_lora(0.8)))
    for ratio, expected in ((1.0, plain), (0.0, lora)):
        merged = _with_lora(0.8)
        merged.add("merge", "ModelMergeSimple", model1=["load", 0], model2=["lora", 0], ratio=ratio)
        assert _tokens(play(merged.set("sampler", model=["merge", 0]))) == expected
    merged = _with_lora(0.8)
    merged.add("merge", "ModelMergeSimple", model1=["load", 0], model2=["lora", 0], ratio=0.5)
    assert _tokens(play(merged.set("sampler", model=["merge", 0]))) not in (plain, lora)


@pytest.mark.parametrize("megabytes", [0.0001, 0.05])
def test_a_model_loaded_in_part_draws_the_same_tokens(play, megabytes):
    full = play(graph("ladr"))
    part = play(_in_part(graph("ladr"), megabytes))
    assert any(entry["lowvram"] for entry in part.json("loaded") if entry["model"] == "DLLMModel")
    assert _tokens(part) == _tokens(full)


def test_a_lora_on_a_model_loaded_in_part(play):
    full = play(_with_lora(0.8))
    part = play(_in_part(_with_lora(0.8), 0.0001))
    assert any(entry["lowvram"] for entry in part.json("loaded") if entry["model"] == "DLLMModel")
    assert _tokens(part) == _tokens(full)


def test_eight_bit_weights_loaded_in_part(play):
    full = play(graph("ladr").set("load", dtype="float8_e4m3fn"))
    part = play(_in_part(graph("ladr").set("load", dtype="float8_e4m3fn"), 0.0001))
    assert _tokens(part) == _tokens(full)


def test_models_are_listed_and_unload_leaves_nothing(play, server):
    prompt = graph("ladr")
    prompt["loaded"] = LOADED
    names = {entry["model"] for entry in play(prompt).json("loaded")}
    assert "DLLMModel" in names
    free(server)
    other = graph("vae")
    del other["decode"], other["image"]
    other.add("loaded", "LADRProbe_ShowLoaded", latent=["encode", 0])
    names = {entry["model"] for entry in play(other).json("loaded")}
    assert "DLLMModel" not in names
    assert "memory leak" not in server.log_text()


def test_an_interrupted_or_failed_run_leaves_no_leak(play, server):
    play(graph("baseline").set("sampler", seed=77, steps=200), fails=True, interrupt_at=2)
    play(graph("ladr").set("load", checkpoint="nan.safetensors"), fails=True)
    free(server)
    play(graph("vae"))
    assert "memory leak" not in server.log_text()
