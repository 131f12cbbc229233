"""The loop and its edge cases, on a model whose answers are known."""

from dataclasses import replace

import pytest
import torch
from fake_dllm import FakeDenoiser, fake_logits, logits_for_confidences

from ladr_core.denoising_loop import LoopCallbacks, denoise
from ladr_core.errors import InputError
from ladr_core.noise import PerImageNoise, RecordedNoise
from ladr_core.report import GIVEN, RESCUED, SCHEDULED
from ladr_core.samplers.baseline import BaselineRule
from ladr_core.samplers.ladr import LadrRule
from ladr_core.settings import RescueSettings, SamplerSettings
from ladr_core.step import Choice
from ladr_core.token_grid import MASKED, TokenGrid

GREEDY = {"temperature": 0.0, "choice_temperature": 0.0, "cfg": 1.0}


def run(base, grid, *, rescue=None, seeds=None, cells=None, editable=None, denoiser=None, **values):
    settings = SamplerSettings(**values)
    batch = base.shape[0]
    seeds = list(range(batch)) if seeds is None else seeds
    cells = torch.full((batch, grid.cells), MASKED) if cells is None else cells
    denoiser = denoiser or FakeDenoiser(base)
    rule = BaselineRule(settings) if rescue is None else LadrRule(settings, rescue)
    editable = cells == MASKED if editable is None else editable
    result = denoise(denoiser, cells, grid, editable=editable, rule=rule, settings=settings, noise=PerImageNoise(seeds))
    return (*result, denoiser)


def random_base(batch, cells, codebook_size=6):
    return torch.stack([fake_logits(f"image {i}", cells, codebook_size) for i in range(batch)])


def test_greedy_baseline_takes_the_most_confident_cells_and_counts_by_the_schedule():
    sure = [0.9, 0.5, 0.8, 0.6, 0.7, 0.95, 0.55, 0.85]
    cells, report, denoiser = run(
        logits_for_confidences(sure), TokenGrid(2, 4), steps=4, mask_schedule="linear", **GREEDY
    )
    assert cells.tolist() == [[n % 4 for n in range(8)]]
    order = sorted(range(8), key=lambda n: -sure[n])
    assert report.unmasked_at[0].tolist() == [order.index(n) // 2 for n in range(8)]
    assert [r.scheduled for r in report.steps] == [2, 2, 2, 2]
    assert report.nfe == report.nfe_per_row[0] == denoiser.calls == 4
    assert [r.time_after for r in report.steps] == [0.25, 0.5, 0.75, 1.0]
    assert [r.mask_ratio for r in report.steps] == [1.0, 0.75, 0.5, 0.25]


@pytest.mark.parametrize("steps", [3, 12, 18, 24, 48, 64])
def test_baseline_counts_are_those_of_the_step_number(steps):
    grid = TokenGrid(12, 16)
    _, report, _ = run(random_base(1, grid.cells), grid, steps=steps)
    after = [r.masked - r.scheduled for r in report.steps]
    left = grid.cells
    for k in range(steps):
        ratio = torch.cos(0.5 * torch.pi * torch.tensor((k + 1) / steps))  # float32
        left = min(left - 1, int((grid.cells * ratio).floor())) if k + 1 < steps else 0
        assert after[k] == left


def test_nothing_masked_returns_the_input_without_a_forward():
    given = torch.randint(0, 6, (2, 12))
    cells, report, denoiser = run(random_base(2, 12), TokenGrid(3, 4), cells=given, editable=torch.ones(2, 12).bool())
    assert torch.equal(cells, given) and report.nfe == denoiser.calls == 0
    assert report.nfe_per_row == [0, 0] and report.steps == []
    assert bool((report.unmasked_by == GIVEN).all()) and bool((report.unmasked_at == -1).all())


def test_one_cell_takes_one_forward():
    for rescue in (None, RescueSettings()):
        cells, report, _ = run(random_base(1, 1), TokenGrid(1, 1), rescue=rescue)
        assert report.nfe == 1 and 0 <= int(cells) < 6


def test_more_steps_than_cells_never_idle():
    _, report, _ = run(random_base(1, 6), TokenGrid(2, 3), steps=100, mask_schedule="arccos")
    assert report.nfe <= 6 and all(r.scheduled >= 1 for r in report.steps)


def test_all_masked_at_the_first_step_has_no_frontier():
    rescue = RescueSettings(risk_bound=1.0, rescue_cap=64.0)
    _, report, _ = run(random_base(1, 36), TokenGrid(6, 6), rescue=rescue, steps=16)
    assert report.steps[0].rescued == 0 and report.steps[0].scheduled > 0
    assert report.steps[1].rescued > 0


def test_rows_that_finish_early_cost_no_forward():
    grid, base = TokenGrid(4, 4), random_base(3, 16)
    cells = torch.zeros(3, 16, dtype=torch.int64)
    cells[0] = MASKED
    cells[1, :3] = MASKED
    _, report, denoiser = run(base, grid, cells=cells, steps=8)
    assert report.nfe == 8 and report.nfe_per_row == [8, 3, 0]
    assert denoiser.rows_seen == [[0, 1]] * 3 + [[0]] * 5
    assert denoiser.steps_seen == list(range(8))
    assert [r.step for r in report.steps if r.row == 1] == [0, 1, 2]


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (2, 5), (5, 3)])
def test_narrow_and_oblong_grids(size):
    grid = TokenGrid(*size)
    rescue = RescueSettings(risk_bound=1.0, radius=4, spacing=2)
    cells, report, _ = run(random_base(2, grid.cells), grid, rescue=rescue, steps=8)
    assert bool((cells >= 0).all()) and report.nfe <= 8


