"""`generate`: pictures from a prompt; the options have the names of the node inputs."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..sampler_setup import SamplerSetup
from ..setting import Setting
from ..settings import BATCH_SIZE, HEIGHT, RESCUE_SETTINGS, SAMPLER_SETTINGS, SEED, WIDTH
from ..weight_dtype import AUTO, DTYPES
from .output_files import check_output, check_report, write_whole
from .pictures import BUILTIN, draw, find_device, load_model
from .progress_bar import ProgressBar
from .run_pictures import add_run_pictures, check_run_pictures, write_run_pictures
from .setting_options import add_old_name, add_presets, add_settings, chosen_settings, typed_value
from .starting_picture import check_starting_options, read_starting_picture

NEEDS_A_REFERENCE = ("image_cfg",)  # without effect where there is no reference image


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `generate`."""
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what the picture shows")
    parser.add_argument("--negative", default="", metavar="TEXT", help="what it should not show (default nothing)")
    parser.add_argument(
        "--checkpoint",
        default=BUILTIN,
        metavar="PATH",
        help=f"folder or .safetensors file of a checkpoint (default {BUILTIN}, the built-in model)",
    )
    add_old_name(parser, "--model", "checkpoint")
    add_old_name(parser, "--batch", "batch_size")
    parser.add_argument(
        "--vq",
        type=Path,
        default=None,
        metavar="PATH",
        help="folder or file of the image tokenizer, if it is not beside the checkpoint",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("out.png"), metavar="FILE", help="picture (default out.png)"
    )
    parser.add_argument(
        "--image", type=Path, default=None, metavar="FILE", help="picture to start from; needs --mask or --denoise"
    )
    parser.add_argument(
        "--mask", type=Path, default=None, metavar="FILE", help="as large as the image; its white part is redrawn"
    )
    parser.add_argument("--report", type=Path, default=None, metavar="FILE", help="write the report of the run as JSON")
    parser.add_argument(
        "--device", default=None, metavar="NAME", help="torch device (default the accelerator, else cpu)"
    )
    parser.add_argument("--dtype", default=AUTO, metavar="NAME", help="weights: one of " + ", ".join(DTYPES))
    for setting in (WIDTH, HEIGHT):
        parser.add_argument(f"--{setting.name}", metavar="N", help=f"{setting.meaning} (default the model's own)")
    parser.add_argument(
        "--sampler",
        default=None,
        metavar="NAME",
        help="ladr (default), baseline, or another; a wrong name lists them all",
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="further parameter of a sampler other than ladr and baseline; may be repeated",
    )
    add_run_pictures(parser)
    add_presets(parser)
    add_settings(parser, (SEED, BATCH_SIZE))
    shared = [setting for name, setting in SAMPLER_SETTINGS.items() if name not in NEEDS_A_REFERENCE]
    add_settings(parser.add_argument_group("settings of all samplers"), shared)
    add_settings(parser.add_argument_group("settings of the ladr sampler"), RESCUE_SETTINGS.values())


def run(args: argparse.Namespace) -> int:
    """Draw and write the pictures; the exit code."""
    logging.basicConfig(format="%(message)s")  # notices about the prompt go to stderr
    sampler, settings, rescue = chosen_settings(args)
    seed, batch = typed_value(SEED, args.seed), typed_value(BATCH_SIZE, args.batch_size)
    width, height = (_side(setting, getattr(args, setting.name)) for setting in (WIDTH, HEIGHT))
    files = check_output(args.output, batch)
    if args.report is not None:
        check_report(args.report, files)
    maps, films = check_run_pictures(args, files)
    check_starting_options(args.image, args.mask, settings.denoise)
    if not args.prompt.strip():
        raise InputError("prompt", "an empty text", "a description of the picture", "Write what the picture shows")
    device = find_device(args.device)
    options = _options(sampler, args)
    model = load_model(args.checkpoint, device, args.dtype, args.vq)
    start = None if args.image is None else read_starting_picture(model, args.image, args.mask, device)
    bar = ProgressBar()
    try:
        drawing = draw(
            model, args.prompt, args.negative, setup=SamplerSetup(sampler, settings, rescue, options),
            seeds=[(seed + number) % 2**64 for number in range(batch)], device=device, width=width, height=height,
            on_step=bar, start=start,
        )  # fmt: skip
    finally:
        bar.close()
    replaced = [file for file, picture in zip(files, drawing.pictures) if write_whole("output", file, picture.save)]
    more = write_run_pictures(args, drawing, maps, films)
    if args.report is not None:
        record = json.dumps({"files": [str(file) for file in files]} | drawing.report.to_dict(), indent=1)
        write_whole("report", args.report, lambda path: path.write_text(record, encoding="utf-8"))
    print(drawing.report.to_text())
    print("wrote " + ", ".join(f"{file}{' (in place of an older one)' if file in replaced else ''}" for file in files))
    if more:
        print("wrote " + ", ".join(str(file) for file in more))
    return 0


def _side(setting: Setting, text: str | None) -> int | None:
    """A side in pixels, None for the model's own; no number is advised, as only the model knows which it draws."""
    try:
        return None if text is None else int(typed_value(setting, text))
    except InputError as error:
        remedy = f"Leave {setting.name} out for the model's own size"
        raise InputError(error.input, error.given, error.allowed, remedy) from error


def _options(sampler: str, args: argparse.Namespace) -> dict[str, Any]:
    """The checked options of a sampler from NAME=VALUE texts; refuses what the sampler would not heed."""
    from ..samplers.registry import find_sampler

    chosen = find_sampler(sampler)
    unused = (*chosen.ignores, *(() if chosen.uses_rescue else RESCUE_SETTINGS))
    for name in unused:
        if getattr(args, name, None) is not None:
            raise InputError(
                name,
                repr(getattr(args, name)),
                f"nothing, as the sampler {sampler} does not use it",
                f"Leave {name} out, or choose another sampler",
            )
    known = {option.name: option for option in chosen.options}
    options: dict[str, Any] = {}
    for text in args.option:
        name, equals, value = text.partition("=")
        name = name.replace("-", "_")
        if not equals or name not in known:
            allowed = ", ".join(f"{option}=VALUE" for option in known) or f"none for the sampler {sampler}"
            raise InputError("option", repr(text), allowed, "Correct it or leave it out")
        options[name] = typed_value(known[name], value)
    return options
