"""The search of presets: what it chooses of rows, and that a preset is among what it tries."""

from ladr_core.lab.oracles.preset_search import PROMISED, Values, candidates, swept_values
from ladr_core.presets import PRESETS


def row(radius, nfe, valid):
    return {"values": {"radius": radius}, "nfe": [nfe], "valid": [valid]}


def test_candidates_keep_the_promise_and_the_cheapest_comes_first():
    good, dear = row(2, 8, 0.995), row(2, 9, 1.0)
    wrong = [row(2, 5, 0.98), row(8, 4, 1.0)]
    assert candidates([dear, *wrong, good], 2, 0.99) == [good, dear]
    assert candidates(wrong, 2, 0.99) == []


def test_the_values_of_the_presets_are_among_those_tried():
    tried = swept_values()
    assert len(set(tried)) == len(tried)
    for name, (radius, _) in PROMISED.items():
        preset = PRESETS[name]
        assert preset.rescue.radius == radius
        assert Values(radius, preset.settings.cell_order, preset.settings.steps) in tried
