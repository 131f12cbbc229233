"""Turns a UI-format workflow into the API prompt that the page would send, with the server's own node descriptions."""

from __future__ import annotations

from typing import Any

NOTES = ("Note", "MarkdownNote")
WIDGET_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def _widgets(described: dict[str, Any]) -> list[tuple[str, bool]]:
    """Names of a node's widgets in order, each with whether a control or upload widget follows it."""
    found = []
    for name in (*described["input_order"].get("required", ()), *described["input_order"].get("optional", ())):
        kind, *facts = {**described["input"].get("required", {}), **described["input"].get("optional", {})}[name]
        facts = facts[0] if facts else {}
        if isinstance(kind, list) or (kind in WIDGET_TYPES and not facts.get("forceInput")):
            found.append((name, bool(facts.get("control_after_generate") or facts.get("image_upload"))))
    return found


def api_prompt(workflow: dict[str, Any], object_info: dict[str, Any]) -> dict[str, Any]:
    """The prompt of a workflow; raises KeyError for an unknown node type and ValueError for surplus widget values."""
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] in NOTES:
            continue
        values, inputs = list(node.get("widgets_values") or ()), {}
        for name, followed in _widgets(object_info[node["type"]]):
            inputs[name] = values.pop(0)
            if followed:
                values.pop(0)
        if values and node["type"] not in ("PreviewImage", "PreviewAny"):
            raise ValueError(f"{node['type']} {node['id']}: {values} left over")
        inputs |= {
            slot["name"]: sources[slot["link"]] for slot in node.get("inputs", ()) if slot.get("link") is not None
        }
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def blueprint_prompt(
    blueprint: dict[str, Any], object_info: dict[str, Any], given: dict[str, list[Any]], **values: Any
) -> dict[str, Any]:
    """The prompt of a subgraph blueprint with its own values; given: a source for each input that has no widget."""
    (inside,) = blueprint["definitions"]["subgraphs"]
    links = [
        [link[k] for k in ("id", "origin_id", "origin_slot", "target_id", "target_slot")] for link in inside["links"]
    ]
    between = [link for link in links if link[1] > 0 and link[3] > 0]
    known = {link[0] for link in between}
    nodes = [
        {**node, "inputs": [slot if slot["link"] in known else {**slot, "link": None} for slot in node["inputs"]]}
        for node in inside["nodes"]
    ]
    prompt = api_prompt({"nodes": nodes, "links": between}, object_info)
    targets = {node["id"]: node for node in inside["nodes"]}
    for _, origin, slot, target, place in links:
        if origin == -10:
            name, inner = inside["inputs"][slot]["name"], targets[target]["inputs"][place]["name"]
            if name in given or name in values:
                prompt[str(target)]["inputs"][inner] = given.get(name, values.get(name))
        if target == -20 and inside["outputs"][place]["type"] == "IMAGE":
            prompt["save"] = {
                "class_type": "SaveImage", "inputs": {"images": [str(origin), slot], "filename_prefix": "blueprint"}
            }  # fmt: skip
    return prompt
