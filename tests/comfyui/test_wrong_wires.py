"""Wrong wires and bad input in the real server: one sentence, and the server goes on working."""

import pytest
from comfyui.conftest import graph

KSAMPLER = {
    "seed": 0, "steps": 2, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "positive": ["positive", 0],
    "negative": ["negative", 0], "latent_image": ["grid", 0], "denoise": 1.0,
}  # fmt: skip


def _one_sentence(error: str, *words: str) -> None:
    assert "; allowed: " in error, error
    for word in words:
        assert word in error, (word, error)
    assert "Traceback" not in error and "\n" not in error.strip()


@pytest.fixture(autouse=True)
def still_working(play):
    """After each mistake the same server draws a picture."""
    yield
    play(graph("ladr").set("sampler", steps=2, seed=1))


def test_our_model_in_ksampler(play):
    wrong = graph("ladr").add("sampler", "KSampler", model=["load", 0], **KSAMPLER)
    del wrong["report"]
    _one_sentence(play(wrong, fails=True).error, "model", "draws tokens", "LADR Sampler")


def test_our_model_in_sampler_custom(play):
    wrong = graph("ladr").add("how", "KSamplerSelect", sampler_name="euler")
    wrong.add("when", "BasicScheduler", model=["load", 0], scheduler="normal", steps=2, denoise=1.0)
    wrong.add(
        "sampler", "SamplerCustom", model=["load", 0], add_noise=True, noise_seed=0, cfg=1.0, positive=["positive", 0],
        negative=["negative", 0], sampler=["how", 0], sigmas=["when", 0], latent_image=["grid", 0],
    )  # fmt: skip
    del wrong["report"]
    _one_sentence(play(wrong, fails=True).error, "model", "draws tokens", "LADR Sampler")


def test_our_model_in_a_node_that_saves_checkpoints(play):
    wrong = graph("ladr").add(
        "keep", "CheckpointSave", model=["load", 0], clip=["load", 1], vae=["load", 2], filename_prefix="x"
    )
    _one_sentence(play(wrong, fails=True).error, "model", "draws tokens")


def test_our_model_in_freeu(play):
    wrong = graph("ladr").add("free", "FreeU_V2", model=["load", 0], b1=1.3, b2=1.4, s1=0.9, s2=0.2)
    _one_sentence(play(wrong.set("sampler", model=["free", 0]), fails=True).error, "model", "U-Net")


def test_a_foreign_model(play):
    wrong = graph("ladr").add("other", "LADRProbe_OtherModel").set("sampler", model=["other", 0])
    _one_sentence(play(wrong, fails=True).error, "model", "another kind", "Load dLLM")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("wrapper", "probe wrapper"), ("object", "diffusion_model.attention"), ("attention", "attn1_patch"),
        ("cfg", "guidance"), ("option", "probe_option"), ("injection", "probe injection"),
    ],
)  # fmt: skip
def test_a_model_with_changes_our_loop_does_not_execute(play, kind, words):
    wrong = graph("ladr").add("change", "LADRProbe_ChangeModel", model=["load", 0], kind=kind)
    _one_sentence(play(wrong.set("sampler", model=["change", 0]), fails=True).error, "model", words)


@pytest.mark.parametrize(
    ("node", "inputs", "words"),
    [
        ("TorchCompileModel", {"backend": "inductor"}, "TorchCompileModel"),
        ("PerturbedAttentionGuidance", {"scale": 3.0}, "guidance"),
        ("RescaleCFG", {"multiplier": 0.7}, "RescaleCFG"),
        ("DifferentialDiffusion", {"strength": 1.0}, "Differential Diffusion"),
        ("ModelSamplingSD3", {"shift": 3.0}, "ModelSampling"),
        ("ModelComputeDtype", {"dtype": "bf16"}, "ModelComputeDtype"),
    ],
)
def test_core_model_nodes_are_refused_by_name(play, node, inputs, words):
    wrong = graph("ladr").add("change", node, model=["load", 0], **inputs)
    _one_sentence(play(wrong.set("sampler", model=["change", 0]), fails=True).error, "model", words)


def test_a_foreign_conditioning(play):
    wrong = graph("ladr").add("other", "LADRProbe_OtherModel").set("sampler", positive=["other", 1])
    _one_sentence(play(wrong, fails=True).error, "positive", "another model's text encoder", "Load dLLM")


@pytest.mark.parametrize(
    ("node", "inputs", "words"),
    [
        ("ConditioningConcat", {"conditioning_to": ["positive", 0], "conditioning_from": ["negative", 0]}, "Concat"),
        (
            "ConditioningAverage",
            {"conditioning_to": ["positive", 0], "conditioning_from": ["other", 0], "conditioning_to_strength": 0.5},
            "Average",
        ),
        ("ConditioningCombine", {"conditioning_1": ["positive", 0], "conditioning_2": ["other", 0]}, "Combine"),
        ("ConditioningSetTimestepRange", {"conditioning": ["positive", 0], "start": 0.0, "end": 0.5}, "TimestepRange"),
        (
            "ConditioningSetArea",
            {"conditioning": ["positive", 0], "width": 64, "height": 64, "x": 0, "y": 0, "strength": 1.0},
            "Set Area",
        ),
        ("FluxGuidance", {"conditioning": ["positive", 0], "guidance": 3.5}, "FluxGuidance"),
    ],
)
def test_changed_conditioning_is_refused_by_name(play, node, inputs, words):
    wrong = graph("ladr").add("other", "CLIPTextEncode", clip=["load", 1], text="a green triangle")
    wrong.add("change", node, **inputs).set("sampler", positive=["change", 0])
    _one_sentence(play(wrong, fails=True).error, "positive", words)


