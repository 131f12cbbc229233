"""The overview of a run: how the picture came about, and maps of when, why and how surely each cell was unmasked."""

from __future__ import annotations

from PIL import Image, ImageDraw

from ..report import RESCUED, SamplingReport
from .cells import Canvas, canvas_for
from .colors import THEMES, Theme
from .decode_map import MapView, cells_of, map_legend, map_pixels
from .film import state_pixels
from .lettering import drawable, fit, line_height, wrap, write, write_lines

_MOMENTS = 5
_PANELS = (
    ("step", "When", "Dark cells came first, light cells last."),
    ("rule", "Which rule", "Blue: taken by the schedule. Orange: rescued, confident and beside known cells."),
    ("risk", "How confident", "Dark cells were safe when they were unmasked, light cells were guesses."),
)
_LETTERS, _HEADING, _GAP = 15, 22, 16


def draw_overview(report: SamplingReport, row: int, picture: Image.Image | None, view: MapView) -> Image.Image:
    """One sheet: what the run did in words, the picture coming about in five moments, and three maps."""
    theme = THEMES[view.theme]
    if picture is not None:
        canvas_for(report.grid, picture, 0)  # refuses a picture of another run
    panel = _canvas(report, max(320, view.least_width * 3 // 4))
    moment = _canvas(report, (3 * panel.size[0] + 2 * _GAP - (_MOMENTS - 1) * _GAP) // _MOMENTS)
    width = 3 * panel.size[0] + 4 * _GAP
    inner = width - 2 * _GAP
    words = wrap(explanation(report, row), inner, _LETTERS)
    legends = [map_legend(report, row, kind, panel.size[0], theme, report.nfe) for kind, _, _ in _PANELS]
    captions = [wrap(caption, panel.size[0], _LETTERS) for _, _, caption in _PANELS]
    line, below_words = line_height(_LETTERS), line_height(_HEADING) + _GAP
    film_top = below_words + len(words) * line + _GAP
    maps_top = film_top + moment.size[1] + 2 * line + _GAP
    bottom = maps_top + line_height(_HEADING) + panel.size[1] + max(strip.height for strip in legends)
    sheet = Image.new("RGB", (width, bottom + max(map(len, captions)) * line + _GAP), theme.paper)
    pen = ImageDraw.Draw(sheet)
    write(pen, (_GAP, _GAP), fit(headline(report, row), inner, _HEADING), _HEADING, theme.ink)
    write_lines(pen, (_GAP, below_words), words, _LETTERS, theme.faint)
    _draw_moments(sheet, film_top, moment, report, row, picture, theme)
    for number, (kind, title, _) in enumerate(_PANELS):
        left, top = _GAP + number * (panel.size[0] + _GAP), maps_top
        write(pen, (left, top), title, 18, theme.ink)
        top += line_height(_HEADING)
        sheet.paste(Image.fromarray(map_pixels(report, row, kind, panel, report.nfe)), (left, top))
        sheet.paste(legends[number], (left, top + panel.size[1]))
        write_lines(pen, (left, bottom), captions[number], _LETTERS, theme.faint)
    return sheet


def headline(report: SamplingReport, row: int) -> str:
    """The run in a line: sampler, network evaluations, and how many there could have been."""
    nfe, most = report.nfe_per_row[row], report.settings.get("steps")
    name = "LADR" if report.sampler == "ladr" else report.sampler
    saved = f" instead of {most}" if _saved(report, row) else ""
    return drawable(f"{name}: the whole picture in {nfe} network evaluations{saved}")


def explanation(report: SamplingReport, row: int) -> str:
    """What happened, for somebody who does not know the method."""
    at, by = cells_of(report, row)
    rescued, given = int((by == RESCUED).sum()), int((at < 0).sum())
    words = (
        f"The picture is a grid of {report.grid.height} x {report.grid.width} cells, "
        + (f"{at.size - given} of them unknown at first. " if given else "all unknown at first. ")
        + "At each step the network proposes a token for every unknown cell, and the schedule keeps some (blue). "
    )
    if rescued:
        words += (
            "LADR also rescues confident cells next to known ones (orange)"
            f": {rescued} of {at.size - given} cells were rescued"
            + (", so fewer steps were needed." if _saved(report, row) else ".")
        )
    else:
        words += "No cell was rescued in this run."
    return words


def _saved(report: SamplingReport, row: int) -> bool:
    """Whether the run took fewer network evaluations than its schedule has steps."""
    most = report.settings.get("steps")
    return isinstance(most, int) and report.nfe_per_row[row] < most


def _canvas(report: SamplingReport, width: int) -> Canvas:
    """Whole pixels per cell, about as wide as wanted."""
    return Canvas(report.grid, max(1, width // report.grid.width))


def _draw_moments(
    sheet: Image.Image, top: int, canvas: Canvas, report: SamplingReport, row: int, picture: Image.Image | None,
    theme: Theme,
) -> None:  # fmt: skip
    """The picture after some steps, the cells of that step framed; the last moment is the finished picture."""
    pen, nfe = ImageDraw.Draw(sheet), report.nfe_per_row[row]
    at, _ = cells_of(report, row)
    moments = sorted({max(1, round(nfe * part / (_MOMENTS - 1))) for part in range(_MOMENTS)}) if nfe else [0]
    space = (sheet.width - 2 * _GAP - _MOMENTS * canvas.size[0]) // (_MOMENTS - 1)
    for number, step in enumerate(moments):
        left = _GAP + number * (canvas.size[0] + space)
        pixels = state_pixels(report, row, picture, canvas, step, marked_from=None if step == nfe else step - 1)
        sheet.paste(Image.fromarray(pixels), (left, top))
        caption = fit(f"step {step}: {int((at < step).sum())} of {at.size} known", canvas.size[0], _LETTERS)
        write(pen, (left, top + canvas.size[1] + _LETTERS // 3), caption, _LETTERS, theme.ink)
