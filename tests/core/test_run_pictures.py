"""Maps, films, comparisons and sheets: sizes, what they show, and what they refuse."""

import json

import numpy as np
import pytest
import torch
from core.test_sampling_entry import sample
from PIL import Image

from ladr_core.errors import InputError
from ladr_core.pictures.colors import RESCUED_COLOR, SCHEDULED_COLOR, scale_color
from ladr_core.pictures.comparison import ComparedRun, agreement, compare_runs, draw_comparison
from ladr_core.pictures.decode_map import MapView, draw_maps
from ladr_core.pictures.film import FilmView, draw_film, film_of_batch
from ladr_core.pictures.preview import PreviewThrottle, preview_picture
from ladr_core.pictures.sweep_sheet import sheet_of_batch
from ladr_core.pictures.tensors import to_images, to_pictures
from ladr_core.pictures.view_settings import MAPS
from ladr_core.report import RESCUED, SCHEDULED
from ladr_core.report_reading import read_report
from ladr_core.sampler_setup import SamplerSetup
from ladr_core.sweep import NO_AXIS, KeptRuns, overall_progress, read_axis, read_sweep, sweep_points, write_sweep

CELL = 4


@pytest.fixture(scope="module")
def report():
    return read_report("report_json", sample(seeds=(0, 1))[1].to_json())


@pytest.fixture
def pictures(report):
    size = (report.grid.width * CELL, report.grid.height * CELL)
    return [Image.new("RGB", size, color) for color in ("white", "black")]


def bare(**view):
    return MapView(legend=False, least_width=0, **view)


@pytest.mark.parametrize("kind", MAPS[1:])
def test_a_bare_map_has_the_size_of_the_picture_and_sharp_cells(report, pictures, kind):
    for drawn in draw_maps(report, pictures, bare(map=kind)):
        assert drawn.size == pictures[0].size
        cells = np.array(drawn).reshape(report.grid.height, CELL, report.grid.width, CELL, 3)
        assert (cells == cells[:, :1, :, :1]).all()


def test_the_rule_map_shows_who_took_each_cell(report, pictures):
    drawn = np.array(draw_maps(report, pictures, bare(map="rule"))[1])[::CELL, ::CELL]
    by = report.unmasked_by[1].reshape(drawn.shape[:2]).numpy()
    assert (by == RESCUED).any() and (drawn[by == RESCUED] == RESCUED_COLOR).all()
    assert (drawn[by == SCHEDULED] == SCHEDULED_COLOR).all()


def test_opacity_lets_the_picture_through(report, pictures):
    half = np.array(draw_maps(report, pictures, bare(map="step", opacity=0.5))[0]).astype(int)
    whole = np.array(draw_maps(report, pictures, bare(map="step"))[0]).astype(int)
    assert abs(half - (whole + 255) / 2).max() <= 1
    assert (np.array(draw_maps(report, pictures, bare(map="step", opacity=0))[0]) == 255).all()


def test_a_step_hides_what_came_later(report, pictures):
    first = np.array(draw_maps(report, pictures, bare(map="rule", step=1))[0])
    last = np.array(draw_maps(report, pictures, bare(map="rule"))[0])
    assert (first != last).any()


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("kind", MAPS)
def test_legends_and_overviews_fit_every_width(report, pictures, kind, theme):
    for least in (0, 128, 512):
        drawn = draw_maps(report, pictures, MapView(map=kind, theme=theme, least_width=least))
        assert len({one.size for one in drawn}) == 1 and drawn[0].width >= least


def test_the_scale_rises_evenly_in_lightness():
    colors = scale_color(np.linspace(0, 1, 64)) / 255
    light = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) > 0).all()


def refused(match, make):
    with pytest.raises(InputError, match=match):
        make()


