"""Command line of the training: `python -m ladr_core.training vq|transformer|export FOLDER ...`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from ..builtin import WEIGHTS
from ..vq.patch_vq import PatchVQ, PatchVQConfig
from ..worlds.shapes import PATTERNS, ShapesWorld
from .export import export_builtin
from .transformer import train_transformer
from .vq import train_vq


def main() -> None:
    """Run one stage of the training; each stage resumes from what the folder holds."""
    parser = argparse.ArgumentParser(prog="python -m ladr_core.training", description=__doc__)
    parser.add_argument("stage", choices=("vq", "transformer", "export"), help="vq first, then transformer, then export")
    parser.add_argument("folder", type=Path, help="training state: vq.pt and transformer.pt")
    parser.add_argument("--minutes", type=float, default=10.0, help="minutes of this stage (transformer: in all)")
    parser.add_argument("--batch", type=int, default=None, help="scenes per step")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and scenes")
    parser.add_argument("--no-compile", action="store_true", help="do without torch.compile, which needs a C++ compiler")
    parser.add_argument("--patterns", default=",".join(PATTERNS), help="backgrounds, comma separated")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="file that export writes")
    args = parser.parse_args()
    patterns = tuple(args.patterns.split(","))
    if unknown := [p for p in patterns if p not in PATTERNS]:
        parser.error(f"--patterns: got {unknown[0]!r}; allowed: {', '.join(PATTERNS)}.")
    torch.set_num_threads(args.threads)
    world = ShapesWorld(patterns)
    if args.stage == "vq":
        train_vq(world, args.folder, minutes=args.minutes, batch=args.batch or 96, seed=args.seed)
    elif args.stage == "transformer":
        vq = PatchVQ(PatchVQConfig())
        vq.load_state_dict(torch.load(args.folder / "vq.pt", weights_only=True)["model"])
        train_transformer(world, vq.eval().requires_grad_(False), args.folder, minutes=args.minutes,
                          batch=args.batch or 48, seed=args.seed, compiled=not args.no_compile)
    else:
        print(export_builtin(world, args.folder, args.out))


if __name__ == "__main__":
    main()
