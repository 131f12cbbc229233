"""A seed's picture in the server is the library's own, so it is the same on every ComfyUI of a machine."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from comfyui.conftest import graph
from comfyui.large_models import LUMINA, large_graph
from PIL import Image

from ladr_core.command_line.pictures import draw, load_model
from ladr_core.sampler_setup import SamplerSetup
from ladr_core.settings import RESCUE_SETTINGS, SAMPLER_SETTINGS, RescueSettings, SamplerSettings

BUILT_IN = {"built-in emoji": ("builtin-emoji", 256), "built-in emoji-flat": ("builtin-emoji-flat", 256),
            "built-in shapes": ("builtin-shapes", 128)}  # name, side


def _prompt(name, model, seed):
    prompt = large_graph(name, model) if model == LUMINA else graph(name).set("load", checkpoint=model)
    if model in BUILT_IN:
        prompt.set("grid", width=BUILT_IN[model][1], height=BUILT_IN[model][1])
    return prompt.set("sampler", seed=seed, preview=False)


def _from_library(prompt, path):
    """The same run without ComfyUI."""
    inputs = prompt["sampler"]["inputs"]
    setup = SamplerSetup(
        "ladr" if "rescue" in inputs else "baseline",
        SamplerSettings(**{name: value for name, value in inputs.items() if name in SAMPLER_SETTINGS}),
        RescueSettings(**{name: value for name, value in inputs.items() if name in RESCUE_SETTINGS}),
        {},
    )
    grid = prompt["grid"]["inputs"]
    return draw(
        load_model(path, torch.device("cpu"), prompt["load"]["inputs"]["dtype"]), prompt["positive"]["inputs"]["text"],
        setup=setup, seeds=[inputs["seed"]], device=torch.device("cpu"), width=grid["width"], height=grid["height"],
    )  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2026])
@pytest.mark.parametrize("name", ["ladr", "baseline"])
@pytest.mark.parametrize("model", ["tiny.safetensors", *BUILT_IN, LUMINA])
def test_tokens_and_picture_of_a_seed_are_those_of_the_library(play, server, large_models, model, name, seed):
    prompt = _prompt(name, model, seed)
    result = play(prompt)
    expected = _from_library(prompt, BUILT_IN[model][0] if model in BUILT_IN else str(large_models / model))
    (drawn,) = result.json("show")["samples"]
    assert torch.tensor(drawn).long().flatten().tolist() == expected.report.codebook_indices[0].flatten().tolist()
    (saved,) = result.outputs["save"]["images"]
    with Image.open(server.base / "output" / saved["filename"]) as picture:
        found = np.asarray(picture.convert("RGB"), dtype=int)
    wanted = np.asarray(expected.pictures[0], dtype=int)
    assert found.shape == wanted.shape and abs(found - wanted).max() <= 1  # ComfyUI cuts where the library rounds


def test_an_api_prompt_saved_before_the_later_inputs_draws_with_their_defaults(play):
    ksampler = {"model", "seed", "steps", "cfg", "positive", "negative", "latent_image", "denoise"}
    for name in ("ladr", "baseline"):
        short, whole = graph(name), graph(name)
        for found in list(short["sampler"]["inputs"]):
            if found not in ksampler:
                del short["sampler"]["inputs"][found]
        defaults = vars(SamplerSettings()) | (vars(RescueSettings()) if name == "ladr" else {})
        known = whole["sampler"]["inputs"]
        known.update({k: v for k, v in defaults.items() if k in known and k not in ksampler})
        assert play(short).json("show")["samples"] == play(whole).json("show")["samples"]
