"""Reading what users' files hold: regular files only, bounded, with a sentence for everything that can be wrong.

Every reader of a configuration, index, header or report goes through `open_regular`, `read_text` and `Fields`.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from .errors import CheckpointError, cut, shown

LARGEST_TEXT = 64 * 1024**2  # bytes of a text file; a tokenizer has ten million
ELSEWHERE = "where it came from"
_NONE = object()  # marks an entry without a default


def open_regular(path: Path, remedy: str) -> BinaryIO:
    """Open a file for reading; CheckpointError where it is missing, no regular file, or may not be read.

    Never waits: a named pipe or a device is refused, not opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no file {path}; {remedy}.") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be opened ({reason(error)}); {remedy}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CheckpointError(f"{path} is no regular file but {_kind(path)}; {remedy}.")
    return os.fdopen(descriptor, "rb")


def read_text(path: Path, page: str = ELSEWHERE, most: int = LARGEST_TEXT) -> str:
    """The text of a file in UTF-8, with or without a byte order mark."""
    again = f"download it again from {page}"
    with open_regular(path, again) as file:
        try:
            content = file.read(most + 1)
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read ({reason(error)}); {again}.") from error
    if len(content) > most:
        raise CheckpointError(f"{path} is too large to be what its name says (more than {most} bytes); {again}.")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise CheckpointError(f"{path} is stored as UTF-16, expected UTF-8; save it as UTF-8, or {again}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"byte {error.start} of {len(content)}"
        raise CheckpointError(f"{path} is no text in UTF-8 (see {where}); save it as UTF-8, or {again}.") from error


def parse_json(text: str, source: str, remedy: str) -> Any:
    """The JSON in a text; source: what the sentence calls it."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise CheckpointError(f"{source} holds brackets within brackets without end; {remedy}.") from error
    except ValueError as error:
        size = f"{len(text)} characters"
        raise CheckpointError(f"{source} is damaged: it holds no JSON ({size}; {cut(error, 80)}); {remedy}.") from error


def read_fields(path: Path, page: str = ELSEWHERE) -> Fields:
    """The JSON object that a file holds."""
    remedy = f"download it again from {page}"
    return Fields.of(parse_json(read_text(path, page), str(path), remedy), str(path), remedy)


def parse_fields(text: str, source: str, remedy: str) -> Fields:
    """The JSON object that a text holds."""
    return Fields.of(parse_json(text, source, remedy), source, remedy)


class Fields:
    """Entries of a JSON object, each read by the type it must have; null counts as absent.

    source: how a sentence names the file; remedy: what it tells the user to do, without a full stop.
    """

    def __init__(self, values: Mapping[str, Any], source: str, remedy: str):
        self.values, self.source, self.remedy = values, source, remedy

    @classmethod
    def of(cls, values: Any, source: str, remedy: str = f"download it again from {ELSEWHERE}") -> Fields:
        """The fields of a mapping; fields stay what they are, and anything else is an error."""
        if isinstance(values, Fields):
            return values
        if not isinstance(values, Mapping):
            raise CheckpointError(f"{source} holds {shown(values)}, expected a JSON object; {remedy}.")
        return cls(values, source, remedy)

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def wrong(self, name: str, expected: str) -> CheckpointError:
        """The error for an entry that is not what is expected."""
        found = shown(self.values.get(name)) if name in self.values else "missing"
        return CheckpointError(f"{self.source}: {cut(name, 80)} is {found}, expected {expected}; {self.remedy}.")

    def _missing(self, name: str, default: Any, expected: str) -> Any:
        """What stands for an entry that is missing or null."""
        if default is _NONE:
            raise self.wrong(name, expected)
        return default

    def whole(self, name: str, least: int, most: int, default: Any = _NONE) -> int:
        """A whole number from least to most."""
        expected = f"a whole number from {least} to {most}"
        if name not in self:
            return self._missing(name, default, expected)
        value = self.values[name]
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(name, expected)
        return value

    def number(self, name: str, least: float, most: float, default: Any = _NONE) -> float:
        """A finite number from least to most."""
        expected = f"a number from {least:g} to {most:g}"
        if name not in self:
            return self._missing(name, default, expected)
        value = self.values[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise self.wrong(name, expected)
        return float(value)

    def flag(self, name: str, default: Any = _NONE) -> bool:
        """True or false."""
        if name not in self:
            return self._missing(name, default, "true or false")
        if not isinstance(self.values[name], bool):
            raise self.wrong(name, "true or false")
        return self.values[name]

    def text(self, name: str, default: Any = _NONE) -> Any:
        """A text."""
        if name not in self:
            return self._missing(name, default, "a text")
        if not isinstance(self.values[name], str):
            raise self.wrong(name, "a text")
        return self.values[name]

    def texts(self, name: str, default: Any = _NONE) -> tuple[str, ...]:
        """A list of texts."""
        if name not in self:
            return self._missing(name, default, "a list of texts")
        value = self.values[name]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(name, "a list of texts")
        return tuple(value)

    def wholes(self, name: str, least: int, most: int, longest: int, default: Any = _NONE) -> tuple[int, ...]:
        """A list of 1 to `longest` whole numbers from least to most."""
        expected = f"a list of 1 to {longest} whole numbers from {least} to {most}"
        if name not in self:
            return self._missing(name, default, expected)
        value = self.values[name]
        if not isinstance(value, list) or not 1 <= len(value) <= longest:
            raise self.wrong(name, expected)
        if not all(isinstance(item, int) and not isinstance(item, bool) and least <= item <= most for item in value):
            raise self.wrong(name, expected)
        return tuple(value)

    def below(self, name: str, default: Any = _NONE) -> Fields:
        """The fields of an object within this one."""
        value = self.values[name] if name in self else self._missing(name, default, "a JSON object")
        if not isinstance(value, Mapping):
            raise self.wrong(name, "a JSON object")
        return Fields(value, f"{self.source}: {cut(name, 80)}", self.remedy)


def is_finite_number(value: Any) -> bool:
    """Whether a value of a file is a number to calculate with."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def reason(error: BaseException) -> str:
    """What an error of the system says, without the path that a message names already."""
    return cut(getattr(error, "strerror", None) or str(error) or type(error).__name__, 120)


def _kind(path: Path) -> str:
    kinds = (
        (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
    )  # fmt: skip
    mode = path.stat().st_mode
    return next((name for is_kind, name in kinds if is_kind(mode)), "something else")
