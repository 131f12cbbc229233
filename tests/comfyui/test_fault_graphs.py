"""Prompts, conditioning and latents as people wire them: what has no effect is said, what is wrong is refused."""

from __future__ import annotations

import pytest
from comfyui.conftest import graph
from comfyui.large_models import LUMINA, MMADA, edit_graph, large_graph, tokens, without_picture


@pytest.fixture(autouse=True)
def still_working(play):
    """After each fault the same server draws a picture."""
    yield
    play(graph("ladr").set("sampler", steps=2, seed=1))


PROMPTS = {
    "Chinese": ("一个红色的圆", "一个红色的圆"),
    "Cyrillic": ("красный круг", "красный"),
    "emoji": ("a 👩‍🚀 circle", "👩‍🚀"),
    "accents": ("un círculo rojo", "círculo"),
    "right to left": ("دائرة حمراء", "دائرة"),
    "Hindi": ("लाल वृत्त", "लाल"),
    "weight": ("a (red:1.2) circle", "(red:1.2)"),
    "embedding": ("a circle, embedding:EasyNegative", "embedding:EasyNegative"),
    "lora": ("a circle <lora:sharp:0.8>", "<lora:sharp:0.8>"),
    "BREAK": ("a circle BREAK a square", "BREAK"),
    "editing": ("a [red:blue:0.5] circle", "[red:blue:0.5]"),
    "choice": ("a {red|blue} circle", "{red|blue}"),
    "wildcard": ("a __color__ circle", "__color__"),
    "control": ("a red\x07 circle", "U+0007"),
    "surrogate": ("a red \ud800 circle", "half of a character"),
    "zero width": ("a red\u200bcircle", "U+200B"),
}
IN_WORDS = ("Chinese", "Cyrillic", "emoji", "accents", "right to left", "Hindi")  # which a large model reads


@pytest.mark.parametrize("model", ["tiny.safetensors", LUMINA, MMADA])
@pytest.mark.parametrize("kind", PROMPTS)
def test_what_has_no_effect_is_said_whole(play, large_models, model, kind):
    text, said = PROMPTS[kind]
    prompt = graph("ladr") if model == "tiny.safetensors" else large_graph("ladr", model)
    prompt = without_picture(prompt).set("sampler", steps=1).set("positive", text=text)
    notices = " ".join(play(prompt).json("report")["notices"])
    if model == "tiny.safetensors" or kind not in IN_WORDS:
        assert said in notices, notices
    else:
        assert said not in notices, notices


def test_full_width_letters_and_digits_are_read(play):
    texts = "three red squares", "ｔｈｒｅｅ ｒｅｄ squares"
    drawn = [tokens(play(graph("ladr").set("positive", text=text))) for text in texts]
    assert drawn[0] == drawn[1]


TEXT = "a red circle on the left of a blue square"
NEUTRAL = {
    "a whole range of steps": ("ConditioningSetTimestepRange", {"start": 0.0, "end": 1.0}),
    "full strength": ("ConditioningSetAreaStrength", {"strength": 1.0}),
    "an average of one": (
        "ConditioningAverage", {"conditioning_from": ["negative", 0], "conditioning_to_strength": 1.0}
    ),
    "another pack's entry": ("LADRProbe_AddEntry", {"key": "prompt", "value": TEXT}),
}  # fmt: skip


@pytest.mark.parametrize(("node", "inputs"), NEUTRAL.values(), ids=NEUTRAL)
def test_conditioning_that_asks_for_nothing_is_accepted(play, node, inputs):
    plain = tokens(play(graph("ladr")))
    to = "conditioning_to" if node == "ConditioningAverage" else "conditioning"
    prompt = graph("ladr").add("between", node, **{to: ["positive", 0]}, **inputs)
    assert tokens(play(prompt.set("sampler", positive=["between", 0]))) == plain


def test_the_text_list_of_an_a1111_parser_is_one_text(play):
    plain = tokens(play(graph("ladr")))
    prompt = graph("ladr").add("positive", "LADRProbe_EncodeList", clip=["load", 1], texts=1)
    assert tokens(play(prompt)) == plain
    assert "prompt editing" in play(prompt.set("positive", texts=2), fails=True).error


def test_an_edit_task_on_something_else_is_named(play):
    prompt = edit_graph().set("task", conditioning="a word")
    error = play(prompt, fails=True).error
    assert "conditioning" in error and "Traceback" not in error


@pytest.mark.parametrize("size", [(100, 100), (70, 90), (1000, 24)])
@pytest.mark.parametrize("model", ["tiny.safetensors", LUMINA, MMADA])
def test_an_advised_size_is_accepted(play, large_models, model, size):
    prompt = without_picture(graph("ladr") if model == "tiny.safetensors" else large_graph("ladr", model))
    prompt.set("sampler", steps=1)
    for _ in range(2):
        result = play(prompt.set("grid", width=size[0], height=size[1]), fails=None)
        if result.status == "success":
            return
        words = result.error.replace(",", " ").replace(".", " ").split()
        numbers = [int(word) for word in words[words.index("Set") :] if word.isdigit()]
        size = numbers[0], numbers[1]
    play(prompt.set("grid", width=size[0], height=size[1]))


