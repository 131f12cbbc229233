"""Installed by ComfyUI-Manager's own cm-cli from a git address, into a copy of ComfyUI.

COMFYUI_MANAGER_SRC        a git repository of ComfyUI-Manager
COMFYUI_MANAGER_PACKAGES   a folder with the packages it asks for (pip install --target), made when it is missing
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from comfyui.launch import PACK, Server, find_comfyui
from comfyui.test_loading import SNAPSHOT

NAME = "ComfyUI-LADR"
PACKAGES = ("GitPython", "PyGithub", "chardet", "matrix-nio", "rich", "toml", "typer", "uv")


def call(*command: object, **options) -> str:
    """What a command prints; its words in the failure where it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout + done.stderr


@pytest.fixture
def git_address(tmp_path: Path) -> Iterator[str]:
    """The pack's last commit behind an address that git clones from."""
    call("git", "clone", "-q", "--bare", PACK, tmp_path / "git" / f"{NAME}.git")
    call("git", "update-server-info", cwd=tmp_path / "git" / f"{NAME}.git")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "git")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{NAME}.git"
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(not os.environ.get("COMFYUI_MANAGER_SRC"), reason="set COMFYUI_MANAGER_SRC to run it")
def test_the_manager_installs_it_from_a_git_address_and_it_loads(git_address, tmp_path):
    comfy, python = find_comfyui()
    copy = tmp_path / "ComfyUI"
    shutil.copytree(comfy, copy, ignore=shutil.ignore_patterns(".git", "models", "output", "user", "custom_nodes"))
    manager = copy / "custom_nodes" / "comfyui-manager"
    call("git", "clone", "-q", os.environ["COMFYUI_MANAGER_SRC"], manager)
    packages = Path(os.environ.get("COMFYUI_MANAGER_PACKAGES") or tmp_path / "packages")
    if not packages.exists():
        call(python, "-m", "pip", "install", "-q", "--no-input", "--target", packages, *PACKAGES)
    environment = {
        **os.environ, "COMFYUI_PATH": str(copy), "PYTHONPATH": str(packages), "GIT_TERMINAL_PROMPT": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    said = call(
        python, "cm-cli.py", "install", git_address, "--mode", "local", "--exit-on-fail", cwd=manager, env=environment
    )
    installed = copy / "custom_nodes" / NAME
    assert (installed / "__init__.py").exists(), said
    server = Server(tmp_path / "base", pack=installed).start()
    try:
        assert set(json.loads(SNAPSHOT.read_text(encoding="utf-8"))) <= set(server.get("/object_info"))
        assert len(server.get("/workflow_templates")[NAME]) == len(list((PACK / "workflows").glob("*.json")))
    finally:
        server.stop()
