"""Files whose weights stay memory-mapped: whether they are still what was loaded.

A file that is written over or cut short in place changes the weights of the model that maps it, and reading a part that
is gone ends the whole process; no program can catch that. So the files are looked at before each network evaluation.
What is deleted, or replaced by a file of the same name, stays mapped as it was and is no error.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import CheckpointError


@dataclass(frozen=True)
class FileState:
    """A file as it was when it was mapped."""

    path: Path
    identity: tuple[int, int]  # device and number: another file under the same name has another one
    size: int
    changed: int  # nanoseconds

    @classmethod
    def of(cls, path: Path) -> FileState:
        """The state of a file now."""
        found = os.stat(path)
        return cls(path, (found.st_dev, found.st_ino), found.st_size, found.st_mtime_ns)


def note_mapped(module: Any, paths: Iterable[Path]) -> None:
    """Note on a loaded network which files it maps."""
    module.mapped_files = MappedFiles(paths)


class MappedFiles:
    """The files that a model maps."""

    def __init__(self, paths: Iterable[Path] = ()):
        self._states = [FileState.of(path) for path in dict.fromkeys(paths)]

    def check(self) -> None:
        """Raise CheckpointError, naming the file, where one was changed in place after it was mapped."""
        for state in self._states:
            try:
                now = FileState.of(state.path)
            except OSError:  # deleted: what is mapped stays
                continue
            if now.identity == state.identity and (now.size, now.changed) != (state.size, state.changed):
                raise CheckpointError(
                    f"{state.path} was changed on the disk while the model was loaded from it (it had {state.size} "
                    f"bytes and has {now.size}); load the model again. To replace a model file, write a new one beside "
                    "it and rename that, or start ComfyUI with --disable-mmap."
                )


def check_mapped(module: Any) -> None:
    """Check the files that a loaded network maps, if it maps any."""
    files = getattr(module, "mapped_files", None)
    if files is not None:
        files.check()
