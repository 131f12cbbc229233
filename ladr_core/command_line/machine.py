"""Where a measurement was taken: processor, versions and commit, read without starting any program."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

_REPOSITORY = Path(__file__).resolve().parents[2]


def describe_machine() -> dict[str, Any]:
    """Processor, threads, versions and commit."""
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": read_commit(_REPOSITORY / ".git"),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # only Linux has this file
    return platform.processor() or platform.machine()


def read_commit(git_folder: Path) -> str | None:
    """The commit checked out, None where that cannot be told."""
    try:
        head = (git_folder / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head or None
        name = head.removeprefix("ref: ")
        if (git_folder / name).is_file():
            return (git_folder / name).read_text(encoding="utf-8").strip()
        for line in (git_folder / "packed-refs").read_text(encoding="utf-8").splitlines():
            if line.endswith(" " + name):
                return line.split()[0]
    except OSError:
        return None
    return None
