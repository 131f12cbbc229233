"""The loader's list over folders as people have them: it never raises, never waits, and ends."""

from __future__ import annotations

import json
import os
import sys
import time

import comfyui_stub
import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX systems")
LUMINA = json.dumps({"architectures": ["LLaDAForMultiModalGeneration"]})


@pytest.fixture
def listing(tmp_path, monkeypatch):
    """The list for one folder as models/dllm (or another key), without the models in the box."""
    comfyui_stub.load_pack()
    module = sys.modules[comfyui_stub.PACK_NAME + ".nodes.model_folder"]

    def list_folder(key: str = "dllm") -> list[str]:
        monkeypatch.setattr(sys.modules["folder_paths"], "folder_names_and_paths", {key: [str(tmp_path)]})
        return [name for name in module.list_checkpoints() if not name.startswith("built-in")]

    return list_folder


def make(folder, name: str, config: str = LUMINA):
    path = folder / name
    path.mkdir(parents=True)
    (path / "config.json").write_text(config)
    return path


def test_links_that_lead_back_end(tmp_path, listing):
    make(tmp_path, "model")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for number, target in enumerate((".", "..", "../..", str(tmp_path))):
        (deep / f"loop{number}").symlink_to(target)
        (tmp_path / f"loop{number}").symlink_to(".")
    started = time.monotonic()
    found = listing()
    assert "model" in found and len(found) < 20 and time.monotonic() - started < 2


def test_a_model_behind_a_link_is_offered_under_every_name(tmp_path, listing):
    make(tmp_path, "real/model")
    (tmp_path / "linked").symlink_to("real/model")
    (tmp_path / "also").symlink_to("real")
    assert listing() == ["also/model", "linked", "real/model"]


def test_shards_without_a_config_are_one_folder(tmp_path, listing):
    for number in (1, 2):
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / f"model-0000{number}-of-00002.safetensors").touch()
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "one.safetensors").touch()
    assert listing("dllm") == ["files/one.safetensors", "model"]
    assert listing("checkpoints") == []


def test_a_snapshot_of_the_hub_is_offered(tmp_path, listing):
    blobs = make(tmp_path, "models--A--B/blobs")
    snapshot = tmp_path / "models--A--B" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (blobs / "config.json").rename(blobs / "0123")
    (snapshot / "config.json").symlink_to("../../blobs/0123")
    assert listing() == ["models--A--B/snapshots/abc"]


def test_a_new_file_is_seen_at_once(tmp_path, listing):
    assert listing() == []
    make(tmp_path, "model")
    assert listing() == ["model"]
    (tmp_path / "model" / "config.json").write_text(json.dumps({"architectures": ["Other"], "padding": "x" * 100}))
    assert listing() == []


def test_a_hundred_thousand_files_are_read_once(tmp_path, listing):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(100_000):
        (folder / f"{number}.bin").touch()
    os.utime(folder, (1e9, 1e9))  # as if nothing had changed for long
    listing("checkpoints")
    started = time.monotonic()
    listing("checkpoints")
    assert time.monotonic() - started < 1


def test_names_that_no_file_system_text_holds(tmp_path, listing):
    for name in (b"caf\xe9.safetensors", b"line\nbreak.safetensors"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb"):
            pass
    for name in listing():
        name.encode()
