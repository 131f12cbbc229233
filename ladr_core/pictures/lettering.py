"""Words on pictures, in the font that ships with Pillow."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import ImageDraw, ImageFont

from .colors import Color

Pen = ImageDraw.ImageDraw


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font at a size in pixels."""
    found = ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType, so it cannot write words at a size")
    return found


def text_width(text: str, size: int) -> int:
    """Pixels that a line takes."""
    return int(font(size).getlength(text) + 0.999)


def line_height(size: int) -> int:
    """Pixels from one line to the next."""
    return round(size * 1.35)


def letter_size(width: int) -> int:
    """A size that reads well on a picture of this width in pixels."""
    return max(11, min(28, round(width / 36)))


def drawable(text: str) -> str:
    """The text with the letters that the font has: accents dropped, other missing letters as question marks."""
    missing = bytes(font(16).getmask("\uffff"))
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(c if c.isspace() or bytes(font(16).getmask(c)) != missing else "?" for c in " ".join(plain.split()))


def fit(text: str, width: int, size: int) -> str:
    """The text, cut with three dots where it is wider than `width` pixels."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "...", size) > width:
        text = text[:-1]
    return text.rstrip() + "..."


def wrap(text: str, width: int, size: int, most_lines: int = 99) -> list[str]:
    """Lines of at most `width` pixels, broken between words; from line `most_lines` on the rest is cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > most_lines:
        lines = [*lines[: most_lines - 1], " ".join(lines[most_lines - 1 :])]
    return [fit(line, width, size) for line in lines]


def write(pen: Pen, place: tuple[float, float], text: str, size: int, color: Color, anchor: str = "la") -> None:
    """Write one line; the anchor is Pillow's: la = left and top, ma = middle and top, ra = right and top."""
    pen.text(place, text, fill=color, font=font(size), anchor=anchor)


def write_lines(pen: Pen, place: tuple[float, float], lines: list[str], size: int, color: Color) -> float:
    """Write lines below each other; where the next would start."""
    left, top = place
    for line in lines:
        write(pen, (left, top), line, size, color)
        top += line_height(size)
    return top
