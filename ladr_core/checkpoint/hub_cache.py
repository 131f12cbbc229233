"""Folders as the Hugging Face cache lays them out: ``models--OWNER--NAME/snapshots/REVISION`` with links to blobs."""

from __future__ import annotations

from pathlib import Path

from ..errors import CheckpointError
from ..file_reading import read_text

_PREFIX, _SNAPSHOTS = "models--", "snapshots"


def find_snapshot(folder: Path) -> Path:
    """The snapshot that a cache folder means: what ``refs/main`` names, else the newest; other folders stay."""
    if folder.name == _SNAPSHOTS and not (folder / "config.json").exists():
        folder = folder.parent
    snapshots = folder / _SNAPSHOTS
    if (folder / "config.json").exists() or not snapshots.is_dir():
        return folder
    try:
        named = read_text(folder / "refs" / "main", most=100).strip()
    except CheckpointError:  # a copy without it
        named = ""
    if named and Path(named).name == named and (snapshots / named).is_dir():
        return snapshots / named
    revisions = sorted((p for p in snapshots.iterdir() if p.is_dir()), key=lambda p: (p.stat().st_mtime_ns, p.name))
    return revisions[-1] if revisions else folder


def snapshots_beside(folder: Path, repository: str) -> list[Path]:
    """Where the cache that a folder belongs to, or is, keeps another repository OWNER/NAME."""
    name = _PREFIX + repository.replace("/", "--")
    around = [folder, *folder.parents[:3]]
    return [place for one in around if (place := one / name).is_dir()]
