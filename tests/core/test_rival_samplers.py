"""What defines each of the rival rules."""

import pytest
import torch
from draw_tokens import sample_tokens
from fake_dllm import FakeDenoiser, FakeDLLM, logits_for_confidences
from fake_step import make_state

from ladr_core.denoising_loop import denoise
from ladr_core.mask_schedule import mask_schedule
from ladr_core.models.contract import Prompt
from ladr_core.noise import PerImageNoise
from ladr_core.samplers.baseline import BaselineRule
from ladr_core.samplers.beta_sine import BetaSineRule, beta_sine_schedule
from ladr_core.samplers.dilated import DilatedRule, dilated_groups
from ladr_core.samplers.explore_exploit import ExploreExploitRule
from ladr_core.samplers.factor import FactorRule
from ladr_core.samplers.frontier import count_neighbors
from ladr_core.samplers.local_leap import LocalLeapRule
from ladr_core.samplers.near_apart import NearApartRule
from ladr_core.samplers.registry import find_sampler
from ladr_core.samplers.threshold import ThresholdRule
from ladr_core.settings import SamplerSettings
from ladr_core.step import Prediction
from ladr_core.token_grid import MASKED, TokenGrid

GRID = TokenGrid(16, 16)
SETTINGS = SamplerSettings(steps=8)


def run_once(rule, confidences):
    settings = SamplerSettings(steps=8, temperature=0.0, cfg=1.0)
    cells, grid = torch.full((1, len(confidences)), MASKED), TokenGrid(1, len(confidences))
    return denoise(
        FakeDenoiser(logits_for_confidences(confidences)), cells, grid, editable=cells == MASKED, rule=rule,
        settings=settings, noise=PerImageNoise([0]),
    )[1]  # fmt: skip


def unmasked_at(rule, confidences):
    return run_once(rule, confidences).unmasked_at[0].tolist()


def predict(confidence, entropy=None):
    return Prediction(torch.zeros_like(confidence, dtype=torch.int64), confidence, confidence, entropy)


def test_factor_asks_more_of_each_further_cell():
    # The n-th needs 1 - 1 / (n + 1): .5, .667, .75, .8. The fourth falls short, then .55 as the second.
    assert unmasked_at(FactorRule(SETTINGS, factor=1.0), [0.9, 0.55, 0.85, 0.76, 0.6]) == [0, 2, 0, 0, 1]
    assert unmasked_at(FactorRule(SETTINGS, factor=0.0), [0.9, 0.6, 0.8]) == [0, 2, 1]
    assert unmasked_at(FactorRule(SETTINGS, factor=100.0), [0.9, 0.6, 0.8]) == [0, 0, 0]


def test_explore_exploit_takes_the_least_sure_with_the_sure():
    assert unmasked_at(ExploreExploitRule(SETTINGS, threshold=0.8), [0.9, 0.5, 0.6, 0.85, 0.7]) == [0, 0, 1, 0, 2]
    confidences = [0.5, 0.9, 0.6, 0.85, 0.7]
    nothing_explored = unmasked_at(ExploreExploitRule(SETTINGS, threshold=0.8, explored=0), confidences)
    assert nothing_explored == unmasked_at(ThresholdRule(SETTINGS, threshold=0.8), confidences)


def test_explore_exploit_does_not_take_equals_from_one_corner():
    state = make_state(torch.ones(1, 256, dtype=torch.bool), PerImageNoise([3]), grid=GRID)
    equal = torch.full((1, 256), 0.2)
    chosen = ExploreExploitRule(SETTINGS, explored=16).choose(state, predict(equal, torch.ones_like(equal))).scheduled
    assert int(chosen.sum()) == 16
    assert set(torch.where(chosen.reshape(16, 16))[0].tolist()) - {0}


def test_local_leap_lowers_the_threshold_near_sure_cells_only():
    rule = LocalLeapRule(SETTINGS, threshold=0.9, near_threshold=0.6, reach=1)
    assert unmasked_at(rule, [0.7, 0.95, 0.65, 0.7, 0.5])[:3] == [0, 0, 0]
    assert unmasked_at(rule, [0.7, 0.95, 0.65, 0.7, 0.5])[3] > 0
    confidence = torch.full((1, 256), 0.7)
    confidence[0, 5 * 16 + 5] = 0.95
    state = make_state(torch.ones(1, 256, dtype=torch.bool), grid=GRID)
    chosen = LocalLeapRule(SETTINGS, reach=2).choose(state, predict(confidence + 0.06)).scheduled.reshape(16, 16)
    assert int(chosen.sum()) == 25 and bool(chosen[3:8, 3:8].all())


@pytest.mark.parametrize("size", [(16, 16), (8, 24), (5, 7), (1, 9), (1, 1)])
@pytest.mark.parametrize("dilation", [1, 4, 16])
def test_dilated_groups_do_not_touch_and_cover_the_grid_once(size, dilation):
    grid = TokenGrid(*size)
    groups = dilated_groups(grid, dilation)
    for number in groups.unique():
        if dilation > 1:
            members = (groups == number).unsqueeze(0)
            assert float((count_neighbors(members, grid, "cross", 1) * members).sum()) == 0
    rule = DilatedRule(SETTINGS, dilation=dilation)
    cells = torch.full((1, grid.cells), MASKED)
    report = denoise(
        FakeDenoiser(torch.zeros(1, grid.cells, 4)), cells, grid, editable=cells == MASKED, rule=rule,
        settings=SETTINGS, noise=PerImageNoise([0]),
    )[1]  # fmt: skip
    assert report.nfe == len(groups.unique()) <= 2 * dilation.bit_length() - 1
    order = report.unmasked_at[0]
    assert all(len(order[groups == number].unique()) == 1 for number in groups.unique())


