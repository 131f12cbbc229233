"""Maps, films, starting pictures and sweeps on the command line."""

import json
from pathlib import Path

import pytest
from comfyui.tiny_model import write_tiny
from PIL import Image

from ladr_core.command_line import MISTAKE, main


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    write_tiny(path)
    return path


@pytest.fixture
def picture(tmp_path):
    Image.new("RGB", (128, 128), "white").save(tmp_path / "start.png")
    mask = Image.new("L", (128, 128), 0)
    mask.paste(255, (32, 32, 96, 96))
    mask.save(tmp_path / "mask.png")
    return tmp_path / "start.png"


def command(name: str, model: Path, *arguments: object) -> int:
    start = [name, "--checkpoint", model, "--device", "cpu", "--prompt", "a red circle", "--steps", 4]
    return main([str(word) for word in (*start, *arguments)])


def test_generate_draws_map_and_film(model, tmp_path):
    files = [tmp_path / name for name in ("out.png", "map.png", "run.webp")]
    assert command("generate", model, "--output", files[0], "--map", files[1], "--film", files[2]) == 0
    assert Image.open(files[1]).width > 512 and Image.open(files[2]).n_frames > 1


def test_generate_redraws_the_masked_part_alone(model, tmp_path, picture):
    report = tmp_path / "report.json"
    given = ("--image", picture, "--mask", tmp_path / "mask.png", "--report", report, "--output", tmp_path / "out.png")
    assert command("generate", model, *given) == 0
    letters = ["".join(line) for line in json.loads(report.read_text())["unmasked_by"][0]]
    assert letters[0] == "g" * 16 and letters[8][4:12].count("g") == 0 and letters[8][:4] == "gggg"
    assert command("generate", model, "--image", picture, "--denoise", "0.5", "--output", tmp_path / "half.png") == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--mask", "{here}/mask.png"], "mask: got"),
        (["--denoise", "0.5"], "denoise: got 0.5; allowed: 1 without image"),
        (["--image", "{here}/start.png"], "image: got"),
        (["--image", "{here}/no.png", "--denoise", "0.5"], "image: got"),
        (["--map_view", "rule"], "map_view: got rule"), (["--map", "{here}/a.txt"], "map: got"),
        (["--map", "{here}/a.png", "--map_view", "all"], "map: got 'all'"), (["--film", "{here}/a.mp4"], "film: got"),
        (["--map", "{here}/out.png"], "map: got a file that is given twice"),
        (["--image", "{here}/mask.png", "--denoise", "0.5", "--width", "256"], "width x height: got 256 x 128"),
    ],
)  # fmt: skip
def test_mistakes_are_named(model, tmp_path, picture, capsys, given, words):
    given = [word.format(here=tmp_path) for word in given]
    assert command("generate", model, "--output", tmp_path / "out.png", *given) == MISTAKE
    assert words in capsys.readouterr().err


def test_a_sweep_writes_pictures_sheet_and_json(model, tmp_path):
    given = ("--across", "risk_bound=0.1,0.2", "--down", "rescue=true,false", "--output_folder", tmp_path)
    assert command("sweep", model, *given) == 0
    assert {path.name for path in tmp_path.glob("*.png")} == {"1-1.png", "1-2.png", "2-1.png", "2-2.png", "sheet.png"}
    assert len(json.loads((tmp_path / "sweep.json").read_text())["runs"]) == 4


def test_an_interrupted_sweep_keeps_what_is_done(model, tmp_path, monkeypatch):
    from ladr_core.command_line import sweep

    real, drawn = sweep.draw, []

    def twice(*arguments, **keywords):
        if len(drawn) == 2:
            raise KeyboardInterrupt
        drawn.append(real(*arguments, **keywords))
        return drawn[-1]

    monkeypatch.setattr(sweep, "draw", twice)
    assert command("sweep", model, "--across", "risk_bound=0.1,0.2,0.3", "--output_folder", tmp_path) != 0
    assert len(json.loads((tmp_path / "sweep.json").read_text())["runs"]) == 2 and (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize(
    ("across", "words"), [("risk_bound", "across: got"), ("magic=1", "setting_1: got"), ("denoise=0.5", "across: got")]
)
def test_bad_axes_are_named(model, tmp_path, capsys, across, words):
    assert command("sweep", model, "--across", across, "--output_folder", tmp_path) == MISTAKE
    assert words in capsys.readouterr().err
