"""What lies in a folder, read once per state of it: a hundred thousand files are listed again in no time."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_SETTLED = 2.0  # seconds after which a change of a folder has a time stamp of its own on every file system
_SHARD = re.compile(r".+-\d{5}-of-\d{5}\.safetensors|.+\.safetensors\.index\.json|tokenizer\.json")
_INTERESTING = re.compile(r"config\.json|.+\.safetensors|.+\.safetensors\.index\.json|tokenizer\.json")


@dataclass(frozen=True)
class FolderContent:
    """The names in a folder that concern models, sorted; links count as what they lead to."""

    identity: tuple[int, int]  # device and number of the folder, the same under every name it has
    folders: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def is_model(self) -> bool:
        """Whether it holds shards, an index or a tokenizer, and so is one model's folder even without config.json."""
        return any(_SHARD.fullmatch(name) for name in self.files)


def read_folder(folder: Path) -> FolderContent | None:
    """The content of a folder; None where it cannot be read."""
    try:
        state = os.stat(folder)
        identity = (state.st_dev, state.st_ino)
        if time.time() - state.st_mtime < _SETTLED:
            folders, files = _scan(str(folder))
        else:
            folders, files = _scan_once(str(folder), identity, state.st_mtime_ns)
    except OSError:
        return None
    return FolderContent(identity, folders, files)


@lru_cache(maxsize=10_000)
def _scan_once(folder: str, identity: tuple[int, int], changed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return _scan(folder)


def _scan(folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    folders, files = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                entry.name.encode()  # a name in no known encoding cannot be part of a workflow
                if entry.is_dir():
                    folders.append(entry.name)
                elif _INTERESTING.fullmatch(entry.name):
                    files.append(entry.name)
            except (OSError, UnicodeEncodeError):  # for one a link that leads to itself
                continue
    return tuple(sorted(folders)), tuple(sorted(files))
