"""What holds for every sampler, model, grid and setting (property-based)."""

import pytest
import torch
from fake_dllm import FakeDenoiser
from hypothesis import given, settings
from hypothesis import strategies as st

from ladr_core.denoising_loop import LoopCallbacks, denoise
from ladr_core.noise import PerImageNoise
from ladr_core.report import GIVEN, RESCUED
from ladr_core.samplers.baseline import BaselineRule
from ladr_core.samplers.frontier import find_frontier
from ladr_core.samplers.ladr import LadrRule
from ladr_core.settings import (
    CELL_ORDERS,
    FRONTIER_SHAPES,
    MASK_SCHEDULES,
    RESCUE_SCHEDULINGS,
    RISK_FILTERS,
    RescueSettings,
    SamplerSettings,
)
from ladr_core.token_grid import MASKED, TokenGrid, to_grid

some = settings(max_examples=80, deadline=None, derandomize=True)

sampler_settings = st.builds(
    SamplerSettings,
    steps=st.integers(1, 20),
    cfg=st.sampled_from([1.0, 3.0]),
    mask_schedule=st.sampled_from(MASK_SCHEDULES),
    temperature=st.sampled_from([0.0, 0.7, 1.0]),
    choice_temperature=st.sampled_from([0.0, 4.0]),
    choose_then_sample=st.booleans(),
    cell_order=st.sampled_from(CELL_ORDERS),
)
rescue_settings = st.builds(
    RescueSettings,
    rescue=st.just(True),
    frontier_shape=st.sampled_from(FRONTIER_SHAPES),
    radius=st.integers(1, 3),
    min_neighbors=st.integers(1, 4),
    spacing=st.integers(0, 3),
    risk_filter=st.sampled_from(RISK_FILTERS),
    risk_bound=st.sampled_from([0.0, 0.2, 0.6, 1.0, 3.0]),
    rescue_cap=st.sampled_from([0.0, 0.5, 1.0, 4.0, 64.0]),
    rescue_start=st.sampled_from([0.0, 0.3]),
    inverse_scheduling=st.booleans(),
    count_fresh_as_observed=st.booleans(),
    rescue_scheduling=st.sampled_from(RESCUE_SCHEDULINGS),
    rescue_floor=st.sampled_from([0.0, 0.5]),
)
problems = st.fixed_dictionaries(
    {
        "height": st.integers(1, 6),
        "width": st.integers(1, 6),
        "batch": st.integers(1, 3),
        "sharpness": st.sampled_from([0.5, 2.0, 6.0]),
        "known": st.sampled_from([0.0, 0.3, 0.9]),
        "seed": st.integers(0, 10_000),
    }
)


class Run:
    """A run on a problem, and all that the checks need of it."""

    def __init__(self, problem, sampler, rescue, order=None, noise_seeds=None):
        self.grid = TokenGrid(problem["height"], problem["width"])
        generator = torch.Generator().manual_seed(problem["seed"])
        shape = (problem["batch"], self.grid.cells)
        base = torch.randn(*shape, 5, generator=generator) * problem["sharpness"]
        tokens = torch.randint(0, 5, shape, generator=generator)
        self.given = torch.where(torch.rand(shape, generator=generator) < problem["known"], tokens, MASKED)
        seeds = [problem["seed"] + i for i in range(problem["batch"])]
        if order is not None:
            base, self.given, seeds = base[order], self.given[order], [seeds[i] for i in order]
        self.denoiser = FakeDenoiser(base, coupling=1.0)
        self.rule = BaselineRule(sampler) if rescue is None else LadrRule(sampler, rescue)
        self.seen = []  # grids before each step
        callbacks = LoopCallbacks(on_step=lambda event: self.seen.append(event.codebook_indices))
        self.cells, self.report = denoise(
            self.denoiser, self.given, self.grid, editable=self.given == MASKED, rule=self.rule, settings=sampler,
            noise=PerImageNoise(seeds), callbacks=callbacks,
        )  # fmt: skip
        self.seen.insert(0, self.given)


maybe_rescue = st.one_of(st.none(), rescue_settings)


@given(problems, sampler_settings, maybe_rescue)
@some
def test_known_cells_never_change_and_all_cells_are_filled(problem, sampler, rescue):
    run = Run(problem, sampler, rescue)
    known = run.given != MASKED
    assert torch.equal(run.cells[known], run.given[known])
    assert bool((run.cells >= 0).all()) and bool((run.cells < 5).all())
    assert torch.equal(run.report.unmasked_by == GIVEN, known)
    for before, after in zip(run.seen, run.seen[1:]):
        assert torch.equal(after[before != MASKED], before[before != MASKED])


