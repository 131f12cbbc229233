"""The search of presets: what it chooses of rows, and that a preset is among what it tries."""

import json

from ladr_core.lab.documents.result_files import PRESET_SEARCH
from ladr_core.lab.oracles.preset_search import PROMISED, Values, candidates, swept_values
from ladr_core.presets import PRESETS


def row(radius, nfe, valid, floor=0.5, bound=0.02):
    values = {"steps": 64, "frontier_shape": "square", "radius": radius, "rescue_floor": floor, "risk_bound": bound,
              "rescue_cap": 4.0}  # fmt: skip
    return {"values": values, "nfe": [nfe], "valid": [valid]}


def test_candidates_keep_the_promise_and_the_cheapest_comes_first():
    good, dear = row(2, 8, 0.995), row(2, 9, 1.0)
    wrong = [row(2, 5, 0.98), row(8, 4, 1.0)]
    assert candidates([dear, *wrong, good], 64, "square", 2, 0.99) == [good, dear]
    assert candidates(wrong, 64, "square", 2, 0.99) == []
    assert candidates([good], 32, "square", 2, 0.99) == candidates([good], 64, "cross", 2, 0.99) == []
    other, careful = row(2, 8, 1.0, floor=0.95), row(2, 8, 1.0, floor=0.95, bound=0.001)
    assert candidates([good, other, careful], 64, "square", 2, 0.99) == [careful, other, good]


def test_the_values_of_the_presets_are_among_those_tried():
    tried = swept_values()
    assert len(set(tried)) == len(tried)
    for name, (steps, shape, radius, _) in PROMISED.items():
        preset = PRESETS[name]
        assert (preset.settings.steps, preset.rescue.frontier_shape, preset.rescue.radius) == (steps, shape, radius)
        own = {name: getattr(preset.rescue, name) for name in ("risk_bound", "rescue_floor", "rescue_cap")}
        assert Values(shape, radius, preset.settings.cell_order, steps, **own) in tried


def test_the_presets_are_what_the_search_chose():
    chosen = json.loads(PRESET_SEARCH.read_text(encoding="utf-8"))["chosen"]
    for name in PROMISED:
        preset, values = PRESETS[name], Values(**chosen[name]["values"])
        assert values.order == preset.settings.cell_order and values.steps == preset.settings.steps
        for knob in ("frontier_shape", "radius", "risk_bound", "rescue_floor", "rescue_cap"):
            assert getattr(values, knob) == getattr(preset.rescue, knob)
