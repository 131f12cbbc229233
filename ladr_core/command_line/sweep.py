"""`sweep`: one prompt and seed over a grid of values of two settings, on one sheet."""

from __future__ import annotations

import argparse
import json
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..pictures.view_settings import THEME, TILE_WIDTH
from ..sampler_setup import SamplerSetup
from ..settings import RESCUE_SETTINGS, SAMPLER_SETTINGS, SEED
from ..sweep import NO_AXIS, SweepAxis, overall_progress, read_axis, sweep_points, write_sweep
from ..weight_dtype import AUTO, DTYPES
from .output_files import check_writable, make_folder, write_whole
from .pictures import BUILTIN, draw, find_device, load_model
from .progress_bar import ProgressBar
from .setting_options import add_presets, add_settings, chosen_settings, typed_value

if TYPE_CHECKING:
    from ..denoising_loop import StepEvent

NEEDS_A_PICTURE = ("denoise", "image_cfg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep`."""
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what the picture shows")
    parser.add_argument("--negative", default="", metavar="TEXT", help="what it should not show (default nothing)")
    parser.add_argument(
        "--across", required=True, metavar="NAME=VALUES", help="setting across the sheet: risk_bound=0.05,0.1,0.2"
    )
    parser.add_argument("--down", default=None, metavar="NAME=VALUES", help="setting down the sheet: rescue_cap=1,4")
    parser.add_argument(
        "--output_folder", type=Path, default=Path("sweep_output"), metavar="FOLDER",
        help="where pictures, sheet.png and sweep.json go (default sweep_output)",
    )  # fmt: skip
    parser.add_argument("--checkpoint", default=BUILTIN, metavar="PATH", help=f"checkpoint (default {BUILTIN})")
    parser.add_argument("--vq", type=Path, default=None, metavar="PATH", help="image tokenizer, if it is elsewhere")
    parser.add_argument(
        "--device", default=None, metavar="NAME", help="torch device (default the accelerator, else cpu)"
    )
    parser.add_argument("--dtype", default=AUTO, metavar="NAME", help="weights: one of " + ", ".join(DTYPES))
    parser.add_argument("--sampler", default=None, metavar="NAME", help="ladr (default) or baseline")
    add_presets(parser)
    add_settings(parser, (SEED, TILE_WIDTH, THEME))
    shared = [setting for name, setting in SAMPLER_SETTINGS.items() if name not in NEEDS_A_PICTURE]
    add_settings(parser.add_argument_group("settings of all samplers"), shared)
    add_settings(parser.add_argument_group("settings of the ladr sampler"), RESCUE_SETTINGS.values())


def run(args: argparse.Namespace) -> int:
    """Draw every pair of values; an interrupted sweep keeps its finished pictures and draws their sheet."""
    logging.basicConfig(format="%(message)s")
    sampler, settings, rescue = chosen_settings(args)
    if sampler not in ("ladr", "baseline"):
        raise InputError("sampler", repr(sampler), "ladr or baseline", "Leave sampler out")
    across, down = _axis(1, args.across), NO_AXIS if args.down is None else _axis(2, args.down)
    seed, theme, tile = (
        typed_value(SEED, args.seed),
        typed_value(THEME, args.theme),
        typed_value(TILE_WIDTH, args.tile_width),
    )
    points = sweep_points(SamplerSetup(sampler, settings, rescue), across, down)
    folder: Path = args.output_folder
    make_folder("output_folder", folder)
    check_writable("output_folder", folder / "sheet.png")
    device = find_device(args.device)
    model = load_model(args.checkpoint, device, args.dtype, args.vq)
    bar, done = ProgressBar("sweep"), _Finished(folder, across, down, theme, tile)
    try:
        for number, point in enumerate(points):
            drawing = draw(
                model, args.prompt, args.negative, setup=point.setup, seeds=[seed], device=device,
                on_step=partial(_show, bar, number, len(points)),
            )  # fmt: skip
            done.add(point.place, drawing.pictures[0], drawing.report)
    finally:
        bar.close()
        done.write()  # also after Ctrl-C: what is finished stays
    print(f"{len(points)} runs; pictures, sheet.png and sweep.json are in {folder}")
    return 0


def _show(bar: ProgressBar, done: int, runs: int, event: StepEvent) -> None:
    bar.show(*overall_progress(done, runs, event.step, event.steps))


class _Finished:
    """The runs of a sweep that are finished, and their files."""

    def __init__(self, folder: Path, across: SweepAxis, down: SweepAxis, theme: str, tile: int) -> None:
        self._folder, self._across, self._down, self._theme, self._tile = folder, across, down, theme, tile
        self._pictures: dict[tuple[int, int], Any] = {}
        self._reports: dict[tuple[int, int], Any] = {}

    def add(self, place: tuple[int, int], picture: Any, report: Any) -> None:
        """Keep a run and write its picture."""
        self._pictures[place], self._reports[place] = picture, report
        write_whole("output_folder", self._folder / f"{place[0] + 1}-{place[1] + 1}.png", picture.save)

    def write(self) -> None:
        """Write the sheet and the JSON of what is finished."""
        if not self._reports:
            return
        from ..pictures.sweep_sheet import sheet_of_batch
        from ..sweep import read_sweep

        text = json.dumps(write_sweep(self._across, self._down, self._reports), indent=1)
        write_whole("output_folder", self._folder / "sweep.json", lambda path: path.write_text(text, encoding="utf-8"))
        sheet = sheet_of_batch(read_sweep("sweep", text), list(self._pictures.values()), self._theme, self._tile)
        write_whole("output_folder", self._folder / "sheet.png", sheet.save)


def _axis(number: int, text: str) -> SweepAxis:
    name, equals, values = text.partition("=")
    if not equals:
        option = ("across", "down")[number - 1]
        raise InputError(option, repr(text), "a setting and its values, NAME=VALUE,VALUE", "Write risk_bound=0.05,0.1")
    name = name.strip().replace("-", "_")
    if name in NEEDS_A_PICTURE:
        option = ("across", "down")[number - 1]
        raise InputError(option, repr(name), "a setting that has an effect without a picture", "Choose another setting")
    return read_axis(number, name, values)
