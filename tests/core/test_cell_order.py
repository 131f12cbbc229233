"""In which order the schedule takes cells."""

from dataclasses import replace

import pytest
import torch
from fake_dllm import FakeDenoiser
from fake_step import make_state
from hypothesis import given, settings
from hypothesis import strategies as st

from ladr_core.denoising_loop import denoise
from ladr_core.noise import PerImageNoise
from ladr_core.samplers.baseline import BaselineRule
from ladr_core.samplers.cell_order import OPEN_SHARE, cell_order
from ladr_core.samplers.halton import HaltonRule
from ladr_core.samplers.ladr import LadrRule
from ladr_core.settings import RescueSettings, SamplerSettings
from ladr_core.step import Prediction
from ladr_core.token_grid import MASKED, TokenGrid

GRID = TokenGrid(6, 7)
LEAST = SamplerSettings(cell_order="least_confident")
OPEN = SamplerSettings(cell_order="open_first")


def scores(order, is_masked, max_probability, entropy, seed, *, second_step=False):
    state = make_state(is_masked, PerImageNoise([seed + i for i in range(len(is_masked))]), grid=GRID)
    zero = torch.zeros_like(max_probability)
    prediction = Prediction(zero.long(), zero, max_probability, entropy)
    ranked, time_left = cell_order(SamplerSettings(cell_order=order)), torch.ones(len(is_masked), 1)
    found = ranked.score(state, prediction, zero, time_left)
    return ranked.score(replace(state, step=1), prediction, zero, time_left) if second_step else found


def draw_prediction(seed, confident):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, GRID.cells, 5, generator=generator) * (6.0 if confident else 0.5)
    p = logits.softmax(-1)
    return p.amax(-1), -(p * p.log()).sum(-1), torch.rand(2, GRID.cells, generator=generator) < 0.7


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_least_confident_first_then_open_cells_then_the_others_in_halton_order(seed, confident):
    highest, entropy, is_masked = draw_prediction(seed, confident)
    is_masked[:, 0] = True
    even = scores("halton", is_masked, highest, entropy, seed)
    found = scores("least_confident", is_masked, highest, entropy, seed)
    for row in range(2):
        cells = is_masked[row].nonzero().squeeze(1)
        order = cells[found[row, cells].argsort(descending=True)].tolist()
        assert entropy[row, order[0]] >= entropy[row, cells].max() - 1e-3
        least = OPEN_SHARE * float((1 - highest[row, cells]).max())
        is_open = [float(1 - highest[row, cell]) >= least for cell in order[1:]]
        assert is_open == sorted(is_open, reverse=True)
        for group in (True, False):
            places = [float(even[row, cell]) for cell, own in zip(order[1:], is_open) if own == group]
            assert places == sorted(places, reverse=True)


def test_where_no_cell_is_confident_it_is_halton_but_for_one_cell():
    highest, entropy, is_masked = draw_prediction(3, confident=False)
    even = scores("halton", is_masked, highest, entropy, 3)
    found = scores("least_confident", is_masked, highest, entropy, 3)
    assert ((even != found) & is_masked).sum(1).tolist() == [1, 1]


def test_open_first_is_halton_after_the_first_step_where_no_cell_is_nearly_decided():
    highest, entropy, is_masked = draw_prediction(3, confident=False)
    even = scores("halton", is_masked, highest, entropy, 3)
    first = scores("open_first", is_masked, highest, entropy, 3)
    assert ((even != first) & is_masked).sum(1).tolist() == [1, 1]
    second = scores("open_first", is_masked, highest, entropy, 3, second_step=True)
    assert torch.equal(even[is_masked], second[is_masked])


def test_open_first_takes_the_least_confident_cell_while_another_is_nearly_decided():
    highest, entropy, is_masked = draw_prediction(3, confident=False)
    even = scores("halton", is_masked, highest, entropy, 3)
    decided = is_masked[0].nonzero()[0]
    highest[0, decided], entropy[0, decided] = 0.99, 0.05
    found = scores("open_first", is_masked, highest, entropy, 3, second_step=True)
    masked = is_masked[0].nonzero().squeeze(1)
    assert found[0, masked].argmax() == entropy[0, masked].argmax()
    assert found[0, masked].argmin() == (masked == decided).nonzero().squeeze()
    assert torch.equal(found[1][is_masked[1]], even[1][is_masked[1]])  # each image by itself


def test_equal_entropies_are_taken_in_halton_order():
    highest, is_masked = torch.full((2, GRID.cells), 0.4), torch.ones(2, GRID.cells, dtype=torch.bool)
    entropy = torch.full((2, GRID.cells), 1.5) + 1e-6 * torch.arange(GRID.cells)
    even = scores("halton", is_masked, highest, entropy, 5)
    found = scores("least_confident", is_masked, highest, entropy, 5)
    assert torch.equal(even.argsort(descending=True), found.argsort(descending=True))


def run(rule, shared, spread=4.0):
    cells = torch.full((2, 16), MASKED)
    base = torch.randn(2, 16, 5, generator=torch.Generator().manual_seed(4)) * spread
    drawn, report = denoise(
        FakeDenoiser(base, coupling=1.0), cells, TokenGrid(4, 4), editable=cells == MASKED, rule=rule,
        settings=shared, noise=PerImageNoise([1, 2]),
    )  # fmt: skip
    return drawn, report.unmasked_at


@pytest.mark.parametrize("order", ["halton", "least_confident", "open_first"])
def test_choice_temperature_has_no_effect_but_on_confidence(order):
    runs = [
        run(rule(shared), shared)
        for shared in (
            SamplerSettings(steps=6, cell_order=order, choice_temperature=noise) for noise in (0.0, 9.0)
        )
        for rule in (BaselineRule, lambda shared: LadrRule(shared, RescueSettings(rescue_floor=0.0)))
    ]
    for before, after in zip(runs[:2], runs[2:]):
        assert torch.equal(before[0], after[0]) and torch.equal(before[1], after[1])


def test_the_orders_differ():
    found = []
    for order in ("confidence", "halton", "least_confident", "open_first"):
        shared = SamplerSettings(steps=16, cell_order=order, choice_temperature=0.0)
        found.append(run(BaselineRule(shared), shared, spread=2.0)[1])
    assert not any(torch.equal(a, b) for a, b in zip(found, found[1:] + found[:1]))


def test_entropies_are_asked_for_where_they_are_used():
    assert BaselineRule(OPEN).needs_entropy
    assert BaselineRule(LEAST).needs_entropy and LadrRule(LEAST, RescueSettings(rescue=False)).needs_entropy
    assert not BaselineRule(SamplerSettings(cell_order="halton")).needs_entropy
    assert not HaltonRule(LEAST).needs_entropy
