"""The sprites of the emoji world: every noun in its colors, as pixels with transparency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from .artwork import render_icon
from .nouns import COLORS, NATURAL, NOUNS, Noun
from .styles import NOTO, Style

CELL_PIXELS = 16
SPRITE_CELLS = 4
FAINTEST_CELL = 4.0
"""Cells of a sprite that are opaque over fewer pixels than this are left empty: they would be a code for a speck."""
_HUE_REACH = 50 / 360
_SATURATED = 0.25


@dataclass(frozen=True)
class Sprites:
    """Sprites by (noun, color): straight RGBA, float32 [side, side, 4] in 0 ... 1; looks: see `Style`."""

    pixels: dict[tuple[str, str], np.ndarray]
    looks: Mapping[str, str] = field(default_factory=lambda: NOTO.looks)

    @property
    def nouns(self) -> tuple[str, ...]:
        """Names of the nouns, in the order in which they came."""
        return tuple(dict.fromkeys(noun for noun, _ in self.pixels))

    def colors(self, noun: str) -> tuple[str, ...]:
        """The colors of a noun that captions can name."""
        return tuple(color for name, color in self.pixels if name == noun and color != NATURAL)


def render_sprites(nouns: Iterable[Noun] = NOUNS, scale: int = 1, style: Style = NOTO) -> Sprites:
    """Render the nouns from the artwork of a style, `scale` times larger than the world shows them."""
    side, pixels = CELL_PIXELS * SPRITE_CELLS * scale, {}
    for noun in nouns:
        natural = render_icon(noun.icon, side, style)
        pixels[noun.name, NATURAL] = natural
        if noun.recolored:
            for color in COLORS:
                pixels[noun.name, color] = recolor(natural, COLORS[color], style.main_hues.get(noun.name))
    if scale == 1:
        pixels = {key: without_specks(sprite) for key, sprite in pixels.items()}
    return Sprites(pixels, style.looks)


def without_specks(sprite: np.ndarray) -> np.ndarray:
    """The sprite [side, side, 4] with its faintest cells empty."""
    cells = sprite.shape[0] // CELL_PIXELS
    opaque = sprite[..., 3].reshape(cells, CELL_PIXELS, cells, CELL_PIXELS).sum((1, 3))
    keep = np.kron(opaque >= FAINTEST_CELL, np.ones((CELL_PIXELS, CELL_PIXELS)))
    return (sprite * keep[..., None]).astype(np.float32)


def recolor(sprite: np.ndarray, target: tuple[float, float, float], main: float | None = None) -> np.ndarray:
    """The sprite [side, side, 4] with its main hue (0 ... 1, the one most seen where None is given) moved to the
    target's; other hues and gray keep their color."""
    image = Image.fromarray((sprite[..., :3] * 255).round().astype(np.uint8)).convert("HSV")
    hue, saturation, value = np.moveaxis(np.asarray(image, np.float32) / 255, -1, 0)
    weight = sprite[..., 3] * np.where(saturation > _SATURATED, saturation * value, 0)
    bins = np.bincount((hue * 36).astype(int).ravel() % 36, weight.ravel(), 36)
    around = bins + np.roll(bins, 1) + np.roll(bins, -1)
    main = (around.argmax() + 0.5) / 36 if main is None else main
    distance = np.abs((hue - main + 0.5) % 1 - 0.5)
    share = ((_HUE_REACH - distance) / 0.04).clip(0, 1) * ((saturation - 0.12) / 0.15).clip(0, 1)
    chosen = share * sprite[..., 3] > 0.5
    to_hue, to_saturation, to_value = target
    mean_saturation, mean_value = saturation[chosen].mean(), value[chosen].mean()
    moved = np.stack([
        np.full_like(hue, to_hue),
        (saturation * to_saturation / mean_saturation).clip(0, 1),
        (to_value + 0.8 * (value - mean_value)).clip(0.15, 1),
    ], -1)  # fmt: skip
    image = Image.fromarray((moved * 255).round().astype(np.uint8), "HSV").convert("RGB")
    colored = np.asarray(image, np.float32) / 255
    out = sprite.copy()
    out[..., :3] += share[..., None] * (colored - out[..., :3])
    return out
