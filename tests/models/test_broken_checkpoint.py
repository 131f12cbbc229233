"""What is said about checkpoints that are incomplete, damaged or of another kind."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoints import SHARD, write_magvit

from ladr_core.checkpoint import load_dllm
from ladr_core.errors import CheckpointError


def test_a_missing_shard_is_named_with_size_and_page(lumina_folder):
    (lumina_folder / SHARD).unlink()
    with pytest.raises(CheckpointError) as error:
        load_dllm(lumina_folder)
    message = str(error.value)
    assert f"{SHARD} (about " in message and str(lumina_folder) in message
    assert "https://huggingface.co/Alpha-VLLM/Lumina-DiMOO" in message


def test_a_file_cut_short_is_named_with_its_size(lumina_folder):
    path = lumina_folder / SHARD
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - 1000)
    with pytest.raises(CheckpointError, match=rf"{SHARD} is cut off.*{size - 1000} bytes of {size}"):
        load_dllm(lumina_folder)


def test_a_damaged_file_and_a_missing_tokenizer_name_the_page(lumina_folder):
    page = "https://huggingface.co/Alpha-VLLM/Lumina-DiMOO"
    (lumina_folder / "tokenizer.json").rename(lumina_folder / "away.json")
    with pytest.raises(CheckpointError, match=rf"tokenizer.json \(a few MB\) is missing in .*{page}"):
        load_dllm(lumina_folder)
    (lumina_folder / SHARD).write_bytes(b"short")
    with pytest.raises(CheckpointError, match=page):
        load_dllm(lumina_folder)


def test_a_missing_configuration_of_the_image_tokenizer_is_named(lumina_folder):
    (lumina_folder / "vqvae" / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config.json .* is missing in .*vqvae; get it from https://"):
        load_dllm(lumina_folder)


@pytest.mark.parametrize("content", [b"", b"short", struct.pack("<Q", 2**60) + b"{}", struct.pack("<Q", 4) + b"nope"])
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
    with pytest.raises(CheckpointError) as error:
        load_dllm(lumina_folder)
    message = str(error.value)
    assert names[0].removeprefix("model.") in message and "1 tensors are missing" in message
    assert f"{names[1]} is [3, 5] instead of" in message
    assert "model.transformer.extra" in message and "huggingface.co" in message


def test_surplus_tensors_alone_are_a_notice(lumina_folder, caplog):
    rewrite(lumina_folder / SHARD, lambda tensors: tensors.update({"model.transformer.extra": torch.zeros(1)}))
    assert load_dllm(lumina_folder).name == "lumina-dimoo"
    assert "model.transformer.extra" in caplog.text


def test_a_missing_tokenizer_is_named(lumina_folder):
    (lumina_folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json .*is missing"):
        load_dllm(lumina_folder)


def test_a_missing_image_tokenizer_is_named_with_its_folder(mmada_folder):
    with pytest.raises(CheckpointError) as error:
        load_dllm(mmada_folder)
    assert "https://huggingface.co/showlab/magvitv2" in str(error.value) and "0.38 GB" not in str(error.value)
    assert "381.55 MB" in str(error.value) and str(mmada_folder / "magvitv2") in str(error.value)


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
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        load_dllm(tmp_path / "magvitv2" / "..", vq_path=None) if not (tmp_path / "config.json").unlink() else None


def test_a_file_without_a_description_is_refused(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="does not say which model it is"):
        load_dllm(tmp_path / "x.safetensors")