def test_reports_of_other_runs_are_refused(report, pictures):
    other = [Image.new("RGB", (33, 24))] * 2
    refused("report_json: got the report of a grid of 6 x 8", lambda: draw_maps(report, other, MapView(map="step")))
    refused("report_json: got the report of a grid", lambda: draw_maps(report, other, MapView()))
    refused("report_json: got the report of 2 pictures beside 1", lambda: draw_maps(report, pictures[:1], MapView()))
    refused("report_json: got the report of a grid", lambda: film_of_batch(report, other, FilmView()))
    refused("opacity: got 0.5 without a picture", lambda: draw_maps(report, None, MapView(map="step", opacity=0.5)))
    refused("step: got 5000", lambda: draw_maps(report, pictures, MapView(map="step", step=5000)))
    refused("frames: got 10000; allowed: a whole number from 0 to 1000", lambda: FilmView(frames=10_000))
    refused("map: got 'all'", lambda: MapView(map="all"))
    refused("batch_index: got 2; allowed: 0 to 1", lambda: film_of_batch(report, pictures, FilmView(batch_index=2)))


def test_an_older_report_says_what_it_lacks(report, pictures):
    data = report.to_dict()
    old = read_report("report_json", json.dumps({k: v for k, v in data.items() if k not in ("risk", "confidence")}))
    draw_maps(old, pictures, MapView(map="rule"))
    refused("report_json: got a report without the risk", lambda: draw_maps(old, pictures, MapView(map="risk")))


@pytest.mark.parametrize("pace", ["evaluations", "seconds"])
def test_a_film_goes_from_nothing_to_the_picture(report, pictures, pace):
    view = FilmView(pace=pace, hold=2, least_width=0, caption=False, mark=False)
    film = draw_film(report, pictures[0], view)
    assert len(film.frames) == report.nfe_per_row[0] + 3 and len({f.size for f in film.frames}) == 1
    assert not (np.array(film.frames[0]) == 255).any() and (np.array(film.frames[-1]) == 255).all()
    known = [(np.array(frame) == 255).sum() for frame in film.frames]
    assert known == sorted(known)
    assert len(draw_film(report, pictures[0], FilmView(frames=3, hold=0, pace=pace)).frames) == 3


def test_marks_and_captions_change_the_frames(report, pictures):
    def second(**values):
        return np.array(draw_film(report, pictures[0], FilmView(least_width=0, **values)).frames[1])

    plain = second(mark=False, caption=False)
    assert (second(caption=False) != plain).any() and second(mark=False).shape[0] > plain.shape[0]


def test_a_film_that_is_too_large_is_thinned_and_says_so(report, pictures):
    view = FilmView(least_width=0, caption=False, hold=8)
    bytes_of_one = pictures[0].width * pictures[0].height * 12
    film = draw_film(report, pictures[0], view, most_bytes=bytes_of_one * 5)
    assert len(film.frames) == 5 and "thinned from" in film.notes
    assert "thinned" not in draw_film(report, pictures[0], view).notes
    refused("least_width", lambda: draw_film(report, pictures[0], view, most_bytes=bytes_of_one))


def test_a_comparison_counts_and_refuses(report, pictures):
    baseline = sample(sampler="baseline", seeds=(0, 1))[1]
    assert agreement(report, report) == 1 and 0 <= agreement(baseline, report) <= 1
    runs = [ComparedRun(pictures, one) for one in (baseline, report)]
    sheets = [draw_comparison(runs * count, "light") for count in (1, 3)]
    assert sheets[1].width > sheets[0].width
    refused("image_2: got 1 runs", lambda: draw_comparison(runs[:1], "dark"))
    refused(
        "report_json_3: got nothing",
        lambda: compare_runs({1: pictures, 2: pictures, 3: pictures}, {1: report, 2: report}, "", "dark"),
    )
    refused("report_json_2: got the report of a grid", lambda: compare_runs(
        {1: pictures, 2: [Image.new("RGB", (64, 64))] * 2}, {1: report, 2: report}, "", "dark"))  # fmt: skip
    refused("report_json_2: got the report of 2 pictures beside 1", lambda: compare_runs(
        {1: pictures, 2: pictures[:1]}, {1: report, 2: report}, "", "dark"))  # fmt: skip


def test_a_sweep_goes_over_all_pairs():
    points = sweep_points(SamplerSetup(), read_axis(1, "risk_bound", "0.1, 0.2"), read_axis(2, "rescue", "true,off"))
    assert [(p.place, p.setup.rescue.risk_bound, p.setup.rescue.rescue) for p in points] == [
        ((0, 0), 0.1, True), ((1, 0), 0.2, True), ((0, 1), 0.1, False), ((1, 1), 0.2, False),
    ]  # fmt: skip
    assert sweep_points(SamplerSetup(), read_axis(1, "steps", "4"), NO_AXIS)[0].setup.settings.steps == 4


