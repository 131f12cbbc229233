"""`speed_figure`: seconds a picture takes against its score, from picture_speed.json and emoji.json, with pillow."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from ..benchmarks.picture_speed import OUTPUT
from ..evaluation.plot import label_font
from .result_files import RESULTS, SCORES, acting, read

FIGURE = RESULTS.parent / "pictures" / "speed.png"
WIDTH, HEIGHT = 960, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 40, 40, 70
_INK, _FAINT, _LADR = (40, 40, 46), (222, 224, 230), (214, 72, 50)
_TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)


def score_of(values: dict[str, Any]) -> dict[str, float] | None:
    """The score that the built-in model has with these values of a sampler, None where emoji.json has no such row."""
    if not SCORES.is_file():
        return None
    for entry in read(SCORES)["configurations"]:
        if acting(entry["values"]) == acting(values):
            found: dict[str, float] = entry["overall"]
            return found
    return None


def draw_figure(result: dict[str, Any]) -> Image.Image:
    """Score with its 95 % interval over the seconds of one picture in a batch; rows without a score are left out."""
    found = [(name, entry, score_of(result["settings"][name])) for name, entry in result["batch"].items()]
    points = [(name, entry["seconds"]["processor"], score) for name, entry, score in found if score]
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    least, most = min(p[1] for p in points) * 0.7, max(p[1] for p in points) * 1.4
    bottom = math.floor(min(p[2]["low"] for p in points) * 10) / 10

    def place(seconds: float, score: float) -> tuple[float, float]:
        across = math.log(seconds / least) / math.log(most / least)
        up = (score - bottom) / (1 - bottom)
        return _LEFT + across * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM)

    for tick in (tick for tick in _TICKS if least <= tick <= most):
        draw.line([place(tick, bottom), place(tick, 1.0)], fill=_FAINT)
        x, y = place(tick, bottom)
        draw.text((x, y + 8), f"{tick:g}", fill=_INK, font=label_font(15), anchor="ma")
    for tenth in range(round(bottom * 10), 11):
        draw.line([place(least, tenth / 10), place(most, tenth / 10)], fill=_FAINT)
        x, y = place(least, tenth / 10)
        draw.text((x - 8, y), str(10 * tenth), fill=_INK, font=label_font(15), anchor="rm")
    words = f"seconds a picture from prompt to pixels, batches of {result['batch_size']}, {result['machine']['cpu']}"
    draw.text(((WIDTH + _LEFT - _RIGHT) / 2, HEIGHT - 22), words, fill=_INK, font=label_font(17), anchor="mm")
    draw.text((_LEFT - 8, _TOP - 20), "% passed", fill=_INK, font=label_font(15), anchor="lm")
    for name, seconds, score in points:
        color = _LADR if name.startswith("ladr") else _INK
        draw.line([place(seconds, score["low"]), place(seconds, score["high"])], fill=color, width=1)
        x, y = place(seconds, score["value"])
        draw.ellipse([x - 6, y - 6, x + 6, y + 6], fill=color)
        end = "rt" if seconds > most / 2 else "lt"
        draw.text((x + (-10 if end == "rt" else 10), y + 6), name, fill=color, font=label_font(14), anchor=end)
    return image


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the figure anew."""
    if arguments:
        print("speed_figure takes no arguments")
        return 2
    draw_figure(json.loads(Path(OUTPUT).read_text(encoding="utf-8"))).save(FIGURE, optimize=True)
    return 0
