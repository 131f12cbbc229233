"""Decode maps: what became of each cell in a run, as a picture with a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError
from ..report import GIVEN, RESCUED, SCHEDULED, SamplingReport
from ..samplers.frontier import find_frontier
from ..settings import RESCUE_SETTINGS
from .cells import Canvas, canvas_for, check_batch
from .colors import (
    FRONTIER_COLOR,
    GIVEN_COLOR,
    RESCUED_COLOR,
    RULE_COLORS,
    SCHEDULED_COLOR,
    THEMES,
    UNKNOWN_COLORS,
    Color,
    Theme,
    scale_color,
)
from .legend import Tick, below, ramp_legend, swatch_legend
from .view_settings import LEAST_WIDTH, LEGEND, MAP, OPACITY, STEP, THEME

_KNOWN_COLOR: Color = (196, 196, 196)
_RISK_TICKS = (0.0, 0.01, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class MapView:
    """How a map is drawn; the fields are the settings of the same names."""

    map: str = MAP.default
    opacity: float = OPACITY.default
    step: int = STEP.default
    least_width: int = LEAST_WIDTH.default
    legend: bool = LEGEND.default
    theme: str = THEME.default

    def __post_init__(self) -> None:
        for setting in (MAP, OPACITY, STEP, LEAST_WIDTH, LEGEND, THEME):
            object.__setattr__(self, setting.name, setting.check(getattr(self, setting.name)))


def draw_maps(report: SamplingReport, pictures: Sequence[Image.Image] | None, view: MapView) -> list[Image.Image]:
    """One map per picture of the run; pictures None = none at hand. InputError where they are not of this run."""
    batch = len(report.nfe_per_row)
    if pictures is not None:
        check_batch("report_json", len(pictures), batch)
    elif view.opacity < 1 and view.map != "overview":
        raise InputError(
            "opacity", f"{view.opacity} without a picture", "1 where no image is connected",
            "Connect the decoded picture to image, or set opacity to 1",
        )  # fmt: skip
    shown = [None] * batch if pictures is None else list(pictures)
    if view.map == "overview":
        from .overview import draw_overview

        return [draw_overview(report, row, picture, view) for row, picture in enumerate(shown)]
    return _equal_heights([_draw_map(report, row, picture, view) for row, picture in enumerate(shown)], view)


def _draw_map(report: SamplingReport, row: int, picture: Image.Image | None, view: MapView) -> Image.Image:
    canvas = canvas_for(report.grid, picture, view.least_width)
    step = _chosen_step(report, row, view)
    pixels = map_pixels(report, row, view.map, canvas, step)
    if picture is not None and view.opacity < 1:
        mixed = pixels * view.opacity + canvas.pixels(picture) * (1 - view.opacity)
        pixels = (mixed + 0.5).astype(np.uint8)
    drawn = Image.fromarray(pixels)
    if not view.legend:
        return drawn
    return below(drawn, map_legend(report, row, view.map, drawn.width, THEMES[view.theme], step))


def map_pixels(report: SamplingReport, row: int, kind: str, canvas: Canvas, step: int) -> np.ndarray:
    """Pixels uint8 [h, w, 3] of a map after `step` evaluations; frontier: of the step itself."""
    at, by = cells_of(report, row)
    if kind == "frontier":
        return _frontier_pixels(report, row, canvas, step)
    if kind == "rule":
        colors = np.array(RULE_COLORS)[by]
    elif kind == "step":
        colors = scale_color(at / max(1, report.nfe_per_row[row] - 1))
    else:
        values = _values(report, row, kind)
        colors = scale_color(np.sqrt(values) if kind == "risk" else values)
    colors = np.where((by == GIVEN)[..., None], GIVEN_COLOR, colors)
    later = canvas.spread(at >= step)[..., None]
    return np.where(later, canvas.unknown(), canvas.paint(colors))


def map_legend(report: SamplingReport, row: int, kind: str, width: int, theme: Theme, step: int) -> Image.Image:
    """What the colors of a map mean."""
    _, by = cells_of(report, row)
    if kind == "rule":
        counts = [int((by == rule).sum()) for rule in (GIVEN, SCHEDULED, RESCUED)]
        names = [f"{name} {count}" for name, count in zip(("given", "scheduled", "rescued"), counts)]
        entries = [(RULE_COLORS[rule], names[rule]) for rule in (SCHEDULED, RESCUED, GIVEN) if counts[rule]]
        return swatch_legend(
            width, theme, "rule: what unmasked each cell", [*entries, *_unknown_entry(report, row, step)]
        )
    if kind == "frontier":
        shape, radius, least = _neighborhood(report)
        title = f"step {step} of {report.nfe_per_row[row]}: frontier {shape}, radius {radius}"
        title += f", {least} neighbors" if least > 1 else ""
        entries = [
            (SCHEDULED_COLOR, "scheduled now"), (RESCUED_COLOR, "rescued now"), (FRONTIER_COLOR, "frontier"),
            (_KNOWN_COLOR, "known before"), (UNKNOWN_COLORS[1], "unknown"),
        ]  # fmt: skip
        return swatch_legend(width, theme, title, entries)
    if kind == "step":
        return ramp_legend(width, theme, "step: when each cell was unmasked", _step_ticks(report.nfe_per_row[row]))
    if kind == "risk":
        ticks = [(value**0.5, f"{value:g}") for value in _RISK_TICKS]
        return ramp_legend(width, theme, "risk: 1 - largest probability when unmasked", ticks)
    ticks = [(value, f"{value:g}") for value in (0, 0.25, 0.5, 0.75, 1)]
    return ramp_legend(width, theme, "confidence: probability of the token when unmasked", ticks)


def cells_of(report: SamplingReport, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Step and rule of each cell of one picture, int [H, W] each."""
    shape = (report.grid.height, report.grid.width)
    return report.unmasked_at[row].reshape(shape).numpy(), report.unmasked_by[row].reshape(shape).numpy()


