"""VAE Encode and Decode in the real server: plain, tiled, out of memory, half precision flags, wrong latents."""

import pytest
from comfyui.client import run
from comfyui.conftest import Graph, graph
from comfyui.launch import Server
from comfyui.tiny_model import tiny_image_tokenizer


def _codes(play, prompt, node="given"):
    return play(prompt).json(node)["samples"][0][0]


def test_encode_gives_whole_codes_and_decode_a_picture(play):
    result = play(graph("vae"))
    latent, image = result.json("given"), result.json("image")
    assert latent["dtype"] == "torch.float32"
    assert len(latent["samples"][0][0]) == 16
    assert all(code == int(code) and 0 <= code < 1024 for row in latent["samples"][0][0] for code in row)
    assert image["shape"] == [1, 128, 128, 3] and 0 <= image["low"] <= image["high"] <= 1


def test_tiled_encode_gives_the_same_codes_as_plain(play):
    """The built-in tokenizer's encoder sees one cell at a time, so here tiles change nothing at all."""
    plain = graph("vae").set("picture", width=256, height=192)
    tiled = graph("vae").set("picture", width=256, height=192)
    tiled.add("encode", "VAEEncodeTiled", pixels=["picture", 0], vae=["load", 2], tile_size=128, overlap=32)
    tiled["encode"]["inputs"].update(temporal_size=64, temporal_overlap=8)
    assert _codes(play, plain) == _codes(play, tiled)


@pytest.mark.parametrize("overlap", [0, 64, 512])
def test_tiles_smaller_than_their_overlap_still_work(play, overlap):
    tiled = graph("vae").set("picture", width=192, height=192)
    tiled.add("encode", "VAEEncodeTiled", pixels=["picture", 0], vae=["load", 2], tile_size=64, overlap=overlap)
    tiled["encode"]["inputs"].update(temporal_size=64, temporal_overlap=8)
    assert _codes(play, tiled) == _codes(play, graph("vae").set("picture", width=192, height=192))


def test_tiled_decode_is_close_to_plain(play):
    plain = play(graph("vae").set("picture", width=256, height=256)).json("image")
    tiled = graph("vae").set("picture", width=256, height=256)
    tiled.add("decode", "VAEDecodeTiled", samples=["encode", 0], vae=["load", 2], tile_size=128, overlap=64)
    tiled["decode"]["inputs"].update(temporal_size=64, temporal_overlap=8)
    result = play(tiled).json("image")
    assert result["shape"] == plain["shape"]
    far = sum(abs(a - b) for a, b in zip(result["pixels"], plain["pixels"], strict=True)) / len(plain["pixels"])
    assert far < 0.02


def test_running_out_of_memory_falls_back_to_tiles(play):
    armed = graph("vae").set("picture", width=768, height=640)
    armed.add("armed", "LADRProbe_OutOfMemoryOnce", vae=["load", 2])
    armed.set("encode", vae=["armed", 0]).set("decode", vae=["armed", 0])
    plain = play(graph("vae").set("picture", width=768, height=640))
    result = play(armed)
    assert result.json("given")["samples"] == plain.json("given")["samples"]
    assert result.json("image")["shape"] == [1, 640, 768, 3]
    assert result.json("image")["sum"] == pytest.approx(plain.json("image")["sum"], rel=1e-2)


def test_sizes_that_are_no_multiple_are_cropped_as_core_does(play):
    result = play(graph("vae").set("picture", width=133, height=129))
    assert result.json("image")["shape"] == [1, 128, 128, 3]


def test_a_batch_is_encoded_image_by_image(play):
    result = play(graph("vae").set("picture", batch=3))
    first, second, third = result.json("given")["samples"]
    assert first == second == third


def test_core_is_asked_for_one_picture_of_a_batch(play):
    """Core divides what is free by this to find how many pictures to encode or decode at once."""

    def asked(batch):
        sizes = {"batch": batch, "cells_down": 16, "cells_across": 24}
        return play(Graph(load=graph("vae")["load"]).add("asked", "LADRProbe_ShowRequest", vae=["load", 2], **sizes))

    vq = tiny_image_tokenizer()
    assert asked(1).json("asked") == {"encode": vq.encode_memory(128, 192), "decode": vq.decode_memory(16, 24)}
    assert asked(5).json("asked") == asked(1).json("asked")


@pytest.mark.parametrize("node", ["VAEDecode", "VAEDecodeTiled"])
def test_masked_cells_are_refused_before_the_lookup(play, node):
    wrong = graph("vae").add("grid", "LADR_EmptyTokenGrid", width=128, height=128, batch_size=1)
    wrong["decode"]["class_type"] = node
    wrong.set("decode", samples=["grid", 0])
    if node == "VAEDecodeTiled":
        wrong.set("decode", tile_size=512, overlap=64, temporal_size=64, temporal_overlap=8)
    result = play(wrong, fails=True)
    assert "256 masked cells" in result.error and "LADR Sampler" in result.error


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("four channels", "another kind of model"),
        ("too large", "to 1023"),
        ("fractions", "fractions"),
        ("nan", "NaN"),
    ],
)
def test_a_foreign_latent_is_named(play, kind, words):
    wrong = graph("vae").add("wrong", "LADRProbe_WrongLatent", kind=kind, height=16, width=16)
    result = play(wrong.set("decode", samples=["wrong", 0]), fails=True)
    assert words in result.error, result.error


@pytest.mark.parametrize("flag", ["--bf16-vae", "--fp16-vae"])
def test_half_precision_flags_change_nothing(play, server_base, tmp_path, flag):
    expected = play(graph("vae"))
    (tmp_path / "models").symlink_to(server_base / "models", target_is_directory=True)
    half = Server(tmp_path, (flag,)).start()
    try:
        result = run(half, graph("vae"))
    finally:
        half.stop()
    assert result.status == "success", result.error
    assert result.json("given") == expected.json("given")
    assert result.json("image") == expected.json("image")