@pytest.mark.parametrize(
    ("number", "name", "text", "words"),
    [
        (1, "magic", "1", "setting_1: got 'magic'"), (1, "none", "1", "setting_1: got 'none'"),
        (2, "steps", "", "values_2: got ''"), (1, "steps", "4, x", "values_1: got 'x'"),
        (1, "steps", "4, 4", "values_1: got '4, 4'"), (1, "cfg", "-1", "values_1: got '-1'"),
        (1, "mask_schedule", "cosine, round", "values_1: got 'round'"), (1, "steps", "1.5", "values_1: got '1.5'"),
    ],
)  # fmt: skip
def test_bad_axes_are_refused(number, name, text, words):
    refused(words, lambda: read_axis(number, name, text))


def test_sweeps_that_are_too_large_or_ambiguous_are_refused():
    many = read_axis(1, "steps", ",".join(map(str, range(1, 102))))
    refused("values_1: got 101 runs", lambda: sweep_points(SamplerSetup(), many, NO_AXIS))
    refused("setting_2: got 'steps'", lambda: sweep_points(SamplerSetup(), many, many))


def test_a_sheet_holds_its_runs_and_refuses_others(report, pictures):
    across, down = read_axis(1, "risk_bound", "0.1, 0.2"), read_axis(2, "rescue_cap", "1, 4")
    one = sample(seeds=(0,))[1]
    text = json.dumps(write_sweep(across, down, {(0, 0): one, (1, 0): one, (0, 1): one}))
    sweep = read_sweep("sweep_json", text)
    assert sweep.table() == [("risk_bound", ["0.1", "0.2"]), ("rescue_cap", ["1", "4"])]
    assert sheet_of_batch(sweep, pictures[:1] * 3, "dark", 64).width > 128
    refused("image: got 2 pictures", lambda: sheet_of_batch(sweep, pictures, "dark", 64))
    refused("sweep_json: got the report of one run", lambda: read_sweep("sweep_json", one.to_json()))
    refused("sweep_json: got a sweep that is cut off", lambda: read_sweep("sweep_json", '{"sweep": {}, "runs": []}'))


def test_progress_over_all_runs_rises_to_its_end():
    values = [overall_progress(done, 3, step, 4) for done in range(3) for step in range(5)]
    assert values == sorted(values) and values[-1] == (3000, 3000)


def test_kept_runs_drop_the_oldest():
    kept = KeptRuns(most=2)
    for key in "abc":
        kept.keep(key, key)
    assert kept.get("a") is None and kept.get("c") == "c"


def test_previews_take_at_most_their_share_of_the_time():
    now = [0.0]
    throttle, shown = PreviewThrottle(0.03, lambda: now[0]), 0
    for _ in range(1000):
        now[0] += 0.05
        if throttle.allows():
            now[0] += 0.02
            throttle.end()
            shown += 1
    assert shown > 1 and (shown - 1) * 0.02 <= 0.03 * now[0]
    assert not throttle.allows() and throttle.allows(always=True)


def test_a_preview_shows_what_is_known_and_frames_what_is_marked():
    known = np.zeros((4, 4), bool)
    known[0, 0] = True
    pixels = np.full((4, 4, 3), 255, np.uint8)
    plain = np.array(preview_picture(pixels, known, None, 64))
    assert plain.shape == (64, 64, 3) and (plain[:16, :16] == 255).all() and (plain[16:] < 128).all()
    assert (np.array(preview_picture(pixels, known, known, 64)) != plain).any()


def test_images_become_pictures_and_back():
    images = torch.rand(2, 8, 6, 3)
    assert torch.allclose(to_images(to_pictures("image", images)), images, atol=1 / 400)
    refused("image: got NoneType", lambda: to_pictures("image", None))
    refused("image: got a tensor", lambda: to_pictures("image", torch.rand(8, 6, 3)))