def busiest_step(report: SamplingReport, row: int) -> int:
    """The step, 1 = first, that rescued most; where nothing was rescued, the one in the middle of the run."""
    own = [record for record in report.steps if record.row == row]
    if not own:
        return 1
    best = max(own, key=lambda record: record.rescued)
    return (best if best.rescued else own[len(own) // 2]).step + 1


def _chosen_step(report: SamplingReport, row: int, view: MapView) -> int:
    if view.step > report.nfe:
        raise InputError(
            "step", view.step, f"0 to {report.nfe}, as this run took {report.nfe} network evaluations",
            f"Set step to {report.nfe} or lower",
        )  # fmt: skip
    if view.step:
        return view.step
    return busiest_step(report, row) if view.map == "frontier" else report.nfe


def _frontier_pixels(report: SamplingReport, row: int, canvas: Canvas, step: int) -> np.ndarray:
    at, by = cells_of(report, row)
    index = step - 1
    known = at < index
    shape, radius, least = _neighborhood(report)
    frontier = _cells_beside(known, report, shape, radius, least)
    colors = np.where(known[..., None], _KNOWN_COLOR, FRONTIER_COLOR)
    now = at == index
    colors = np.where((now & (by == SCHEDULED))[..., None], SCHEDULED_COLOR, colors)
    colors = np.where((now & (by == RESCUED))[..., None], RESCUED_COLOR, colors)
    shown = canvas.spread(known | frontier | now)[..., None]
    return np.where(shown, canvas.paint(colors), canvas.unknown())


def _cells_beside(known: np.ndarray, report: SamplingReport, shape: str, radius: int, least: int) -> np.ndarray:
    observed: Tensor = torch.from_numpy(known).reshape(1, -1)
    found = find_frontier(~observed, observed, report.grid, shape, radius, least)
    return found.reshape(known.shape).numpy()


def _neighborhood(report: SamplingReport) -> tuple[str, int, int]:
    """Frontier shape, radius and least neighbors of the run; LADR's defaults, which the legend names, of others."""
    shape, radius, least = (
        RESCUE_SETTINGS[name].check(report.settings.get(name, RESCUE_SETTINGS[name].default))
        for name in ("frontier_shape", "radius", "min_neighbors")
    )
    return shape, radius, least


def _values(report: SamplingReport, row: int, kind: str) -> np.ndarray:
    """Confidence or risk of each cell, float [H, W]."""
    values = report.confidence if kind == "confidence" else report.risk
    if values is None:
        raise InputError(
            "report_json", f"a report without the {kind} of each cell, of an older version",
            "a report of this version for the maps confidence, risk and overview",
            "Draw the picture again, or choose the map step or rule",
        )  # fmt: skip
    return values[row].reshape(report.grid.height, report.grid.width).numpy().clip(0, 1)


def _step_ticks(nfe: int) -> list[Tick]:
    places = sorted({round(part * (nfe - 1) / 4) for part in range(5)}) if nfe else [0]
    ticks = [(place / max(1, nfe - 1), str(place + 1)) for place in places]
    return [(0.0, "step 1"), *ticks[1:]] if ticks else []


def _unknown_entry(report: SamplingReport, row: int, step: int) -> list[tuple[Color, str]]:
    return [(UNKNOWN_COLORS[1], "not yet")] if step < report.nfe_per_row[row] else []


def _equal_heights(maps: list[Image.Image], view: MapView) -> list[Image.Image]:
    """Maps of a batch on paper of the same height, where their legends need more or fewer lines."""
    tallest = max(drawn.height for drawn in maps)
    sheets = []
    for drawn in maps:
        sheet = Image.new("RGB", (drawn.width, tallest), THEMES[view.theme].paper)
        sheet.paste(drawn, (0, 0))
        sheets.append(sheet)
    return sheets