def test_near_apart_stays_beside_the_known_and_keeps_its_distance():
    is_masked = torch.ones(2, 16, 16, dtype=torch.bool)
    is_masked[:, 6:10, 6:10] = False
    is_masked = is_masked.reshape(2, 256)
    state = make_state(is_masked, PerImageNoise([1, 2]), grid=GRID, steps=32, time=0.23)
    chosen = NearApartRule(SETTINGS, repulsion=2).choose(state, predict(torch.zeros(2, 256))).scheduled
    assert int(chosen[0].sum()) == 6
    assert not torch.equal(chosen[0], chosen[1])
    beside = count_neighbors(~is_masked, GRID, "square", 1) > 0
    assert bool((chosen & ~beside).sum() == 0)
    assert float((count_neighbors(chosen, GRID, "square", 1) * chosen).sum()) == 0


def test_near_apart_spreads_where_nothing_is_known():
    state = make_state(torch.ones(1, 256, dtype=torch.bool), PerImageNoise([1]), grid=GRID, steps=4)
    chosen = NearApartRule(SETTINGS, repulsion=3).choose(state, predict(torch.zeros(1, 256))).scheduled
    assert int(chosen.sum()) == 256 - int(256 * 0.92387953)
    assert float((count_neighbors(chosen, GRID, "square", 2) * chosen).sum()) == 0


@pytest.mark.parametrize(("first", "second"), [(1, 1), (0.5, 2), (3, 1.5)])
def test_beta_sine_falls_from_one_to_zero_and_inverts(first, second):
    schedule, time = beta_sine_schedule(first, second), torch.linspace(0, 1, 41)
    ratio = schedule.mask_ratio(time)
    assert float(ratio[0]) == 1 and float(ratio[-1]) == 0
    assert bool((ratio[1:] <= ratio[:-1]).all())
    inside = (ratio > 1e-3) & (ratio < 1 - 1e-3)
    assert torch.allclose(schedule.time_at(ratio)[inside], time[inside], atol=2e-3)


def test_beta_sine_with_equal_numbers_of_one_is_the_squared_cosine():
    cosine = mask_schedule("cosine").mask_ratio(torch.linspace(0, 1, 17))
    assert torch.allclose(beta_sine_schedule(1.0, 1.0).mask_ratio(torch.linspace(0, 1, 17)), cosine**2, atol=1e-5)


def test_beta_sine_changes_the_counts_alone():
    confidences = [0.5, 0.9, 0.6, 0.85, 0.7, 0.4, 0.45, 0.95]
    settings = SamplerSettings(steps=4, choice_temperature=0.0)
    usual, other = (unmasked_at(rule, confidences) for rule in (BaselineRule(settings), BetaSineRule(settings)))
    assert usual != other
    by_confidence = sorted(range(8), key=lambda i: -confidences[i])
    assert [other[i] for i in by_confidence] == sorted(other)


@pytest.mark.parametrize(("steps", "cells"), [(4, 36), (16, 36), (64, 36)])
def test_ancestral_needs_as_many_evaluations_as_radd_expects(steps, cells):
    grid, count = TokenGrid(1, cells), 400
    start = torch.full((count, cells), MASKED)
    rule = find_sampler("ancestral").recipe(SamplerSettings(steps=steps), None, {}).rule
    report = denoise(
        FakeDenoiser(torch.zeros(count, cells, 2)), start, grid, editable=start == MASKED, rule=rule,
        settings=SamplerSettings(steps=steps, cfg=1.0), noise=PerImageNoise(range(count)),
    )[1]  # fmt: skip
    ratio = mask_schedule("cosine").mask_ratio(torch.arange(steps + 1) / steps)
    share = ratio[:-1] - ratio[1:]
    expected = float((1 - (1 - share.double()) ** cells).sum())
    nfe = torch.tensor(report.nfe_per_row, dtype=torch.float64)
    assert abs(float(nfe.mean()) - expected) < 4 * float(nfe.std()) / count**0.5 + 1e-9
    assert int(nfe.max()) <= min(steps, cells)


@pytest.mark.parametrize(
    ("sampler", "name", "value"),
    [
        ("factor", "factor", 4.0),
        ("explore_exploit", "explored", 5),
        ("explore_exploit", "threshold", 0.3),
        ("local_leap", "threshold", 0.9),
        ("local_leap", "near_threshold", 0.2),
        ("local_leap", "reach", 1),
        ("dilated", "dilation", 2),
        ("near_apart", "repulsion", 4),
        ("beta_sine", "beta_first", 3.0),
        ("beta_sine", "beta_second", 3.0),
    ],
)
def test_every_option_has_an_effect(sampler, name, value):
    common = {"threshold": 0.5, "near_threshold": 0.3} if sampler == "local_leap" else {}

    def sample(options):
        return sample_tokens(
            FakeDLLM(sharpness=1.0), [Prompt("a")] * 2, [Prompt("")] * 2, TokenGrid(6, 6), sampler=sampler,
            seeds=(1, 2), settings=SamplerSettings(steps=12), options=options,
        )  # fmt: skip

    (before, report), (after, other) = sample(common), sample(common | {name: value})
    assert not torch.equal(before, after) or report.nfe != other.nfe
    assert other.settings[name] == value
