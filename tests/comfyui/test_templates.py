"""Each template runs: those of the built-in model as they are, those of large models small and on random weights."""

import json

import pytest
from comfyui.client import run
from comfyui.launch import PACK
from comfyui.template_prompt import api_prompt, blueprint_prompt
from tiny_checkpoints import write_lumina, write_magvit, write_mmada

FILES = sorted((PACK / "workflows").glob("*.json"))
BUILT_IN = [path for path in FILES if "built-in emoji" in path.read_text(encoding="utf-8")]
LARGE = [path for path in FILES if path not in BUILT_IN]
SAMPLERS = ("LADR_Sampler", "LADR_BaselineSampler")


def _prompt(server, path):
    return api_prompt(json.loads(path.read_text(encoding="utf-8")), server.get("/object_info"))


def _has_run(server, prompt):
    result = run(server, prompt, timeout=300)
    assert result.status == "success", result.error
    assert [node for node, value in result.outputs.items() if value.get("images")]
    samplers = [node for node, value in prompt.items() if value["class_type"] in SAMPLERS]
    assert samplers or "LADR_Sweep" in {value["class_type"] for value in prompt.values()}
    assert all(result.result(node)["nfe"] for node in samplers)


@pytest.fixture(scope="module")
def large_models(server):
    """Random models of the published layout, and a picture."""
    from PIL import Image

    folder = server.base / "models" / "dllm"
    write_lumina(folder / "Lumina-DiMOO")
    write_mmada(folder / "MMaDA-8B-MixCoT")
    write_magvit(folder / "magvitv2")
    picture = Image.new("RGBA", (101, 67), (200, 120, 60, 255))  # a size that no model takes
    picture.paste((0, 0, 0, 0), (32, 16, 64, 48))  # transparent = masked
    picture.save(server.base / "input" / "example.png")


@pytest.mark.parametrize("path", BUILT_IN, ids=lambda path: path.stem)
def test_a_template_of_the_built_in_model_runs_as_it_is(server, path):
    _has_run(server, _prompt(server, path))


@pytest.mark.parametrize("path", LARGE, ids=lambda path: path.stem)
def test_a_template_of_a_large_model_runs_on_random_weights(server, large_models, path):
    prompt = _prompt(server, path)
    for node in prompt.values():
        if node["class_type"] in SAMPLERS:
            node["inputs"]["steps"] = 2
        if "width" in node["inputs"] and "MMaDA" not in path.stem:
            node["inputs"].update(width=64, height=64)
    _has_run(server, prompt)


@pytest.mark.parametrize("name", ["Text to image (dLLM, LADR)", "Inpaint (dLLM)", "Edit (Lumina-DiMOO)"])
def test_a_blueprint_runs_with_the_values_it_brings(server, large_models, name):
    blueprint = json.loads((PACK / "subgraphs" / f"{name}.json").read_text(encoding="utf-8"))
    picture = {"picture": {"class_type": "LoadImage", "inputs": {"image": "example.png"}}}
    given = {"image": ["picture", 0], "mask": ["picture", 1]}
    small = {"width": 64, "height": 64, "steps": 2} if name.startswith("Edit") else {}
    prompt = blueprint_prompt(blueprint, server.get("/object_info"), given, **small)
    _has_run(server, prompt if name.startswith("Text") else {**prompt, **picture})
