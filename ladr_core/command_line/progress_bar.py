"""A progress bar on stderr: how much of the picture is known, network evaluations, seconds."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..denoising_loop import StepEvent

WIDTH = 30


class ProgressBar:
    """Callable as `on_step` of the sampler; draws one line on a terminal and nothing elsewhere."""

    def __init__(self, title: str = "") -> None:
        self._title = f"{title}  " if title else ""
        self._started = time.perf_counter()
        self._live = sys.stderr.isatty()

    def __call__(self, event: StepEvent) -> None:
        """Show the state after a network evaluation."""
        if not self._live:
            return
        known = 1 - event.mask_ratio
        filled = round(WIDTH * known)
        bar = "#" * filled + "." * (WIDTH - filled)
        seconds = time.perf_counter() - self._started
        counts = f"{event.step} evaluations of at most {event.steps}, {seconds:.1f} s"
        print(f"\r{self._title}[{bar}] {known:4.0%} known, {counts}", end="", file=sys.stderr, flush=True)

    def show(self, value: int, end: int) -> None:
        """Show that `value` of `end` is done."""
        if not self._live:
            return
        share = value / max(1, end)
        bar = "#" * round(WIDTH * share) + "." * (WIDTH - round(WIDTH * share))
        seconds = time.perf_counter() - self._started
        print(f"\r{self._title}[{bar}] {share:4.0%}, {seconds:.1f} s", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the line."""
        if self._live:
            print(file=sys.stderr)
