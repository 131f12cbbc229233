"""The command line as a person uses it: pictures, reports, help without torch, and sentences for mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from comfyui.tiny_model import write_tiny
from PIL import Image

from ladr_core.command_line import COMMANDS, main
from ladr_core.command_line.generate import NEEDS_A_REFERENCE
from ladr_core.settings import RESCUE_SETTINGS, SAMPLER_SETTINGS, SEED

ROOT = Path(__file__).resolve().parents[2]
FEW = ["--steps", "4"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    write_tiny(path)
    return str(path)


def generate(model: str, *arguments: object) -> int:
    start = ["generate", "--checkpoint", model, "--device", "cpu", "--prompt", "a red circle"]
    return main([*start, *map(str, arguments)])


def python(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_help_lists_all_commands_without_torch():
    done = python("-X", "importtime", "-m", "ladr_core", "--help")
    assert done.returncode == 0
    assert all(command in done.stdout for command in COMMANDS)
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"torch", "numpy", "transformers"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_options_are_the_settings(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        main(["generate", "--help"])
    text = capsys.readouterr().out
    for name in ({SEED.name} | set(SAMPLER_SETTINGS) | set(RESCUE_SETTINGS)) - set(NEEDS_A_REFERENCE):
        assert f"--{name} " in text, name


@pytest.mark.parametrize("sampler", ["ladr", "baseline"])
def test_generate_writes_picture_and_report(sampler: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    picture, report = tmp_path / "new folder" / "out.png", tmp_path / "report.json"
    assert generate(model, "--sampler", sampler, *FEW, "--output", picture, "--report", report, "--seed", 5) == 0
    assert Image.open(picture).size == (128, 128)
    written = json.loads(report.read_text(encoding="utf-8"))
    assert written["sampler"] == sampler
    assert written["prompts"] == ["a red circle"] and written["negative_prompts"] == [""]
    assert written["model"] == "builtin-shapes"
    assert written["seeds"] == [5]
    assert written["settings"]["steps"] == 4
    assert 1 <= written["nfe"] <= 4
    assert written["files"] == [str(picture)]
    assert "network evaluations" in capsys.readouterr().out


def test_a_batch_gets_numbered_files_and_following_seeds(model: str, tmp_path: Path):
    many = ["--batch_size", 2, "--seed", 7, "--output", tmp_path / "many.png", "--report", tmp_path / "r.json"]
    generate(model, *FEW, *many)
    generate(model, *FEW, "--seed", 8, "--output", tmp_path / "one.png")
    assert json.loads((tmp_path / "r.json").read_text())["seeds"] == [7, 8]
    assert (tmp_path / "many-1.png").is_file()
    assert Image.open(tmp_path / "many-2.png").tobytes() == Image.open(tmp_path / "one.png").tobytes()


def test_the_old_names_of_options_are_understood(model: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    arguments = ["generate", "--model", model, "--batch", "2", "--prompt", "a circle", *FEW, "--output"]
    assert main([*arguments, str(tmp_path / "old.png")]) == 0
    assert (tmp_path / "old-2.png").is_file()
    with pytest.raises(SystemExit):
        main(["generate", "--help"])
    text = capsys.readouterr().out
    assert "--model " not in text and "--batch " not in text and "--batch_size " in text


def test_single_options_change_a_preset(model: str, tmp_path: Path):
    report = tmp_path / "r.json"
    generate(model, "--preset", "fast", "--steps", 3, "--choose-then-sample", "on", "--output", tmp_path / "o.png",
             "--report", report)  # fmt: skip
    from ladr_core.presets import PRESETS

    settings = json.loads(report.read_text())["settings"]
    assert settings["steps"] == 3
    assert settings["choose_then_sample"] is True
    assert settings["risk_bound"] == PRESETS["fast"].rescue.risk_bound


MISTAKES = [
    (["--steps", "0"], "steps"),
    (["--steps", "many"], "steps"),
    (["--steps", "1e99"], "steps"),
    (["--cfg", "nan"], "cfg"),
    (["--cfg", "inf"], "cfg"),
    (["--risk_bound", "-1"], "risk_bound"),
    (["--mask_schedule", "wavy"], "mask_schedule"),
    (["--rescue", "maybe"], "rescue"),
    (["--batch_size", "0"], "batch_size"),
    (["--seed", "-1"], "seed"),
    (["--width", "130"], "width"),
    (["--width", "0"], "width"),
    (["--width", "8192", "--height", "8192"], "width"),
    (["--prompt", "   "], "prompt"),
    (["--sampler", "best"], "sampler"),
    (["--sampler", "baseline", "--radius", "2"], "radius"),
    (["--sampler", "threshold", "--steps", "8"], "steps"),
    (["--sampler", "halton", "--choice_temperature", "8"], "choice_temperature"),
    (["--preset", "mmada", "--top_k", "8"], "top_k"),
    (["--preset", "best"], "preset"),
    (["--preset", "lumina-dimoo-edit"], "preset"),
    (["--option", "x=1"], "option"),
    (["--checkpoint", "not here"], "checkpoint"),
    (["--device", "abacus"], "device"),
    (["--dtype", "int3"], "dtype"),
    (["--output", "out.bmp"], "output"),
    (["--denoise", "0.5"], "denoise"),
]


@pytest.mark.parametrize(("arguments", "named"), MISTAKES)
def test_mistakes_get_a_sentence(
    arguments: list[str], named: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    try:
        code = generate(model, "--output", tmp_path / "o.png", *arguments)
    except SystemExit as left:
        code = left.code
    text = capsys.readouterr().err
    assert code == 2
    assert text.count("\n") == 1
    assert named in text
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize("broken", ["cut", "nan"])
def test_a_broken_model_gets_a_sentence(broken: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    path = tmp_path / "broken.safetensors"
    write_tiny(path, broken=broken)
    assert generate(str(path), *FEW, "--output", tmp_path / "o.png") == 2
    assert "broken.safetensors" in (text := capsys.readouterr().err) or "NaN" in text


def test_unknown_commands_and_missing_prompts_get_a_sentence():
    for arguments in (["paint"], [], ["generate"]):
        done = python("-m", "ladr_core", *arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "--help" in done.stderr


def test_an_interrupt_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ladr_core.command_line.progress_bar.ProgressBar.__call__", stop)
    assert generate(model, *FEW, "--output", tmp_path / "o.png") == 130
    assert "interrupted" in capsys.readouterr().err


def test_the_progress_bar_shows_on_a_terminal(model: str, tmp_path: Path):
    pty = pytest.importorskip("pty", reason="there are no pseudo terminals on Windows")
    terminal, end = pty.openpty()
    command = ["generate", "--checkpoint", model, "--prompt", "a circle", *FEW, "--output", str(tmp_path / "o.png")]
    subprocess.run(
        [sys.executable, "-m", "ladr_core", *command], cwd=ROOT, stderr=end, stdout=subprocess.DEVNULL, check=True
    )
    os.close(end)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert "100% known" in shown
    assert "evaluations of at most 4" in shown


def test_demo_compares_both_samplers(
    monkeypatch: pytest.MonkeyPatch, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    monkeypatch.setattr("ladr_core.command_line.demo.PROMPTS", ("a red circle",))
    assert main(["demo", "--checkpoint", model, "--device", "cpu", "--output_folder", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "demo.json").read_text(encoding="utf-8"))
    assert set(record["samplers"]) == {"baseline", "ladr"}
    for sampler in record["samplers"].values():
        assert sampler["nfe"] == sum(picture["nfe"] for picture in sampler["pictures"])
        for picture in sampler["pictures"]:
            assert {"prompt", "seed", "nfe", "seconds", "file"} <= set(picture)
            assert (tmp_path / picture["file"]).is_file()
    assert record["samplers"]["baseline"]["pictures"][0]["nfe"] == 64
    assert Image.open(tmp_path / record["side_by_side"]).height > 500
    assert "fewer network evaluations" in capsys.readouterr().out
