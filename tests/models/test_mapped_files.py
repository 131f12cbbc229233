"""Files that change while a model maps them are named; those that are replaced or deleted do no harm."""

from __future__ import annotations

import os

import pytest
import torch
from tiny_checkpoints import SHARD

from ladr_core.checkpoint import load_dllm
from ladr_core.errors import CheckpointError
from ladr_core.mapped_files import check_mapped
from ladr_core.models.contract import Prompt
from ladr_core.sampling import ImageRequest, RunCallbacks, SamplerSetup, sample_tokens
from ladr_core.settings import SamplerSettings
from ladr_core.token_grid import TokenGrid


def draw(model, **callbacks):
    request = ImageRequest([Prompt("a fox")], [Prompt("")], TokenGrid(2, 3))
    setup = SamplerSetup(settings=SamplerSettings(steps=3))
    return sample_tokens(model, request, setup, callbacks=RunCallbacks(**callbacks))[0]


def test_a_file_that_changes_between_two_evaluations_ends_the_run(lumina_folder):
    model = load_dllm(lumina_folder)
    draw(model)

    def change(event) -> None:
        os.utime(lumina_folder / SHARD, (1, 1))

    with pytest.raises(CheckpointError, match=rf"{SHARD} was changed on the disk .*--disable-mmap"):
        draw(model, on_step=change)


def test_replaced_and_deleted_files_stay_mapped_as_they_were(lumina_folder):
    model = load_dllm(lumina_folder)
    before = draw(model)
    path = lumina_folder / SHARD
    (lumina_folder / "new").write_bytes(b"something else")
    os.replace(lumina_folder / "new", path)
    assert torch.equal(draw(model), before)
    path.unlink()
    assert torch.equal(draw(model), before)


@pytest.mark.parametrize("options", [{"memory_map": False}, {"dtype": torch.float32}], ids=str)
def test_weights_that_were_copied_need_no_file(lumina_folder, options):
    model = load_dllm(lumina_folder, **options)
    before = draw(model)
    for path in lumina_folder.glob("model-*.safetensors"):
        path.write_bytes(b"")
    check_mapped(model.transformer)
    assert torch.equal(draw(model), before)


def test_reading_without_a_map_gives_the_same_weights(lumina_folder):
    mapped, copied = (load_dllm(lumina_folder, memory_map=memory_map) for memory_map in (True, False))
    for one, other in zip(mapped.transformer.parameters(), copied.transformer.parameters()):
        assert torch.equal(one, other)
    for one, other in zip(mapped.vq.parameters(), copied.vq.parameters()):
        assert torch.equal(one, other)
