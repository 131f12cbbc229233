"""A real ComfyUI for the tests in this folder; without one they are skipped, and the summary says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui.client import Run, run
from comfyui.launch import WHY_SKIPPED, Server, configured
from comfyui.tiny_model import write_lora, write_tiny
from tiny_checkpoints import write_lumina, write_magvit, write_mmada

_HERE = Path(__file__).resolve().parent
LORA_KEYS = ("transformer.blocks.0.q_proj", "transformer.blocks.1.ff_out", "transformer.ff_out")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and skip them where no ComfyUI is named."""
    ours = [item for item in items if _HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.comfyui)
        if not configured():
            item.add_marker(pytest.mark.skip(reason=f"needs a real ComfyUI: {WHY_SKIPPED}"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say in the summary that the real server was not tried."""
    if not configured():
        terminalreporter.write_line(f"NOT RUN: the tests in a real ComfyUI server; {WHY_SKIPPED}.", yellow=True)


@pytest.fixture(scope="session")
def server_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with models, for all servers of the session."""
    base = tmp_path_factory.mktemp("comfyui")
    for name, broken in (("tiny", ""), ("nan", "nan"), ("cut", "cut")):
        write_tiny(base / "models" / "dllm" / f"{name}.safetensors", broken=broken)
    write_lora(base / "models" / "loras" / "tiny lora.safetensors", LORA_KEYS)
    return base


@pytest.fixture(scope="session")
def server(server_base: Path) -> Iterator[Server]:
    """The server most tests share."""
    running = Server(server_base).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def large_models(server: Server) -> Path:
    """The folder that holds tiny random models in the published layouts."""
    folder = server.base / "models" / "dllm"
    write_lumina(folder / "Lumina-DiMOO")
    write_mmada(folder / "MMaDA-8B-MixCoT")
    write_magvit(folder / "magvitv2")
    return folder


@pytest.fixture
def play(server: Server) -> Callable[..., Run]:
    """Run a prompt on the shared server; it must succeed unless `fails` is set, None = either."""

    def play_prompt(prompt: dict[str, Any], *, fails: bool | None = False, **options: Any) -> Run:
        result = run(server, prompt, **options)
        assert fails is None or (result.status != "success") == fails, (result.status, result.error)
        return result

    return play_prompt


class Graph(dict):
    """An API-format prompt that tests change by node id."""

    def set(self, node: str, **inputs: Any) -> Graph:
        """Change inputs of a node."""
        self[node]["inputs"].update(inputs)
        return self

    def add(self, node: str, class_type: str, **inputs: Any) -> Graph:
        """Add a node."""
        self[node] = {"class_type": class_type, "inputs": inputs}
        return self


def graph(name: str) -> Graph:
    """The prompt of a file in prompts/."""
    return Graph(json.loads((_HERE / "prompts" / f"{name}.json").read_text(encoding="utf-8")))
