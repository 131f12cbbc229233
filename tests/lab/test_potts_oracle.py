"""The exact oracle, and the samplers on it: one cell at a time is exact, more at a time is not."""

from functools import partial

import pytest
import torch

from ladr_core.denoising_loop import denoise
from ladr_core.lab.oracles.potts import PottsGrid, as_rows, measure_sampler, oracle_settings
from ladr_core.noise import PerImageNoise
from ladr_core.samplers.baseline import BaselineRule
from ladr_core.samplers.ladr import LadrRule
from ladr_core.settings import RescueSettings
from ladr_core.token_grid import MASKED, TokenGrid

SAMPLES = 6000


@pytest.fixture(scope="module")
def potts():
    return PottsGrid(TokenGrid(3, 3), states=2, coupling=1.0)


def test_conditionals_are_those_of_the_joint():
    potts = PottsGrid(TokenGrid(2, 2), states=3, coupling=0.7, field=0.5, seed=1)
    joint = potts.probabilities.reshape(3, 3, 3, 3)
    assert float(joint.sum()) == pytest.approx(1)
    known = torch.tensor([[2, MASKED, MASKED, 1]])
    (logits,) = potts.predict(known, torch.tensor([0]), guided=False, step=0)
    part = joint[2, :, :, 1]
    expected = torch.stack([part.sum(1), part.sum(0)]) / part.sum()
    assert torch.allclose(logits.softmax(1), expected.float(), atol=1e-6)
    assert potts.place_of(torch.tensor([[2, 0, 1, 1]])).tolist() == [2 * 27 + 0 * 9 + 1 * 3 + 1]


def test_too_large_a_grid_is_refused():
    with pytest.raises(ValueError, match="too many to enumerate"):
        PottsGrid(TokenGrid(4, 4), states=3)


def test_one_cell_per_step_chosen_first_is_exact(potts):
    settings = oracle_settings(18)
    result = measure_sampler(potts, partial(BaselineRule, settings), settings, samples=SAMPLES)
    assert result.nfe == 9
    assert abs(result.excess) < 0.02


def test_fewer_steps_are_further_off(potts):
    distances = []
    for steps in (18, 4, 2, 1):
        settings = oracle_settings(steps)
        rule = partial(BaselineRule, settings)
        distances.append(measure_sampler(potts, rule, settings, samples=SAMPLES).distance)
    assert distances == sorted(distances)
    assert distances[1] > distances[0] + 0.05 and distances[3] > 0.5


def test_ladr_without_rescue_is_exact_too_and_with_it_between_the_ends(potts, record_property):
    settings = oracle_settings(18)

    def measure(**values):
        rescue = RescueSettings(**values)
        return measure_sampler(potts, partial(LadrRule, settings, rescue), settings, samples=SAMPLES)

    exact, fast = measure(rescue_cap=0.0), measure(risk_bound=0.3, spacing=2)
    assert exact.nfe == 9 and abs(exact.excess) < 0.02
    assert fast.nfe < 6
    record_property("oracle", as_rows([exact, fast]))  # at equal NFE it is reported, not asserted


def test_bound_of_a_single_step_holds():
    """All cells at once: the printed bound is no smaller than the distance measured exactly."""
    sharp = PottsGrid(TokenGrid(2, 2), states=2, coupling=0.2, field=3.0, seed=3)
    cells = torch.full((1, 4), MASKED)
    (logits,) = sharp.predict(cells, torch.tensor([0]), guided=False, step=0)
    marginals = logits.softmax(1).double()
    product = torch.einsum("a,b,c,d->abcd", *marginals).flatten()
    settings = oracle_settings(1)
    rule = BaselineRule(settings)
    _, report = denoise(
        sharp, cells, sharp.grid, editable=cells == MASKED, rule=rule, settings=settings, noise=PerImageNoise([0])
    )
    distance = 0.5 * float((product - sharp.probabilities).abs().sum())
    assert 0 < distance <= report.steps[0].distance_bound < 1
