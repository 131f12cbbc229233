"""The frontier against a plain loop over cells, spacing against the greedy rule, and the risk filters."""

import pytest
import torch
from fake_step import make_state
from hypothesis import given, settings
from hypothesis import strategies as st

from ladr_core.cell_ranking import rank_cells, take_best
from ladr_core.samplers.frontier import count_neighbors, find_frontier, keep_apart, neighborhood
from ladr_core.samplers.risk import distance_bound, rescue_cells, scheduled_quantile
from ladr_core.settings import RescueSettings
from ladr_core.step import Prediction
from ladr_core.token_grid import TokenGrid

INSIDE = {
    "cross": lambda y, x, r: min(abs(y), abs(x)) == 0 and max(abs(y), abs(x)) <= r,
    "square": lambda y, x, r: max(abs(y), abs(x)) <= r,
    "disc": lambda y, x, r: y * y + x * x <= r * r,
}
few = settings(max_examples=25, deadline=None)
grids = st.tuples(st.integers(1, 6), st.integers(1, 6)).map(lambda size: TokenGrid(*size))


def random_cells(grid, seed, share=0.5):
    return torch.rand(2, grid.cells, generator=torch.Generator().manual_seed(seed)) < share


@pytest.mark.parametrize("shape", INSIDE)
@given(grid=grids, radius=st.integers(1, 3), seed=st.integers(0, 999))
@few
def test_neighbors_are_counted_on_the_grid(shape, grid, radius, seed):
    observed = random_cells(grid, seed)
    counted = count_neighbors(observed, grid, shape, radius).reshape(2, grid.height, grid.width)
    plane = observed.reshape(2, grid.height, grid.width)
    for image in range(2):
        for y in range(grid.height):
            for x in range(grid.width):
                expected = sum(
                    bool(plane[image, v, u])
                    for v in range(grid.height)
                    for u in range(grid.width)
                    if (v, u) != (y, x) and INSIDE[shape](v - y, u - x, radius)
                )
                assert counted[image, y, x] == expected


def test_neighborhood_sizes():
    sizes = {(s, r): int(neighborhood(s, r).sum()) for s in INSIDE for r in (1, 2)}
    assert sizes == {
        ("cross", 1): 4, ("cross", 2): 8, ("square", 1): 8, ("square", 2): 24, ("disc", 1): 4, ("disc", 2): 12
    }  # fmt: skip


def test_frontier_ends_at_the_edge_and_does_not_wrap_to_the_next_row():
    grid = TokenGrid(2, 3)
    observed = torch.tensor([[False, False, True, False, False, False]])
    frontier = find_frontier(~observed, observed, grid, "square", 1)
    assert frontier.tolist() == [[False, True, False, False, True, True]]
    assert find_frontier(~observed, observed, grid, "square", 1, min_neighbors=2).sum() == 0
    nothing = torch.zeros(1, 6, dtype=torch.bool)
    assert find_frontier(~nothing, nothing, grid, "square", 8).sum() == 0


