"""The film of a run: the picture as far as known after each step, the new cells marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ..errors import InputError
from ..report import RESCUED, SCHEDULED, SamplingReport
from .cells import Canvas, canvas_for, check_batch
from .colors import RESCUED_COLOR, SCHEDULED_COLOR, THEMES, Theme
from .decode_map import cells_of
from .legend import below
from .lettering import fit, letter_size, line_height, write
from .view_settings import BATCH_INDEX, CAPTION, FRAMES, HOLD, LEAST_WIDTH, MARK, PACE, THEME

MOST_BYTES = 2**30  # of all frames as ComfyUI keeps them, 4 bytes per color
_BYTES_PER_PIXEL = 3 * 4


@dataclass(frozen=True)
class FilmView:
    """How a film is made; the fields are the settings of the same names."""

    frames: int = FRAMES.default
    pace: str = PACE.default
    mark: bool = MARK.default
    caption: bool = CAPTION.default
    hold: int = HOLD.default
    batch_index: int = BATCH_INDEX.default
    least_width: int = LEAST_WIDTH.default
    theme: str = THEME.default

    def __post_init__(self) -> None:
        for setting in (FRAMES, PACE, MARK, CAPTION, HOLD, BATCH_INDEX, LEAST_WIDTH, THEME):
            object.__setattr__(self, setting.name, setting.check(getattr(self, setting.name)))


@dataclass(frozen=True)
class Film:
    """The frames, and a sentence about what they show."""

    frames: list[Image.Image]
    notes: str


def draw_film(report: SamplingReport, picture: Image.Image, view: FilmView, most_bytes: int = MOST_BYTES) -> Film:
    """The run that drew `picture`, frame by frame; InputError where picture and report are not of one run.

    Frames show the finished picture's own pixels in the cells that were known by then.
    """
    row = view.batch_index
    canvas = canvas_for(report.grid, picture, view.least_width)
    strip = _caption_height(canvas) if view.caption else 0
    fits = int(most_bytes // (canvas.size[0] * (canvas.size[1] + strip) * _BYTES_PER_PIXEL))
    if fits < 2:
        raise InputError(
            "least_width", f"frames of {canvas.size[0]} x {canvas.size[1] + strip} pixels",
            f"frames of which two fit into {most_bytes / 2**30:g} GiB", "Set least_width to 0, or reduce the picture",
        )  # fmt: skip
    nfe = report.nfe_per_row[row]
    wanted = view.frames or nfe + 1
    hold = min(view.hold, max(0, fits - 2))
    count = min(wanted, fits - hold)
    steps = _shown_steps(report, row, count, view.pace)
    frames, before = [], -1
    for step in [*steps, *[nfe] * hold]:
        marked_from = max(0, before) if view.mark and step > before >= 0 else None
        pixels = state_pixels(report, row, picture, canvas, step, marked_from=marked_from)
        frame = Image.fromarray(pixels)
        frames.append(below(frame, _caption(report, row, step, frame.width, THEMES[view.theme])) if strip else frame)
        before = step
    return Film(frames, _notes(nfe, wanted, count, len(frames), most_bytes))


def film_of_batch(report: SamplingReport, pictures: Sequence[Image.Image], view: FilmView) -> Film:
    """The film of one picture of a run; InputError where picture and report are not of one run."""
    batch = len(report.nfe_per_row)
    check_batch("report_json", len(pictures), batch)
    if view.batch_index >= batch:
        raise InputError(
            "batch_index", view.batch_index, f"0 to {batch - 1}, as this run drew {batch}",
            f"Set batch_index to {batch - 1} or lower",
        )  # fmt: skip
    return draw_film(report, pictures[view.batch_index], view)


def state_pixels(
    report: SamplingReport, row: int, picture: Image.Image | None, canvas: Canvas, step: int, marked_from: int | None
) -> np.ndarray:
    """Pixels uint8 [h, w, 3] of a picture after `step` steps; cells unmasked from step `marked_from` on are framed.

    Without a picture known cells are gray.
    """
    at, by = cells_of(report, row)
    finished = np.full((*canvas.size[::-1], 3), 196, np.uint8) if picture is None else canvas.pixels(picture)
    known = at < step
    pixels = np.where(canvas.spread(known)[..., None], finished, canvas.unknown())
    if marked_from is not None:
        new = known & (at >= marked_from)
        canvas.outline(pixels, new & (by == SCHEDULED), SCHEDULED_COLOR)
        canvas.outline(pixels, new & (by == RESCUED), RESCUED_COLOR)
    return pixels


def _shown_steps(report: SamplingReport, row: int, count: int, pace: str) -> list[int]:
    """Steps done in each frame: from none to all, evenly in steps or in seconds."""
    nfe = report.nfe_per_row[row]
    if count == 1:
        return [nfe]
    moments = np.linspace(0, 1, count)
    if pace == "evaluations":
        return [int(step) for step in np.floor(moments * nfe + 0.5)]
    own = sorted(record.step for record in report.steps if record.row == row)
    ends = np.cumsum([report.step_seconds[step] for step in own]) if own else np.zeros(0)
    whole = float(ends[-1]) if len(ends) else 0.0
    # A step is done when its time has passed; the last frame shows the whole run whatever was rounded.
    done = [int((ends <= moment * whole).sum()) for moment in moments]
    return [*done[:-1], nfe]


def _caption_height(canvas: Canvas) -> int:
    return round(line_height(letter_size(canvas.size[0])) * 1.6)


def _caption(report: SamplingReport, row: int, step: int, width: int, theme: Theme) -> Image.Image:
    """A strip with the step, the known share, and a bar of it."""
    at, by = cells_of(report, row)
    known, size = at < step, letter_size(width)
    strip = Image.new("RGB", (width, round(line_height(size) * 1.6)), theme.paper)
    pen = ImageDraw.Draw(strip)
    bar = max(2, size // 5)
    pen.rectangle((0, 0, width, bar - 1), fill=theme.line)
    scheduled = (known & (by != RESCUED)).mean() * width
    rescued = (known & (by == RESCUED)).mean() * width
    if scheduled >= 1:
        pen.rectangle((0, 0, round(scheduled) - 1, bar - 1), fill=SCHEDULED_COLOR)
    if rescued >= 1:
        pen.rectangle((round(scheduled), 0, round(scheduled + rescued) - 1, bar - 1), fill=RESCUED_COLOR)
    margin, top = max(4, width // 64), bar + size * 0.35
    share = f"{known.mean():.0%} known"
    write(pen, (margin, top), fit(f"step {step} of {report.nfe_per_row[row]}", width * 2 // 3, size), size, theme.ink)
    write(pen, (width - margin, top), share, size, theme.faint, anchor="ra")
    return strip


def _notes(nfe: int, wanted: int, count: int, frames: int, most_bytes: int) -> str:
    text = f"{frames} frames of {nfe} network evaluations"
    if count < wanted:
        text += f"; thinned from {wanted} to {count} moments, so that all fit into {most_bytes / 2**30:g} GiB"
    return text
