"""Mask schedules: ends, fall, inverse, float32 counts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ladr_core.errors import InputError
from ladr_core.mask_schedule import mask_schedule
from ladr_core.settings import MASK_SCHEDULES


@pytest.mark.parametrize("name", MASK_SCHEDULES)
def test_falls_from_one_to_zero(name):
    schedule = mask_schedule(name)
    ratio = schedule.mask_ratio(torch.linspace(0, 1, 101))
    assert ratio[0] == 1 and ratio[-1] == 0
    assert bool((ratio.diff() < 0).all())
    assert ratio.dtype == torch.float32


@pytest.mark.parametrize("name", MASK_SCHEDULES)
@given(time=st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_inverse_undoes_the_schedule(name, time):
    schedule = mask_schedule(name)
    there = schedule.mask_ratio(torch.tensor([time]))
    back = schedule.mask_ratio(schedule.time_at(there))
    assert torch.allclose(back, there, atol=1e-3)
    assert bool((schedule.time_at(torch.tensor([-1.0, 0.0, 1.0, 2.0])) == torch.tensor([1.0, 1.0, 0.0, 0.0])).all())


def test_known_points():
    half = torch.tensor([0.5])
    expected = {"cosine": 2**-0.5, "linear": 0.5, "square": 0.75, "arccos": 2 / 3, "sqrt": 1 - 0.5**0.5}
    for name, ratio in expected.items():
        assert float(mask_schedule(name).mask_ratio(half)) == pytest.approx(ratio, abs=1e-6)


def test_counts_are_those_of_float32():
    # In float64 a third and two thirds give exactly half: float32 is one cell lower, as in the upstream samplers.
    counts = mask_schedule("cosine").masked_cells(torch.tensor([16 / 24, 12 / 18]), torch.tensor([192, 64]))
    assert counts.tolist() == [95, 31]


def test_unknown_schedule_is_named():
    with pytest.raises(InputError, match="one of cosine"):
        mask_schedule("sigmoid")
