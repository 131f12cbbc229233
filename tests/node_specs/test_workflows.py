"""The templates: UI format, known nodes and widgets, sound links, a picture each."""

import json
import re
from pathlib import Path

import pytest
from node_specs.comfyui_stub import PACK, schemas
from node_specs.template_values import SAMPLERS, wanted_values, widget_names
from PIL import Image

FOLDER = PACK / "workflows"
FILES = sorted(FOLDER.glob("*.json"))
REGISTRY_ID = re.compile(r"^[a-zA-Z0-9](?:[a-zA-Z0-9._-]*[a-zA-Z0-9])?$")
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def _ours(workflow: dict) -> list[dict]:
    return [node for node in workflow["nodes"] if node["type"].startswith("LADR_")]


def test_there_are_templates_and_nothing_else_than_they_and_their_pictures():
    assert len(FILES) >= 5
    assert {path.suffix for path in FOLDER.iterdir()} == {".json", ".jpg"}
    assert {path.stem for path in FOLDER.glob("*.jpg")} == {path.stem for path in FILES}


def test_every_node_of_the_pack_but_the_edit_task_is_in_a_template_of_the_built_in_model():
    used = {node["type"] for path in FILES for node in _ours(_read(path))}
    assert set(schemas()) - {"LADR_EditTask"} <= used


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_name_can_be_served_and_shown(path):
    assert not set('#%?&"<>:|*\\') & set(path.stem)


def test_the_list_begins_with_the_quick_start_and_ends_with_what_needs_a_download():
    assert all(re.match(r"LADR \d\d [A-Z]", path.stem) for path in FILES)
    assert FILES[0].stem == "LADR 01 Quick start"
    downloads = ["GB" in path.stem for path in FILES]
    assert downloads == sorted(downloads)
    assert downloads == ["built-in emoji" not in path.read_text(encoding="utf-8") for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_samplers_have_the_values_of_their_preset(path):
    for node in _read(path)["nodes"]:
        if node["type"] in SAMPLERS:
            values = dict(zip(widget_names(node["type"]), node["widgets_values"], strict=True))
            wanted = {name: value for name, value in wanted_values(node).items() if name in values}
            assert {name: values[name] for name in wanted} == wanted, "run tests/node_specs/template_values.py"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_picture_is_small_and_of_card_shape(path):
    picture = path.with_suffix(".jpg")
    with Image.open(picture) as image:
        assert image.format == "JPEG" and image.size == (400, 300)
    assert picture.stat().st_size < 60_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_links_join_slots_that_exist(path):
    workflow = _read(path)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for number, source, out, target, place, kind in workflow["links"]:
        assert number in nodes[source]["outputs"][out]["links"]
        assert nodes[target]["inputs"][place]["link"] == number
        assert kind in (nodes[source]["outputs"][out]["type"], "*")  # Preview Any takes anything
    used = {slot["link"] for node in workflow["nodes"] for slot in node.get("inputs", ()) if slot.get("link")}
    assert used == {link[0] for link in workflow["links"]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_widget_values_fit_the_schemas(path):
    for node in _ours(_read(path)):
        values = list(node["widgets_values"])
        for slot in schemas()[node["type"]].inputs:
            if slot.io_type not in WIDGETS or slot.facts().get("force_input"):
                continue
            value, facts = values.pop(0), slot.facts()
            if facts.get("control_after_generate"):
                assert values.pop(0) in ("fixed", "increment", "decrement", "randomize")
            if slot.id != "checkpoint" and "options" in facts:
                assert value in facts["options"]
            if "min" in facts:
                assert facts["min"] <= value <= facts["max"], slot.id
        assert not values, f"{node['type']} has {values} left over"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nodes_say_which_pack_they_come_from(path):
    project = re.search(r'^name = "(.+)"$', (PACK / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
    for node in _read(path)["nodes"]:
        if node["type"] in ("Note", "MarkdownNote"):
            continue
        name = node["properties"]["cnr_id"]
        assert REGISTRY_ID.match(name)
        assert name == (project if node["type"].startswith("LADR_") else "comfy-core")
        assert node["properties"]["Node name for S&R"] == node["type"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_note_explains_the_template_and_nothing_private_is_in_it(path):
    workflow = _read(path)
    assert any(node["type"] == "MarkdownNote" for node in workflow["nodes"])
    assert not re.search(r"/(home|root|tmp|work|Users)/|localhost|127\.0\.0\.1", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_loaded_picture_and_its_mask_are_scaled_to_a_size_the_model_takes(path):
    workflow = _read(path)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    sources = {link[0]: (nodes[link[1]], link[2]) for link in workflow["links"]}

    def way(node: dict, slot: str) -> list[str]:
        """Types of the nodes that an input comes from, by first inputs: a mask joins the picture it belongs to."""
        link = next((i["link"] for i in node["inputs"] if i["name"] == slot), None)
        if link is None:
            return []
        source = sources[link][0]
        first = next((i["name"] for i in source["inputs"] if i.get("link")), "")
        return [source["type"], *way(source, first)]

    for node in workflow["nodes"]:
        for slot in {"VAEEncode": ["pixels"], "SetLatentNoiseMask": ["mask"]}.get(node["type"], []):
            came = way(node, slot)
            assert "LoadImage" not in came or "ImageScale" in came
        if node["type"] == "ImageScale":
            _, width, height, crop = node["widgets_values"]
            assert width % 16 == height % 16 == 0 and crop == "center"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_models_offered_for_download_are_single_files_that_the_node_names(path):
    """The front end takes an entry only then; a template of a model without such a file says how to get it."""
    workflow = _read(path)
    offered = [(node, model) for node in workflow["nodes"] for model in node["properties"].get("models", ())]
    for node, model in offered:
        assert model["name"] in node["widgets_values"] and model["name"].endswith(".safetensors")
        assert model["url"].startswith("https://huggingface.co/") and model["directory"] == "dllm"
    loads = next(node["widgets_values"][0] for node in _ours(workflow) if node["type"] == "LADR_LoadDLLM")
    note = next(node["widgets_values"][0] for node in workflow["nodes"] if node["type"] == "MarkdownNote")
    assert offered or loads == "built-in emoji" or "published as a folder: fetch it by hand" in note
