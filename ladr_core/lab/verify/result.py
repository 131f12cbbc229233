"""What a comparison with recorded data found, one record per file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class FileCheck:
    """All comparisons with the content of one file."""

    file: str
    skipped: str = ""  # why nothing was compared
    comparisons: int = 0
    largest_difference: float = 0.0
    tolerance: float = 0.0  # that of the comparison that came nearest to its limit
    margin: float | None = None  # smallest gap, recorded with the data, behind a decision that must not change
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what is worth knowing of a check that passed
    _largest_share: float = -1.0

    @property
    def passed(self) -> bool:
        """False where something differs, or where nothing was compared without a reason."""
        return not self.failures and (self.comparisons > 0 or bool(self.skipped))

    def equal(self, what: str, found: Any, expected: Any) -> None:
        """Compare whole numbers, strings, lists or tensors exactly."""
        self.comparisons += 1
        found, expected = _plain(found), _plain(expected)
        if found == expected:
            return
        if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
            wrong = [i for i, (a, b) in enumerate(zip(found, expected)) if a != b]
            i = wrong[0]
            self.failures.append(
                f"{what}: {len(wrong)} of {len(found)} differ, first [{i}]: {found[i]} != {expected[i]}"
            )
        else:
            self.failures.append(f"{what}: {_short(found)} != {_short(expected)}")

    def close(self, what: str, found: Tensor, expected: Tensor, tolerance: float) -> None:
        """Compare numbers up to an absolute tolerance."""
        self.comparisons += 1
        if found.shape != expected.shape:
            self.failures.append(f"{what}: shape {tuple(found.shape)} != {tuple(expected.shape)}")
            return
        found, expected = found.double(), expected.double()
        same = (found == expected) | (found.isnan() & expected.isnan())
        difference = torch.where(same, 0.0, (found - expected).abs())
        largest = float(difference.max()) if difference.numel() else 0.0
        share = largest / tolerance if tolerance else float(largest > 0)
        if share > self._largest_share:
            self._largest_share, self.largest_difference, self.tolerance = share, largest, tolerance
        if not largest <= tolerance:
            self.failures.append(f"{what}: differs by {largest:.3g}, more than {tolerance:.3g}")

    def keep_margin(self, *margins: float | None) -> None:
        """Remember the smallest of the recorded gaps."""
        known = [m for m in (*margins, self.margin) if m is not None]
        self.margin = min(known) if known else None

    def to_dict(self) -> dict[str, Any]:
        """The record in plain values for JSON."""
        state = "skipped" if self.skipped else "passed" if self.passed else "failed"
        return {
            "file": self.file,
            "result": state,
            "comparisons": self.comparisons,
            "largest_difference": self.largest_difference,
            "tolerance": self.tolerance,
            "margin": self.margin,
            "failures": list(self.failures),
            "notes": list(self.notes),
            "reason": self.skipped or None,
        }

    def to_text(self) -> str:
        """One line for people; failures follow on lines of their own."""
        if self.skipped:
            return f"skipped  {self.file}: {self.skipped}"
        parts = [f"{self.comparisons} comparisons"]
        if self.tolerance:
            parts.append(f"largest difference {self.largest_difference:.2e} of {self.tolerance:.0e} allowed")
        if self.margin is not None:
            parts.append(f"recorded margin {self.margin:.1e}")
        parts += self.notes
        lines = [f"{'passed ' if self.passed else 'FAILED '}  {self.file}: {', '.join(parts)}"]
        lines += [
            f"         {failure}" for failure in self.failures or ([] if self.comparisons else ["nothing compared"])
        ]
        return "\n".join(lines)


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return int(value) if isinstance(value, bool) else value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
