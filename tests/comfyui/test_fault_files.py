"""Files and folders as people have them, in the real server: the list stays whole, loading says what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from pathlib import Path

import pytest
from comfyui.conftest import graph
from comfyui.large_models import LUMINA, large_graph, tokens, without_picture
from tiny_checkpoints import write_lumina, write_magvit, write_mmada

SHARD = "model-00001-of-00002.safetensors"
LISTED_WITHIN = 5.0  # seconds, of a busy machine


def _choices(server) -> list[str]:
    started = time.monotonic()
    found = server.get("/object_info/LADR_LoadDLLM")["LADR_LoadDLLM"]["input"]["required"]["checkpoint"]
    assert time.monotonic() - started < LISTED_WITHIN
    return found[1]["options"] if found[0] == "COMBO" else found[0]


@pytest.fixture(autouse=True)
def still_working(play):
    """After each fault the same server draws a picture."""
    yield
    play(graph("ladr").set("sampler", steps=2, seed=1))


@pytest.fixture
def place(server, request):
    """A folder of its own in models/, of the key that is named, which is taken away again."""
    made: list[Path] = []

    def make(key: str, name: str) -> Path:
        path = server.base / "models" / key / name
        path.mkdir(parents=True)
        made.append(path)
        return path

    yield make
    for path in made:
        shutil.rmtree(path)


ODD_CONFIGS = {
    "a number": b'{"architectures": 5}',
    "deep": b"[" * 200_000 + b"]" * 200_000,
    "a list of lists": b'{"architectures": [[1]]}',
    "type": b'{"model_type": ["mmada"]}',
    "utf16": '{"architectures": []}'.encode("utf-16"),
    "empty": b"",
    "null": b"null",
    "surrogate": b'{"_class_name": "\\ud800"}',
    "long": b'{"architectures": ["' + b"x" * 1_000_000 + b'"]}',
}


@pytest.mark.parametrize("content", ODD_CONFIGS.values(), ids=ODD_CONFIGS)
@pytest.mark.parametrize("key", ["diffusion_models", "checkpoints", "dllm"])
def test_an_odd_config_leaves_the_list_whole(server, place, key, content):
    (place(key, "odd") / "config.json").write_bytes(content)
    found = _choices(server)
    assert "tiny.safetensors" in found and "odd" not in found


def test_nodes_that_are_no_files_neither_block_nor_show(server, place):
    folder = place("checkpoints", "odd")
    os.mkfifo(folder / "pipe.safetensors")
    os.mkfifo(place("diffusion_models", "piped") / "config.json")
    (folder / "itself.safetensors").symlink_to("itself.safetensors")
    (folder / "nowhere.safetensors").symlink_to("not here")
    (folder / "zeros.safetensors").symlink_to("/dev/zero")
    (folder / "up").symlink_to("..")
    (folder / "here").symlink_to(".")
    (folder / "here too").symlink_to(".")
    here = os.getcwd()
    os.chdir(folder)  # a socket's address must be short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("socket.safetensors")
    finally:
        os.chdir(here)
    found = _choices(server)
    assert "tiny.safetensors" in found and not [name for name in found if "odd" in name or "piped" in name]


def test_a_hundred_thousand_files_are_listed_at_once(server, place):
    folder = place("checkpoints", "many")
    for number in range(100_000):
        (folder / f"{number}.txt").touch()
    _choices(server)
    started = time.monotonic()
    _choices(server)
    assert time.monotonic() - started < 1.0 + 1.0  # of which core takes its own part


def test_a_folder_without_config_is_offered_and_says_so(server, place, play, large_models):
    folder = place("dllm", "no config")
    shutil.copytree(large_models / LUMINA, folder, dirs_exist_ok=True)
    (folder / "config.json").unlink()
    assert "no config" in _choices(server) and not [name for name in _choices(server) if name.startswith("no config/")]
    error = play(large_graph("ladr", LUMINA).set("load", checkpoint="no config"), fails=True).error
    assert "config.json (about 1.4 kB) is missing in" in error and "huggingface.co" in error


def test_the_cache_of_the_hub_is_understood(server, place, play):
    root = place("dllm", "hub")
    blobs = root / "models--Gen-Verse--MMaDA-8B-MixCoT" / "blobs"
    snapshot = blobs.parent / "snapshots" / "0123abcd"
    write_mmada(blobs)
    snapshot.mkdir(parents=True)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(os.path.relpath(path, snapshot))
    write_magvit(root / "models--showlab--magvitv2" / "snapshots" / "4567")
    (name,) = [name for name in _choices(server) if name.startswith("hub/") and "MMaDA" in name and "snapshots" in name]
    prompt = without_picture(large_graph("ladr", "MMaDA-8B-MixCoT")).set("load", checkpoint=name)
    assert tokens(play(prompt))


def test_the_image_tokenizer_may_lie_in_another_model_folder(server, place, play):
    write_mmada(place("diffusion_models", "Alone MMaDA"))
    write_magvit(place("vae", "magvitv2"))
    assert tokens(play(without_picture(large_graph("ladr", "MMaDA-8B-MixCoT")).set("load", checkpoint="Alone MMaDA")))


@pytest.fixture
def mapped(place):
    """A model of its own whose weights stay in its files, and the prompt that draws with it."""
    folder = write_lumina(place("dllm", "changing"), seed=3)
    prompt = without_picture(large_graph("ladr", LUMINA)).set("load", checkpoint="changing", dtype="bfloat16")
    return folder, prompt


def test_a_file_written_over_in_place_is_loaded_again(play, mapped):
    folder, prompt = mapped
    before = tokens(play(prompt))
    other = write_lumina(folder.parent / "changing" / "new", seed=4)
    for path in other.glob("*.safetensors"):
        (folder / path.name).write_bytes(path.read_bytes())  # the same file, with other content
    shutil.rmtree(other)
    assert tokens(play(prompt.set("sampler", seed=2))) != before


def test_a_file_cut_short_in_place_is_named(play, mapped):
    folder, prompt = mapped
    play(prompt)
    with (folder / SHARD).open("r+b") as file:
        file.truncate(5000)
    assert SHARD in play(prompt.set("sampler", seed=2), fails=True).error


def test_a_model_file_cut_short_while_it_draws_ends_the_run_with_a_sentence(play, server, mapped):
    folder, prompt = mapped
    slow = prompt.set("sampler", steps=4).add("slow", "LADRProbe_CutFile", model=["load", 0], path=str(folder / SHARD))
    error = play(slow.set("sampler", model=["slow", 0]), fails=True).error
    assert "was changed on the disk while the model was loaded from it" in error and SHARD in error


def test_files_that_are_deleted_or_replaced_while_loaded_do_no_harm(play, mapped):
    folder, prompt = mapped
    before = tokens(play(prompt))
    saved = (folder / SHARD).read_bytes()
    (folder / SHARD).unlink()
    error = play(prompt.set("sampler", seed=2), fails=True).error
    assert SHARD in error and "missing" in error
    (folder / SHARD).write_bytes(saved)
    assert tokens(play(prompt.set("sampler", seed=1))) == before


BROKEN = {
    "header": (SHARD, b"\x10\x00\x00\x00\x00\x00\x00\x00" + b'{"a": 1}        '), "empty shard": (SHARD, b""),
    "config": ("config.json", b'{"architectures": ["LLaDAForMultiModalGeneration"], "d_model": "wide"}'),
    "layers": ("config.json", b'{"architectures": ["LLaDAForMultiModalGeneration"], "d_model": 16, "n_heads": 2, '
               b'"n_layers": 1000000, "mlp_hidden_size": 24, "vocab_size": 134548}'),
    "index": ("model.safetensors.index.json", b'{"weight_map": {"a": null}}'),
    "index out": ("model.safetensors.index.json", b'{"weight_map": {"a": "../../x.safetensors"}}'),
    "tokenizer": ("tokenizer.json", b'{"model": {"type": "BPE"}}'), "tokenizer is text": ("tokenizer.json", b'"x"'),
    "tokenizer config": ("tokenizer_config.json", '{"tokenizer_class": "x"}'.encode("utf-16")),
    "image tokenizer": ("vqvae/config.json", b'{"block_out_channels": 3}'),
    "quantized": ("config.json", b'{"architectures": ["LLaDAForMultiModalGeneration"], "d_model": 16, "n_heads": 2, '
                  b'"n_layers": 2, "mlp_hidden_size": 24, "vocab_size": 134548, '
                  b'"quantization_config": {"quant_method": "bitsandbytes"}}'),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_in_one_sentence(play, place, name, content):
    folder = write_lumina(place("dllm", "broken"))
    (folder / name).write_bytes(content)
    result = play(large_graph("ladr", LUMINA).set("load", checkpoint="broken"), fails=True)
    assert "CheckpointError" in result.error_type, (result.error_type, result.error)
    assert name.split("/")[-1] in result.error and "\n" not in result.error.strip() and len(result.error) < 2000
    json.dumps(result.error).encode()


def test_disable_mmap_leaves_no_file_mapped(server_base, tmp_path_factory):
    from comfyui.client import run
    from comfyui.launch import Server

    base = tmp_path_factory.mktemp("unmapped")
    write_lumina(base / "models" / "dllm" / LUMINA)
    server = Server(base, arguments=("--disable-mmap",)).start()
    try:
        prompt = without_picture(large_graph("ladr", LUMINA)).set("load", dtype="bfloat16")
        assert run(server, prompt).status == "success"
        maps = Path(f"/proc/{server.process.pid}/maps")
        if maps.exists():
            assert LUMINA not in maps.read_text()
    finally:
        server.stop()
