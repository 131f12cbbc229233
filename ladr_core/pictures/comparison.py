"""The comparison sheet: two to six runs beside each other, with what they cost and how far they agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ..errors import InputError
from ..report import SamplingReport
from .cells import cell_pixels, check_batch
from .colors import CURVE_COLORS, THEMES, Theme
from .curves import draw_curves, mask_ratio_curve
from .lettering import Pen, drawable, fit, letter_size, line_height, wrap, write, write_lines

LEAST_RUNS, MOST_RUNS, MOST_ROWS = 2, 6, 8
_TILE, _GAP = 320, 20


@dataclass(frozen=True)
class ComparedRun:
    """One run: the pictures of its batch, its report, and what the sheet calls it ("" = the sampler)."""

    pictures: Sequence[Image.Image]
    report: SamplingReport
    label: str = ""


def draw_comparison(runs: Sequence[ComparedRun], theme: str) -> Image.Image:
    """One column per run, one row per picture of a batch; InputError where the runs cannot stand beside each other."""
    if not LEAST_RUNS <= len(runs) <= MOST_RUNS:
        raise InputError(
            "image_2", f"{len(runs)} runs", f"{LEAST_RUNS} to {MOST_RUNS} runs", "Connect image and report_json of each"
        )
    rows = len(runs[0].pictures)
    for number, run in enumerate(runs, start=1):
        _check_run(number, run, rows)
    colors = THEMES[theme]
    shape = runs[0].pictures[0].size
    tile = (_TILE, max(1, round(_TILE * shape[1] / shape[0])))
    letters = letter_size(_TILE * 3 // 2)
    line = line_height(letters)
    facts = [_facts(run, runs[0]) for run in runs]
    labels = [wrap(_label(run), _TILE, letters + 4, most_lines=3) for run in runs]
    label_height = max(map(len, labels)) * line_height(letters + 4) + _GAP // 3
    chart_height = _TILE * 2 // 5
    height = _GAP + label_height + rows * (tile[1] + _GAP // 2) + max(map(len, facts)) * line + 2 * _GAP + chart_height
    sheet = Image.new("RGB", (_GAP + len(runs) * (_TILE + _GAP), height), colors.paper)
    pen = ImageDraw.Draw(sheet)
    curves = [mask_ratio_curve(run.report, 0) for run in runs]
    for number, run in enumerate(runs):
        left, top = _GAP + number * (_TILE + _GAP), _GAP
        write_lines(pen, (left, top), labels[number], letters + 4, colors.ink)
        top += label_height
        for picture in run.pictures:
            sheet.paste(fit_picture(picture, tile, colors), (left, top))
            top += tile[1] + _GAP // 2
        _write_facts(pen, (left, top), facts[number], letters, colors)
        chart = draw_curves((_TILE, chart_height), curves, CURVE_COLORS, number, colors, letters - 2)
        sheet.paste(chart, (left, height - _GAP - chart_height))
    return sheet


def compare_runs(
    pictures: Mapping[int, Sequence[Image.Image]], reports: Mapping[int, SamplingReport], labels: str, theme: str
) -> Image.Image:
    """The sheet of the runs whose pictures and reports are given by number; labels: one per line, "" = the sampler."""
    for number in sorted(set(pictures) | set(reports)):
        for name, given in ((f"image_{number}", pictures), (f"report_json_{number}", reports)):
            if number not in given:
                raise InputError(
                    name, "nothing", "picture and report of each run", f"Connect {name}, or remove run {number}"
                )
    lines = dict(enumerate(labels.splitlines(), start=1))
    runs = [ComparedRun(pictures[n], reports[n], lines.get(n, "").strip()) for n in sorted(pictures)]
    return draw_comparison(runs, theme)


def fit_picture(picture: Image.Image, tile: tuple[int, int], theme: Theme) -> Image.Image:
    """The whole picture as large as the tile allows, in its middle; enlarged by whole numbers with sharp edges."""
    scale = min(tile[0] / picture.width, tile[1] / picture.height)
    if scale >= 1:
        size = (round(picture.width * scale), round(picture.height * scale))
        whole = max(1, int(scale + 0.999))
        large = picture.resize((picture.width * whole, picture.height * whole), Image.Resampling.NEAREST)
        shown = large.resize(size, Image.Resampling.LANCZOS)
    else:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        shown = picture.resize(size, Image.Resampling.LANCZOS)
    if shown.size == tile:
        return shown.convert("RGB")
    sheet = Image.new("RGB", tile, theme.paper)
    sheet.paste(shown, ((tile[0] - shown.width) // 2, (tile[1] - shown.height) // 2))
    return sheet


def agreement(first: SamplingReport, other: SamplingReport) -> float | None:
    """Share of cells with the same token in both; None where the runs have no common grid, batch or codebook."""
    same_kind = first.model == other.model and first.grid == other.grid
    ours, theirs = first.codebook_indices, other.codebook_indices
    if not same_kind or ours is None or theirs is None or ours.shape != theirs.shape:
        return None
    return float((ours == theirs).float().mean())


def _check_run(number: int, run: ComparedRun, rows: int) -> None:
    name = f"report_json_{number}"
    try:
        check_batch(name, len(run.pictures), len(run.report.nfe_per_row))
        for picture in run.pictures:
            cell_pixels(run.report.grid, picture)
    except InputError as error:
        raise InputError(name, error.given, error.allowed, error.remedy) from error
    if len(run.pictures) != rows:
        raise InputError(
            f"image_{number}", f"{len(run.pictures)} pictures beside {rows} of image_1", "batches of the same size",
            "Draw all runs with the same batch size",
        )  # fmt: skip
    if rows > MOST_ROWS:
        raise InputError(
            f"image_{number}", f"a batch of {rows}", f"at most {MOST_ROWS} pictures per run", "Draw smaller batches"
        )


def _label(run: ComparedRun) -> str:
    steps = run.report.settings.get("steps")
    return drawable(run.label) or drawable(run.report.sampler + (f", {steps} steps" if steps else ""))


def _facts(run: ComparedRun, first: ComparedRun) -> list[tuple[str, str]]:
    """Names and values of what the run cost and how far it agrees with the first."""
    report, base = run.report, first.report
    facts = [("NFE", str(report.nfe)), ("seconds", f"{report.seconds:.2f}")]
    if run is first:
        return [*facts, ("speed-up", "1x (the others against this)"), ("same cells", "100% (the others against this)")]
    fewer = f"{base.nfe / report.nfe:.2f}x by NFE" if report.nfe else "-"
    faster = f", {base.seconds / report.seconds:.2f}x by time" if report.seconds else ""
    share = agreement(base, report)
    return [
        *facts,
        ("speed-up", fewer + faster),
        ("same cells", "-" if share is None else f"{share:.1%} as in the first"),
    ]


def _write_facts(
    pen: Pen, place: tuple[int, int], facts: Sequence[tuple[str, str]], letters: int, theme: Theme
) -> None:
    left, top = place
    for name, value in facts:
        write(pen, (left, top), name, letters, theme.faint)
        start = left + letters * 6
        write(pen, (start, top), fit(value, left + _TILE - start, letters), letters, theme.ink)
        top += line_height(letters)
