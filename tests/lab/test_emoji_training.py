"""The emoji model's training in miniature, on drawn sprites: stages learn, resume, and export a file that loads."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from drawn_sprites import drawn_sprites
from safetensors import safe_open

from ladr_core.errors import CheckpointError
from ladr_core.lab.training.emoji import (
    codebook_size,
    draw_crowded,
    export_emoji,
    train_emoji_transformer,
    train_emoji_vq,
)
from ladr_core.lab.training.emoji_batches import Scenes, cell_weights, cross_entropy, target_entropy
from ladr_core.lab.training.emoji_start import start_from_shapes
from ladr_core.lab.training.emoji_style import export_style, train_style_vq
from ladr_core.lab.training.emoji_transformer import EmojiNetwork
from ladr_core.lab.training.muon import Muon, orthogonalized
from ladr_core.lab.training.place_masks import open_places
from ladr_core.lab.training.trajectories import TrajectoryStates
from ladr_core.lab.training.transformer import MovingAverage
from ladr_core.lab.training.workers import Workers
from ladr_core.lab.worlds.emoji.codes import assign_codes
from ladr_core.lab.worlds.emoji.sprites import Sprites
from ladr_core.lab.worlds.emoji.styles import FLAT
from ladr_core.lab.worlds.emoji.token_posterior import PLACE_CELLS, TokenPosterior
from ladr_core.lab.worlds.emoji.world import PLACES, EmojiWorld
from ladr_core.models.builtin.layout import BuiltinLayout
from ladr_core.models.builtin.loading import CONFIG_KEY, SHAPES_WEIGHTS, load_builtin
from ladr_core.models.contract import Prompt
from ladr_core.sampling import ImageRequest, SamplerSetup, sample_tokens
from ladr_core.settings import SamplerSettings

WORLD = EmojiWorld(drawn_sprites())
CODES = assign_codes(WORLD.sprites)
LAYOUT = BuiltinLayout(WORLD.vocabulary, codebook_size(CODES))


def source(seed: int = 0) -> Scenes:
    return Scenes(WORLD, TokenPosterior(CODES), LAYOUT, np.random.default_rng(seed))


def network(width: int = 32, layers: int = 1) -> EmojiNetwork:
    torch.manual_seed(0)
    return EmojiNetwork(LAYOUT, CODES, width, layers)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emoji")
    train_emoji_vq(folder, minutes=0.001, batch=1, world=WORLD)
    train_emoji_transformer(Workers(), folder, minutes=0.001, batch=2, world=WORLD, width=32, layers=1)
    return folder


def test_a_second_style_has_a_tokenizer_of_its_own_for_the_same_codes(tmp_path):
    worlds = WORLD, EmojiWorld(drawn_sprites(shade=0.5))
    train_style_vq(tmp_path, FLAT, minutes=0.001, batch=1, worlds=worlds)
    record = export_style(tmp_path, FLAT, tmp_path / "flat.safetensors", WORLD)
    assert record["style"] == "flat" and record["vq_steps"] >= 1
    with safe_open(str(tmp_path / "flat.safetensors"), "pt") as file:
        assert all(name.startswith("vq.") for name in file.keys())  # noqa: SIM118 (a safetensors file, no dict)
    with pytest.raises(CheckpointError, match="codes where emoji has"):  # six nouns have fewer codes than forty
        load_builtin(tmp_path / "flat.safetensors")


def test_parts_that_only_one_style_shows_are_cells_of_things():
    full = {key: np.ones_like(sprite) for key, sprite in WORLD.sprites.pixels.items()}
    _, _, things = draw_crowded(EmojiWorld(Sprites(full)), TokenPosterior(CODES), 2, np.random.default_rng(0))
    filled = things[:, PLACE_CELLS].all(-1)
    assert (filled == things[:, PLACE_CELLS].any(-1)).all() and filled.any()


def test_stages_resume(folder):
    before = {name: torch.load(folder / name, weights_only=True) for name in ("vq.pt", "transformer.pt")}
    minutes = max(state["seconds"] for state in before.values()) / 60 + 0.002
    train_emoji_vq(folder, minutes=minutes, batch=1, world=WORLD)
    train_emoji_transformer(Workers(), folder, minutes=minutes, batch=2, world=WORLD, width=32, layers=1)
    for name, state in before.items():
        assert torch.load(folder / name, weights_only=True)["step"] > state["step"]


def test_the_exported_file_loads_knows_its_world_and_draws(folder, tmp_path):
    record = export_emoji(folder, tmp_path / "emoji.safetensors", WORLD)
    assert record["world"] == "emoji" and record["steps"] >= 1
    with safe_open(str(tmp_path / "emoji.safetensors"), framework="pt") as file:
        assert all(file.get_tensor(name).dtype == torch.float16 for name in file.keys())  # noqa: SIM118
        assert json.loads(file.metadata()[CONFIG_KEY])["synonyms"]["kitty"] == "cat"
    model = load_builtin(tmp_path / "emoji.safetensors")
    assert model.name == "builtin-emoji" and model.cell_pixels == 16 and model.layout.skips_unknown
    assert "dragon" in " ".join(model.prompt_notices("a dragon and a fox"))
    request = ImageRequest([Prompt("a fox")], [Prompt("")], model.default_grid)
    tokens, report = sample_tokens(model, request, SamplerSetup("baseline", SamplerSettings(steps=4)))
    assert report.model == "builtin-emoji" and (tokens >= 0).all()
    assert model.vq.decode(tokens).shape == (1, 3, 256, 256)
    assert model.vq.encode(model.vq.decode(tokens)).shape == tokens.shape


def test_plain_tables_give_the_logits_of_the_factored_ones():
    model = network().eval()
    with torch.no_grad():
        model.tables.own_embedding.normal_(std=0.1)
    part = source().random_masks(3)
    weights = model.plain_weights(model.state_dict())
    tokens = LAYOUT.sequences(part.texts, part.masked)
    assert weights["transformer.wte.weight"].shape == (LAYOUT.vocabulary_size, 32)
    x = torch.nn.functional.embedding(tokens, weights["transformer.wte.weight"])
    places = torch.arange(LAYOUT.sequence_length)
    with torch.no_grad():
        hidden = model.transformer.run_blocks(model.transformer.add_positions(x, places), places)
        hidden = hidden[:, LAYOUT.cell_positions()][part.masked < 0]
        expected = hidden @ weights["transformer.ff_out.weight"][LAYOUT.image_offset :].T
        assert torch.allclose(model(part), expected, atol=1e-4)


def test_targets_of_kept_cells_do_not_know_the_others():
    part = source(3).random_masks(6, share=0.4)
    left_out = np.setdiff1d(np.arange(256), part.kept.numpy())
    assert (part.masked[:, left_out] < 0).all()
    asked = (part.masked[:, part.kept] < 0).sum()
    shares = torch.zeros(int(asked)).index_add_(0, part.rows, part.shares)
    assert torch.allclose(shares, torch.ones_like(shares), atol=1e-5)


def test_a_short_sequence_shows_the_same_cells_of_every_place():
    kept = np.isin(np.arange(256), source().kept_cells(0.35))
    assert (kept[PLACE_CELLS] == kept[PLACE_CELLS][0]).all() and kept[PLACE_CELLS][0].sum() == 6
    assert source().kept_cells(1.0).tolist() == list(range(256))


def test_masks_of_places_leave_places_open_and_often_only_empty_ones():
    states, only_empty = source(10), []
    for scene, caption in states.captions(200):
        tokens = states.posterior.tokens(scene)
        masked = open_places(scene, tokens, states.rng)
        opened = (masked < 0)[PLACE_CELLS].all(1)
        assert opened.any() and ((masked < 0) | (masked == tokens)).all()
        assert states.posterior.entries(scene, caption, masked) is not None
        only_empty.append(not opened[[PLACES.index((thing.row, thing.column)) for thing in scene.objects]].any())
    assert 0.3 < np.mean(only_empty) < 0.8


def test_every_scene_weighs_the_same_however_much_it_masks():
    part = source(11).random_masks(8)
    counts = (part.masked[:, part.kept] < 0).sum(1)
    weights = cell_weights(part).split(counts.tolist())
    assert torch.stack([w.sum() for w, n in zip(weights, counts) if n >= 8]).std() < 1e-6
    assert float(cell_weights(part).sum()) == pytest.approx(1)


def test_the_least_cross_entropy_is_the_targets_entropy():
    part = source(4).random_masks(4)
    table = torch.full((int((part.masked < 0).sum()), LAYOUT.codebook_size), 1e-12)
    table.index_put_((part.rows, part.codes), part.shares, accumulate=True)
    best = cross_entropy(table.log(), part).item()
    assert best == pytest.approx(target_entropy(part, LAYOUT.codebook_size), abs=1e-3)
    assert cross_entropy(torch.zeros_like(table), part).item() > best


def test_a_step_lowers_the_loss_on_its_own_batch():
    model, part = network(), source(5).random_masks(4)
    optimizer = Muon([p for n, p in model.named_parameters() if ".blocks." in n and p.dim() == 2], lr=0.02)
    rest = torch.optim.Adam([p for n, p in model.named_parameters() if "tables" in n], lr=1e-2)
    losses = []
    for _ in range(12):
        loss = cross_entropy(model(part), part)
        optimizer.zero_grad()
        rest.zero_grad()
        loss.backward()
        optimizer.step()
        rest.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_head_only_leaves_the_blocks_without_gradients():
    model, part = network(), source(6).random_masks(2)
    cross_entropy(model(part, head_only=True), part).backward()
    graded = {name for name, p in model.named_parameters() if p.grad is not None}
    assert graded == {"tables.part_head", "tables.own_head"}


@pytest.mark.parametrize("shape", [(2, 8, 24), (1, 24, 8)])
def test_orthogonalized_matrices_have_singular_values_near_one(shape):
    torch.manual_seed(1)
    values = torch.linalg.svdvals(orthogonalized(torch.randn(shape)))
    assert values.min() > 0.6 and values.max() < 1.3


def test_trajectory_states_are_states_of_runs_with_exact_targets():
    states, model = source(7), network()
    runs = TrajectoryStates(states, model, MovingAverage(model))
    runs._states = []
    scene, caption = states.captions(1)[0]
    masked = states.posterior.tokens(scene)
    masked[:200] = -1
    runs._states += [(scene, caption, masked)] * 3
    part = runs.draw(3)
    assert part.masked.shape == (3, 256) and (part.masked[:, 200:] >= 0).all()
    shares = torch.zeros(600).index_add_(0, part.rows, part.shares)
    assert torch.allclose(shares, torch.ones(600), atol=1e-5)


def test_runs_keep_only_states_that_a_scene_fits():
    states, model = source(8), network()
    runs = TrajectoryStates(states, model, MovingAverage(model))
    runs._run(2)  # random weights: nearly every state has a mistake in it
    for scene, caption, masked in runs._states:
        assert states.posterior.entries(scene, caption, masked) is not None and (masked < 0).any()


@pytest.mark.skipif(not SHAPES_WEIGHTS.is_file(), reason="the shapes model's weights are not in this tree")
def test_the_start_takes_the_shapes_model_s_blocks():
    shapes, model = load_builtin(SHAPES_WEIGHTS), network(128, 6)
    start_from_shapes(shapes, model.transformer, model.tables, model.part_names, WORLD.vocabulary)
    ours, theirs = model.transformer.state_dict(), shapes.transformer.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    part = source(9).random_masks(6)
    with torch.no_grad():
        begun = cross_entropy(model(part), part).item()
        assert begun < cross_entropy(network(128, 6)(part), part).item() + 1


def test_crowded_pictures_come_with_their_codes():
    pictures, codes, things = draw_crowded(WORLD, TokenPosterior(CODES), 3, np.random.default_rng(0))
    assert pictures.shape == (3, 256, 256, 3) and codes.shape == things.shape == (3, 256)
    assert 0.1 < things.mean() < 0.5 and codes.max() < CODES.count


def test_the_upscaler_learns_resumes_and_is_written_with_the_names_spandrel_knows(tmp_path):
    from safetensors.torch import load_file

    from ladr_core.lab.training.emoji import vq_config
    from ladr_core.lab.training.upscaler import Compact, crops, export_upscaler, render_large, train_upscaler
    from ladr_core.lab.worlds.emoji.sprites import Sprites
    from ladr_core.vq.patch_vq import PatchVQ

    large = Sprites({key: pixels.repeat(4, 0).repeat(4, 1) for key, pixels in WORLD.sprites.pixels.items()})
    posterior, vq = TokenPosterior(CODES), PatchVQ(vq_config(CODES)).requires_grad_(False)
    scene = WORLD.sample(np.random.default_rng(0))
    reduced = render_large(scene, large).reshape(256, 4, 256, 4, 3).mean((1, 3))
    assert np.abs(reduced * 255 - WORLD.render(scene)).mean() < 1.5
    low, high = crops(WORLD, posterior, large, vq, 3, np.random.default_rng(1))
    assert low.shape == (3, 3, 48, 48) and high.shape == Compact()(low).shape == (3, 3, 192, 192)
    for minutes in (0.001, 0.01):
        train_upscaler(WORLD, posterior, large, vq, tmp_path, minutes=minutes, batch=2)
    assert torch.load(tmp_path / "upscaler.pt", weights_only=True)["step"] >= 2
    assert export_upscaler(tmp_path, tmp_path / "x4.safetensors") <= 500_000
    weights = load_file(tmp_path / "x4.safetensors")
    assert weights["body.0.weight"].shape == (32, 3, 3, 3) and weights["body.1.weight"].shape == (32,)
    last = max(int(name.split(".")[1]) for name in weights)
    assert weights[f"body.{last}.weight"].shape == (3 * 4**2, 32, 3, 3)  # spandrel reads the scale off it
