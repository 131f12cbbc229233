"""The figure of the oracles: every family has a color, better rows stand higher, rows without a figure are left out."""

import json

import pytest
from PIL import Image

from ladr_core.lab.oracles.contestants import RIVALS, contestants
from ladr_core.lab.oracles.figure import _FAMILIES, PANELS, draw_figure, family, main


def row(oracle, sampler, nfe, valid, divergence):
    return {"oracle": oracle, "start": "nothing known", "sampler": sampler, "nfe": [nfe] * 3,
            "valid": [valid] * 3, "divergence": divergence and [divergence] * 3}  # fmt: skip


def rows_of(image, color, left, right):
    found = [(x, y) for x in range(left, right) for y in range(40, 420) if image.getpixel((x, y)) == color]
    return sum(y for _, y in found) / len(found) if found else None


def test_every_contestant_belongs_to_a_family():
    assert {family(label) for label in contestants(swept=True)} <= set(_FAMILIES)
    assert len({label for label, *_ in RIVALS}) == len(RIVALS)


@pytest.mark.parametrize("panel", PANELS)
def test_better_is_higher(panel):
    good, bad = (0.9, 0.001), (0.2, 0.1)
    image = draw_figure([row(panel.oracle, "ladr 64", 8, *good), row(panel.oracle, "dilated", 8, *bad)])
    left = PANELS.index(panel) * 600
    assert rows_of(image, _FAMILIES["ladr"], left, left + 600) < rows_of(image, _FAMILIES["dilated"], left, left + 600)


def test_rows_without_a_figure_are_left_out_and_the_file_lies_beside(tmp_path):
    path = tmp_path / "oracles.json"
    rows = [row("structured 16", "baseline 64", 64, 0.9, None), row("texture 64", "halton 16", 16, 1.0, None)]
    path.write_text(json.dumps({"rows": rows}))
    assert main([str(path)]) == 0
    image = Image.open(path.with_suffix(".png"))
    assert rows_of(image, _FAMILIES["baseline"], 0, 600) is not None
    assert rows_of(image, _FAMILIES["halton"], 600, 1200) is None
