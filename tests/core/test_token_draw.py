"""Guidance, noise and the draw of tokens."""

import math

import pytest
import torch
from fake_step import make_state
from hypothesis import given, settings
from hypothesis import strategies as st

from ladr_core import token_draw as token_sampling
from ladr_core.guidance import ClassifierFreeGuidance
from ladr_core.noise import PerImageNoise, RecordedNoise, SharedNoise, gumbel
from ladr_core.samplers.published.arithmetic import log_clamped
from ladr_core.samplers.published.lumina_dimoo import GumbelArgmaxDraw
from ladr_core.samplers.published.mmada import ExponentialRaceDraw
from ladr_core.token_draw import LEAST_TEMPERATURE, InverseCdfDraw, draw_by_inverse_cdf, restrict
from ladr_core.token_grid import TokenGrid, masked_positions


def draw_all(drawer, logits, noise, is_masked=None):
    if is_masked is None:
        is_masked = torch.ones(1, logits.shape[0], dtype=torch.bool)
    state = make_state(is_masked, noise)
    return drawer.draw(logits, state, masked_positions(is_masked, logits.shape[0]))


def test_guidance_formula_for_one_and_two_further_branches():
    c, u, v = torch.randn(3, 5, 4).unbind(0)
    assert torch.allclose(ClassifierFreeGuidance((3.0,)).combine((c, u.clone())), u + 3 * (c - u), atol=1e-5)
    both = ClassifierFreeGuidance((3.0, 2.5)).combine((c, u.clone(), v.clone()))  # which it may overwrite
    assert torch.allclose(both, c + 2 * (c - u) + 1.5 * (c - v), atol=1e-5)


def test_guidance_off_needs_one_branch_and_returns_it():
    c = torch.randn(5, 4)
    guidance = ClassifierFreeGuidance((1.0, 1.0))
    assert not guidance.guided
    assert torch.equal(guidance.combine((c,)), c)
    assert ClassifierFreeGuidance((1.0, 2.0)).guided and ClassifierFreeGuidance((0.0,)).guided


def test_half_precision_branches_are_combined_in_float32():
    branches = tuple(torch.randn(3, 4).to(torch.bfloat16) for _ in range(2))
    assert ClassifierFreeGuidance((3.0,)).combine(branches).dtype == torch.float32


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda w: sum(w) > 1e-3), st.floats(0, 1, exclude_max=True)
)
@settings(max_examples=50, deadline=None)
def test_inverse_cdf_draws_where_the_sum_passes(weights, uniform):
    weights = torch.tensor([weights])
    token = int(draw_by_inverse_cdf(weights, torch.tensor([uniform])))
    assert weights[0, token] > 0
    before = float(weights[0, :token].sum() / weights.sum())
    assert before <= uniform + 1e-5 and uniform <= before + float(weights[0, token] / weights.sum()) + 1e-5


def test_the_largest_uniform_number_never_draws_a_weight_of_zero():
    weights = torch.tensor([[0.3, 0.7, 0.0], [1.0, 0.0, 0.0]])
    assert draw_by_inverse_cdf(weights, torch.tensor([1 - 2.0**-24, 1.0])).tolist() == [1, 0]
    assert draw_by_inverse_cdf(torch.tensor([[0.0, 1.0]]), torch.tensor([0.0])).tolist() == [1]


def test_draws_follow_the_probabilities():
    logits = torch.tensor([0.1, 0.2, 0.3, 0.4]).log().expand(20000, 4)
    draws = draw_all(InverseCdfDraw(), logits, PerImageNoise([0]))
    shares = torch.bincount(draws.tokens, minlength=4) / 20000
    assert torch.allclose(shares, torch.tensor([0.1, 0.2, 0.3, 0.4]), atol=0.015)


def test_confidence_entropy_and_temperature():
    logits = torch.tensor([[0.5, 0.25, 0.25]]).log()
    draws = draw_all(InverseCdfDraw(needs_entropy=True), logits, PerImageNoise([0]))
    assert float(draws.max_probability) == pytest.approx(0.5)
    assert float(draws.entropy) == pytest.approx(1.5 * 0.693147, abs=1e-4)
    assert float(draws.confidence) == pytest.approx(0.5 if int(draws.tokens) == 0 else 0.25)
    sharper = draw_all(InverseCdfDraw(0.5), logits, PerImageNoise([0]))
    assert float(sharper.max_probability) == pytest.approx(0.25 / 0.375)


