"""Legends: a strip of fixed height below a map, with a ramp or with named colors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from .colors import Color, Theme, scale_color
from .lettering import Pen, fit, letter_size, line_height, text_width, write

Tick = tuple[float, str]  # place on the ramp, 0 ... 1, and the words there


def ramp_legend(width: int, theme: Theme, title: str, ticks: Sequence[Tick]) -> Image.Image:
    """A strip with a title, the color scale and words below it."""
    size, margin = letter_size(width), _margin(width)
    bar = round(size * 0.9)
    strip = Image.new("RGB", (width, round(2.9 * line_height(size)) + bar), theme.paper)
    pen, top = ImageDraw.Draw(strip), round(line_height(size) * 0.35)
    write(pen, (margin, top), _title(title, width - 2 * margin, size), size, theme.ink)
    top += line_height(size) + size // 4
    length = width - 2 * margin
    colors = scale_color(np.linspace(0, 1, length))
    strip.paste(Image.fromarray(np.repeat(colors[None], bar, axis=0)), (margin, top))
    top += bar + size // 4
    write_ticks(pen, margin, length, top, ticks, size, theme)
    return strip


def write_ticks(
    pen: Pen, left: float, length: float, top: float, ticks: Sequence[Tick], size: int, theme: Theme
) -> None:
    """Words below an axis, the outer ones within its ends, those that would touch the one before left out."""
    end = -1e9
    last_words = text_width(ticks[-1][1], size) if ticks else 0
    for number, (place, words) in enumerate(ticks):
        wide = text_width(words, size)
        start = min(max(left, left + place * length - wide / 2), left + length - wide)
        is_last = number == len(ticks) - 1
        if start < end + size * 0.7 or (not is_last and start + wide + size * 0.7 > left + length - last_words):
            continue
        write(pen, (start, top), words, size, theme.faint)
        end = start + wide


def swatch_legend(width: int, theme: Theme, title: str, entries: Sequence[tuple[Color, str]]) -> Image.Image:
    """A strip with a title and a square of each color beside its words, on as many lines as they need."""
    size, margin = letter_size(width), _margin(width)
    lines: list[list[tuple[Color, str]]] = []
    used = margin
    for color, words in entries:
        wide = round(text_width(words, size) + size * 2.4)
        if not lines or used + wide > width - margin + size:
            lines.append([])
            used = margin
        lines[-1].append((color, words))
        used += wide
    step = round(line_height(size) * 1.1)
    strip = Image.new("RGB", (width, round(line_height(size) * 1.8) + step * len(lines)), theme.paper)
    pen, top = ImageDraw.Draw(strip), round(line_height(size) * 0.35)
    write(pen, (margin, top), _title(title, width - 2 * margin, size), size, theme.ink)
    top += line_height(size) + size // 4
    for line in lines:
        left = margin
        for color, words in line:
            _swatch(pen, left, top, size, color, theme)
            write(
                pen,
                (left + size * 1.4, top),
                fit(words, width - margin - left - round(size * 1.4), size),
                size,
                theme.ink,
            )
            left += round(text_width(words, size) + size * 2.4)
        top += step
    return strip


def _swatch(pen: Pen, left: int, top: int, size: int, color: Color, theme: Theme) -> None:
    pen.rectangle((left, top, left + size - 1, top + size - 1), fill=color, outline=theme.line)


def _title(text: str, width: int, size: int) -> str:
    """The whole title, or where it is too wide what stands before its colon."""
    return text if text_width(text, size) <= width else fit(text.split(":")[0], width, size)


def _margin(width: int) -> int:
    return max(4, width // 64)


def below(picture: Image.Image, strip: Image.Image) -> Image.Image:
    """A picture with a strip of the same width below it."""
    sheet = Image.new("RGB", (picture.width, picture.height + strip.height))
    sheet.paste(picture, (0, 0))
    sheet.paste(strip, (0, picture.height))
    return sheet
