"""The files that commands write: looked at before any work, written beside their place and then put there."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import InputError
from ..file_reading import reason

FORMATS = (".png", ".jpg", ".jpeg", ".webp")
REPORT_FORMATS = (".json",)


def check_output(path: Path, images: int) -> list[Path]:
    """The files that `images` pictures go to, checked before any work: name.png, or name-1.png, name-2.png, ..."""
    if path.suffix.lower() not in FORMATS:
        allowed = "file names ending in " + ", ".join(FORMATS)
        raise InputError("output", repr(str(path)), allowed, "Name a file such as out.png")
    numbered = [path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(1, images + 1)]
    files = [path] if images == 1 else numbered
    for file in files:
        check_writable("output", file)
    return files


def check_report(path: Path, pictures: Sequence[Path]) -> None:
    """Check the file of the report: it can be written, and no other file is overwritten by it."""
    if any(_are_same(path, picture) for picture in pictures):
        raise InputError("report", repr(str(path)), "a file that is not a picture of this run", "Give another name")
    check_writable("report", path)
    if path.is_file() and path.suffix.lower() not in REPORT_FORMATS:
        raise InputError(
            "report", f"{str(path)!r}, which exists", "a new file, or one ending in .json",
            "Name a file such as out.json",
        )  # fmt: skip


def check_writable(name: str, path: Path) -> None:
    """Make the folder of the file that the option `name` gives; InputError where the file could not be written."""
    make_folder(name, path.parent)
    if path.is_dir():
        raise InputError(name, repr(str(path)), "a file, not a folder", "Add a file name")
    try:
        existed = os.path.lexists(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
        is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        os.close(descriptor)
        if not existed:
            path.unlink()
    except (OSError, ValueError) as error:
        raise _unwritable(name, path, error) from error
    if not is_regular:
        raise InputError(name, repr(str(path)), "an ordinary file", "Name a file such as out.png")


def make_folder(name: str, folder: Path) -> None:
    """Make a folder; InputError where that fails or where it may not be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise InputError(
            name, f"{str(folder)!r} ({reason(error)})", "a folder that can be made", "Choose another place"
        ) from error
    if not os.access(folder, os.W_OK):
        raise InputError(name, repr(str(folder)), "a folder you may write to", "Choose another place")


def write_whole(name: str, path: Path, write: Callable[[Path], object]) -> bool:
    """Let `write` make the file under another name and put it in its place; whether it replaced an older one.

    name: of the option that gave the path. Raises InputError where the disk is full or the like; an older file stays.
    """
    part = None
    try:
        descriptor, made = tempfile.mkstemp(suffix=path.suffix, prefix=".part-", dir=path.parent)
        os.close(descriptor)
        part = Path(made)
        write(part)
        existed = path.exists()
        mode = stat.S_IMODE(path.stat().st_mode) if existed else 0o666 & ~_umask()
        part.chmod(mode)
        os.replace(part, path.resolve() if path.is_symlink() else path)
    except OSError as error:
        raise _unwritable(name, path, error) from error
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    return existed


def _unwritable(name: str, path: Path, error: Exception) -> InputError:
    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "Free some space there, or choose another place" if is_full else "Choose another name or place"
    return InputError(name, f"{str(path)!r} ({reason(error)})", "a file that can be written", remedy)


def _are_same(one: Path, other: Path) -> bool:
    """Whether two paths are one file, also where neither is there yet."""
    if os.path.normcase(one.resolve()) == os.path.normcase(other.resolve()):
        return True
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
