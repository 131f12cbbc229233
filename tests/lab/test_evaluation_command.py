"""Command line of the evaluation on a stand-in model: what it writes, resuming, one-sentence mistakes."""

from __future__ import annotations

import json

import pytest
from lab.fake_model import KnowingModel

from ladr_core.lab.evaluation import command_line
from ladr_core.lab.evaluation.prompts import evaluation_prompts


@pytest.fixture
def loaded(monkeypatch):
    model = KnowingModel(evaluation_prompts("tuning", 2))
    monkeypatch.setattr(command_line, "load_model", lambda args: model)
    return model


def run_command(path, *arguments: str) -> int:
    fixed = ["--half", "tuning", "--prompts", "2", "--seeds", "2", "--out", str(path / "r.json")]
    return command_line.main([*fixed, *arguments])


def test_command_writes_json_table_and_plot_and_resumes(loaded, tmp_path, capsys):
    options = ["--samplers", "baseline", "ladr", "--steps", "6", "--set", "choice_temperature=1,4", "--timing", "1"]
    assert run_command(tmp_path, *options) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert len(result["configurations"]) == 4
    assert {"cpu", "cores", "python", "torch", "commit"} <= result["machine"].keys()
    assert all(entry["seconds_alone"] > 0 for entry in result["configurations"])
    assert {best["sampler"] for best in result["best"]} == {"baseline", "ladr"}
    assert (tmp_path / "r.md").read_text() in capsys.readouterr().out
    assert (tmp_path / "r.png").stat().st_size > 1000
    assert (tmp_path / "r.sheet.png").stat().st_size > 1000
    asked = loaded.pictures_asked
    assert run_command(tmp_path, *options[:-2]) == 0
    assert loaded.pictures_asked == asked
    assert json.loads((tmp_path / "r.json").read_text())["configurations"][0]["passes"]
    other = ["--samplers", "baseline", "--steps", "6", "--tuned", str(tmp_path / "r.json")]
    assert command_line.main([*other, "--half", "tuning", "--prompts", "2", "--out", str(tmp_path / "q.json")]) == 0


def test_command_without_samplers_prints_the_ceiling(loaded, tmp_path, capsys):
    assert run_command(tmp_path) == 0
    assert "ceiling" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--samplers", "ladder"], "samplers: got 'ladder'"),
        (["--samplers", "ladr", "--steps", "0"], "steps: got 0"),
        (["--samplers", "ladr", "--steps", "many"], "steps: got 'many'"),
        (["--presets", "best"], "preset: got 'best'"),
        (["--samplers", "ladr", "--set", "speed=3"], "set: got 'speed=3'"),
        (["--samplers", "ladr", "--set", "risk_bound=-1"], "risk_bound: got -1.0"),
        (["--seeds", "0"], "seeds: got 0"),
        (["--prompts", "99"], "prompts: got 99"),
        (["--tuned", "nowhere.json", "--samplers", "ladr"], "tuned: got nowhere.json"),
        (["--half", "both"], "argument --half"),
        (["--speed", "3"], "unrecognized arguments"),
    ],
)
def test_mistakes_are_named_in_one_sentence(loaded, tmp_path, capsys, arguments, words):
    try:
        code = run_command(tmp_path, *arguments)
    except SystemExit as stop:
        code = stop.code
    shown = capsys.readouterr().err
    assert code == 2
    assert words in shown
    assert "Traceback" not in shown
    assert len(shown.strip().splitlines()) == 1


def test_an_empty_training_folder_is_named(tmp_path, capsys):
    assert command_line.main(["--training_run", str(tmp_path), "--out", str(tmp_path / "r.json")]) == 2
    assert "vq.pt is missing" in capsys.readouterr().err


def test_options_of_samplers_vary_like_settings(loaded, tmp_path):
    options = ["--samplers", "baseline", "threshold", "--steps", "6", "--set", "threshold=0.5,0.9"]
    assert run_command(tmp_path, *options) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    names = [entry["name"] for entry in result["configurations"]]
    assert names == ["baseline 6", "threshold 6, threshold 0.5", "threshold 6, threshold 0.9"]
    assert [entry["values"].get("threshold") for entry in result["configurations"]] == [None, 0.5, 0.9]
    assert "is found in 80 % of the cases" in result["power"]
    assert all("detectable" in d for entry in result["configurations"] for d in entry["differences"])
