"""Stand-ins for the emoji world's artwork: disks and bars in place of six nouns."""

from __future__ import annotations

import numpy as np

from ladr_core.lab.worlds.emoji.nouns import BY_NAME, COLORS, NATURAL
from ladr_core.lab.worlds.emoji.sprites import Sprites, recolor, without_specks

NOUNS = ("fox", "bear", "octopus", "car", "umbrella", "apple")


def drawn_sprites(shade: float = 0.35) -> Sprites:
    """Sprites of six nouns, three of them in all colors; each has its own outline and pattern.

    shade: of the darker stripes; another one makes another style.
    """
    row, column = (np.mgrid[0:64, 0:64] - 31.5) / 32
    pixels = {}
    for number, noun in enumerate(NOUNS):
        angle = np.arctan2(row, column)
        inside = np.hypot(row, column) < 0.75 + 0.2 * np.cos((number + 2) * angle)
        stripes = shade + 0.3 * (((row * (number + 1) * 3 + column * (5 - number)) % 1) < 0.5)
        color = np.stack([0.5 + stripes, stripes + 0.08 * number, np.full_like(stripes, 0.15)], -1).clip(0, 1)
        natural = np.concatenate((color, inside[..., None]), -1).astype(np.float32)
        pixels[noun, NATURAL] = without_specks(natural)
        if BY_NAME[noun].recolored:
            for name, target in COLORS.items():
                pixels[noun, name] = without_specks(recolor(natural, target))
    return Sprites(pixels)
