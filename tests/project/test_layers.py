"""Imports go down only: who may import whom, layer by layer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("parts", "vq", "models", "samplers", "checkpoint", "loop", "sampling", "command_line", "lab")  # low to high
# Modules beside the folders; whatever is not named is a part.
PLACES = {
    "cell_state": "loop", "clocks": "loop", "recording": "loop", "denoising_loop": "loop",
    "run_notices": "sampling", "sampling": "sampling", "sweep": "sampling",
    "pictures": "sampling", "__init__": "lab", "__main__": "lab",
}  # fmt: skip


def layer(module: tuple[str, ...]) -> str:
    """Layer of a module of ladr_core, given its path below it."""
    first = module[0] if module else "__init__"
    return first if first in LAYERS else PLACES.get(first, "parts")


def imported(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line and place below ladr_core of every module that a file imports from it."""
    here = path.relative_to(ROOT / "ladr_core").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level and node.level - 1 <= len(here):
            base = here[: len(here) - node.level + 1]
            named = tuple((node.module or "").split(".")) if node.module else ()
            for alias in node.names if not named else [None]:
                yield node.lineno, (*base, *(named or (alias.name,)))


def test_imports_of_the_library_go_down():
    wrong = []
    for path in sorted((ROOT / "ladr_core").rglob("*.py")):
        own = layer(path.relative_to(ROOT / "ladr_core").with_suffix("").parts)
        for line, module in imported(path):
            if LAYERS.index(layer(module)) > LAYERS.index(own):
                wrong.append(f"{path.relative_to(ROOT).as_posix()}:{line}: {own} imports {'.'.join(module)}")
    assert not wrong


def test_no_node_imports_the_laboratory():
    wrong = [
        f"{path.name}:{node.lineno}"
        for path in sorted((ROOT / "nodes").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ladr_core.lab")
    ]
    assert not wrong


def test_every_layer_is_there():
    core = ROOT / "ladr_core"
    seen = {layer(path.relative_to(core).with_suffix("").parts) for path in core.rglob("*.py")}
    assert seen == set(LAYERS)
