"""Ideas on top of LADR: probabilities change where they are undecided, and only there."""

import torch

from ladr_core.lab.oracles.on_top import FACTORS, SharpenedOracle, sharpen, trials
from ladr_core.lab.oracles.texture import QuadtreeTexture
from ladr_core.sampler_setup import SamplerSetup
from ladr_core.settings import MASK_SCHEDULES
from ladr_core.token_grid import MASKED


def test_undecided_cells_are_sharpened_and_decided_ones_kept():
    exact = torch.tensor([[0.4, 0.3, 0.3], [1 - 2e-6, 1e-6, 1e-6]]).log()
    found = sharpen(exact, 3.0).softmax(-1)
    assert found[0, 0] > 0.5 and torch.allclose(found[1], exact[1].exp(), atol=1e-5)
    assert sharpen(exact, 0.5).softmax(-1)[0, 0] < 0.4
    assert torch.equal(sharpen(exact, 1.0), exact)


def test_an_oracle_that_is_changed_is_judged_by_the_exact_one():
    texture = QuadtreeTexture(2)
    run = SharpenedOracle(texture, 2.0).begin([1, 2])
    cells = torch.full((2, texture.grid.cells), MASKED)
    cells[:, 0] = run.truth[:, 0]
    (found,) = run.predict(cells, torch.arange(2), guided=False, step=0)
    (exact,) = texture.begin([1, 2]).predict(cells, torch.arange(2), guided=False, step=0)
    assert found.shape == exact.shape and not torch.allclose(found.softmax(-1), exact.softmax(-1))
    assert torch.equal(run.judge(run.truth).valid, torch.ones(2))


def test_every_idea_has_rows_of_a_sampler_without_it():
    rows = trials(1, 1)
    assert all(isinstance(setup, SamplerSetup) for *_, setup, _ in rows)
    values = {"temperature by entropy": {1.0, *FACTORS}, "schedule": set(MASK_SCHEDULES)}
    found: dict = {}
    for idea, value, sampler, oracle, *_ in rows:
        found.setdefault((idea, sampler, oracle.name), []).append(value)
    for (idea, *_), tried in found.items():
        assert len(tried) == len(values[idea]) and set(tried) == values[idea]
    assert {idea for idea, sampler, _ in found if sampler.startswith("baseline")} == set(values)
