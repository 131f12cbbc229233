"""Each template runs as it is, with the model it names."""

import json

import pytest
from comfyui.client import run
from comfyui.launch import PACK
from comfyui.template_prompt import api_prompt

BUILT_IN = [
    path
    for path in sorted((PACK / "workflows").glob("*.json"))
    if "built-in shapes" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", BUILT_IN, ids=lambda path: path.stem)
def test_a_template_runs_and_shows_a_picture(server, path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    prompt = api_prompt(workflow, server.get("/object_info"))
    result = run(server, prompt, timeout=300)
    assert result.status == "success", result.error
    shown = [node for node, value in result.outputs.items() if value.get("images")]
    assert shown
    samplers = [
        node for node, value in prompt.items() if value["class_type"] in ("LADR_Sampler", "LADR_BaselineSampler")
    ]
    assert samplers and all("network evaluations" in result.texts[node] for node in samplers)