def test_inpainting_keeps_known_cells_and_starts_at_the_rim():
    grid = TokenGrid(6, 6)
    cells = torch.zeros(1, 6, 6, dtype=torch.int64)
    cells[0, 1:5, 1:5] = MASKED
    cells = cells.flatten(1)
    rescue = RescueSettings(risk_bound=1.0, rescue_floor=0.0, frontier_shape="cross", radius=1)
    result, report, _ = run(random_base(1, 36), grid, rescue=rescue, cells=cells, steps=16)
    assert torch.equal(result[cells != MASKED], cells[cells != MASKED])
    rim = torch.zeros(6, 6, dtype=torch.bool)
    rim[1:5, 1:5] = True
    rim[2:4, 2:4] = False
    first = (report.unmasked_by[0] == RESCUED) & (report.unmasked_at[0] == 0)
    assert bool(first.any()) and not bool((first & ~rim.flatten()).any())
    assert bool((report.unmasked_by[cells != MASKED] == GIVEN).all())
    assert report.steps[0].mask_ratio == 1.0


@pytest.mark.parametrize("broken", [0, 2])
def test_nan_logits_name_the_step_and_the_image(broken):
    base = random_base(2, 16)
    with pytest.raises(InputError, match=f"NaN in the logits of step {broken + 1}, image 2"):
        run(base, TokenGrid(4, 4), denoiser=FakeDenoiser(base, broken_step=broken), steps=8)


def test_infinite_logits_are_named():
    base = random_base(1, 16)
    base[0, 3, 2] = -torch.inf
    with pytest.raises(InputError, match="infinite numbers in the logits of step 1, image 1"):
        run(base, TokenGrid(4, 4), steps=8, cfg=1.0)


