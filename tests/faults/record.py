"""Makes docs/results/faults.json: mutated model files, counted before the mend and now.

python tests/faults/record.py                   both versions
python tests/faults/record.py --only after      now alone; what the file says of before stays
"""

from __future__ import annotations

import argparse
import io
import json
import select
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]

import hypothesis  # noqa: E402
from mutations import KINDS, SEED, Mutation, draw_mutations  # noqa: E402
from sound_folders import write_sound_folders  # noqa: E402

from ladr_core.command_line.machine import describe_machine  # noqa: E402

BEFORE = "0c9a424"  # the last commit without any of the mends
SHARES = {"json": 1100, "header": 700, "description": 400, "bytes": 250, "node": 80}
MOST_SECONDS = 90  # until the judge itself counts as stuck
LISTED = 12


class Judge:
    """A process that tries mutations on one version of the pack; it is started again where one of them ends it."""

    def __init__(self, pack: Path, sound: Path):
        self.command = [sys.executable, str(Path(__file__).with_name("judge.py")), str(pack), str(sound)]
        self.process: subprocess.Popen[str] | None = None

    def ask(self, mutation: Mutation) -> dict[str, str]:
        """Faults by entry; empty where there is none."""
        if self.process is None:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(mutation.to_dict()) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], MOST_SECONDS)
        answer = self.process.stdout.readline() if ready else ""
        if answer:
            return json.loads(answer)
        self.process.kill()
        code, self.process = self.process.wait(), None
        return {"process": f"ended by signal {-code}" if ready else "stuck"}

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def checked_out(commit: str, folder: Path) -> Path:
    """The files of a commit."""
    content = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def count_faults(pack: Path, sound: Path, cases: Sequence[Mutation], verbose: bool) -> dict[str, Any]:
    """Cases and faults by kind, the faults by what was seen, and some of them."""
    judge, seen, examples = Judge(pack, sound), Counter(), []
    table = {kind: {"cases": 0, "faults": 0} for kind in KINDS}
    try:
        for number, case in enumerate(cases, start=1):
            found = judge.ask(case)
            table[case.kind]["cases"] += 1
            if found:
                table[case.kind]["faults"] += 1
                seen.update({next(iter(found.values())).split(":")[0]: 1})
                examples.append({"mutation": case.to_dict(), "seen": found})
                if verbose:
                    print(json.dumps(examples[-1]), flush=True)
            if number % 100 == 0:
                print(f"{number} of {len(cases)} cases, {len(examples)} with a fault", flush=True)
    finally:
        judge.close()
    return {
        "cases": len(cases), "faults": len(examples), "kinds": table, "seen": dict(seen.most_common()),
        "examples": examples[:LISTED],
    }  # fmt: skip


def all_cases(share: float) -> Iterator[Mutation]:
    """The fixed mutations of every kind."""
    for kind, count in SHARES.items():
        yield from draw_mutations(kind, max(1, round(count * share)))


def main() -> None:
    """Count and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("before", "after"), help="count on one version alone")
    parser.add_argument("--share", type=float, default=1.0, help="part of the cases (default all)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "faults.json")
    parser.add_argument("--verbose", action="store_true", help="print every fault")
    args = parser.parse_args()
    record: dict[str, Any] = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
    record |= {"seed": SEED, "hypothesis": hypothesis.__version__, "machine": describe_machine()}
    files = record.setdefault("mutated_files", {})
    cases = list(all_cases(args.share))
    with tempfile.TemporaryDirectory() as scratch:
        sound = write_sound_folders(Path(scratch) / "sound")
        if args.only != "after":
            old = checked_out(BEFORE, Path(scratch) / "before")
            files["before"] = {"commit": BEFORE, **count_faults(old, sound, cases, args.verbose)}
        if args.only != "before":
            files["after"] = count_faults(ROOT, sound, cases, args.verbose)
            record |= {"cases": files["after"]["cases"], "faults": files["after"]["faults"]}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