def test_a_size_without_training_gets_a_notice(play, large_models):
    notices = play(without_picture(large_graph("ladr", LUMINA)).set("sampler", steps=1)).json("report")["notices"]
    assert any("was not trained to draw 64 x 48 pixels; the nearest size it was is" in notice for notice in notices)


def _two_models(prompt):
    """The prompt with MMaDA's loader beside it."""
    return prompt.add("other", "LADR_LoadDLLM", checkpoint=MMADA, dtype="auto")


def test_tokens_of_one_model_in_another_models_vae(play, large_models):
    prompt = _two_models(large_graph("ladr", LUMINA)).set("decode", vae=["other", 2])
    error = play(prompt, fails=True).error
    assert "token grid of the model lumina-dimoo" in error and "mmada" in error


def test_tokens_of_one_model_in_another_models_sampler(play, large_models):
    prompt = _two_models(without_picture(large_graph("ladr", LUMINA)))
    inputs = {**prompt["sampler"]["inputs"], "model": ["other", 0], "latent_image": ["sampler", 0], "denoise": 0.5}
    prompt.add("second", "LADR_Sampler", **inputs).set("show", latent=["second", 0])
    assert "token grid of the model lumina-dimoo" in play(prompt, fails=True).error


def test_a_picture_encoded_by_another_models_vae(play, large_models):
    prompt = _two_models(without_picture(large_graph("inpaint", LUMINA))).set("encode", vae=["other", 2])
    assert "token grid of the model mmada" in play(prompt, fails=True).error


@pytest.mark.parametrize("node", ["ModelMergeSimple", "ModelMergeSubtract"])
def test_merging_the_two_models_is_refused(play, large_models, node):
    inputs = {"ratio": 0.5} if node == "ModelMergeSimple" else {"multiplier": 1.0}
    prompt = _two_models(without_picture(large_graph("ladr", LUMINA)))
    prompt.add("merge", node, model1=["load", 0], model2=["other", 0], **inputs)
    error = play(prompt.set("sampler", model=["merge", 0]), fails=True).error
    assert "weights of another model" in error, error


CHANGED = {
    "flip": ("LatentFlip", {"flip_method": "x-axis: vertically"}, "flipped or rotated"),
    "turn": ("LatentRotate", {"rotation": "180 degrees"}, "flipped or rotated"),
    "quarter turn": ("LatentRotate", {"rotation": "90 degrees"}, "flipped or rotated"),
    "upscale": (
        "LatentUpscale",
        {"upscale_method": "nearest-exact", "width": 256, "height": 256, "crop": "disabled"},
        "resized or cropped",
    ),
    "crop": ("LatentCrop", {"width": 64, "height": 64, "x": 0, "y": 0}, "resized or cropped"),
}


@pytest.mark.parametrize(("node", "inputs", "said"), CHANGED.values(), ids=CHANGED)
def test_a_grid_that_another_node_moved_is_refused(play, node, inputs, said):
    prompt = graph("ladr").add("moved", node, samples=["sampler", 0], **inputs)
    again = {**prompt["sampler"]["inputs"], "latent_image": ["moved", 0], "denoise": 0.5}
    prompt.add("second", "LADR_Sampler", **again).set("show", latent=["second", 0])
    assert said in play(prompt, fails=True).error


def test_added_grids_are_refused(play):
    prompt = graph("ladr")
    prompt.add("one", "LADR_Sampler", **{**prompt["sampler"]["inputs"], "seed": 5})
    prompt.add("added", "LatentAdd", samples1=["sampler", 0], samples2=["one", 0])
    again = {**prompt["sampler"]["inputs"], "latent_image": ["added", 0], "denoise": 0.5}
    prompt.add("second", "LADR_Sampler", **again).set("show", latent=["second", 0])
    error = play(prompt, fails=True).error
    assert "changed every cell" in error or "codebook indices from" in error


@pytest.mark.parametrize(
    ("node", "inputs"),
    [("RepeatLatentBatch", {"amount": 2}), ("LatentFromBatch", {"batch_index": 1, "length": 1})],
)
def test_grids_that_were_picked_or_repeated_are_used(play, node, inputs):
    prompt = graph("ladr").set("grid", batch_size=3).add("picked", node, samples=["sampler", 0], **inputs)
    again = {**prompt["sampler"]["inputs"], "latent_image": ["picked", 0], "denoise": 0.5}
    play(prompt.add("second", "LADR_Sampler", **again).set("show", latent=["second", 0]))


def test_a_picture_below_one_cell_is_named(play):
    error = play(graph("vae").set("picture", width=6, height=6, x=0, y=0, side=2), fails=True).error
    assert "6 x 6 pixels" in error and "at least 8 x 8" in error


def test_a_training_node_is_refused_by_name(play):
    prompt = graph("ladr").add(
        "train", "TrainLoraNode", model=["load", 0], latents=["grid", 0], positive=["positive", 0], batch_size=1,
        grad_accumulation_steps=1, steps=1, learning_rate=0.001, rank=4, optimizer="AdamW", loss_function="MSE",
        seed=0, training_dtype="fp32", lora_dtype="fp32", algorithm="lora", gradient_checkpointing=False,
        existing_lora="[None]",
    )  # fmt: skip
    result = play(prompt.set("sampler", model=["train", 0]), fails=True)
    assert "draws tokens" in result.error or result.status == "invalid", result.error
