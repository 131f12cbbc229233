"""`verify`: compare models and samplers with recorded reference data."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ...command_line import MISTAKE, OneSentenceParser
from ...errors import CheckpointError, cut
from .folders import verify


def main(arguments: Sequence[str] | None = None) -> int:
    """Check every file; exit code 0 where everything agrees, 1 where not, 2 where there is no such folder."""
    parser = OneSentenceParser(prog="python -m ladr_core.lab verify", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of recorded data; all folders in it are read")
    parser.add_argument("--only", default="", metavar="REGEX", help="only files whose path contains this")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a line per file")
    args = parser.parse_args(arguments)
    try:
        re.compile(args.only)
    except re.error as error:
        print(f"only: {cut(args.only)} is no regular expression ({error}); correct it or leave it out", file=sys.stderr)
        return MISTAKE
    try:
        return run(args)
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return MISTAKE


def run(args: argparse.Namespace) -> int:
    """Check every file; exit code 0 where everything agrees, else 1."""
    if not args.folder.is_dir():
        raise CheckpointError(f"There is no folder {args.folder}; give a folder of recorded reference data.")
    # Sums in another order may round differently: one thread, as Lumina-DiMOO's data was recorded (MMaDA's with two).
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    started, checks = time.perf_counter(), []
    try:
        for check in verify(args.folder, args.only):
            checks.append(check)
            if not args.json:
                print(check.to_text(), flush=True)
    finally:
        torch.set_num_threads(threads)
    failed = [check for check in checks if not check.passed]
    skipped = [check for check in checks if check.skipped]
    compared = sum(check.comparisons for check in checks)
    agrees = not failed and bool(compared)
    if args.json:
        summary = {
            "folder": str(args.folder),
            "agrees": agrees,
            "comparisons": compared,
            "failed": len(failed),
            "skipped": len(skipped),
            "files": [check.to_dict() for check in checks],
        }
        print(json.dumps(summary, indent=1))
    else:
        seconds = time.perf_counter() - started
        passed = len(checks) - len(failed) - len(skipped)
        print(
            f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped; {compared} comparisons in {seconds:.0f} s"
        )
    return 0 if agrees else 1
