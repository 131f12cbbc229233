"""Reports survive their way through text, and what is no report is refused in one sentence."""

import json

import pytest
import torch
from core.test_sampling_entry import sample

from ladr_core.errors import InputError
from ladr_core.report_reading import read_report


@pytest.fixture(scope="module")
def text():
    return sample(seeds=(0, 1))[1].to_json()


def test_a_report_read_back_is_the_report(text):
    report = sample(seeds=(0, 1))[1]
    read = read_report("report_json", text)
    for name in ("unmasked_at", "unmasked_by", "codebook_indices"):
        assert torch.equal(getattr(read, name), getattr(report, name)), name
    assert torch.allclose(read.risk, report.risk, atol=6e-4) and torch.allclose(
        read.confidence, report.confidence, atol=6e-4
    )
    assert read.steps == report.steps and read.grid == report.grid and read.settings == report.settings
    assert bool(((read.risk >= 0) & (read.risk <= 1)).all())  # nothing was given
    assert read.to_dict() | {"seconds": 0, "step_seconds": 0} == json.loads(text) | {"seconds": 0, "step_seconds": 0}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "no report"), (None, "no report"), (3, "no report"), ("ladr: 12 network evaluations", "not JSON"),
        ("[1, 2]", "JSON without a report"), ("{}", "no 'grid'"), ('{"runs": []}', "the report of a sweep"),
        ("{" * 5000, "not JSON"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_named(given, words):
    with pytest.raises(InputError, match="report_json: got ") as error:
        read_report("report_json", given)
    assert words in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["grid"].update(width=7), lambda d: d["grid"].update(height=-1), lambda d: d.update(nfe=1),
        lambda d: d.update(nfe_per_row=[]), lambda d: d.pop("unmasked_at"), lambda d: d.update(unmasked_by=["x"]),
        lambda d: d.update(steps=[{}]), lambda d: d.update(risk="no"), lambda d: d.update(seconds=None),
        lambda d: d["grid"].update(height=10**9), lambda d: d.update(codebook_indices=[[["a"]]]),
        lambda d: d["steps"][0].update(row=9), lambda d: d["steps"][0].update(mask_ratio="x"),
    ],
)  # fmt: skip
def test_a_changed_report_is_refused(text, change):
    data = json.loads(text)
    change(data)
    with pytest.raises(InputError, match="report_json"):
        read_report("report_json", json.dumps(data))
