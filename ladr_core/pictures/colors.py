"""Colors that color-blind people tell apart, a perceptual scale, and light and dark surroundings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Color = tuple[int, int, int]

GIVEN_COLOR: Color = (150, 150, 150)
SCHEDULED_COLOR: Color = (0, 114, 178)  # blue and orange of Okabe and Ito's palette
RESCUED_COLOR: Color = (240, 150, 0)
FRONTIER_COLOR: Color = (240, 228, 66)
RULE_COLORS = (GIVEN_COLOR, SCHEDULED_COLOR, RESCUED_COLOR)  # by GIVEN, SCHEDULED, RESCUED
UNKNOWN_COLORS: tuple[Color, Color] = ((86, 86, 90), (94, 94, 98))  # a calm checkerboard
CURVE_COLORS: tuple[Color, ...] = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (213, 94, 0), (86, 180, 233),
)  # fmt: skip

# Lightness rises evenly from a dark violet over teal to a light yellow: OKLab (L, a, b), Ottosson 2020.
_SCALE_STOPS = np.array(
    [
        (0.25, 0.055, -0.105),
        (0.42, -0.015, -0.110),
        (0.59, -0.085, -0.030),
        (0.76, -0.115, 0.085),
        (0.93, -0.035, 0.165),
    ]
)


@dataclass(frozen=True)
class Theme:
    """Colors of what surrounds a picture."""

    paper: Color
    ink: Color
    faint: Color  # secondary words
    line: Color  # axes and frames


THEMES = {
    "dark": Theme(paper=(30, 30, 34), ink=(236, 236, 238), faint=(168, 168, 174), line=(96, 96, 102)),
    "light": Theme(paper=(250, 250, 248), ink=(28, 28, 32), faint=(100, 100, 106), line=(176, 176, 182)),
}


def scale_color(values: np.ndarray) -> np.ndarray:
    """Colors uint8 [..., 3] of values in 0 ... 1: dark is low, light is high."""
    place = np.clip(values, 0, 1) * (len(_SCALE_STOPS) - 1)
    stops = np.arange(len(_SCALE_STOPS))
    lab = np.stack([np.interp(place, stops, _SCALE_STOPS[:, channel]) for channel in range(3)], axis=-1)
    return _to_rgb(lab)


def _to_rgb(lab: np.ndarray) -> np.ndarray:
    """sRGB uint8 of OKLab colors [..., 3]."""
    to_cone = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.707614701],
        ]
    )
    linear = np.clip((lab @ to_cone.T) ** 3 @ to_linear.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (encoded * 255).round().astype(np.uint8)
