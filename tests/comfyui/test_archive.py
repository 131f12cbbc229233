"""The archive that the Comfy Registry ships, unpacked as ComfyUI-Manager does it: no pip step, another folder name."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from comfyui.client import run
from comfyui.conftest import graph
from comfyui.launch import PACK, Server
from comfyui.test_loading import SNAPSHOT


def shipped_files() -> list[str]:
    """Tracked files that .comfyignore does not leave out."""

    def listed(*options: str) -> set[str]:
        found = subprocess.run(["git", "ls-files", "-z", *options], cwd=PACK, capture_output=True, check=True)
        return set(found.stdout.decode().split("\0")) - {""}

    return sorted(listed() - listed("-c", "-i", "--exclude-from=.comfyignore"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (PACK / ".git").exists():
        pytest.skip("the archive is made from a git clone")
    folder = tmp_path_factory.mktemp("archive") / "ladr"
    for name in shipped_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACK / name, folder / name)
    return folder


def test_the_archive_holds_what_runs_and_nothing_else(unpacked):
    wanted = {"__init__.py", "pyproject.toml", "requirements.txt", "README.md", "LICENSE", "CHANGELOG.md"}
    wanted |= {"nodes", "ladr_core", "workflows", "subgraphs", "locales", "web"}
    assert {path.name for path in unpacked.iterdir()} == wanted
    for name in ("emoji.safetensors", "emoji_flat.safetensors", "shapes.safetensors",
                 "upscale_models/emoji_x4.safetensors", "MODEL_CARD.md", "THIRD_PARTY_NOTICES.md"):  # fmt: skip
        assert (unpacked / "ladr_core" / "models" / "builtin" / name).exists()
    library = {path.name for path in (unpacked / "ladr_core").iterdir()}
    assert not {"lab", "training", "training.py", "evaluation.py"} & library
    assert sum(path.stat().st_size for path in unpacked.rglob("*") if path.is_file()) < 21 * 2**20


def test_it_loads_and_draws_with_the_built_in_model(unpacked, tmp_path):
    server = Server(tmp_path, pack=unpacked).start()
    try:
        known = server.get("/object_info")
        assert set(json.loads(SNAPSHOT.read_text(encoding="utf-8"))) <= set(known)
        prompt = graph("ladr")
        loader = next(node for node in prompt.values() if node["class_type"] == "LADR_LoadDLLM")
        loader["inputs"]["checkpoint"] = known["LADR_LoadDLLM"]["input"]["required"]["checkpoint"][1]["default"]
        for node in prompt.values():
            if node["class_type"] == "LADR_EmptyTokenGrid":
                node["inputs"].update(width=256, height=256)
            if node["class_type"] == "LADR_Sampler":
                node["inputs"].update(steps=4)
        result = run(server, prompt)
        assert result.status == "success", result.error
    finally:
        server.stop()
