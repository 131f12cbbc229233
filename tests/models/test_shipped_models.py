"""The models in the box: the default is the emoji world, and old workflows find the shapes."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from ladr_core import ImageRequest, Prompt, SamplerSetup, find_preset, sample_tokens
from ladr_core.models.builtin.layout import SHAPES
from ladr_core.models.builtin.loading import UPSCALER, load_builtin, shipped_models

MOST_BYTES = 20 * 10**6
UPSCALER_BYTES = 500_000


@pytest.fixture(scope="module")
def emoji():
    return load_builtin()


def test_emoji_is_the_default_and_the_shapes_stay():
    assert list(shipped_models()) == ["emoji", "emoji-flat", SHAPES]
    assert sum(path.stat().st_size for path in shipped_models().values()) < MOST_BYTES


def test_the_emoji_model_understands_what_people_write(emoji):
    assert emoji.name == "builtin-emoji"
    assert emoji.prompt_notices("A kitty and an auto, beside the ocean!") == []
    (notice,) = emoji.prompt_notices("a fluffy fox")
    assert "fluffy" in notice
    words = emoji.layout.encode_text
    assert words("a fluffy fox") == words("a fox") and words("a kitty") == words("a cat")


def test_a_prompt_becomes_a_picture_with_less_evaluations_than_steps(emoji):
    request = ImageRequest([Prompt("a fox on a table")], [Prompt("")], emoji.default_grid, [0])
    indices, report = sample_tokens(emoji, request, find_preset("balanced").setup)
    assert report.nfe < 64 and indices.shape == (1, 16, 16) and int(indices.min()) >= 0
    picture = emoji.vq.decode(indices)
    assert picture.shape == (1, 3, 256, 256) and picture.std() > 0.05
    again, _ = sample_tokens(emoji, request, find_preset("balanced").setup)
    assert torch.equal(indices, again)


def test_a_decoded_picture_is_encoded_to_the_same_cells(emoji):
    request = ImageRequest([Prompt("two cats at night")], [Prompt("")], emoji.default_grid, [1])
    few = find_preset("fast").setup
    indices, _ = sample_tokens(emoji, request, SamplerSetup(few.sampler, few.settings, few.rescue))
    same = emoji.vq.encode(emoji.vq.decode(indices)) == indices
    assert same.float().mean() > 0.95


def test_the_flat_style_shows_the_same_tokens_in_other_artwork(emoji):
    flat = load_builtin(shipped_models()["emoji-flat"])
    assert flat.name == emoji.name  # either VAE decodes what the other's sampler drew
    own, other = flat.transformer.state_dict(), emoji.transformer.state_dict()
    assert own.keys() == other.keys() and all(torch.equal(own[name], other[name]) for name in own)
    request = ImageRequest([Prompt("a fox and a red car")], [Prompt("")], emoji.default_grid, [0])
    indices, _ = sample_tokens(emoji, request, find_preset("balanced").setup)
    first, second = emoji.vq.decode(indices), flat.vq.decode(indices)
    difference = (first - second).abs().mean(1)
    assert 0.01 < (difference > 0.2).float().mean() < 0.25  # the things differ, the background does not
    assert (flat.vq.encode(second) == indices).float().mean() > 0.9


def test_the_upscaler_is_small_and_enlarges_four_times():
    from ladr_core.lab.training.upscaler import Compact

    assert UPSCALER.stat().st_size < UPSCALER_BYTES
    weights = {name: value.float() for name, value in load_file(UPSCALER).items()}
    network = Compact()
    network.load_state_dict({name.removeprefix("params."): value for name, value in weights.items()})
    picture = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert network(picture).shape == (1, 3, 64, 96)
