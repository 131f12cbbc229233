"""`demo`: the same prompts and seeds with the baseline and with LADR, measured and shown side by side."""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..presets import find_preset
from ..sampler_setup import SamplerSetup
from ..settings import SEED, SamplerSettings
from .output_files import check_writable, make_folder, write_whole
from .pictures import BUILTIN, draw, find_device, load_model
from .progress_bar import ProgressBar
from .setting_options import add_old_name, add_settings, typed_value

if TYPE_CHECKING:
    from PIL.Image import Image

PROMPTS = (
    "a fox to the left of a red umbrella",
    "three penguins in the snow",
    "a rocket above a house at night",
    "a purple balloon and a green car",
)
PRESET, BASELINE_STEPS = "balanced", 64
DEMO_SEED = replace(SEED, default=1)
"""Seed 0 draws a cell of another row of the sky beside the umbrella with LADR; docs/emoji_world.md has pictures of seed
0, none chosen."""
SHEET = "side_by_side.png"
ENLARGED, MARGIN, LINE = 256, 12, 18  # pixels of the side-by-side picture


@dataclass(frozen=True)
class Run:
    """One picture of the demo."""

    sampler: str
    prompt: str
    seed: int
    nfe: int
    seconds: float
    file: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `demo`."""
    parser.add_argument(
        "--output_folder",
        type=Path,
        default=Path("demo_output"),
        metavar="FOLDER",
        help="where pictures and demo.json go (default demo_output)",
    )
    parser.add_argument("--checkpoint", default=BUILTIN, metavar="PATH", help=f"checkpoint (default {BUILTIN})")
    add_old_name(parser, "--model", "checkpoint")
    parser.add_argument(
        "--device", default=None, metavar="NAME", help="torch device (default the accelerator, else cpu)"
    )
    add_settings(parser, (DEMO_SEED,))


def run(args: argparse.Namespace) -> int:
    """Draw, write and compare; the exit code."""
    logging.basicConfig(format="%(message)s")
    seed = typed_value(DEMO_SEED, args.seed)
    folder: Path = args.output_folder
    make_folder("output_folder", folder)
    for name in ("demo.json", SHEET):
        check_writable("output_folder", folder / name)
    from .machine import describe_machine  # needs torch, which --help does without

    device = find_device(args.device)
    model = load_model(args.checkpoint, device)
    preset = find_preset(PRESET)
    baseline = SamplerSettings(steps=BASELINE_STEPS, cfg=preset.settings.cfg)
    setups = (SamplerSetup("baseline", baseline), preset.setup)
    for setup in setups:  # the first calls of a network are slow: they are not part of what is measured
        once = replace(setup, settings=replace(setup.settings, steps=1))
        draw(model, PROMPTS[0], setup=once, seeds=[seed], device=device)
    runs, pictures = [], []
    for number, prompt in enumerate(PROMPTS, start=1):
        for setup in setups:
            bar = ProgressBar(f"{setup.sampler}: {prompt}")
            drawing = draw(model, prompt, setup=setup, seeds=[seed], device=device, on_step=bar)
            bar.close()
            file = f"{number}-{setup.sampler}.png"
            write_whole("output_folder", folder / file, drawing.pictures[0].save)
            pictures.append(drawing.pictures[0])
            runs.append(Run(setup.sampler, prompt, seed, drawing.report.nfe, round(drawing.report.seconds, 3), file))
    write_whole("output_folder", folder / SHEET, side_by_side(pictures, runs, len(setups)).save)
    sums = {setup.sampler: _sums(runs, setup.sampler) for setup in setups}
    first, last = (sums[setup.sampler] for setup in setups)
    ratio = {key: round(first[key] / last[key], 2) for key in first}
    record = {
        "model": model.name,
        "device": str(device),
        "machine": describe_machine(),
        "preset": PRESET,
        "samplers": {
            s.sampler: sums[s.sampler] | _settings(s) | {"pictures": _pictures(runs, s.sampler)} for s in setups
        },
        "ratio": ratio,
        "side_by_side": SHEET,
    }
    text = json.dumps(record, indent=1)
    write_whole("output_folder", folder / "demo.json", lambda path: path.write_text(text, encoding="utf-8"))
    _print_comparison(runs, sums)
    print(f"LADR: {ratio['nfe']:.1f} times fewer network evaluations (NFE), {ratio['seconds']:.1f} times less time.")
    print(f"Seed {seed}. Pictures are in {folder}; all beside each other: {folder / SHEET}")
    return 0


def side_by_side(pictures: list[Image], runs: list[Run], samplers: int) -> Image:
    """One column per prompt, one row per sampler, with network evaluations and seconds under each picture."""
    from PIL import Image as images
    from PIL import ImageDraw

    columns, height = len(pictures) // samplers, ENLARGED + LINE + MARGIN
    sheet = images.new("RGB", (MARGIN + columns * (ENLARGED + MARGIN), LINE + MARGIN + samplers * height), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (picture, run_) in enumerate(zip(pictures, runs)):
        left = MARGIN + index // samplers * (ENLARGED + MARGIN)
        top = LINE + MARGIN + index % samplers * height
        sheet.paste(picture.resize((ENLARGED, ENLARGED), images.Resampling.NEAREST), (left, top))
        counts = f"{run_.sampler}: {run_.nfe} evaluations, {run_.seconds:.2f} s"
        pen.text((left, top + ENLARGED + 3), counts, fill="black")
        if index % samplers == 0:
            pen.text((left, MARGIN), run_.prompt, fill="black")
    return sheet


def _settings(setup: SamplerSetup) -> dict[str, Any]:
    """The values of a sampler, ready for JSON."""
    rescue = asdict(setup.rescue) if setup.sampler == "ladr" else {}
    return {"settings": asdict(setup.settings) | rescue}


def _sums(runs: list[Run], sampler: str) -> dict[str, float]:
    own = [run for run in runs if run.sampler == sampler]
    return {"nfe": sum(run.nfe for run in own), "seconds": round(sum(run.seconds for run in own), 3)}


def _pictures(runs: list[Run], sampler: str) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in asdict(run).items() if key != "sampler"} for run in runs if run.sampler == sampler
    ]


def _print_comparison(runs: list[Run], sums: dict[str, dict[str, float]]) -> None:
    width = max(len(prompt) for prompt in PROMPTS)
    print(f"{'':{width}}" + "".join(f"{name:>24}" for name in sums))
    for prompt in PROMPTS:
        cells = [f"{run.nfe:4d} NFE {run.seconds:8.2f} s" for run in runs if run.prompt == prompt]
        print(f"{prompt:{width}}" + "".join(f"{cell:>24}" for cell in cells))
    totals = [f"{total['nfe']:4.0f} NFE {total['seconds']:8.2f} s" for total in sums.values()]
    print(f"{'all':{width}}" + "".join(f"{cell:>24}" for cell in totals))
