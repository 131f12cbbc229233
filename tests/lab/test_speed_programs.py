"""Programs about speed: what they count, and what their tables and figure show of it."""

from __future__ import annotations

import pytest
import torch

from ladr_core.lab.benchmarks.builtin_arithmetic import measure
from ladr_core.lab.benchmarks.cache_gain import counted_places, summary
from ladr_core.lab.benchmarks.cache_replay import reduced, replay
from ladr_core.lab.documents import cache_tables, speed_figure
from ladr_core.lab.oracles.finish import FinishRule
from ladr_core.models.builtin.loading import load_builtin
from ladr_core.models.kv_cache import with_kv_cache
from ladr_core.samplers.baseline import BaselineRule
from ladr_core.settings import SamplerSettings
from ladr_core.step import Choice, Prediction
from ladr_core.token_grid import MASKED, TokenGrid


def grids(*masked):
    found = []
    for count in masked:
        cells = torch.zeros(1, 64, dtype=torch.int64)
        cells[:, 64 - count :] = MASKED
        found.append(cells)
    return found


def test_a_replay_counts_what_each_evaluation_computes():
    denoiser = reduced(8, 128, 2, newlines=True)
    steps = replay(denoiser, grids(40, 30, 10), 1.0)
    places = 64 + 3 + 2 * 8 * 9  # prompt, unconditional prompt, and rows closed by a token
    assert [step["places"] for step in steps] == [places] * 3
    assert [step["masked"] for step in steps] == [40, 30, 10]
    assert [step["computed"] for step in steps] == [places, 2 * 40, 2 * 30]  # what was masked the evaluation before
    assert [step["computed"] for step in replay(denoiser, grids(40, 30, 10), 0.0)] == [places] * 3


def test_places_are_counted_by_evaluation_and_only_while_asked():
    cache = with_kv_cache(reduced(8, 128, 1, newlines=False), 1.0)
    with counted_places() as places:
        for step, grid in enumerate(grids(64, 30)):
            cache.predict(grid, torch.tensor([0]), guided=False, step=step)
    cache.predict(grids(20)[0], torch.tensor([0]), guided=False, step=2)
    assert places == [64 + 64, 64]


def test_each_arithmetic_is_compared_with_the_first_within_a_turn():
    model = load_builtin()
    first, second = measure({"float32": model, "again": model}, turns=1)
    assert first["faster"] == {"median": 1.0, "least": 1.0, "most": 1.0}
    assert first["same_tokens"] == second["same_tokens"] == 1 and first["evaluations"] == second["evaluations"] <= 64
    assert second["faster"]["least"] > 0


def test_ratios_are_those_of_one_prompt():
    def run(seconds, passed):
        return {"nfe": [8], "processor": seconds, "share": 1.0, "passed": [passed]}

    found = summary({"without": [run(2.0, True), run(4.0, False)], "with": [run(1.0, False), run(1.0, True)]})["with"]
    assert found["times_faster"] == 3.0 and found["passed_only_here"] == found["passed_only_without"] == 1
    assert found["times_faster_quartiles"][1] == 3.0


def test_at_full_size_the_cache_gains_what_it_does_not_compute():
    if not cache_tables.GROWTH.is_file():
        pytest.skip("nothing was timed")
    step = {"places": 8000, "computed": 8000, "masked": 2000}
    plain, same = cache_tables._full_size([step]) or (1.0, 1.0)
    assert plain == same
    plain, half = cache_tables._full_size([step | {"computed": 4000}]) or (2.0, 1.0)
    assert 1.9 < plain / half <= 2.0


def test_the_figure_leaves_out_what_has_no_score(monkeypatch):
    scores = {"a": {"value": 0.8, "low": 0.7, "high": 0.9}, "ladr b": {"value": 0.7, "low": 0.6, "high": 0.8}}
    monkeypatch.setattr(speed_figure, "score_of", lambda values: scores.get(values["name"]))
    seconds = {"a": 2.0, "ladr b": 0.3, "c": 0.2}
    result = {
        "batch_size": 4,
        "machine": {"cpu": "a processor"},
        "settings": {name: {"name": name} for name in seconds},
        "batch": {name: {"seconds": {"processor": value}} for name, value in seconds.items()},
    }
    image = speed_figure.draw_figure(result)
    assert image.getcolors(2**24) and (214, 72, 50) in {color for _, color in image.getcolors(2**24)}
    del result["batch"]["c"]
    assert image.tobytes() == speed_figure.draw_figure(result).tobytes()


@pytest.mark.parametrize(
    "way, left, ends", [((0.9, False), 0.95, True), ((0.9, False), 0.5, False), ((None, True), 0.1, False)]
)
def test_a_run_ends_where_all_that_is_left_allows_it(way, left, ends):
    class Inner(BaselineRule):
        def choose(self, state, prediction):
            return Choice(torch.zeros_like(state.is_masked))

    class State:
        is_masked = torch.tensor([[False, True, True, False]])
        grid = TokenGrid(1, 4)

    sure = torch.full((1, 4), left)
    prediction = Prediction(torch.zeros(1, 4, dtype=torch.int64), sure, sure)
    chosen = FinishRule(Inner(SamplerSettings()), way).choose(State, prediction)
    assert bool(chosen.scheduled.any()) == ends
    assert torch.equal(chosen.scheduled, State.is_masked if ends else torch.zeros_like(State.is_masked))
    State.is_masked = torch.tensor([[True, False, False, True]])
    assert bool(FinishRule(Inner(SamplerSettings()), (None, True)).choose(State, prediction).scheduled.any())
