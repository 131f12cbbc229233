"""The KV cache: exact when renewed at every evaluation, renewed by density, for every model and with guidance."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from ladr_core.errors import InputError
from ladr_core.models.builtin.loading import SHAPES_WEIGHTS, load_builtin
from ladr_core.models.contract import Prompt
from ladr_core.models.kv_cache import KVCacheDenoiser, with_kv_cache
from ladr_core.models.llada import LLaDAConfig, LLaDATransformer
from ladr_core.models.ml_cache import MLCacheDenoiser, MLCacheSettings
from ladr_core.models.sequence import SequenceDenoiser, TokenSequence, VocabularySlice
from ladr_core.presets import PRESETS
from ladr_core.sampler_setup import SamplerSetup
from ladr_core.sampling import ImageRequest, sample_tokens
from ladr_core.settings import SamplerSettings
from ladr_core.token_grid import MASKED

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from fake_dllm import FakeDenoiser  # noqa: E402

CELLS, WORDS = 12, (4, 7, 3)  # three images, prompts of different length
VOCABULARY = VocabularySlice(10, 20, 15)


@pytest.fixture(scope="module")
def plain():
    torch.manual_seed(0)
    config = LLaDAConfig(
        d_model=16, n_layers=3, n_heads=2, n_kv_heads=1, mlp_hidden_size=24, embedding_size=40, max_sequence_length=64
    )
    transformer = LLaDATransformer(config).eval().requires_grad_(False)
    for weight in transformer.parameters():
        if weight.dim() > 1:
            weight.normal_(std=0.5)
    words = [[words, 2] for words in WORDS]  # conditional and unconditional
    branches = [[sequence(count[branch], branch) for count in words] for branch in range(2)]
    return SequenceDenoiser(transformer, branches, VOCABULARY, "cpu")


def sequence(words, seed):
    text = torch.randint(0, 15, (words,), generator=torch.Generator().manual_seed(seed))
    return TokenSequence(torch.cat((text, torch.full((CELLS,), 15))), torch.arange(words, words + CELLS))


def grids(known, rows=3):
    """Cells [rows, N] of which so many are known in each image."""
    cells = torch.arange(CELLS).repeat(rows, 1) % 10
    for cell, count in zip(cells, known):
        cell[count:] = MASKED
    return cells


def both(plain, cache, known, rows=(0, 1, 2), guided=True):
    """Logits of the branches without and with the cache."""
    asked = grids(known, len(rows)), torch.tensor(rows)
    return [denoiser.predict(*asked, guided=guided, step=0) for denoiser in (plain, cache)]


@pytest.mark.parametrize("guided", [True, False])
def test_renewed_at_every_evaluation_it_is_exact(plain, guided):
    cache = KVCacheDenoiser(plain, 0.0)
    for known in ((0, 0, 0), (1, 2, 3), (2, 5, 9), (8, 6, 11)):
        exact, kept = both(plain, cache, known, guided=guided)
        assert all(torch.equal(a, b) for a, b in zip(exact, kept, strict=True))


def test_nothing_is_left_out_while_nothing_is_settled_and_the_first_change_is_seen(plain):
    """Cells unmasked since the evaluation before are computed: their own keys are those of their tokens."""
    cache = KVCacheDenoiser(plain, 1.0)
    both(plain, cache, (6, 6, 6))
    before = cache.computed_places
    exact, kept = both(plain, cache, (8, 8, 8))
    assert cache.computed_places - before == 2 * 3 * 6  # what was masked before, in both branches
    error = (exact[0] - kept[0]).abs().max()
    assert 0 < error < exact[0].abs().max()  # the settled cells have not seen the two new ones
    stale = plain.predict(grids((6, 6, 6)), torch.arange(3), guided=True, step=0)[0].unflatten(0, (3, 6))[:, 2:]
    assert (exact[0] - kept[0]).norm() < (exact[0].unflatten(0, (3, 4)) - stale).norm()


def test_each_image_is_renewed_when_it_has_become_denser(plain):
    cache = KVCacheDenoiser(plain, 0.25)  # three of twelve cells
    both(plain, cache, (6, 6, 6))
    before = cache.computed_places
    exact, kept = both(plain, cache, (10, 8, 9))
    lengths = WORDS[0] + CELLS + 2 + CELLS
    assert cache.computed_places - before == lengths + 2 * (6 + 6)
    assert torch.equal(exact[0][:2], kept[0][:2])  # the first image is exact


def test_finished_images_leave_and_the_others_keep_what_they_have(plain):
    cache, alone = KVCacheDenoiser(plain, 1.0), KVCacheDenoiser(plain, 1.0)
    both(plain, cache, (6, 9, 5))
    both(plain, alone, (9, 5), rows=(1, 2))
    before = cache.computed_places
    _, kept = both(plain, cache, (10, 7), rows=(1, 2))
    assert cache.computed_places - before == 2 * (3 + 7)
    _, same = both(plain, alone, (10, 7), rows=(1, 2))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(kept, same, strict=True))


def test_a_branch_may_go_and_come_back(plain):
    cache = KVCacheDenoiser(plain, 1.0)
    both(plain, cache, (6, 6, 6))
    before = cache.computed_places
    both(plain, cache, (7, 7, 7), guided=False)
    assert cache.computed_places - before == 3 * 6
    exact, kept = both(plain, cache, (8, 8, 8))  # the unconditional branch is new: all is
    assert all(torch.equal(a, b) for a, b in zip(exact, kept, strict=True))


def test_what_the_images_of_a_batch_share_at_first_is_run_once(plain):
    """The unconditional sequences are equal here, the prompts are not; logits are those of each image alone."""
    shared = sequence(2, 1)
    together = SequenceDenoiser(plain.transformer, [plain._branches[0], [shared] * 3], VOCABULARY, "cpu")
    cache = KVCacheDenoiser(together, 1.0)
    empty = torch.full((3, CELLS), MASKED)
    for denoiser in (together, cache):
        found = denoiser.predict(empty, torch.arange(3), guided=True, step=0)
        for row in range(3):
            alone = together.predict(empty[:1], torch.tensor([row]), guided=True, step=0)
            for own, all_rows in zip(alone, found, strict=True):
                assert torch.allclose(own, all_rows.unflatten(0, (3, CELLS))[row], atol=1e-5)
    assert cache.computed_places == sum(WORDS) + 3 * CELLS + 2 + CELLS
    exact, kept = (d.predict(grids((1, 1, 1)), torch.arange(3), guided=True, step=1) for d in (together, cache))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(exact, kept, strict=True))  # nothing was settled yet


def test_where_it_cannot_be_it_is_refused(plain):
    settings = MLCacheSettings(8)
    other = MLCacheDenoiser(plain.transformer, plain._branches, VOCABULARY, "cpu", settings)
    for denoiser in (other, FakeDenoiser(torch.zeros(1, 4, 8))):
        with pytest.raises(InputError, match="kv_cache: got true; allowed: false with ml_cache"):
            with_kv_cache(denoiser, 0.3)


@pytest.mark.parametrize("preset", ["balanced", "lumina-dimoo"])
def test_the_setting_draws_and_renewed_at_every_evaluation_changes_nothing(preset):
    model = load_builtin(SHAPES_WEIGHTS)
    setup = PRESETS[preset].setup

    def draw(**values):
        settings = SamplerSettings(**{**vars(setup.settings), "steps": 8, **values})
        request = ImageRequest([Prompt("a red circle")], [Prompt("")], model.default_grid, [3])
        return sample_tokens(model, request, SamplerSetup(setup.sampler, settings, setup.rescue))[0]

    without = draw()
    assert torch.equal(without, draw(kv_cache=True, kv_cache_refresh=0.0))
    assert int((draw(kv_cache=True, kv_cache_refresh=1.0) == MASKED).sum()) == 0
