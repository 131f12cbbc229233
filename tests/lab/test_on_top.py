"""Ideas on top of LADR: probabilities change where they are undecided, and only there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ladr_core.command_line.pictures import load_model
from ladr_core.lab.evaluation.prompts import evaluation_prompts
from ladr_core.lab.evaluation.runner import judged_world
from ladr_core.lab.oracles.forgiving import ForgivingScenes, ReadTexture
from ladr_core.lab.oracles.information_steps import equal_information, least_error, measure_profile, table_schedule
from ladr_core.lab.oracles.measure import STARTS, draw
from ladr_core.lab.oracles.network_trials import NetworkTrial, draw_trial, network_trials
from ladr_core.lab.oracles.on_top import FACTORS, SharpenedOracle, setups_tried, sharpen, trials
from ladr_core.lab.oracles.revision import Correction, Redraft, draw_revised, read_hidden
from ladr_core.lab.oracles.texture import QuadtreeTexture
from ladr_core.sampler_setup import SamplerSetup
from ladr_core.settings import MASK_SCHEDULES, SamplerSettings
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
    assert all(isinstance(row.setup, SamplerSetup) for row in rows)
    unchanged = {"temperature by entropy": 1.0, "schedule": "cosine", "information": "cosine", "correction": "none"}
    values = {"temperature by entropy": {1.0, *FACTORS}, "schedule": set(MASK_SCHEDULES)}
    found: dict = {}
    for row in rows:
        found.setdefault((row.idea, row.oracle.name, row.sampler), []).append(row.value)
    for (idea, *_), tried in found.items():
        assert len(tried) == len(set(tried))
        assert idea not in values or set(tried) == values[idea]
        assert idea not in unchanged or unchanged[idea] in tried
    with_baseline = {(idea, oracle) for idea, oracle, sampler in found if sampler.startswith("baseline")}
    assert with_baseline == {(idea, oracle) for idea, oracle, _ in found}
    network = network_trials()
    assert {row.sampler.split()[0] for row in network if row.idea == "guidance late"} == {"ladr", "baseline"}
    assert all(row.setup.settings.cfg_start > 0 for row in network if " from " in row.value)


def test_readings_are_the_probabilities_of_hidden_tokens():
    texture = ReadTexture(2)
    run, rows = texture.begin([3]), torch.arange(1)
    run.predict(run.truth, rows, guided=False, step=0)
    hidden = run.truth.clone()
    hidden[0, 5] = MASKED
    (found,) = texture.begin([3]).predict(hidden, rows, guided=False, step=0)
    assert torch.allclose(found[0, run.truth[0, 5]].exp(), run.readings[0, 5], atol=1e-5)


def test_an_oracle_that_forgives_is_the_exact_one_for_possible_tokens_and_finds_impossible_ones():
    forgiving = ForgivingScenes()
    seeds = list(range(6))  # one of each category
    run, rows = forgiving.begin(seeds), torch.arange(6)
    cells = run.truth.masked_fill(torch.rand(run.truth.shape, generator=torch.Generator().manual_seed(1)) < 0.9, MASKED)
    (found,) = run.predict(cells, rows, guided=False, step=0)
    (exact,) = forgiving.exact.begin(seeds).predict(cells, rows, guided=False, step=0)
    assert torch.allclose(found.exp(), exact.exp(), atol=1e-3)
    wrong = run.truth.clone()
    wrong[:, 0] = (wrong[:, 0] + 1) % run.codebook_size
    (found,) = run.predict(wrong.index_fill(1, torch.tensor([255]), MASKED), rows, guided=False, step=0)
    assert (run.readings[:, 0] < 1e-3).all() and (run.readings[:, 1] > 0.5).all()
    assert not run.judge(wrong).valid.any() and run.judge(run.truth).valid.all()


@pytest.mark.parametrize("sampler", ["ladr, radius 8", "baseline 16"])
def test_a_correction_of_nothing_changes_nothing(sampler):
    texture, setup = ReadTexture(3), setups_tried()[sampler]
    plain, corrected = texture.begin([1, 2]), texture.begin([1, 2])
    drawn, nfe, _ = draw(texture, plain, setup, [1, 2], STARTS[0])
    again, more, _ = draw_revised(Correction(0))(texture, corrected, setup, [1, 2], STARTS[0])
    assert torch.equal(drawn, again) and torch.equal(nfe, more)
    other, more, _ = draw_revised(Correction(8, early=True))(texture, corrected, setup, [1, 2], STARTS[0])
    assert not torch.equal(drawn, other) and (other != MASKED).all()
    assert (more <= setup.settings.steps).all()


def test_a_revision_of_nothing_changes_nothing_and_counts_its_rating():
    texture, setup = ReadTexture(3), setups_tried()["baseline 16"]
    drawn, nfe, _ = draw(texture, texture.begin([1, 2]), setup, [1, 2], STARTS[0])
    again, more, _ = draw_revised(Redraft(0.0, 4))(texture, texture.begin([1, 2]), setup, [1, 2], STARTS[0])
    assert torch.equal(drawn, again) and torch.equal(nfe + 1, more)
    again, more, _ = draw_revised(Redraft(0.25, 4))(texture, texture.begin([1, 2]), setup, [1, 2], STARTS[0])
    assert (drawn != again).float().mean() <= 0.25 and torch.equal(nfe + 5, more)


def test_tokens_hidden_in_turn_are_rated_with_as_many_evaluations():
    texture = ReadTexture(3)
    run = texture.begin([1])
    for groups in (2, 4):
        readings, cost = read_hidden(run, texture.grid, groups)(run.truth)
        assert cost == groups and ((readings > 0) & (readings < 1)).all()


def test_equal_information_of_a_flat_profile_is_linear_and_few_cells_go_where_most_is_unsure():
    flat = np.ones(513)
    assert np.allclose(equal_information(flat, 8), np.linspace(0, 1, 9), atol=1e-6)
    falling = np.linspace(1, 0, 513)
    for find in (equal_information, least_error):
        shares = find(falling, 8)
        assert shares[0] == 0 and shares[-1] == 1 and (np.diff(shares) > 0).all()
    assert (np.diff(equal_information(falling, 8), 2) > 0).all()
    # A line's cost is the same wherever a step of this size lies, so equal steps are best.
    assert np.allclose(least_error(falling, 8), np.linspace(0, 1, 9), atol=2 / 512)


def test_a_table_is_a_schedule_with_its_inverse():
    schedule = table_schedule("table", np.array([0.0, 0.1, 0.5, 1.0]))
    times = torch.linspace(0, 1, 7)
    assert torch.allclose(schedule.time_at(schedule.mask_ratio(times)), times, atol=1e-5)
    assert torch.allclose(schedule.mask_ratio(torch.tensor([1 / 3, 2 / 3])), torch.tensor([0.9, 0.5]), atol=1e-5)


def test_a_profile_starts_at_the_whole_entropy_and_falls():
    profile = measure_profile(QuadtreeTexture(3), setups_tried()["halton 16"], [1, 2], 16)
    assert profile[0] == pytest.approx(4.05, abs=0.05) and profile[-1] == 0
    assert profile[400] < profile[100] < profile[0]


def test_passes_of_guided_pictures_count_twice_and_known_cells_are_read():
    model = load_model("builtin-shapes", torch.device("cpu"))  # whose world needs no artwork
    prompt = evaluation_prompts("tuning", 1, world=judged_world(model))[:1]
    setup = SamplerSetup("baseline", SamplerSettings(steps=3, cfg=1.5, cfg_start=0.3))
    found = draw_trial(model, prompt, NetworkTrial("guidance late", "", "baseline", setup))
    assert found.nfe == [3] and 3 < found.passes[0] < 6
    plain = replace(setup, settings=replace(setup.settings, cfg=1.0))
    found = draw_trial(model, prompt, NetworkTrial("correction", "", "baseline", plain, Correction(1, early=True)))
    assert found.nfe == found.passes == [3]
