"""What one hyper-parameter is: name, default, range, the words that explain it, and the check of a value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from .errors import InputError


@dataclass(frozen=True)
class Setting:
    """One hyper-parameter: its name, default, kind, range and the words that explain it."""

    name: str
    default: Any
    kind: Literal["int", "float", "bool", "choice"]
    meaning: str
    tooltip: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    on_node: bool = True  # False: command line and library only

    @property
    def allowed(self) -> str:
        """The range in words."""
        if self.kind == "bool":
            return "true or false"
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        number = "a whole number" if self.kind == "int" else "a number"
        return f"{number} from {self.minimum} to {self.maximum}"

    def check(self, value: Any) -> Any:
        """Return the value in its own type (int, float, bool or str), or raise InputError naming this setting."""
        if self.kind == "bool":
            if isinstance(value, bool):
                return value
        elif self.kind == "choice":
            if isinstance(value, str) and value in self.choices:
                return value
        elif not isinstance(value, (bool, str)):
            number = _as_number(value, whole=self.kind == "int")
            if number is not None and self._in_range(number):
                return number
        nearest = self._nearest(value)
        shown = str(nearest).lower() if self.kind == "bool" else nearest
        raise InputError(self.name, repr(value), self.allowed, f"Set {self.name} to {shown}")

    def _in_range(self, number: float) -> bool:
        return (self.minimum is None or number >= self.minimum) and (self.maximum is None or number <= self.maximum)

    def _nearest(self, value: Any) -> Any:
        """The nearest allowed number, or the default where nothing is near."""
        number = None if isinstance(value, (bool, str)) else _as_number(value, whole=self.kind == "int")
        if self.kind not in ("int", "float") or number is None or self.minimum is None or self.maximum is None:
            return self.default
        return self.minimum if number < self.minimum else self.maximum


def _as_number(value: Any, *, whole: bool) -> int | float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    if not whole:
        return number
    # int(value), not int(number): a 64-bit seed does not survive the way through a float.
    return int(value) if number.is_integer() else None
