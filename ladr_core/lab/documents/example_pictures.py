"""The pictures of runs in README and help pages, drawn by the built-in model: one prompt, one seed, preset balanced.

    python -m ladr_core.lab example_pictures
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ...command_line.pictures import BUILTIN, Drawing, draw, find_device, load_model
from ...pictures.comparison import compare_runs
from ...pictures.decode_map import MapView, draw_maps
from ...pictures.film import FilmView, draw_film
from ...pictures.sweep_sheet import SweptRun, draw_sweep_sheet
from ...presets import find_preset
from ...report import SamplingReport
from ...sampler_setup import SamplerSetup
from ...settings import SamplerSettings
from ...sweep import read_axis, sweep_points

ROOT = Path(__file__).resolve().parents[3]
PROMPT, SEED, FRAMES = "a fox to the left of a red umbrella", 1, (4, 8, 12)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw them all; the exit code."""
    device = find_device("cpu")
    model = load_model(BUILTIN, device)
    preset = find_preset("balanced")
    ladr = SamplerSetup("ladr", preset.settings, preset.rescue)

    def run(setup: SamplerSetup) -> Drawing:
        return draw(model, PROMPT, setup=setup, seeds=[SEED], device=device)

    run(SamplerSetup("baseline", SamplerSettings(steps=1)))  # the first calls of a network are slow
    drawn = run(ladr)
    few = SamplerSettings(**{**vars(preset.settings), "steps": drawn.report.nfe})
    runs = [run(SamplerSetup("baseline", preset.settings)), drawn, run(SamplerSetup("baseline", few))]
    overview = draw_maps(drawn.report, drawn.pictures, MapView(theme="light"))[0]
    save(overview, ROOT / "docs" / "results" / "demo" / "decode_map.png")
    save(draw_maps(drawn.report, drawn.pictures, MapView())[0], _help("LADR_DecodeMap", "overview.png"))
    save(_frames(drawn.report, drawn.pictures[0]), _help("LADR_Film", "frames.png"))
    names = "Baseline\nLADR\nBaseline with LADR's evaluations"
    pictures, reports = ({n: getattr(one, part) for n, one in enumerate(runs, 1)} for part in ("pictures", "report"))
    sheet = compare_runs(pictures, reports, names, "dark")
    save(sheet, _help("LADR_Compare", "sheet.png"))
    across, down = read_axis(1, "steps", "16, 32, 64"), read_axis(2, "rescue", "false, true")
    swept = {}
    for point in sweep_points(ladr, across, down):
        one = run(point.setup)
        swept[point.place] = SweptRun(one.pictures[0], one.report.nfe, one.report.seconds)
    words = f"ladr, {model.name}, seed {SEED}, cfg {preset.settings.cfg}"
    sheet = draw_sweep_sheet(PROMPT, words, [across.words, down.words], swept, "dark", 192)
    for node in ("LADR_Sweep", "LADR_SweepSheet"):
        save(sheet, _help(node, "sheet.png"))
    return 0


def _frames(report: SamplingReport, picture: Image.Image) -> Image.Image:
    """Some frames of the film beside each other."""
    film = draw_film(report, picture, FilmView(least_width=256))
    frames = [film.frames[number] for number in FRAMES]
    gap = 12
    sheet = Image.new("RGB", (sum(f.width + gap for f in frames) - gap, frames[0].height), (30, 30, 34))
    for number, frame in enumerate(frames):
        sheet.paste(frame, (number * (frame.width + gap), 0))
    return sheet


def _help(node: str, name: str) -> Path:
    return ROOT / "web" / "docs" / node / name


def save(picture: Image.Image, path: Path) -> None:
    """Write a PNG with few colors, which these flat pictures do not miss."""
    picture.quantize(255, dither=Image.Dither.NONE).save(path, optimize=True)
