"""The samplers' values in templates and blueprints: of the preset that a sampler names, else the rescue's defaults.

    python tests/node_specs/template_values.py        writes them into all files

A sampler names its preset in `properties.ladr_preset`. Seed, denoise and preview are the template's own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from node_specs.comfyui_stub import PACK, schemas  # noqa: E402

from ladr_core.presets import PRESETS  # noqa: E402
from ladr_core.settings import RescueSettings  # noqa: E402

WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
SAMPLERS = ("LADR_Sampler", "LADR_BaselineSampler", "LADR_Sweep")
OWN = ("denoise",)


def template_files() -> list[Path]:
    """Templates and blueprints, in the order of their names."""
    return [*sorted((PACK / "workflows").glob("*.json")), *sorted((PACK / "subgraphs").glob("*.json"))]


def all_nodes(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a workflow and of its subgraphs."""
    yield from workflow["nodes"]
    for subgraph in workflow.get("definitions", {}).get("subgraphs", ()):
        yield from subgraph["nodes"]


def widget_names(node_type: str) -> list[str]:
    """Names of a node's widget values in the order a workflow stores them; "" for a seed's control."""
    names = []
    for slot in schemas()[node_type].inputs:
        if slot.io_type in WIDGETS:
            names.append(slot.id)
            if slot.facts().get("control_after_generate"):
                names.append("")
    return names


def wanted_values(node: dict[str, Any]) -> dict[str, Any]:
    """The values that a sampler of a template has to have."""
    name = node["properties"].get("ladr_preset")
    if name is None:
        return dict(vars(RescueSettings()))
    preset = PRESETS[name]
    values = vars(preset.settings) | vars(preset.rescue)
    return {name: value for name, value in values.items() if name not in OWN}


def fill(node: dict[str, Any]) -> None:
    """Set a sampler's values, and add the defaults of inputs that came after the template."""
    names, values = widget_names(node["type"]), node["widgets_values"]
    slots = {slot.id: slot for slot in schemas()[node["type"]].inputs}
    values += [slots[name].default for name in names[len(values) :]]
    wanted = wanted_values(node)
    node["widgets_values"] = [wanted.get(name, value) for name, value in zip(names, values, strict=True)]


def main() -> None:
    """Write the values into all files."""
    for path in template_files():
        workflow = json.loads(path.read_text(encoding="utf-8"))
        for node in all_nodes(workflow):
            if node["type"] in SAMPLERS:
                fill(node)
        path.write_text(json.dumps(workflow, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
