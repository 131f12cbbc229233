"""Errors a user can act on: each message is one sentence that names input, value, range and remedy."""

from __future__ import annotations

_JOINERS = "\u200c\u200d"  # within words and emoji, which would fall apart without them
MOST_SHOWN = 200  # characters of a value in a message
_LONGEST_WHOLE = 10**20  # whole numbers that are shown in full


def one_line(text: str) -> str:
    """Text that every terminal and log can show: line breaks, control characters and lone surrogates are escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else repr(c)[1:-1] for c in text)


def cut(text: object, most: int = MOST_SHOWN) -> str:
    """A text in one line, its middle left out where it is longer than `most` characters."""
    text = str(text)
    length = len(text)
    if length > most:
        text = f"{text[: most // 2]} ... {text[-most // 4 :]} ({length} characters)"
    return one_line(text)


def shown(value: object) -> str:
    """A value of a file for a message, as JSON calls it, short whatever it is."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f"the text {cut(value, 60)!r}" if value.isprintable() else f"the text '{cut(value, 60)}'"
    if isinstance(value, int):
        return str(value) if abs(value) <= _LONGEST_WHOLE else f"a number of {value.bit_length()} bits"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)} entries"
    return cut(value, 60)


def _strip_end(text: str) -> str:
    return one_line(str(text).strip().rstrip("."))


class InputError(ValueError):
    """A value that cannot be used; the text says which input, what was given, what is allowed and what to do."""

    def __init__(self, input: str, given: object, allowed: str, remedy: str) -> None:
        self.input = one_line(str(input))
        self.given = cut(given)
        self.allowed = _strip_end(allowed)
        self.remedy = _strip_end(remedy)
        super().__init__(f"{self.input}: got {self.given}; allowed: {self.allowed}. {self.remedy}.")

    def __reduce__(self) -> tuple[type, tuple[str, str, str, str]]:
        return type(self), (self.input, self.given, self.allowed, self.remedy)


class CheckpointError(ValueError):
    """A model file that is missing, damaged or of the wrong kind; the text names the file and what to do."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text))
