"""Training in miniature: each stage learns, resumes where it stopped, and exports a file that loads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ladr_core.errors import CheckpointError
from ladr_core.lab.training.checkpoints import load_training_state
from ladr_core.lab.training.export import export_builtin, start_from
from ladr_core.lab.training.transformer import MIDDLE, OUTLINE, mask_cells, object_cells, train_transformer
from ladr_core.lab.training.vq import train_vq
from ladr_core.lab.worlds.shapes.world import ShapesWorld
from ladr_core.models.builtin.loading import load_builtin
from ladr_core.models.contract import Prompt
from ladr_core.token_grid import MASKED
from ladr_core.vq.patch_vq import PatchVQ, PatchVQConfig

WORLD = ShapesWorld(("plain",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    train_vq(WORLD, folder, minutes=0.001, batch=2)
    vq = PatchVQ(PatchVQConfig())
    assert load_training_state(folder / "vq.pt", vq, _Anything(), _Anything())[0] >= 1
    train_transformer(
        WORLD, vq.eval().requires_grad_(False), folder, minutes=0.001, batch=2, width=32, layers=1, compiled=False
    )
    return folder


class _Anything:
    def load_state_dict(self, state):
        """Take the optimizer's state without looking at it."""


def test_stages_resume(folder):
    before = torch.load(folder / "vq.pt", weights_only=True)["step"]
    train_vq(WORLD, folder, minutes=0.001, batch=2)
    assert torch.load(folder / "vq.pt", weights_only=True)["step"] > before


def test_export_loads_and_predicts(folder, tmp_path):
    record = export_builtin(WORLD, folder, tmp_path / "small.safetensors")
    assert record["steps"] >= 1
    model = load_builtin(tmp_path / "small.safetensors")
    denoiser = model.bind([Prompt("a red star")], [Prompt("")], model.default_grid, device="cpu")
    grid = torch.full((1, 256), MASKED)
    grid[0, :100] = 3
    conditional, unconditional = denoiser.predict(grid, torch.tensor([0]), guided=True, step=0)
    assert conditional.shape == unconditional.shape == (156, model.codebook_size)
    (alone,) = denoiser.predict(grid, torch.tensor([0]), guided=False, step=0)
    assert torch.allclose(alone, conditional, atol=1e-5)


def test_training_starts_from_an_exported_file(folder, tmp_path):
    export_builtin(WORLD, folder, tmp_path / "first.safetensors")
    start_from(tmp_path / "first.safetensors", tmp_path / "second")
    first = load_builtin(tmp_path / "first.safetensors")
    train_transformer(WORLD, first.vq, tmp_path / "second", minutes=0.0, batch=2, width=32, layers=1, compiled=False)
    export_builtin(WORLD, tmp_path / "second", tmp_path / "again.safetensors")
    again = load_builtin(tmp_path / "again.safetensors")
    for ours, theirs in ((first.transformer, again.transformer), (first.vq, again.vq)):
        for (name, before), after in zip(ours.state_dict().items(), theirs.state_dict().values()):
            assert torch.equal(before, after), name


def test_damaged_file_is_named(folder, tmp_path):
    path = tmp_path / "broken.safetensors"
    export_builtin(WORLD, folder, path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"broken\.safetensors is damaged"):
        load_builtin(path)
    with pytest.raises(CheckpointError, match=r"none\.safetensors is missing"):
        load_builtin(tmp_path / "none.safetensors")


def test_masking_covers_all_ratios_and_hides_nothing_else():
    indices = torch.arange(40 * 256).view(40, 256)
    masked = mask_cells(indices, 16, np.random.default_rng(0))
    counts = (masked < 0).sum(1)
    assert counts.min() >= 1 and counts.max() > 250 and counts.min() < 40
    assert torch.equal(masked[masked >= 0], indices[masked >= 0])


def test_half_of_the_masks_leave_holes():
    masked = mask_cells(torch.zeros(200, 256, dtype=torch.int64), 16, np.random.default_rng(0)).view(200, 16, 16) < 0
    share = masked.float().mean((1, 2))
    beside = (masked[:, :, 1:] & masked[:, :, :-1]).float().mean((1, 2))
    middle = (share > 0.3) & (share < 0.7)
    alone = (beside / share)[middle]  # share^2 / share where cells are masked independently
    patchy = (alone > share[middle] + 0.15).float().mean()
    assert 0.35 < patchy < 0.65


def test_half_of_the_masks_hide_the_objects_first():
    objects = torch.zeros(40, 256, dtype=torch.int64)
    objects[:, 100:124], objects[:, 124:132] = OUTLINE, MIDDLE
    masked = mask_cells(torch.zeros(40, 256, dtype=torch.int64), 16, np.random.default_rng(0), objects) < 0
    count, outline, middle = masked.sum(1), masked[:, 100:124].sum(1), masked[:, 124:132].sum(1)
    assert torch.equal((outline + middle)[::4], count[::4].clamp(max=32))
    assert torch.equal(outline[2::4], count[2::4].clamp(max=24))
    assert torch.equal(middle[2::4], (count[2::4] - 248).clamp(min=0))
    assert (outline[1::2] < count[1::2].clamp(max=24)).any()


def test_masks_look_at_no_picture_whose_caption_was_dropped():
    scene, caption = WORLD.sample_with_caption(np.random.default_rng(0), "two")
    parts = object_cells([scene, scene], [caption, None], 16, 16)
    assert (parts[0] == MIDDLE).sum() == 2 * 4 and (parts[0] == OUTLINE).sum() == 2 * 12 and not parts[1].any()