def test_clip_set_last_layer(play):
    wrong = graph("ladr").add("last", "CLIPSetLastLayer", clip=["load", 1], stop_at_clip_layer=-2)
    _one_sentence(play(wrong.set("positive", clip=["last", 0]), fails=True).error, "CLIP Set Last Layer")


def test_a_text_node_of_another_model(play):
    wrong = graph("ladr").add("positive", "CLIPTextEncodeFlux", clip=["load", 1], clip_l="a", t5xxl="a", guidance=3.5)
    _one_sentence(play(wrong, fails=True).error, "clip", "CLIP Text Encode")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("four channels", "another kind of model"), ("too large", "1023"), ("below", "-1"), ("fractions", "fractions"),
        ("nan", "NaN"), ("empty", "empty latent"),
    ],
)  # fmt: skip
def test_wrong_latents(play, kind, words):
    wrong = graph("ladr").add("wrong", "LADRProbe_WrongLatent", kind=kind, height=16, width=16)
    result = play(wrong.set("sampler", latent_image=["wrong", 0]), fails=True)
    _one_sentence(result.error, "latent_image", words)


def test_core_empty_latent(play):
    wrong = graph("ladr").add("grid", "EmptyLatentImage", width=128, height=128, batch_size=1)
    _one_sentence(play(wrong, fails=True).error, "latent_image", "Empty Token Grid")


def test_a_resized_empty_grid(play):
    wrong = graph("ladr").add(
        "big", "LatentUpscaleBy", samples=["grid", 0], upscale_method="nearest-exact", scale_by=2.0
    )
    _one_sentence(play(wrong.set("sampler", latent_image=["big", 0]), fails=True).error, "latent_image", "resized")


def test_size_the_model_cannot_draw(play):
    _one_sentence(play(graph("ladr").set("grid", width=256), fails=True).error, "256 x 128", "128 x 128")


def test_size_that_is_no_multiple(play):
    _one_sentence(play(graph("ladr").set("grid", width=132), fails=True).error, "132", "128")


@pytest.mark.parametrize(
    ("node", "name", "value"),
    [
        ("grid", "width", 100000), ("grid", "batch_size", 0), ("sampler", "steps", 0), ("sampler", "risk_bound", -0.1),
        ("sampler", "cfg", 1e6), ("sampler", "seed", -1), ("sampler", "top_p", 2.0), ("sampler", "steps", "many"),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_before_anything_runs(play, node, name, value):
    result = play(graph("ladr").set(node, **{name: value}), fails=True)
    assert result.status == "invalid" and name in result.error and str(value) in result.error


@pytest.mark.parametrize(
    ("name", "value"), [("mask_schedule", "cubic"), ("risk_filter", "none"), ("frontier_shape", "star")]
)
def test_a_choice_that_does_not_exist(play, name, value):
    _one_sentence(play(graph("ladr").set("sampler", **{name: value}), fails=True).error, name, value)


def test_an_edit_task_that_does_not_exist(play):
    wrong = graph("ladr").add("task", "LADR_EditTask", conditioning=["positive", 0], task="edit_all", image_cfg=1.0)
    _one_sentence(play(wrong.set("sampler", positive=["task", 0]), fails=True).error, "task", "edit_all")


def test_nan_for_a_number(play):
    _one_sentence(play(graph("ladr").set("sampler", temperature=float("nan")), fails=True).error, "temperature", "nan")


def test_a_value_out_of_range_that_comes_through_a_wire(play):
    wrong = graph("ladr").add("number", "PrimitiveInt", value=0).set("sampler", steps=["number", 0])
    _one_sentence(play(wrong, fails=True).error, "steps", "1 to 1000")


@pytest.mark.parametrize(("name", "value"), [("width", -16), ("batch_size", -1), ("batch_size", 10**6)])
def test_a_size_out_of_range_that_comes_through_a_wire(play, name, value):
    wrong = graph("ladr").add("number", "PrimitiveInt", value=value).set("grid", **{name: ["number", 0]})
    _one_sentence(play(wrong, fails=True).error, name, str(value))


@pytest.mark.parametrize("name", ["missing.safetensors", "../../secret.safetensors", "/etc/passwd", "C:\\x", "", "."])
def test_a_checkpoint_that_is_not_there(play, name):
    _one_sentence(play(graph("ladr").set("load", checkpoint=name), fails=True).error, "checkpoint")


def test_a_dtype_that_does_not_exist(play):
    _one_sentence(play(graph("ladr").set("load", dtype="int3"), fails=True).error, "dtype", "int3")


def test_a_truncated_checkpoint(play):
    error = play(graph("ladr").set("load", checkpoint="cut.safetensors"), fails=True).error
    assert "cut.safetensors" in error and "\n" not in error.strip()


def test_weights_with_nan(play):
    error = play(graph("ladr").set("load", checkpoint="nan.safetensors"), fails=True).error
    assert "NaN" in error and "step" in error.lower()


def test_edit_task_on_a_model_that_cannot_edit(play):
    wrong = graph("ladr").add("task", "LADR_EditTask", conditioning=["positive", 0], task="edit_add", image_cfg=1.0)
    _one_sentence(play(wrong.set("sampler", positive=["task", 0]), fails=True).error, "edit")
