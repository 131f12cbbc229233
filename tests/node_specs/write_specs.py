"""Writes what follows from the node schemas: schema.json, the English texts, and the tables of the help pages.

    python tests/node_specs/write_specs.py

Chinese texts are written by hand in locales/zh/nodeDefs.json; the Chinese tables are made from them.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from node_specs.comfyui_stub import PACK, schemas, snapshot  # noqa: E402

SNAPSHOT = Path(__file__).resolve().parent / "schema.json"
TABLES = re.compile(r"(<!-- inputs -->\n).*?(<!-- end -->)", re.DOTALL)
HEADS = {
    "en": ("Input", "Default", "Allowed", "What it does", "Output", "What it is"),
    "zh": ("输入", "默认值", "范围", "作用", "输出", "说明"),
}


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


def tables(node_id: str, language: str) -> str:
    """The table of inputs and that of outputs of a help page."""
    texts = json.loads(locale_file(language).read_text(encoding="utf-8"))[node_id]
    name, default, allowed, does, output, what = HEADS[language]
    lines = [f"| {name} | {default} | {allowed} | {does} |", "|---|---|---|---|"]
    for slot in schemas()[node_id].inputs:
        facts = slot.facts()
        limits = f"{facts['min']} ... {facts['max']}" if "min" in facts else ""
        if slot.id != "checkpoint" and "options" in facts:
            limits = ", ".join(facts["options"])
        value = str(facts.get("default", "")).lower() if slot.io_type == "BOOLEAN" else facts.get("default", "")
        lines.append(f"| `{slot.id}` | {value} | {limits} | {texts['inputs'][slot.id]['tooltip']} |")
    lines += ["", f"| {output} | {what} |", "|---|---|"]
    for place, slot in enumerate(schemas()[node_id].outputs):
        lines.append(f"| `{slot.display_name}` | {texts['outputs'][str(place)]['tooltip']} |")
    return "\n".join(lines)


def with_tables(page: str, node_id: str, language: str) -> str:
    """A help page with its tables brought up to date."""
    return TABLES.sub(lambda found: found[1] + tables(node_id, language) + "\n" + found[2], page)


def main() -> None:
    """Write everything."""
    SNAPSHOT.write_text(json.dumps(snapshot(), indent=2) + "\n", encoding="utf-8")
    locale_file("en").write_text(json.dumps(english(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for node_id in schemas():
        for language in HEADS:
            page = PACK / "web" / "docs" / node_id / f"{language}.md"
            page.write_text(with_tables(page.read_text(encoding="utf-8"), node_id, language), encoding="utf-8")


if __name__ == "__main__":
    main()