@given(problems, sampler_settings, maybe_rescue)
@some
def test_every_step_unmasks_and_nfe_is_at_most_steps(problem, sampler, rescue):
    report, denoiser = Run(problem, sampler, rescue).report, Run(problem, sampler, rescue).denoiser
    assert all(r.scheduled + r.rescued >= 1 for r in report.steps)
    assert report.nfe <= sampler.steps and report.nfe == denoiser.calls == max(report.nfe_per_row)
    for row, nfe in enumerate(report.nfe_per_row):
        records = [r for r in report.steps if r.row == row]
        assert len(records) == nfe == sum(row in seen for seen in denoiser.rows_seen)
        assert all(r.time_before < r.time_after <= 1 for r in records)
        assert all(a.time_after == pytest.approx(b.time_before, abs=1e-6) for a, b in zip(records, records[1:]))


@given(problems, sampler_settings, rescue_settings)
@some
def test_rescued_cells_lie_on_the_frontier_apart_and_within_the_cap(problem, sampler, rescue):
    run = Run(problem, sampler, rescue)
    for r in run.report.steps:
        at_step = run.report.unmasked_at[r.row] == r.step
        rescued = at_step & (run.report.unmasked_by[r.row] == RESCUED)
        is_masked = run.seen[r.step][r.row] == MASKED
        observed = ~is_masked | (at_step & ~rescued) if rescue.count_fresh_as_observed else ~is_masked
        frontier = find_frontier(
            is_masked[None], observed[None], run.grid, rescue.frontier_shape, rescue.radius, rescue.min_neighbors
        )[0]
        assert not bool((rescued & ~frontier).any())
        # Rescued cells that leave the schedule may be those it would have taken, so fewer are left for it.
        taken = r.scheduled + (r.rescued if rescue.rescue_scheduling == "field" else 0)
        assert r.rescued <= rescue.rescue_cap * taken
        assert r.rescued == 0 or r.time_before >= rescue.rescue_start
        places = to_grid(rescued, run.grid).nonzero()
        distances = (places[:, None] - places[None]).abs().amax(dim=-1)
        distances.fill_diagonal_(99)
        assert distances.numel() == 0 or int(distances.min()) >= min(rescue.spacing, 99)


@given(problems, sampler_settings, rescue_settings)
@some
def test_accepted_risk_stays_within_its_bound(problem, sampler, rescue):
    run = Run(problem, sampler, rescue)
    for r in run.report.steps:
        assert r.accepted_risk >= 0 and (r.rescued > 0 or r.accepted_risk == 0)
        if rescue.risk_filter in ("budget", "entropy"):
            assert r.accepted_risk <= rescue.risk_bound
        if rescue.risk_filter == "absolute":
            assert r.accepted_risk <= r.rescued * rescue.risk_bound + 1e-5
        assert (r.distance_bound is not None) == (sampler.choose_then_sample and sampler.temperature > 0)


@given(problems, sampler_settings, maybe_rescue)
@some
def test_same_seed_same_tokens_whatever_the_global_random_state(problem, sampler, rescue):
    torch.manual_seed(1)
    first = Run(problem, sampler, rescue)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = Run(problem, sampler, rescue)
    assert torch.equal(first.cells, second.cells)
    assert torch.equal(state, torch.get_rng_state())
    for key in ("nfe_per_row", "steps", "unmasked_at", "unmasked_by"):
        assert first.report.to_dict()[key] == second.report.to_dict()[key]


@given(problems, sampler_settings, maybe_rescue)
@some
def test_permuting_the_batch_permutes_the_result(problem, sampler, rescue):
    order = list(reversed(range(problem["batch"])))
    straight, reverse = Run(problem, sampler, rescue), Run(problem, sampler, rescue, order)
    assert torch.equal(straight.cells[order], reverse.cells)
    assert [straight.report.nfe_per_row[i] for i in order] == reverse.report.nfe_per_row
    assert torch.equal(straight.report.unmasked_at[order], reverse.report.unmasked_at)
    alone = Run(problem, sampler, rescue, [problem["batch"] - 1])
    assert torch.equal(straight.cells[-1:], alone.cells)


NOTHING_RESCUED = [
    {"rescue": False},
    {"rescue": False, "inverse_scheduling": False},
    {"rescue_cap": 0.0},
    {"risk_filter": "absolute", "risk_bound": 0.0},
    {"risk_filter": "budget", "risk_bound": 0.0},
    {"rescue_start": 1.0},
    {"frontier_shape": "cross", "min_neighbors": 8},
]


@pytest.mark.parametrize("values", NOTHING_RESCUED, ids=lambda v: next(iter(v)) + "-" + str(len(v)))
@given(problem=problems, sampler=sampler_settings)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_ladr_that_rescues_nothing_is_the_baseline_token_for_token(values, problem, sampler):
    problem = problem | {"sharpness": min(problem["sharpness"], 0.5)}  # no probability rounds to 1
    baseline, ladr = Run(problem, sampler, None), Run(problem, sampler, RescueSettings(**values))
    assert torch.equal(baseline.cells, ladr.cells)
    assert torch.equal(baseline.report.unmasked_at, ladr.report.unmasked_at)
    mine, theirs = baseline.report.to_dict(), ladr.report.to_dict()
    assert mine["steps"] == theirs["steps"] and mine["unmasked_by"] == theirs["unmasked_by"]
