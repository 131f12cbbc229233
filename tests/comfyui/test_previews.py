"""Previews as ComfyUI's own flags and the page's settings ask for them."""

from __future__ import annotations

import io

import pytest
from comfyui.client import run
from comfyui.conftest import graph
from comfyui.launch import Server
from PIL import Image


@pytest.fixture(params=[("none",), ("auto", "96")], ids=" ".join)
def flagged(request, tmp_path, server_base):
    """A server with a preview method, and with a preview size; and both."""
    method, *size = request.param
    flags = ("--preview-method", method, *(("--preview-size", *size) if size else ()))
    for folder in ("models",):
        (tmp_path / folder).symlink_to(server_base / folder, target_is_directory=True)
    server = Server(tmp_path, flags).start()
    yield server, method, int(*size) if size else None
    server.stop()


def _sizes(result):
    return [Image.open(io.BytesIO(part[part.index(b"\xff\xd8") :])).size for part in result.previews.get("sampler", [])]


def test_the_flags_of_the_server_are_honoured(flagged):
    server, method, size = flagged
    result = run(server, graph("ladr").set("sampler", seed=71))
    assert result.status == "success"
    assert bool(_sizes(result)) == (method != "none")
    assert all(max(found) == size for found in _sizes(result))
    off = run(server, graph("ladr").set("sampler", seed=72, preview=False))
    assert off.status == "success" and not off.previews


def test_no_previews_in_the_settings_of_the_page(server, play):
    """Cores that know the setting are told with each prompt; the others never are."""
    chosen = play(graph("ladr").set("sampler", seed=73), preview_method="none")
    assert not chosen.previews
    assert play(graph("ladr").set("sampler", seed=74), preview_method="default").previews
