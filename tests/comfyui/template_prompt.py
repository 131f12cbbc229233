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
