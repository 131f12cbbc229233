"""The Pareto plot of a result: score over network evaluations, drawn with pillow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import PIL
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 960, 600
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 30, 60, 70
_INK, _FAINT = (40, 40, 46), (222, 224, 230)
_COLORS = {"baseline": (110, 116, 128), "ladr": (214, 72, 50)}
_OTHERS = ((40, 92, 214), (44, 140, 70), (128, 56, 176), (190, 130, 20))
_TICKS = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)


def draw_plot(result: Mapping[str, Any]) -> Image.Image:
    """Score (percent, with 95 % intervals) over the mean number of network evaluations, logarithmic."""
    entries = result["configurations"]
    least, most = min(e["nfe"] for e in entries) * 0.85, max(e["nfe"] for e in entries) * 1.18
    bottom = max(0.0, math.floor(min(e["overall"]["low"] for e in entries) * 10) / 10)
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)

    def place(nfe: float, score: float) -> tuple[float, float]:
        across = math.log(nfe / least) / math.log(most / least)
        up = (score - bottom) / (1.0 - bottom or 1.0)
        return _LEFT + across * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM)

    _draw_axes(draw, place, least, most, bottom)
    ceiling = result["ceiling"]["overall"]
    draw.line([place(least, ceiling), place(most, ceiling)], fill=_INK, width=1)
    draw.text(place(least * 1.01, ceiling), "ceiling", fill=_INK, font=label_font(15), anchor="lb")
    samplers = list(dict.fromkeys(e["values"]["sampler"] for e in entries))
    for number, sampler in enumerate(samplers):
        color = _COLORS.get(sampler, _OTHERS[number % len(_OTHERS)])
        _draw_series(draw, place, [e for e in entries if e["values"]["sampler"] == sampler], color)
        draw.ellipse([_LEFT + 150 * number, 24, _LEFT + 150 * number + 12, 36], fill=color)
        draw.text((_LEFT + 150 * number + 20, 30), sampler, fill=_INK, font=label_font(18), anchor="lm")
    return image


def label_font(size: int) -> Any:
    """The built-in font of pillow in a size; `can_draw_labels` says whether pillow has it."""
    return ImageFont.load_default(size)


def can_draw_labels() -> bool:
    """Whether pillow is new enough (10.1) to write with its own font in any size."""
    return tuple(int(number) for number in PIL.__version__.split(".")[:2]) >= (10, 1)


def _draw_axes(draw: ImageDraw.ImageDraw, place: Any, least: float, most: float, bottom: float) -> None:
    for tick in _TICKS:
        if least <= tick <= most:
            draw.line([place(tick, bottom), place(tick, 1.0)], fill=_FAINT)
            x, y = place(tick, bottom)
            draw.text((x, y + 8), str(tick), fill=_INK, font=label_font(15), anchor="ma")
    for tenth in range(round(bottom * 10), 11):
        draw.line([place(least, tenth / 10), place(most, tenth / 10)], fill=_FAINT)
        x, y = place(least, tenth / 10)
        draw.text((x - 8, y), f"{10 * tenth}", fill=_INK, font=label_font(15), anchor="rm")
    middle = _LEFT + (WIDTH - _LEFT - _RIGHT) / 2
    draw.text((middle, HEIGHT - 22), "network evaluations per picture", fill=_INK, font=label_font(17), anchor="mm")
    draw.text((_LEFT - 8, _TOP - 22), "% passed", fill=_INK, font=label_font(15), anchor="rm")


def _draw_series(
    draw: ImageDraw.ImageDraw, place: Any, entries: Sequence[Mapping[str, Any]], color: tuple[int, int, int]
) -> None:
    ordered = sorted(entries, key=lambda e: e["nfe"])
    if len(ordered) > 1:
        draw.line([place(e["nfe"], e["overall"]["value"]) for e in ordered], fill=color, width=2)
    for entry in ordered:
        x, y = place(entry["nfe"], entry["overall"]["value"])
        low, high = (place(entry["nfe"], entry["overall"][end])[1] for end in ("low", "high"))
        draw.line([(x, low), (x, high)], fill=color, width=1)
        draw.ellipse([x - 5, y - 5, x + 5, y + 5], fill=color)
        label = entry["name"].split(" ", 1)[-1]
        if len(entries) <= 8 and len(label) <= 12:
            draw.text((x + 8, y + 6), label, fill=color, font=label_font(14), anchor="lt")
