"""What is said about checkpoints that are incomplete, damaged or of another kind."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoints import SHARD, write_magvit

from ladr_core.checkpoint import load_dllm
from ladr_core.errors import CheckpointError

LUMINA_PAGE = "https://huggingface.co/Alpha-VLLM/Lumina-DiMOO"
MAGVIT_PAGE = "https://huggingface.co/showlab/magvitv2"


def message(path: Path, **options) -> str:
    with pytest.raises(CheckpointError) as error:
        load_dllm(path, **options)
    return str(error.value)


def about(text: str) -> float:
    """The first size after "about", in bytes."""
    number, unit = re.search(r"about ([\d.]+) ([kMG]?B)", text).groups()
    return float(number) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]


def test_a_missing_shard_is_named_with_size_and_page(lumina_folder):
    size = (lumina_folder / SHARD).stat().st_size
    (lumina_folder / SHARD).unlink()
    found = message(lumina_folder)
    assert f"{SHARD} (about " in found and str(lumina_folder) in found and LUMINA_PAGE in found
    assert about(found) == pytest.approx(size, abs=3000)  # their headers are left out


def test_everything_that_is_missing_is_named_at_once(lumina_folder):
    for name in (SHARD, "tokenizer.json", "vqvae/config.json", "vqvae/diffusion_pytorch_model.safetensors"):
        (lumina_folder / name).unlink()
    found = message(lumina_folder)
    assert found.startswith(f"Lumina-DiMOO is incomplete: {SHARD} (about ")
    assert f"tokenizer.json (about 6 to 10 MB) are missing in {lumina_folder}; get them from {LUMINA_PAGE}; " in found
    assert "config.json (less than 1 kB), diffusion_pytorch_model.safetensors (about 584.98 MB)" in found
    assert found.endswith(f"missing in {lumina_folder / 'vqvae'}; get them from {LUMINA_PAGE}/tree/main/vqvae.")


def test_a_folder_without_weights_is_told_their_size(published, lumina_folder):
    config = json.loads((lumina_folder / "config.json").read_text())
    for path in (*lumina_folder.glob("*.safetensors"), lumina_folder / "model.safetensors.index.json"):
        path.unlink()
    found = message(lumina_folder)
    assert "model.safetensors.index.json (about 1." in found and "kB)" in found
    config.update(d_model=4096, n_layers=32, n_heads=32, n_kv_heads=32, mlp_hidden_size=12288)
    (lumina_folder / "config.json").write_text(json.dumps(config))
    found = message(lumina_folder)
    assert "model-*-of-*.safetensors (about 16.16 GB together)" in found and LUMINA_PAGE in found


def test_shards_without_their_index_tell_which_others_there_should_be(lumina_folder):
    (lumina_folder / "model.safetensors.index.json").unlink()
    assert "index.json (about " in message(lumina_folder) and "model-0" not in message(lumina_folder)
    size = (lumina_folder / SHARD).stat().st_size
    (lumina_folder / SHARD).unlink()
    found = message(lumina_folder)
    assert about(found.partition(f"{SHARD} (")[2]) == pytest.approx(size, abs=3000)  # their headers are left out


def test_a_file_cut_short_is_named_with_its_size(lumina_folder):
    path = lumina_folder / SHARD
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - 1000)
    found = message(lumina_folder)
    assert f"{path} is cut off: it has {size - 1000} bytes of {size} (" in found and LUMINA_PAGE in found


def test_every_file_cut_short_is_named(lumina_folder):
    shards = sorted(lumina_folder.glob("model-*.safetensors"))
    for path in shards:
        path.write_bytes(path.read_bytes()[:-10])
    found = message(lumina_folder)
    assert len(shards) == 2 and all(f"{path} is cut off: " in found for path in shards)


def test_a_file_cut_within_its_header_is_told_about_the_size_it_should_have(lumina_folder):
    path = lumina_folder / SHARD
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(100)
    found = message(lumina_folder)
    assert f"{path} is cut off: it has 100 bytes, expected about " in found and LUMINA_PAGE in found
    assert about(found) == pytest.approx(size, abs=3000)  # their headers are left out


def test_a_file_with_too_many_bytes_is_named(lumina_folder):
    path = lumina_folder / SHARD
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"more")
    assert f"{path} is damaged: it has {size + 4} bytes of {size} (" in message(lumina_folder)


def test_a_pointer_to_a_file_is_told_from_the_file(lumina_folder):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4986211280\n"
    (lumina_folder / SHARD).write_text(pointer)
    found = message(lumina_folder)
    assert f"{SHARD} is only the Git LFS pointer to the file: it has {len(pointer)} bytes, the file has" in found
    assert "4986211280 (4.99 GB)" in found and LUMINA_PAGE in found


def test_a_damaged_file_and_a_missing_tokenizer_name_the_page(lumina_folder):
    (lumina_folder / "tokenizer.json").rename(lumina_folder / "away.json")
    with pytest.raises(CheckpointError, match=rf"tokenizer.json \(about 6 to 10 MB\) is missing in .*{LUMINA_PAGE}"):
        load_dllm(lumina_folder)
    (lumina_folder / "away.json").rename(lumina_folder / "tokenizer.json")
    (lumina_folder / SHARD).write_bytes(b"short")
    with pytest.raises(CheckpointError, match=rf"{SHARD} .* it has 5 bytes, expected about .*{LUMINA_PAGE}"):
        load_dllm(lumina_folder)


def test_a_missing_configuration_of_the_image_tokenizer_is_named(lumina_folder):
    (lumina_folder / "vqvae" / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config.json .* is missing in .*vqvae; get it from https://"):
        load_dllm(lumina_folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"short", struct.pack("<Q", 2**60) + b"{}", struct.pack("<Q", 4) + b"nope", struct.pack("<Q", 3) + b"[1]"],
)
def test_a_file_of_another_kind_is_named(lumina_folder, content):
    (lumina_folder / SHARD).write_bytes(content)
    with pytest.raises(CheckpointError, match=SHARD):
        load_dllm(lumina_folder)


def rewrite(path: Path, change) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, {"format": "pt"})


def test_missing_surplus_and_misshapen_tensors_are_listed_by_name(lumina_folder):
    def change(tensors):
        names = sorted(tensors)
        del tensors[names[0]]
        tensors[names[1]] = torch.zeros(3, 5)
        tensors["model.transformer.extra"] = torch.zeros(1)

    names = sorted(load_file(lumina_folder / SHARD))
    rewrite(lumina_folder / SHARD, change)
    found = message(lumina_folder)
    assert names[0].removeprefix("model.") in found and "1 tensors are missing" in found
    assert f"{names[1]} in {SHARD} is [3, 5] instead of" in found and f" of {SHARD}" in found
    assert "model.transformer.extra" in found
    assert re.search(rf"Get them \(about [\d.]+ MB\) from {LUMINA_PAGE}", found)


def test_surplus_tensors_alone_are_a_notice(lumina_folder, caplog):
    rewrite(lumina_folder / SHARD, lambda tensors: tensors.update({"model.transformer.extra": torch.zeros(1)}))
    assert load_dllm(lumina_folder).name == "lumina-dimoo"
    assert "model.transformer.extra" in caplog.text


def test_a_missing_image_tokenizer_is_named_with_its_folder(mmada_folder):
    inside, beside = mmada_folder / "magvitv2", mmada_folder.parent / "magvitv2"
    assert message(mmada_folder) == (
        f"MMaDA is incomplete: pytorch_model.safetensors (about 381.97 MB) is missing in {inside} (or in {beside}, or "
        f"as one file {beside}.safetensors); get it from {MAGVIT_PAGE}."
    )


@pytest.mark.parametrize("place", ["inside", "beside"])
def test_an_empty_folder_of_the_image_tokenizer_is_named_with_the_missing_file(mmada_folder, place):
    folder = (mmada_folder if place == "inside" else mmada_folder.parent) / "magvitv2"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert message(mmada_folder) == (
        f"MMaDA is incomplete: pytorch_model.safetensors (about 381.97 MB) is missing in {folder}; get it from "
        f"{MAGVIT_PAGE}."
    )


def test_an_image_tokenizer_cut_short_is_told_the_size_it_should_have(mmada_folder):
    path = write_magvit(mmada_folder.parent / "magvitv2") / "pytorch_model.safetensors"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[: size // 2])
    assert f"{path} is cut off: it has {size // 2} bytes of {size} (" in message(mmada_folder)
    path.write_bytes(b"")
    assert "it has 0 bytes, expected about 381.97 MB; " in message(mmada_folder)
    assert MAGVIT_PAGE in message(mmada_folder)


@pytest.mark.parametrize("place", ["inside", "beside", "named", "file"])
def test_the_image_tokenizer_may_lie_in_several_places(mmada_folder, place):
    beside = mmada_folder.parent
    where = {"inside": mmada_folder / "magvitv2", "beside": beside / "magvitv2"}.get(place, beside / "elsewhere")
    write_magvit(where)
    vq_path = {"named": where, "file": where / "pytorch_model.safetensors"}.get(place)
    if place == "file":  # a bare file has no sizes of its own and so must be the published ones
        with pytest.raises(CheckpointError, match="image tokenizer .* do not fit"):
            load_dllm(mmada_folder, vq_path=vq_path)
        return
    assert load_dllm(mmada_folder, vq_path=vq_path).vq.codebook_size == 8192


def test_pickled_files_are_not_read(mmada_folder):
    folder = mmada_folder / "magvitv2"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin cannot be read: this pack loads no pickled files"):
        load_dllm(mmada_folder)
    with pytest.raises(CheckpointError, match="no pickled"):
        load_dllm(folder / "pytorch_model.bin")


def test_an_index_that_leads_out_of_its_folder_is_refused(lumina_folder):
    index = lumina_folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"] = dict.fromkeys(content["weight_map"], "../../" + SHARD)
    index.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="outside its folder"):
        load_dllm(lumina_folder)


def test_folders_of_other_models_are_refused_by_what_they_are(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}))
    with pytest.raises(CheckpointError, match="LlamaForCausalLM"):
        load_dllm(tmp_path)
    write_magvit(tmp_path / "magvitv2")
    with pytest.raises(CheckpointError, match="holds only an image tokenizer"):
        load_dllm(tmp_path / "magvitv2")
    with pytest.raises(CheckpointError, match=r"config\.json .* is missing"):
        load_dllm(tmp_path / "magvitv2" / "..", vq_path=None) if not (tmp_path / "config.json").unlink() else None


def test_a_file_without_a_description_is_refused(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="does not say which model it is"):
        load_dllm(tmp_path / "x.safetensors")
