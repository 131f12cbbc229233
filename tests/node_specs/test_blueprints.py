"""Subgraph blueprints: sound links, known inputs, the values of their preset, only what a person sets outside."""

import json

import pytest
from node_specs.comfyui_stub import PACK, schemas
from node_specs.template_values import SAMPLERS, wanted_values, widget_names

FILES = sorted((PACK / "subgraphs").glob("*.json"))


def _read(path):
    blueprint = json.loads(path.read_text(encoding="utf-8"))
    (host,), (inside,) = blueprint["nodes"], blueprint["definitions"]["subgraphs"]
    return host, inside


def test_there_is_one_for_each_task():
    names = ["Edit (Lumina-DiMOO)", "Inpaint (dLLM)", "Text to image (dLLM, LADR)"]
    assert [path.stem for path in FILES] == names
    assert {path.suffix for path in (PACK / "subgraphs").iterdir()} == {".json"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_node_outside_is_the_subgraph_inside(path):
    host, inside = _read(path)
    assert host["type"] == inside["id"] and host["title"] == inside["name"] == path.stem and inside["description"]
    for place in ("inputs", "outputs"):
        shown = [(slot["name"], slot["type"]) for slot in host[place]]
        assert shown == [(slot["name"], slot["type"]) for slot in inside[place]]
    assert len(host["inputs"]) <= 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_links_join_slots_that_exist(path):
    _, inside = _read(path)
    nodes = {node["id"]: node for node in inside["nodes"]}
    for link in inside["links"]:
        if link["origin_id"] == -10:
            assert link["id"] in inside["inputs"][link["origin_slot"]]["linkIds"]
        else:
            assert link["id"] in nodes[link["origin_id"]]["outputs"][link["origin_slot"]]["links"]
        if link["target_id"] == -20:
            assert link["id"] in inside["outputs"][link["target_slot"]]["linkIds"]
        else:
            assert nodes[link["target_id"]]["inputs"][link["target_slot"]]["link"] == link["id"]
    assert inside["state"]["lastLinkId"] == max(link["id"] for link in inside["links"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_values_fit_the_schemas_and_the_preset(path):
    _, inside = _read(path)
    for node in inside["nodes"]:
        if node["type"] in schemas():
            names = widget_names(node["type"])
            assert len(node["widgets_values"]) == len(names)
            assert {slot["name"] for slot in node["inputs"]} <= {slot.id for slot in schemas()[node["type"]].inputs}
        if node["type"] in SAMPLERS:
            values = dict(zip(names, node["widgets_values"], strict=True))
            wanted = {name: value for name, value in wanted_values(node).items() if name in values}
            assert {name: values[name] for name in wanted} == wanted, "run tests/node_specs/template_values.py"
