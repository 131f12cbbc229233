"""Errors a user can act on: each message is one sentence that names input, value, range and remedy."""

from __future__ import annotations


def _strip_end(text: str) -> str:
    return str(text).strip().rstrip(".")


class InputError(ValueError):
    """A value that cannot be used; the text says which input, what was given, what is allowed and what to do."""

    def __init__(self, input: str, given: object, allowed: str, remedy: str) -> None:
        self.input = str(input)
        self.given = str(given)
        self.allowed = _strip_end(allowed)
        self.remedy = _strip_end(remedy)
        super().__init__(f"{self.input}: got {self.given}; allowed: {self.allowed}. {self.remedy}.")

    def __reduce__(self) -> tuple[type, tuple[str, str, str, str]]:
        return type(self), (self.input, self.given, self.allowed, self.remedy)


class CheckpointError(ValueError):
    """A model file that is missing, damaged or of the wrong kind; the text names the file and what to do."""
