"""The preview while sampling: the picture as far as known, and how often it may be shown."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from ..token_grid import TokenGrid
from .cells import Canvas
from .colors import RESCUED_COLOR

MOST_SHARE = 0.03  # of a run's time that previews may take


def preview_picture(pixels: np.ndarray, known: np.ndarray, marked: np.ndarray | None, size: int) -> Image.Image:
    """A picture of a partly drawn grid, enlarged by a whole number to at most `size` pixels.

    pixels uint8 [h, w, 3], one or more per cell; known, marked bool [H, W]: unknown cells are a checkerboard, marked
    ones are framed.
    """
    enlarge = max(1, size // max(pixels.shape[:2]))
    canvas = Canvas(TokenGrid(*known.shape), pixels.shape[1] * enlarge // known.shape[1])
    large = pixels.repeat(enlarge, axis=0).repeat(enlarge, axis=1)
    shown = np.where(canvas.spread(known)[..., None], large, canvas.unknown())
    if marked is not None and marked.any():
        canvas.outline(shown, marked, RESCUED_COLOR)
    return Image.fromarray(shown)


class PreviewThrottle:
    """Lets through as many previews as fit into their share of a run's time; the first always."""

    def __init__(self, most_share: float = MOST_SHARE, clock: Callable[[], float] = time.perf_counter) -> None:
        self._most_share, self._clock = most_share, clock
        self._started = self._clock()
        self._spent = self._last = 0.0
        self._begun: float | None = None

    def allows(self, always: bool = False) -> bool:
        """Whether there is time for a preview now, which then begins; `always` asks for no time."""
        now = self._clock()
        if not always and self._spent + self._last > self._most_share * (now - self._started):
            return False
        self._begun = now
        return True

    def end(self) -> None:
        """The preview that was allowed is made."""
        if self._begun is not None:
            self._last = self._clock() - self._begun
            self._spent += self._last
            self._begun = None