def test_temperature_zero_takes_the_best_and_draws_no_noise():
    logits = torch.randn(6, 5)
    draws = draw_all(InverseCdfDraw(0.0), logits, RecordedNoise([]))
    assert torch.equal(draws.tokens, logits.argmax(dim=1))
    assert torch.allclose(draws.confidence, logits.softmax(dim=1).amax(dim=1))


@pytest.mark.parametrize("drawer", [InverseCdfDraw, GumbelArgmaxDraw])
@pytest.mark.parametrize("temperature", [1e-38, 1e-45, 9e-7])
def test_a_temperature_too_small_to_divide_by_takes_the_best(drawer, temperature):
    logits = torch.randn(6, 5) * 40
    draws = draw_all(drawer(temperature), logits, RecordedNoise([]))
    assert torch.equal(draws.tokens, logits.argmax(dim=1)) and bool(draws.confidence.isfinite().all())
    smallest = draw_all(InverseCdfDraw(LEAST_TEMPERATURE), logits, PerImageNoise([0]))
    assert bool(smallest.confidence.isfinite().all())


def test_top_k_and_top_p():
    p = torch.tensor([[0.1, 0.4, 0.2, 0.3]])
    assert (restrict(p, 2, 1.0) > 0).tolist() == [[False, True, False, True]]
    assert (restrict(p, 0, 0.65) > 0).tolist() == [[False, True, False, True]]
    assert (restrict(p, 0, 0.71) > 0).tolist() == [[False, True, True, True]]
    assert (restrict(p, 0, 0.0) > 0).tolist() == [[False, True, False, False]]
    assert (restrict(p, 3, 0.65) > 0).tolist() == [[False, True, False, True]]
    assert torch.equal(restrict(p, 0, 1.0), p) and torch.equal(restrict(p, 9, 1.0), p)


