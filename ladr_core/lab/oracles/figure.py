"""`oracle_figure`: evaluations against quality on the exact oracles, every contestant of a result file, with pillow."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from ...command_line import OneSentenceParser
from ..evaluation.plot import label_font

WIDTH, PANEL_HEIGHT, LEGEND_HEIGHT = 1200, 470, 74
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 44, 56
_INK, _FAINT = (40, 40, 46), (222, 224, 230)
_FAMILIES = {
    "ladr": (214, 72, 50), "baseline": (110, 116, 128), "halton": (40, 92, 214), "entropy bound": (44, 140, 70),
    "threshold": (128, 56, 176), "factor": (190, 130, 20), "explore then exploit": (0, 150, 160),
    "local leap": (200, 60, 140), "dilated": (120, 90, 50), "near and apart": (90, 160, 220),
    "few-step schedule": (150, 170, 40), "ancestral": (60, 60, 90), "klass": (230, 150, 130),
}  # fmt: skip
_TICKS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
_FEWEST = 5.0  # evaluations that are shown


@dataclass(frozen=True)
class Panel:
    """One oracle in the figure: which figure of a row is shown, and on which scale."""

    oracle: str
    title: str
    measured: str  # key of a row: value, low, high
    height_of: Callable[[float], float]  # 0 (bottom) ... 1 (top)
    ticks: tuple[tuple[float, str], ...]
    most: float  # evaluations that are shown


def _logarithmic(least: float, most: float) -> Callable[[float], float]:
    """Height of a value on a logarithmic scale whose top is the smallest value."""
    return lambda value: 1 - math.log(max(value, least) / least) / math.log(most / least)


PANELS = (
    Panel("structured 16", "structured oracle: possible scenes in percent, higher is better", "valid",
          lambda share: share, tuple((share / 100, str(share)) for share in (0, 20, 40, 60, 80, 100)), 300),
    Panel("texture 64", "texture oracle: KL from the truth in nats per cell, less is better (top)", "divergence",
          _logarithmic(3e-4, 1.0), tuple((value, f"{value:g}") for value in (1.0, 0.1, 0.01, 0.001)), 6000),
)  # fmt: skip


def family(label: str) -> str:
    """The sampler that a contestant's label begins with."""
    return next((name for name in _FAMILIES if label.startswith(name)), label.split()[0])


def draw_figure(rows: Sequence[Mapping[str, Any]]) -> Image.Image:
    """One panel per oracle of PANELS, from rows of a result file; only runs in which nothing is known at the start."""
    image = Image.new("RGB", (WIDTH, PANEL_HEIGHT + LEGEND_HEIGHT), "white")
    draw, own_width, shown = ImageDraw.Draw(image), WIDTH // len(PANELS), []
    for number, panel in enumerate(PANELS):
        chosen = [row for row in rows if row["oracle"] == panel.oracle and row["start"] == "nothing known"]
        chosen = [row for row in chosen if _FEWEST <= row["nfe"][0] <= panel.most and row[panel.measured]]
        _draw_panel(draw, panel, chosen, number * own_width, own_width)
        shown += [family(row["sampler"]) for row in chosen]
    for place, name in enumerate(name for name in _FAMILIES if name in shown):
        x, y = 40 + place % 6 * 190, PANEL_HEIGHT + 14 + place // 6 * 28
        draw.ellipse([x, y, x + 12, y + 12], fill=_FAMILIES[name])
        draw.text((x + 20, y + 6), name, fill=_INK, font=label_font(16), anchor="lm")
    return image


def _draw_panel(
    draw: ImageDraw.ImageDraw, panel: Panel, rows: Sequence[Mapping[str, Any]], left: int, width: int
) -> None:
    def place(nfe: float, value: float) -> tuple[float, float]:
        across = math.log(nfe / _FEWEST) / math.log(panel.most / _FEWEST)
        up = min(1.0, max(0.0, panel.height_of(value)))
        return (
            left + _LEFT + across * (width - _LEFT - _RIGHT),
            PANEL_HEIGHT - _BOTTOM - up * (PANEL_HEIGHT - _TOP - _BOTTOM),
        )

    draw.text((left + _LEFT, 14), panel.title, fill=_INK, font=label_font(15))
    for value, text in panel.ticks:
        draw.line([place(_FEWEST, value), place(panel.most, value)], fill=_FAINT)
        x, y = place(_FEWEST, value)
        draw.text((x - 8, y), text, fill=_INK, font=label_font(14), anchor="rm")
    bottom = PANEL_HEIGHT - _BOTTOM
    for tick in (tick for tick in _TICKS if _FEWEST <= tick <= panel.most):
        x, _ = place(tick, panel.ticks[0][0])
        draw.line([x, _TOP, x, bottom], fill=_FAINT)
        draw.text((x, bottom + 6), str(tick), fill=_INK, font=label_font(14), anchor="ma")
    middle = left + _LEFT + (width - _LEFT - _RIGHT) / 2
    draw.text((middle, bottom + 38), "network evaluations per picture", fill=_INK, font=label_font(15), anchor="mm")
    for row in sorted(rows, key=lambda row: family(row["sampler"]) == "ladr"):
        color = _FAMILIES.get(family(row["sampler"]), _INK)
        value, low, high = row[panel.measured]
        x, y = place(row["nfe"][0], value)
        draw.line([(x, place(row["nfe"][0], low)[1]), (x, place(row["nfe"][0], high)[1])], fill=color, width=1)
        draw.ellipse([x - 5, y - 5, x + 5, y + 5], fill=color)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the figure beside its result file."""
    parser = OneSentenceParser(prog="python -m ladr_core.lab oracle_figure", description=__doc__)
    parser.add_argument("results", type=Path, metavar="FILE", help="result file of `oracles`")
    parser.add_argument("--out", type=Path, metavar="PNG", help="where the figure goes (default: beside the file)")
    args = parser.parse_args(arguments)
    rows = json.loads(args.results.read_text(encoding="utf-8"))["rows"]
    draw_figure(rows).save(args.out or args.results.with_suffix(".png"))
    return 0