@given(grid=grids, spacing=st.integers(0, 4), seed=st.integers(0, 999))
@few
def test_spacing_is_the_greedy_rule(grid, spacing, seed):
    candidates = random_cells(grid, seed, 0.7)
    score = torch.rand(2, grid.cells, generator=torch.Generator().manual_seed(seed + 1))
    kept = keep_apart(rank_cells(score, candidates), candidates, grid, spacing)
    for image in range(2):
        expected: list[int] = []
        for cell in score[image].argsort(descending=True).tolist():
            y, x = divmod(cell, grid.width)
            near = [c for c in expected if max(abs(c // grid.width - y), abs(c % grid.width - x)) < spacing]
            if candidates[image, cell] and not near:
                expected.append(cell)
        assert kept[image].nonzero().flatten().tolist() == sorted(expected)


def test_ranks_and_ties_go_by_cell_number():
    score = torch.tensor([[1.0, 2.0, 2.0, 0.0, 2.0]])
    candidates = torch.tensor([[True, True, True, True, False]])
    assert rank_cells(score, candidates).tolist() == [[2, 0, 1, 3, 4]]
    assert take_best(score, candidates, torch.tensor([2])).tolist() == [[False, True, True, False, False]]
    assert take_best(score, candidates, torch.tensor([9])).tolist() == candidates.tolist()
    assert take_best(score, candidates, torch.tensor([0])).sum() == 0


# One row of eight cells: cell 0 known, cell 7 scheduled, 1 ... 6 in reach of a radius of 8.
CONFIDENCE = torch.tensor([[0.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.8]])
SCHEDULED = torch.tensor([[False] * 7 + [True]])


def rescued_cells(**values):
    settings = RescueSettings(**({"radius": 8, "rescue_cap": 64.0} | values))
    is_masked = torch.tensor([[False] + [True] * 7])
    state = make_state(is_masked, time=0.25)
    prediction = Prediction(torch.zeros(1, 8, dtype=torch.int64), CONFIDENCE, CONFIDENCE, entropy=1 - CONFIDENCE)
    standard = torch.tensor([[0.95]])  # some cell was as sure in an earlier step
    rescued, risk = rescue_cells(state, prediction, SCHEDULED, CONFIDENCE, standard, settings)
    return rescued[0].nonzero().flatten().tolist(), float(risk)


def test_absolute_filter_limits_the_risk_of_a_cell():
    assert rescued_cells(risk_filter="absolute", risk_bound=0.25) == ([1, 2], pytest.approx(0.3))
    assert rescued_cells(risk_filter="absolute", risk_bound=0.0) == ([], 0.0)


def test_budget_filter_limits_the_sum():
    assert rescued_cells(risk_filter="budget", risk_bound=0.61) == ([1, 2, 3], pytest.approx(0.6))
    assert rescued_cells(risk_filter="budget", risk_bound=0.05) == ([], 0.0)


def test_entropy_filter_limits_the_sum_without_the_largest():
    assert rescued_cells(risk_filter="entropy", risk_bound=0.31) == ([1, 2, 3], pytest.approx(0.3))
    assert rescued_cells(risk_filter="entropy", risk_bound=0.0) == ([1], 0.0)


def test_relative_filter_compares_with_the_scheduled_cells():
    assert rescued_cells(risk_filter="relative", risk_bound=0.0)[0] == [1, 2]
    assert rescued_cells(risk_filter="relative", risk_bound=0.3)[0] == [1, 2, 3, 4]
    assert rescued_cells(risk_filter="relative", risk_bound=1.0)[0] == [1, 2, 3, 4, 5, 6]
    assert rescued_cells(risk_filter="relative", risk_bound=5.0)[0] == [1, 2, 3, 4, 5, 6]


def test_running_filter_compares_with_the_most_confident_cell_of_the_run_and_has_a_floor():
    assert rescued_cells(risk_filter="running", risk_bound=0.05)[0] == []  # 0.9 is less than 0.95 * 0.95
    assert rescued_cells(risk_filter="running", risk_bound=0.06)[0] == [1]
    assert rescued_cells(risk_filter="running", risk_bound=1.0, rescue_floor=0.55)[0] == [1, 2, 3, 4]
    assert rescued_cells(risk_filter="running", risk_bound=1.0, rescue_floor=0.0)[0] == [1, 2, 3, 4, 5, 6]


def test_cap_start_and_spacing():
    every = {"risk_filter": "relative", "risk_bound": 1.0}
    assert rescued_cells(**every, rescue_cap=2.5)[0] == [1, 2]
    assert rescued_cells(**every, rescue_cap=0.0)[0] == []
    assert rescued_cells(**every, rescue_start=0.25)[0] == [1, 2, 3, 4, 5, 6]
    assert rescued_cells(**every, rescue_start=0.26)[0] == []
    assert rescued_cells(**every, spacing=2)[0] == [1, 3, 5]
    assert rescued_cells(**every, spacing=3)[0] == [1, 4]
    # Spacing comes before the sum: the budget is not spent on cells that spacing drops.
    assert rescued_cells(risk_filter="budget", risk_bound=0.45, spacing=2)[0] == [1, 3]


def test_fresh_cells_count_as_neighbors_only_when_asked():
    reach = {"risk_filter": "relative", "risk_bound": 1.0, "radius": 1}
    assert rescued_cells(**reach)[0] == [1]
    assert rescued_cells(**reach, count_fresh_as_observed=True)[0] == [1, 6]


def test_quantile_of_the_scheduled_confidences():
    confidence = torch.tensor([[0.9, 0.1, 0.5, 0.3, 0.7]])
    scheduled = torch.tensor([[True, False, True, True, True]])
    values = [float(scheduled_quantile(confidence, scheduled, q)) for q in (0.0, 0.5, 1.0)]
    assert values == pytest.approx([0.3, 0.5, 0.9])


@given(seed=st.integers(0, 9999), cells=st.integers(1, 3), tokens=st.integers(2, 4))
@settings(max_examples=50, deadline=None)
def test_distance_bound_holds_on_random_joints(seed, cells, tokens):
    generator = torch.Generator().manual_seed(seed)
    joint = torch.rand([tokens] * cells, generator=generator, dtype=torch.float64).pow(4 * (seed % 7))
    joint = joint / joint.sum()
    marginals = [joint.movedim(cell, 0).reshape(tokens, -1).sum(dim=1) for cell in range(cells)]
    product = torch.ones([], dtype=torch.float64)
    for marginal in marginals:
        product = product.unsqueeze(-1) * marginal
    sure = torch.stack([m.max() for m in marginals]).unsqueeze(0).float()
    bound = distance_bound(Prediction(torch.zeros(1, cells), sure, sure), torch.ones(1, cells, dtype=torch.bool))
    assert 0.5 * float((joint - product).abs().sum()) <= float(bound) + 1e-5
