"""Small charts of the mask ratio over network evaluations."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from ..report import SamplingReport
from .colors import Color, Theme
from .legend import write_ticks
from .lettering import line_height, text_width, write

Curve = list[tuple[float, float]]  # evaluations done, mask ratio
_SHARPER = 3  # drawn larger and reduced, as Pillow's lines are not smooth


def mask_ratio_curve(report: SamplingReport, row: int) -> Curve:
    """Evaluations done and mask ratio then, from before the first step to after the last."""
    own = sorted((record for record in report.steps if record.row == row), key=lambda record: record.step)
    points = [(float(record.step), record.mask_ratio) for record in own]
    return [*points, (float(own[-1].step + 1), 0.0)] if own else [(0.0, 0.0)]


def draw_curves(
    size: tuple[int, int], curves: Sequence[Curve], colors: Sequence[Color], bold: int, theme: Theme, letters: int
) -> Image.Image:  # fmt: skip
    """A chart of all curves, the one numbered `bold` in its color, the others faint behind it."""
    width, height = size
    title = "mask ratio"
    left, top, bottom = text_width("1", letters) + 8, line_height(letters) + 4, height - line_height(letters) - 6
    right = width - 4
    most = max(1.0, max(x for curve in curves for x, _ in curve))
    large = Image.new("RGB", (width * _SHARPER, height * _SHARPER), theme.paper)
    pen = ImageDraw.Draw(large)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        return (left + x / most * (right - left)) * _SHARPER, (bottom - y * (bottom - top)) * _SHARPER

    pen.line([place((0, 1)), place((0, 0)), place((most, 0))], fill=theme.line, width=_SHARPER)
    order = [number for number in range(len(curves)) if number != bold] + [bold]
    for number in order:
        color, thick = (colors[number], 3) if number == bold else (theme.line, 1)
        pen.line([place(point) for point in curves[number]], fill=color, width=thick * _SHARPER, joint="curve")
    chart = large.resize(size, Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(chart)
    write(pen, (left, 0), title, letters, theme.faint)
    write(pen, (left - 5, top - letters // 2), "1", letters, theme.faint, anchor="ra")
    write(pen, (left - 5, bottom - letters // 2), "0", letters, theme.faint, anchor="ra")
    ticks = [(0.0, "0"), (0.5, f"{most / 2:g}"), (1.0, f"{most:g} NFE")]
    write_ticks(pen, left, right - left, bottom + 5, ticks, letters, theme)
    return chart
