"""Command line of the training: `python -m ladr_core.lab train vq|transformer|export FOLDER ...`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ...models.builtin.loading import EMOJI_FLAT_TOKENIZER, EMOJI_WEIGHTS, SHAPES_WEIGHTS, UPSCALER
from ..worlds.emoji.styles import FLAT, NOTO, STYLES
from ..worlds.judged import NAMES
from ..worlds.shapes.world import PATTERNS, ShapesWorld
from .export import export_builtin, start_from
from .transformer import MIRRORED_FROM, train_shapes_transformer
from .vq import train_vq
from .workers import run_workers

STAGES = ("vq", "transformer", "export", "upscaler", "export_upscaler")
EMOJI_STAGES = STAGES[3:]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one stage of the training; each stage resumes from what the folder holds."""
    parser = argparse.ArgumentParser(prog="python -m ladr_core.lab train", description=__doc__)
    parser.add_argument("stage", choices=STAGES,
                        help="in this order; the upscaler is for --world emoji only")
    parser.add_argument("folder", type=Path, help="training state: vq.pt and transformer.pt")
    parser.add_argument("--minutes", type=float, default=10.0,
                        help="minutes of training: vq, of this call; transformer, in all, so that the rate falls to 0")
    parser.add_argument("--batch", type=int, default=None, help="scenes per step")
    parser.add_argument("--workers", type=int, default=2, help="processes sharing each transformer step")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and scenes")
    parser.add_argument("--device", default="cpu", help="cpu (default), or cuda with --workers 1")
    parser.add_argument("--no-compile", action="store_true", help="no torch.compile (it needs a C++ compiler)")
    parser.add_argument("--patterns", default=",".join(PATTERNS), help="backgrounds, comma separated")
    parser.add_argument("--start_from", type=Path, help="transformer: begin an empty folder from this exported file")
    parser.add_argument("--mirrored_from", type=float, default=MIRRORED_FROM,
                        help="transformer: share of the training that shows mostly left and above; 0 to go on from a "
                             "model that knows sides")
    parser.add_argument("--rate", type=float, default=1.0,
                        help="transformer: factor of the learning rates; less than 1 to go on from trained weights")
    parser.add_argument("--out", type=Path, help="file that export writes; default: the shipped one")
    parser.add_argument("--world", choices=NAMES, default=NAMES[0],
                        help="what the model draws; emoji needs its artwork (worlds/emoji/artwork.py), trains on one "
                             "thread a worker and begins with the shapes model's blocks")
    parser.add_argument("--trajectories", type=float, default=0.3,
                        help="emoji transformer: share of the later batches that are states of samplers' runs")
    parser.add_argument("--style", choices=STYLES, default=NOTO.name,
                        help="emoji vq and export: the artwork that the image tokenizer shows; flat has a file of its "
                             "own, for the same transformer")
    args = parser.parse_args(arguments)
    if args.style != NOTO.name and (args.world != "emoji" or args.stage not in ("vq", "export")):
        parser.error(f"--style: got {args.style}; allowed: {NOTO.name}, or vq and export with --world emoji.")
    if args.stage == "transformer" and args.batch is not None and args.batch < args.workers:
        parser.error(f"--batch: got {args.batch}; allowed: at least one scene per worker ({args.workers}).")
    if args.world == "emoji":
        _run_emoji(args)
        return
    if args.stage in EMOJI_STAGES:
        parser.error(f"stage: got {args.stage!r}; allowed: {', '.join(STAGES[:3])} without --world emoji.")
    patterns = tuple(args.patterns.split(","))
    if unknown := [p for p in patterns if p not in PATTERNS]:
        parser.error(f"--patterns: got {unknown[0]!r}; allowed: {', '.join(PATTERNS)}.")
    if args.device != "cpu" and args.workers > 1 and args.stage == "transformer":
        parser.error(f"--workers: got {args.workers}; allowed: 1 with --device {args.device}.")
    world = ShapesWorld(patterns)
    if args.stage == "vq":
        train_vq(world, args.folder, minutes=args.minutes, batch=args.batch or 96, seed=args.seed,
                 device=args.device)
    elif args.stage == "transformer":
        if args.start_from is not None and not (args.folder / "transformer.pt").exists():
            start_from(args.start_from, args.folder)
        if not (args.folder / "vq.pt").exists():
            parser.error(f"{args.folder} has no vq.pt: run the vq stage first, or name weights with --start_from.")
        settings = (args.folder, patterns, args.minutes, args.batch or 32, args.seed, not args.no_compile, args.device,
                    args.mirrored_from, args.rate)
        run_workers(args.workers, train_shapes_transformer, *settings)
    else:
        print(export_builtin(world, args.folder, args.out or SHAPES_WEIGHTS))


def _run_emoji(args: argparse.Namespace) -> None:
    """One stage of the emoji model; here `--minutes` is processor time, in all, for every stage."""
    from . import emoji, emoji_style, upscaler  # they need the artwork's renderer

    folder, style = args.folder, STYLES[args.style]
    if style is FLAT and args.stage == "vq":
        emoji_style.train_style_vq(folder, style, minutes=args.minutes, batch=args.batch or 6, seed=args.seed)
    elif style is FLAT:
        print(emoji_style.export_style(folder, style, args.out or EMOJI_FLAT_TOKENIZER))
    elif args.stage == "vq":
        emoji.train_emoji_vq(folder, minutes=args.minutes, batch=args.batch or 6, seed=args.seed)
    elif args.stage == "transformer":
        run_workers(args.workers, emoji.train_emoji_transformer, folder, args.minutes, args.batch or 32, args.seed,
                    args.trajectories)
    elif args.stage == "upscaler":
        emoji.train_emoji_upscaler(folder, minutes=args.minutes, batch=args.batch or 8, seed=args.seed)
    elif args.stage == "export":
        print(emoji.export_emoji(folder, args.out or EMOJI_WEIGHTS))
    else:
        print(upscaler.export_upscaler(folder, args.out or UPSCALER))
