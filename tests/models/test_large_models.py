"""Lumina-DiMOO and MMaDA as the sampler sees them: prompts, branches, batches, grids, ML-Cache, padding."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from draw_tokens import sample_tokens

from ladr_core.checkpoint import load_dllm
from ladr_core.errors import InputError
from ladr_core.models.contract import Prompt
from ladr_core.models.llada import LLaDAConfig, LLaDATransformer
from ladr_core.models.lumina_dimoo.prompts import EDIT_TASKS, conditional_prompt
from ladr_core.models.ml_cache import MLCacheDenoiser, MLCacheSettings
from ladr_core.models.sequence import SequenceDenoiser, TokenSequence, VocabularySlice
from ladr_core.run_notices import reference_notices
from ladr_core.settings import SamplerSettings
from ladr_core.token_grid import MASKED, TokenGrid

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tiny_checkpoints import write_lumina, write_magvit, write_mmada  # noqa: E402

GRID = TokenGrid(4, 6)
EMPTY = Prompt("")


@pytest.fixture(scope="module")
def lumina(tmp_path_factory):
    return load_dllm(write_lumina(tmp_path_factory.mktemp("lumina")), dtype=torch.float32)


@pytest.fixture(scope="module")
def mmada(tmp_path_factory):
    root = tmp_path_factory.mktemp("mmada")
    write_magvit(root / "magvitv2")
    return load_dllm(write_mmada(root / "model"), dtype=torch.float32)


def image(height=4, width=6, seed=0):
    return torch.randint(0, 8192, (height, width), generator=torch.Generator().manual_seed(seed))


def cells(batch=1, grid=GRID, known=5):
    values = torch.full((batch, grid.cells), MASKED)
    values[:, :known] = torch.arange(known)
    return values


def predict(model, prompts, grid=GRID, guided=True, rows=None, indices=None, negatives=None):
    negatives = negatives or [EMPTY] * len(prompts)
    denoiser = model.bind(prompts, negatives, grid, device="cpu")
    rows = torch.arange(len(prompts)) if rows is None else rows
    indices = cells(len(rows), grid) if indices is None else indices
    with torch.inference_mode():
        return denoiser.predict(indices, rows, guided=guided, step=0)


def test_logits_are_those_of_the_masked_cells(lumina):
    branches = predict(lumina, [Prompt("fox")])
    assert [tuple(b.shape) for b in branches] == [(GRID.cells - 5, 8192)] * 2
    assert len(predict(lumina, [Prompt("fox")], guided=False)) == 1
    assert not torch.allclose(branches[0], branches[1])


def test_a_batch_of_different_prompts_equals_the_images_alone(lumina):
    prompts = [Prompt("a"), Prompt("a much longer prompt about a fox"), Prompt("b")]
    together = predict(lumina, prompts)
    alone = [predict(lumina, [prompt]) for prompt in prompts]
    for branch in range(2):
        expected = torch.cat([single[branch] for single in alone])
        torch.testing.assert_close(together[branch], expected, atol=2e-4, rtol=1e-4)


def test_rows_that_finished_take_no_part(lumina):
    prompts = [Prompt("a"), Prompt("bb"), Prompt("ccc")]
    some = predict(lumina, prompts, rows=torch.tensor([0, 2]))
    for branch in range(2):
        parts = [predict(lumina, [prompts[row]])[branch] for row in (0, 2)]
        torch.testing.assert_close(some[branch], torch.cat(parts), atol=2e-4, rtol=1e-4)


def test_a_negative_prompt_takes_the_unconditional_place(lumina):
    plain, negative = predict(lumina, [Prompt("fox")]), predict(lumina, [Prompt("fox")], negatives=[Prompt("blur")])
    assert torch.equal(plain[0], negative[0]) and not torch.allclose(plain[1], negative[1])
    conditional = predict(lumina, [Prompt("blur")])[0]
    torch.testing.assert_close(negative[1], conditional, atol=2e-4, rtol=1e-4)


def test_an_edit_has_a_branch_without_its_image(lumina):
    prompt = Prompt("make it blue", "edit_add", (image(),))
    branches = predict(lumina, [prompt])
    assert len(branches) == 3
    other = predict(lumina, [Prompt("make it blue", "edit_add", (image(seed=1),))])
    assert not torch.allclose(branches[0], other[0]) and torch.equal(branches[2], other[2])


def test_style_transfer_takes_two_images_and_the_grid_of_the_style(lumina):
    picture, style = image(2, 3), image(4, 6, seed=1)
    assert len(predict(lumina, [Prompt("", "image_ref_transfer", (picture, style))])) == 3
    with pytest.raises(InputError, match="2 for the task 'image_ref_transfer'"):
        predict(lumina, [Prompt("", "image_ref_transfer", (style,))])
    with pytest.raises(InputError, match="size of the style reference image, 48 x 32"):
        predict(lumina, [Prompt("", "image_ref_transfer", (style, picture))])


def test_edits_without_fitting_images_are_refused(lumina):
    with pytest.raises(InputError, match="reference images"):
        predict(lumina, [Prompt("x", "edit_add")])
    with pytest.raises(InputError, match="reference images"):
        predict(lumina, [Prompt("x", "text-to-image", (image(),))])
    with pytest.raises(InputError, match="size of the reference image, 128 x 64"):
        predict(lumina, [Prompt("x", "depth_control", (image(4, 8),))])
    with pytest.raises(InputError, match="Encode the image with this model's VAE"):
        predict(lumina, [Prompt("x", "edit_add", (image() + 8192,))])
    with pytest.raises(InputError, match="one kind of task per batch"):
        predict(lumina, [Prompt("x", "edit_add", (image(),)), Prompt("x")])


def test_every_task_has_a_prompt_of_its_own_kind():
    strings = {conditional_prompt(task, "TEXT") for task in EDIT_TASKS}
    assert all(s.startswith("<system>") and s.endswith("</user>") for s in strings) and len(strings) >= 6


def test_branches_without_effect_are_not_computed(lumina):
    prompt = Prompt("make it blue", "edit_add", (image(),))
    denoiser = lumina.bind([prompt], [EMPTY], GRID, device="cpu")
    lengths = []
    assert denoiser.vocabulary_rows is not None  # made of the real transformer
    denoiser.transformer = type("Spy", (), {})()
    denoiser.transformer.run_packed = lambda x, packed, *rest: (
        lengths.append(packed.lengths) or lumina.transformer.run_packed(x, packed, *rest)
    )
    with torch.inference_mode():
        everything = denoiser.predict(cells(), torch.tensor([0]), guided=True, step=0)
        denoiser.leave_out(frozenset({2}))
        fewer = denoiser.predict(cells(), torch.tensor([0]), guided=True, step=1)
    assert [len(x) for x in lengths] == [3, 2]
    assert len(fewer) == 3 and torch.equal(fewer[2], fewer[0])
    torch.testing.assert_close(fewer[1], everything[1], atol=2e-4, rtol=1e-4)


def test_sizes_are_checked_with_the_nearest_valid_one(lumina, mmada):
    lumina.check_grid(TokenGrid(1, 1))
    lumina.check_grid(TokenGrid(48, 96))
    with pytest.raises(InputError, match="Set width to 2048 and height to 2048"):
        lumina.check_grid(TokenGrid(256, 256))
    mmada.check_grid(TokenGrid(32, 32))
    with pytest.raises(InputError, match="Set width to 512 and height to 512"):
        mmada.check_grid(TokenGrid(64, 64))


def test_very_long_prompts_are_refused_or_cut_with_a_notice(lumina, mmada):
    with pytest.raises(InputError, match="Shorten the prompt"):
        predict(lumina, [Prompt("x" * 5000)])
    assert "reads the first 510" in mmada.prompt_notices("x" * 600)[0] and not mmada.prompt_notices("x" * 510)
    denoiser = mmada.bind([Prompt("x" * 600)], [EMPTY], mmada.default_grid, device="cpu")
    sequence = denoiser._branches[0][0]
    assert sequence.first_position == 0 and int(sequence.cell_places[0]) == 514


def test_the_mask_token_in_a_prompt_is_refused(lumina, mmada):
    for model, grid in ((lumina, GRID), (mmada, mmada.default_grid)):
        with pytest.raises(InputError, match="mask token"):
            model.bind([Prompt("a <|mdm_mask|> b")], [EMPTY], grid, device="cpu")


def test_mmada_refuses_edits(mmada):
    with pytest.raises(InputError, match="text-to-image for MMaDA"):
        mmada.bind([Prompt("x", "edit_add", (image(),))], [EMPTY], mmada.default_grid, device="cpu")


def test_padding_as_published_gives_the_same_logits(mmada):
    prompts, grid = [Prompt("a fox"), Prompt("a dog on a hill")], mmada.default_grid
    short, padded = predict(mmada, prompts, grid), predict(mmada.with_padding(True), prompts, grid)
    for one, other in zip(short, padded):
        torch.testing.assert_close(one, other, atol=5e-4, rtol=1e-3)


def test_ml_cache_that_always_refreshes_changes_nothing(lumina):
    settings = SamplerSettings(steps=6, cfg=3.0)
    options = {"ml_cache": True, "refresh_interval": 1}
    plain, _ = sample_tokens(lumina, [Prompt("a")], [EMPTY], GRID, sampler="lumina-dimoo", settings=settings)
    cached, _ = sample_tokens(
        lumina, [Prompt("a")], [EMPTY], GRID, sampler="lumina-dimoo", settings=settings, options=options
    )
    assert torch.equal(plain, cached)


def test_ml_cache_of_a_batch_equals_that_of_its_images(lumina):
    settings = MLCacheSettings(steps=8, cache_ratio=0.5, refresh_interval=3, warmup_ratio=0.1)
    prompts = [Prompt("a"), Prompt("a longer prompt")]
    model = lumina.with_ml_cache(settings)
    denoiser = model.bind(prompts, [EMPTY] * 2, GRID, device="cpu")
    singles = [model.bind([p], [EMPTY], GRID, device="cpu") for p in prompts]
    seen = []
    with torch.inference_mode():
        for step in range(4):
            values = cells(2, known=5 + step)
            together = denoiser.predict(values, torch.arange(2), guided=True, step=step)
            alone = [d.predict(values[:1], torch.tensor([0]), guided=True, step=step) for d in singles]
            seen.append(denoiser.recomputed is not None)
            for branch in range(2):
                expected = torch.cat([one[branch] for one in alone])
                torch.testing.assert_close(together[branch], expected, atol=5e-4, rtol=1e-3)
    assert any(seen) and not seen[0]


def test_options_of_one_model_are_refused_by_the_other(lumina, mmada):
    with pytest.raises(InputError, match="ml_cache"):
        sample_tokens(
            mmada, [Prompt("a")], [EMPTY], mmada.default_grid, sampler="lumina-dimoo", options={"ml_cache": True}
        )
    with pytest.raises(InputError, match="padded"):
        sample_tokens(lumina, [Prompt("a")], [EMPTY], GRID, sampler="mmada", options={"padded": True})


@pytest.mark.parametrize("sampler", ["lumina-dimoo", "mmada", "baseline", "ladr"])
def test_known_cells_stay_and_the_rest_is_drawn(lumina, sampler):
    given = cells(known=7).view(1, 4, 6)
    tokens, report = sample_tokens(
        lumina, [Prompt("a")], [EMPTY], GRID, sampler=sampler, settings=SamplerSettings(steps=4),
        codebook_indices=given, editable=given == MASKED,
    )  # fmt: skip
    assert torch.equal(tokens[given != MASKED], given[given != MASKED])
    assert int(tokens.min()) >= 0 and int(tokens.max()) < 8192


@pytest.mark.parametrize("sampler", ["lumina-dimoo", "mmada"])
def test_an_image_of_a_batch_equals_the_image_alone(lumina, sampler):
    settings = SamplerSettings(steps=4, choice_temperature=1.0)
    prompts, seeds = [Prompt("a"), Prompt("b")], [3, 4]
    both, _ = sample_tokens(lumina, prompts, [EMPTY] * 2, GRID, sampler=sampler, settings=settings, seeds=seeds)
    second, _ = sample_tokens(lumina, prompts[1:], [EMPTY], GRID, sampler=sampler, settings=settings, seeds=seeds[1:])
    assert torch.equal(both[1], second[0])


def test_a_reference_of_an_unusual_size_is_noted_once(lumina, caplog):
    prompt, settings = Prompt("x", "edit_add", (image(),)), SamplerSettings(steps=1)
    _, report = sample_tokens(lumina, [prompt], [EMPTY], GRID, settings=settings, seeds=[0])
    assert sum("edits best at its own sizes" in notice for notice in report.notices) == 1
    assert caplog.text.count("edits best at its own sizes") == 1
    assert not reference_notices(lumina, [Prompt("x", "edit_add", (image(32, 32),))])


def test_edits_run_through_the_published_sampler(lumina):
    prompt = Prompt("make it blue", "edit_add", (image(),))
    results = []
    for image_cfg in (1.0, 5.0):
        settings = SamplerSettings(steps=4, cfg=3.5, image_cfg=image_cfg)
        tokens, _ = sample_tokens(lumina, [prompt], [EMPTY], GRID, sampler="lumina-dimoo", settings=settings)
        results.append(tokens)
    assert not torch.equal(*results)


@torch.inference_mode()
def test_ml_cache_works_with_grouped_heads():
    torch.manual_seed(0)
    config = LLaDAConfig(d_model=32, n_layers=2, n_heads=4, n_kv_heads=2, mlp_hidden_size=48, embedding_size=90)
    transformer, vocabulary = LLaDATransformer(config).eval(), VocabularySlice(40, 50, 49)
    sequence = TokenSequence(torch.arange(30), torch.arange(5, 25))
    settings = MLCacheSettings(steps=9, cache_ratio=0.0, refresh_interval=4, warmup_ratio=0.0)
    cached = MLCacheDenoiser(transformer, [[sequence]], vocabulary, "cpu", settings)
    plain = SequenceDenoiser(transformer, [[sequence]], vocabulary, "cpu")
    for step in range(4):
        values = torch.full((1, 20), MASKED)
        values[0, : 2 * step] = 3
        found = cached.predict(values, torch.tensor([0]), guided=False, step=step)[0]
        expected = plain.predict(values, torch.tensor([0]), guided=False, step=step)[0]
        assert (cached.recomputed is None) == (step == 0)
        # A cache ratio of 0 computes every place anew, by the way of a partial step.
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
