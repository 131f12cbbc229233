"""What the command line writes: looked at before drawing, never over something else, whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from comfyui.tiny_model import write_tiny
from tiny_checkpoints import write_lumina, write_magvit, write_mmada

from ladr_core.command_line import main

ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="limits, pipes and signals of POSIX systems")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    write_tiny(path)
    return str(path)


def arguments(model: str, *more: object) -> list[str]:
    start = ["generate", "--checkpoint", model, "--device", "cpu", "--prompt", "a red circle", "--steps", "2"]
    return [*start, *map(str, more)]


def mistake(capsys: pytest.CaptureFixture, *given: object) -> str:
    assert main([str(part) for part in given]) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "Traceback" not in text
    return text


def never_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("it was drawn before the files were looked at")

    monkeypatch.setattr("ladr_core.command_line.generate.load_model", fail)


@pytest.mark.parametrize("name", ["s.png", "./s.png", "S/../s.png", "link.png"])
def test_a_report_never_replaces_the_picture(model, tmp_path, monkeypatch, capsys, name):
    never_drawn(monkeypatch)
    (tmp_path / "S").mkdir()
    (tmp_path / "link.png").symlink_to("s.png")
    text = mistake(capsys, *arguments(model, "--output", tmp_path / "s.png", "--report", tmp_path / name))
    assert "report" in text and not (tmp_path / "s.png").exists()


def test_a_report_never_replaces_a_picture_of_the_batch_or_another_file(model, tmp_path, monkeypatch, capsys):
    never_drawn(monkeypatch)
    batch = arguments(model, "--batch_size", 3, "--output", tmp_path / "s.png")
    assert "report" in mistake(capsys, *batch, "--report", tmp_path / "s-2.png")
    (tmp_path / "notes.txt").write_text("mine")
    assert "which exists" in mistake(capsys, *batch, "--report", tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


@posix
@pytest.mark.parametrize("name", ["x" * 300 + ".png", "folder.png", "many-2.png", "pipe.png", "a/b.png"])
def test_a_place_that_cannot_be_written_is_named_before_drawing(model, tmp_path, monkeypatch, capsys, name):
    never_drawn(monkeypatch)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "many-2.png").mkdir()
    (tmp_path / "a").touch()
    os.mkfifo(tmp_path / "pipe.png")
    is_batch = name == "many-2.png"
    given = ["--batch_size", 1 + is_batch, "--output", tmp_path / ("many.png" if is_batch else name)]
    assert "output" in mistake(capsys, *arguments(model, *given))


def test_an_older_picture_is_replaced_and_said(model, tmp_path, capsys):
    given = arguments(model, "--output", tmp_path / "s.png", "--report", tmp_path / "r.json")
    assert main(given) == 0
    assert "in place of" not in capsys.readouterr().out
    assert main(given) == 0
    assert "s.png (in place of an older one)" in capsys.readouterr().out
    assert json.loads((tmp_path / "r.json").read_text())["files"] == [str(tmp_path / "s.png")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.json", "s.png"]


LIMITED = """
import resource, sys
from ladr_core.command_line import main
resource.setrlimit(resource.RLIMIT_FSIZE, ({bytes}, {bytes}))
sys.exit(main({arguments!r}))
"""


@posix
def test_a_disk_that_is_full_gets_a_sentence_and_leaves_nothing(model, tmp_path):
    write_lumina(tmp_path / "Lumina-DiMOO")
    cases = [
        arguments(model, "--output", str(tmp_path / "out" / "s.png")),
        ["convert", str(tmp_path / "Lumina-DiMOO"), str(tmp_path / "out" / "one.safetensors")],
    ]
    (tmp_path / "out").mkdir()
    for given in cases:
        code = LIMITED.format(bytes=1000, arguments=given)
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        assert done.stderr.strip().splitlines()[-1].startswith(("output: got", str(tmp_path)))
        assert list((tmp_path / "out").iterdir()) == []


def test_a_disk_without_room_is_named_before_converting(tmp_path, monkeypatch, capsys):
    import shutil

    write_lumina(tmp_path / "Lumina-DiMOO")
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr("ladr_core.checkpoint.writing.shutil.disk_usage", lambda path: usage)
    text = mistake(capsys, "convert", tmp_path / "Lumina-DiMOO", tmp_path / "one.safetensors")
    assert "only 1.00 MB are free there" in text


def test_converting_leaves_a_foreign_part_file_alone(tmp_path):
    write_lumina(tmp_path / "Lumina-DiMOO")
    (tmp_path / "one.safetensors.part").write_text("mine")
    assert main(["convert", str(tmp_path / "Lumina-DiMOO"), str(tmp_path / "one.safetensors")]) == 0
    assert (tmp_path / "one.safetensors.part").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.glob("*.part")) == ["one.safetensors.part"]


@pytest.mark.parametrize("device", ["meta", "abacus", "", "cpu:x", "\ud800"])
def test_devices_that_hold_no_numbers(model, tmp_path, capsys, device):
    assert "device" in mistake(capsys, *arguments(model, "--output", tmp_path / "s.png", "--device", device))


def test_the_image_tokenizer_can_be_named(tmp_path, capsys):
    write_mmada(tmp_path / "MMaDA")
    write_magvit(tmp_path / "elsewhere")
    draw = arguments(str(tmp_path / "MMaDA"), "--output", tmp_path / "s.png", "--vq")
    assert "vq: there is no file or folder" in mistake(capsys, *draw, tmp_path / "nowhere")
    assert main([*draw, str(tmp_path / "elsewhere"), "--steps", "1"]) == 0
    assert (tmp_path / "s.png").exists()


@pytest.mark.parametrize("size", [("100", "100"), ("130", "64"), ("20", "2000")])
def test_an_advised_size_is_accepted(model, tmp_path, capsys, size):
    given = arguments(model, "--output", tmp_path / "s.png")
    text = mistake(capsys, *given, "--width", size[0], "--height", size[1])
    words = text.replace(".", " ").replace(",", " ").split()
    advised = [word for word in words[words.index("Set") :] if word.isdigit()]
    assert main([*given, "--width", advised[0], "--height", advised[1]]) == 0


@posix
def test_a_closed_pipe_ends_quietly(model, tmp_path):
    command = [sys.executable, "-m", "ladr_core", *arguments(model, "--output", tmp_path / "s.png")]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    running.stdout.close()
    assert "Traceback" not in running.stderr.read() and running.wait() == 141
    assert (tmp_path / "s.png").exists()


@posix
@pytest.mark.parametrize("after", [0.05, 0.3, 0.8, 1.5])
def test_an_interrupt_at_any_time_ends_quietly(model, tmp_path, after):
    command = [sys.executable, "-m", "ladr_core", *arguments(model, "--output", tmp_path / "s.png", "--steps", 64)]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    time.sleep(after)
    running.send_signal(signal.SIGINT)
    text = running.communicate(timeout=60)[1]
    # The first moments belong to Python itself, which has not read a line of this program yet.
    assert "Traceback" not in text or after < 0.1, text
    assert running.returncode in (0, 130, -signal.SIGINT) or after < 0.1


@posix
def test_an_ascii_terminal_shows_what_it_can(model, tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "ladr_core", *arguments(model, "--output", tmp_path / "café.png")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0 and "caf\\xe9.png" in done.stdout, done.stderr
