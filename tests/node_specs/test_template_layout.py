"""Templates as they open in a window of 1600 x 900: readable, in the window, nothing over anything else."""

import json
from itertools import combinations

import pytest
from node_specs.comfyui_stub import PACK
from node_specs.template_values import SAMPLERS as ONE_RUN

SAMPLERS = (*ONE_RUN, "LADR_Sweep")
FILES = sorted((PACK / "workflows").glob("*.json"))
TITLE = 30  # units above a node's position
WINDOW = (1600, 900)
SMALLEST_TEXT = 0.6  # the scale below which the front end leaves text out
FITTED = 0.75  # share of the window that newer front ends fill with a template
# What Nodes 2.0 adds to a node at most: taller rows, and the badge of the pack.
GROWTH = 40


def _nodes(path):
    return json.loads(path.read_text(encoding="utf-8"))["nodes"]


def _box(node):
    (left, top), (width, height) = node["pos"], node["size"]
    return left, top - TITLE, left + width, top + height


def _bounds(nodes):
    boxes = [_box(node) for node in nodes]
    return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nodes_have_room_around_them(path):
    nodes = _nodes(path)
    for one, other in combinations(nodes, 2):
        a, b = _box(one), _box(other)
        beside = a[2] + 20 <= b[0] or b[2] + 20 <= a[0]
        above = a[3] + GROWTH <= b[1] or b[3] + GROWTH <= a[1] or (
            # A title bar alone, and nodes without widgets, do not grow.
            not one.get("widgets_values") and a[3] + 20 <= b[1]
        ) or (not other.get("widgets_values") and b[3] + 20 <= a[1])  # fmt: skip
        assert beside or above, (one["type"], other["type"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_is_below_a_sampler_which_older_front_ends_draw_tall(path):
    nodes = _nodes(path)
    for sampler in (node for node in nodes if node["type"] in SAMPLERS):
        left, top, right, _ = _box(sampler)
        below = [n["type"] for n in nodes if n is not sampler and _box(n)[0] < right and _box(n)[2] > left]
        assert not below, below
        assert top == min(_box(node)[1] for node in nodes)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_text_is_large_enough_in_both_ways_of_opening(path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    left, top, right, bottom = _bounds(workflow["nodes"])
    fitted = min(FITTED * WINDOW[0] / (right - left), FITTED * WINDOW[1] / (bottom - top))
    assert fitted > SMALLEST_TEXT
    scale, offset = workflow["extra"]["ds"]["scale"], workflow["extra"]["ds"]["offset"]
    assert scale > SMALLEST_TEXT
    assert (left + offset[0]) * scale >= 70 and (top + offset[1]) * scale >= 85  # clear of the front end's own bars
    assert (right + offset[0]) * scale <= WINDOW[0] and (bottom + offset[1]) * scale <= WINDOW[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_there_are_at_most_two_columns_of_samplers(path):
    assert len({node["pos"][0] for node in _nodes(path) if node["type"] in SAMPLERS}) in (1, 2)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_notes_and_titles_are_translated(path):
    for node in _nodes(path):
        if "title" in node and node["title"] != "LADR":
            assert set(node["properties"]["ladr_title"]) == {"zh", "ja"}, node["title"]
        if node["type"] == "MarkdownNote":
            assert set(node["properties"]["ladr_text"]) == {"zh", "ja"}


@pytest.mark.parametrize("path", [path for path in FILES if "GB" in path.stem], ids=lambda path: path.stem)
def test_what_is_to_be_downloaded_comes_first_in_the_note_and_is_announced(path):
    nodes = _nodes(path)
    texts = next(node for node in nodes if node["type"] == "MarkdownNote")
    for text in (texts["widgets_values"][0], *texts["properties"]["ladr_text"].values()):
        assert text.split("\n\n")[1].startswith("**") and "huggingface.co" in text.split("\n\n")[1]
    loader = next(node for node in nodes if node["type"] == "LADR_LoadDLLM")
    files = loader["properties"]["ladr_files"]
    assert files["folder"] == f"models/dllm/{loader['widgets_values'][0]}"
    assert f"needs {files['gigabytes']} GB" in path.stem and files["page"] in texts["widgets_values"][0]