def test_ties_are_settled_by_cell_number():
    base = torch.zeros(1, 8, 4)
    _, report, _ = run(base, TokenGrid(2, 4), steps=4, mask_schedule="linear", **GREEDY)
    assert report.unmasked_at[0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_without_noise_nothing_is_drawn():
    settings = SamplerSettings(steps=4, **GREEDY)
    cells = torch.full((1, 8), MASKED)
    denoise(
        FakeDenoiser(random_base(1, 8)), cells, TokenGrid(2, 4), editable=cells == MASKED,
        rule=BaselineRule(settings), settings=settings, noise=RecordedNoise([]),
    )  # fmt: skip


def test_guidance_is_asked_for_only_when_on():
    for cfg, guided in ((1.0, False), (3.0, True)):
        _, _, denoiser = run(random_base(1, 8), TokenGrid(2, 4), cfg=cfg, steps=2)
        assert set(denoiser.guided_seen) == {guided}


def test_clock_jumps_to_where_the_schedule_has_the_density_reached():
    grid = TokenGrid(8, 8)
    rescue = RescueSettings(risk_filter="relative", risk_bound=1.0, rescue_cap=4.0, rescue_scheduling="jump")
    _, report, _ = run(random_base(1, 64), grid, rescue=rescue, steps=32, mask_schedule="linear")
    for r in report.steps:
        expected = min(1.0, r.time_before + 1 / 32 + r.rescued / 64)
        assert r.time_after == pytest.approx(expected, abs=1e-5)
    held = replace(rescue, inverse_scheduling=False)
    _, without, _ = run(random_base(1, 64), grid, rescue=held, steps=32, mask_schedule="linear")
    assert report.nfe < without.nfe
    assert all(r.time_after == pytest.approx(r.time_before + 1 / 32) for r in without.steps)


def test_rescued_cells_leave_the_schedule():
    """Of the cells that are not rescued, every step opens the share that the schedule asks for."""
    grid = TokenGrid(8, 8)
    rescue = RescueSettings(risk_filter="relative", risk_bound=0.3)
    _, report, _ = run(random_base(1, 64), grid, rescue=rescue, steps=16, mask_schedule="linear")
    assert sum(r.rescued for r in report.steps) > 0
    field = 64.0
    for r in report.steps:
        field *= (r.masked - r.rescued) / r.masked
        assert r.time_after == pytest.approx(r.time_before + 1 / 16)
        left = r.masked - r.rescued
        assert r.scheduled == pytest.approx(min(left, max(1, left - int(field * (1 - r.time_after)))), abs=1)
    assert report.nfe <= 16


def test_interrupt_stops_before_the_next_forward():
    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    settings, cells, denoiser = SamplerSettings(steps=8), torch.full((1, 16), MASKED), FakeDenoiser(random_base(1, 16))
    with pytest.raises(KeyboardInterrupt):
        denoise(
            denoiser, cells, TokenGrid(4, 4), editable=cells == MASKED, rule=BaselineRule(settings), settings=settings,
            noise=PerImageNoise([0]), callbacks=LoopCallbacks(before_forward=stop),
        )  # fmt: skip
    assert denoiser.calls == 2


def test_a_rule_that_gets_stuck_is_stopped():
    class Stuck(BaselineRule):
        name = "stuck"

        def choose(self, state, prediction):
            return Choice(torch.zeros_like(state.is_masked))

    settings, cells = SamplerSettings(steps=3), torch.full((1, 4), MASKED)
    with pytest.raises(RuntimeError, match="stuck left cells masked after 4"):
        denoise(
            FakeDenoiser(random_base(1, 4)), cells, TokenGrid(2, 2), editable=cells == MASKED, rule=Stuck(settings),
            settings=settings, noise=PerImageNoise([0]),
        )  # fmt: skip


def test_logits_of_the_wrong_shape_are_refused():
    class Short(FakeDenoiser):
        def predict(self, *args, **kwargs):
            return tuple(branch[:-1] for branch in super().predict(*args, **kwargs))

    base = random_base(1, 4)
    with pytest.raises(RuntimeError, match=r"shape \(3, 6\); \(4, 6\)"):
        run(base, TokenGrid(2, 2), denoiser=Short(base))


def test_every_cell_has_its_step_and_its_rule():
    rescue = RescueSettings(risk_bound=1.0)
    _, report, _ = run(random_base(2, 36), TokenGrid(6, 6), rescue=rescue, steps=16)
    for r in report.steps:
        at_step = report.unmasked_at[r.row] == r.step
        by = report.unmasked_by[r.row]
        assert int((at_step & (by == SCHEDULED)).sum()) == r.scheduled
        assert int((at_step & (by == RESCUED)).sum()) == r.rescued