@pytest.mark.parametrize("flatness", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("top_p", [0.0, 0.5, 0.9, 0.999])
def test_top_p_keeps_the_smallest_set_that_reaches_it(flatness, top_p):
    p = torch.randn(40, 1000, generator=torch.Generator().manual_seed(3)).div(flatness).softmax(-1)
    kept = restrict(p, 0, top_p)
    for row, left in zip(p, kept):
        assert torch.equal(left[left > 0], row[left > 0])
        assert float(left.sum()) >= top_p - 1e-5 and row[left > 0].min() >= row[left == 0].max()
        assert int((left > 0).sum()) == 1 or float(left.sum() - row[left > 0].min()) < top_p + 1e-5


def test_parts_give_the_same_as_the_whole(monkeypatch):
    logits = torch.randn(37, 5)
    whole = draw_all(InverseCdfDraw(needs_entropy=True), logits, PerImageNoise([3]))
    monkeypatch.setattr(token_sampling, "MOST_NUMBERS_AT_ONCE", 20)
    parts = draw_all(InverseCdfDraw(needs_entropy=True), logits, PerImageNoise([3]))
    assert torch.equal(whole.tokens, parts.tokens) and torch.equal(whole.entropy, parts.entropy)


def test_a_cells_number_does_not_depend_on_which_other_cells_are_masked():
    logits = torch.randn(8, 50)
    some = torch.tensor([[True, False, True, True, False, True, False, True]])
    every = draw_all(InverseCdfDraw(), logits, PerImageNoise([5])).tokens
    few = draw_all(InverseCdfDraw(), logits[some[0]], PerImageNoise([5]), some).tokens
    assert torch.equal(every[some[0]], few)


def test_divergence_compares_with_the_same_cell_one_step_before():
    drawer = InverseCdfDraw(needs_divergence=True)
    first = torch.tensor([[True, True, True], [True, False, True]])
    second = torch.tensor([[False, True, True]])
    before, after = torch.randn(5, 4), torch.randn(2, 4)
    state = make_state(first, PerImageNoise([0, 1]))
    assert bool(drawer.draw(before, state, masked_positions(first, 5)).divergence.isinf().all())
    state = make_state(second, PerImageNoise([0, 1]), rows=[0])
    got = drawer.draw(after, state, masked_positions(second, 2)).divergence
    p, q = after.log_softmax(1), before[1:3].log_softmax(1)
    assert torch.allclose(got, (p.exp() * (p - q)).sum(1), atol=1e-5)


def test_noise_sources():
    batch = PerImageNoise([7, 8]).uniform((0, 1), (5,))
    assert torch.equal(batch[1], PerImageNoise([8]).uniform((0,), (5,))[0])
    assert PerImageNoise([2**64 - 1]).exponential((0,), (2, 3)).shape == (1, 2, 3)
    shared = SharedNoise(torch.Generator().manual_seed(1)).uniform((0, 1), (3,))
    assert torch.equal(shared, torch.rand(2, 3, generator=torch.Generator().manual_seed(1)))
    shared = SharedNoise(torch.Generator().manual_seed(1)).exponential((0, 1), (3,))
    assert torch.equal(shared, torch.empty(2, 3).exponential_(1, generator=torch.Generator().manual_seed(1)))
    recorded = RecordedNoise([torch.arange(6.0)])
    assert recorded.uniform((0,), (2, 3)).tolist() == [[[0, 1, 2], [3, 4, 5]]]
    with pytest.raises(RuntimeError, match="ended"):
        recorded.exponential((0,), (1,))
    assert bool(gumbel(torch.tensor([0.0, 0.5, 1.0])).isfinite().all())


def test_masked_positions_are_those_of_nonzero():
    is_masked = torch.rand(3, 20) < 0.4
    assert torch.equal(masked_positions(is_masked, int(is_masked.sum())), is_masked.flatten().nonzero().flatten())


def test_noise_is_drawn_on_the_device_asked_for_and_on_the_cpu_the_same_stream():
    for make in (PerImageNoise([3]).uniform, PerImageNoise([3], torch.device("cpu")).uniform):
        assert torch.equal(make((0,), (5,)), torch.rand(1, 5, generator=torch.Generator().manual_seed(3)))
    assert PerImageNoise([3], "meta").uniform((0,), (5,)).device.type == "cpu"  # a device without generators
    if torch.cuda.is_available():
        noise = PerImageNoise([3], "cuda")
        assert noise.uniform((0,), (5,)).is_cuda and noise.exponential((0,), (5,), torch.bfloat16).is_cuda


@pytest.mark.parametrize("draw", [GumbelArgmaxDraw(1.0), ExponentialRaceDraw()])
def test_published_draws_of_float16_logits_are_those_of_bfloat16(draw):
    logits = torch.randn(6, 32, generator=torch.Generator().manual_seed(0)).bfloat16()
    states = [make_state(torch.ones(1, 6, dtype=torch.bool), PerImageNoise([0]), grid=TokenGrid(1, 6)) for _ in "ab"]
    half, other = (draw.draw(x, s, torch.arange(6)) for x, s in zip((logits.half(), logits), states))
    assert torch.equal(half.tokens, other.tokens) and half.confidence.dtype == torch.bfloat16
    assert bool(log_clamped(half.confidence.new_zeros(1)).isfinite())


@pytest.mark.parametrize("probability", [0.5, 0.05, 0.02])
def test_temperature_0_6_comes_near_the_published_bfloat16_noise(probability):
    """What the help page and the templates say: one code with this probability, the rest spread evenly over 8191."""
    torch.manual_seed(0)
    rows = 400
    logits = torch.full((rows, 8192), math.log((1 - probability) / 8191))
    logits[:, 0] = math.log(probability)
    published = draw_all(GumbelArgmaxDraw(1.0), logits.bfloat16(), PerImageNoise([0])).tokens
    picked = float((published == 0).float().mean())
    at = {t: float((logits[0] / t).softmax(0)[0]) for t in (0.5, 0.6, 0.7, 1.0)}
    assert abs(at[0.6] - picked) < 0.1 and abs(at[1.0] - picked) > 0.4


def test_mmada_draws_in_bfloat16_as_often_as_the_probability_says():
    logits = torch.full((2000, 8192), math.log(0.8 / 8191))
    logits[:, 0] = math.log(0.2)
    tokens = draw_all(ExponentialRaceDraw(), logits.bfloat16(), PerImageNoise([0])).tokens
    assert abs(float((tokens == 0).float().mean()) - 0.2) < 0.05
