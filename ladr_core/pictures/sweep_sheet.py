"""The sheet of a sweep: one picture per pair of values of two settings, with the network evaluations of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ..errors import InputError
from ..sweep import SweepRecord
from .colors import THEMES, Theme
from .comparison import fit_picture
from .lettering import Pen, drawable, fit, line_height, text_width, wrap, write, write_lines

_GAP, _LETTERS, _TITLE = 14, 15, 20
_MOST_SIDE = 8192  # pixels of the sheet; larger grids get smaller pictures


@dataclass(frozen=True)
class SweptRun:
    """One picture of a sweep and what it cost."""

    picture: Image.Image
    nfe: int
    seconds: float


def sheet_of_batch(sweep: SweepRecord, pictures: Sequence[Image.Image], theme: str, tile_width: int) -> Image.Image:
    """The sheet of a sweep whose pictures are a batch in the order of its runs; InputError where they do not fit."""
    if len(pictures) != len(sweep.runs):
        raise InputError(
            "image", f"{len(pictures)} pictures beside a sweep of {len(sweep.runs)} runs",
            "the decoded pictures of the same sweep", "Connect LATENT and sweep_json of one LADR Sweep",
        )  # fmt: skip
    runs = {
        place: SweptRun(picture, nfe, seconds) for picture, (place, (nfe, seconds)) in zip(pictures, sweep.runs.items())
    }
    return draw_sweep_sheet(sweep.title, sweep.subtitle, sweep.table(), runs, theme, tile_width)


def draw_sweep_sheet(
    title: str, subtitle: str, axes: Sequence[tuple[str, Sequence[str]]], runs: Mapping[tuple[int, int], SweptRun],
    theme: str, tile_width: int = 256,
) -> Image.Image:  # fmt: skip
    """A table of pictures: the first setting goes across, the second down; places without a run stay empty.

    axes: name and values of the two settings; a name "" is a setting that does not change. runs: by place across and
    down.
    """
    colors = THEMES[theme]
    (across, columns), (down, rows) = axes
    picture = next(iter(runs.values())).picture if runs else Image.new("RGB", (1, 1))
    width = max(64, min(tile_width, _MOST_SIDE // max(1, len(columns)) - _GAP))
    tile = (width, max(1, round(width * picture.height / picture.width)))
    line = line_height(_LETTERS)
    row_labels = [_row_label(down, value) for value in rows]
    margin = max([text_width(part, _LETTERS) for parts in row_labels for part in parts], default=0)
    left = _GAP + (margin + _GAP if margin else 0)
    whole = left + len(columns) * (width + _GAP)
    title_lines = wrap(drawable(title), whole - 2 * _GAP, _TITLE, most_lines=2)
    subtitle_lines = wrap(drawable(subtitle), whole - 2 * _GAP, _LETTERS, most_lines=3)
    head = _GAP + len(title_lines) * line_height(_TITLE) + len(subtitle_lines) * line + _GAP // 2
    top = head + (line + 4 if across else 0)
    step = tile[1] + line + _GAP
    sheet = Image.new("RGB", (whole, top + len(rows) * step + _GAP // 2), colors.paper)
    pen = ImageDraw.Draw(sheet)
    below = write_lines(pen, (_GAP, _GAP), title_lines, _TITLE, colors.ink)
    write_lines(pen, (_GAP, below), subtitle_lines, _LETTERS, colors.faint)
    for x, value in enumerate(columns):
        if across:
            words = fit(f"{across} {value}", width, _LETTERS)
            write(pen, (left + x * (width + _GAP), head), words, _LETTERS, colors.ink)
    for y in range(len(rows)):
        place = (_GAP, top + y * step + tile[1] // 2 - line * len(row_labels[y]) // 2)
        write_lines(pen, place, row_labels[y], _LETTERS, colors.ink)
        for x in range(len(columns)):
            corner = (left + x * (width + _GAP), top + y * step)
            _draw_run(sheet, pen, corner, tile, runs.get((x, y)), colors)
    return sheet


def _row_label(name: str, value: str) -> list[str]:
    return [name, value] if name else []


def _draw_run(
    sheet: Image.Image, pen: Pen, corner: tuple[int, int], tile: tuple[int, int], run: SweptRun | None, theme: Theme
) -> None:
    left, top = corner
    if run is None:
        pen.rectangle((left, top, left + tile[0] - 1, top + tile[1] - 1), outline=theme.line)
        write(pen, (left + tile[0] / 2, top + tile[1] / 2), "not drawn", _LETTERS, theme.faint, anchor="mm")
        return
    sheet.paste(fit_picture(run.picture, tile, theme), corner)
    words = fit(f"{run.nfe} NFE, {run.seconds:.2f} s", tile[0], _LETTERS)
    write(pen, (left, top + tile[1] + 3), words, _LETTERS, theme.faint)
