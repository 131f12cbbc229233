"""Writes what follows from the node schemas: schema.json, the English texts, and the lists in the help pages.

    python tests/node_specs/write_specs.py

Chinese and Japanese texts are written by hand in locales/*/nodeDefs.json; their lists are made from those.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from node_specs.comfyui_stub import PACK, schemas, snapshot  # noqa: E402

from ladr_core.presets import PRESETS, changed_values  # noqa: E402

SNAPSHOT = Path(__file__).resolve().parent / "schema.json"
LISTS = re.compile(r"(<!-- inputs -->\n).*?(<!-- end -->)", re.DOTALL)
HEADS = {
    "en": ("Inputs", "Outputs", "default"),
    "zh": ("输入", "输出", "默认"),
    "ja": ("入力", "出力", "既定値"),
}
PRESETS_HEAD = {"en": "Presets: values to copy", "zh": "预设：可直接照抄的数值", "ja": "プリセット：そのまま使える値"}


def locale_file(language: str) -> Path:
    """Where ComfyUI looks for a language's node texts."""
    return PACK / "locales" / language / "nodeDefs.json"


def english() -> dict[str, Any]:
    """The English texts as ComfyUI wants them."""
    made: dict[str, Any] = {}
    for node_id, schema in schemas().items():
        inputs = {}
        for slot in schema.inputs:
            inputs[slot.id] = {"name": slot.id, "tooltip": slot.tooltip}
            if slot.io_type == "COMBO" and slot.id != "checkpoint":
                inputs[slot.id]["options"] = {option: option for option in slot.options}
        outputs = {
            str(place): {"name": slot.display_name, "tooltip": slot.tooltip}
            for place, slot in enumerate(schema.outputs)
        }
        made[node_id] = {
            "display_name": schema.display_name, "description": schema.description,
            "inputs": inputs, "outputs": outputs,
        }  # fmt: skip
    return made


def lists(node_id: str, language: str) -> str:
    """The inputs and outputs of a help page; lists, because the help panel is too narrow for tables."""
    texts = json.loads(locale_file(language).read_text(encoding="utf-8"))[node_id]
    inputs, outputs, default = HEADS[language]
    left, semicolon, right, colon, comma = (" (", "; ", ")", ": ", ", ") if language == "en" else tuple("（；）：、")
    lines = [f"## {inputs}", ""]
    for slot in schemas()[node_id].inputs:
        facts, notes = slot.facts(), []
        if "default" in facts:
            value = str(facts["default"]).lower() if slot.io_type == "BOOLEAN" else facts["default"]
            notes.append(f"{default} {value}")
        if "min" in facts:
            notes.append(f"{facts['min']} ... {facts['max']}")
        if slot.id != "checkpoint" and "options" in facts:
            notes.append(comma.join(facts["options"]))
        shown = left + semicolon.join(notes) + right if notes else ""
        lines.append(f"- **`{slot.id}`**{shown}{colon}{texts['inputs'][slot.id]['tooltip']}")
    lines += ["", f"## {outputs}", ""]
    for place, slot in enumerate(schemas()[node_id].outputs):
        lines.append(f"- **`{slot.display_name}`**{colon}{texts['outputs'][str(place)]['tooltip']}")
    if node_id == "LADR_Sampler":
        lines += ["", f"## {PRESETS_HEAD[language]}", ""]
        for preset in PRESETS.values():
            if preset.sampler == "ladr":
                values = ", ".join(f"`{name}` {str(value).lower()}" for name, value in changed_values(preset).items())
                lines.append(f"- **{preset.name}**{colon}{values}")
    return "\n".join(lines)


def with_lists(page: str, node_id: str, language: str) -> str:
    """A help page with its lists brought up to date."""
    return LISTS.sub(lambda found: found[1] + lists(node_id, language) + "\n" + found[2], page)


def main() -> None:
    """Write everything."""
    SNAPSHOT.write_text(json.dumps(snapshot(), indent=2) + "\n", encoding="utf-8")
    locale_file("en").write_text(json.dumps(english(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for node_id in schemas():
        for language in HEADS:
            page = PACK / "web" / "docs" / node_id / f"{language}.md"
            page.write_text(with_lists(page.read_text(encoding="utf-8"), node_id, language), encoding="utf-8")


if __name__ == "__main__":
    main()
