"""Inputs of the nodes that show a run, and options of the command line: name, default, range and words of each."""

from __future__ import annotations

from ..setting import Setting

MAPS = ("overview", "step", "rule", "confidence", "risk", "frontier")

MAP = Setting(
    "map", "overview", "choice",
    "what the decode map shows",
    "overview: the run in a few pictures with explanations. step: when each cell was unmasked. rule: what took it. "
    "confidence: probability of its token. risk: 1 minus the largest probability. frontier: one step, and the cells it "
    "could rescue.",
    choices=MAPS,
)  # fmt: skip
OPACITY = Setting(
    "opacity", 1.0, "float",
    "how strongly the map covers the picture",
    "1 shows the map alone, lower lets the picture through. Needs image below 1. The overview shows the picture beside "
    "its maps and does not use it.",
    minimum=0.0, maximum=1.0, step=0.05,
)  # fmt: skip
STEP = Setting(
    "step", 0, "int",
    "step up to which the map shows the run, 1 = the first network evaluation, 0 = choose",
    "1 is the first network evaluation. The map shows the run up to this step, frontier this step alone. 0 shows the "
    "whole run, and for frontier the step that rescued most. Not used by the overview.",
    minimum=0, maximum=65536, step=1,
)  # fmt: skip
LEAST_WIDTH = Setting(
    "least_width", 512, "int",
    "smallest width of the drawn cells in pixels",
    "A narrower picture is enlarged by a whole number, so that cells stay sharp and words can be read. 0 keeps the "
    "picture's own size.",
    minimum=0, maximum=4096, step=16,
)  # fmt: skip
LEGEND = Setting(
    "legend", True, "bool",
    "draw the legend below the map",
    "On: a strip below the map explains its colors. Off: the map alone, exactly as large as the picture or a whole "
    "multiple of it. The overview always explains itself.",
)  # fmt: skip
THEME = Setting(
    "theme", "dark", "choice",
    "surroundings of the picture",
    "Paper and words: dark or light.",
    choices=("dark", "light"),
)  # fmt: skip
FRAMES = Setting(
    "frames", 0, "int",
    "frames of the film, 0 = one per network evaluation",
    "0 makes one frame per network evaluation, and one before the first. Other numbers spread the frames evenly over "
    "the run. Long or large films are thinned to fit 1 GiB; notes says so.",
    minimum=0, maximum=1000, step=1,
)  # fmt: skip
PACE = Setting(
    "pace", "evaluations", "choice",
    "what passes evenly from frame to frame",
    "evaluations: the same number of network evaluations between frames. seconds: the same time, so the film shows "
    "which steps took longer.",
    choices=("evaluations", "seconds"),
)  # fmt: skip
MARK = Setting(
    "mark", True, "bool",
    "mark the cells that are new in a frame",
    "On: cells unmasked since the frame before are framed, blue for scheduled, orange for rescued. Off: no frames.",
)  # fmt: skip
CAPTION = Setting(
    "caption", True, "bool",
    "write step and known cells below each frame",
    "On: a strip below each frame tells the step and how much is known. Off: the picture alone.",
)  # fmt: skip
HOLD = Setting(
    "hold", 8, "int",
    "extra frames of the finished picture at the end",
    "The finished picture is repeated this often at the end, so that a looping film rests there.",
    minimum=0, maximum=100, step=1,
)  # fmt: skip
TILE_WIDTH = Setting(
    "tile_width", 256, "int",
    "width of each picture on a sweep sheet in pixels",
    "Width of each picture on the sheet in pixels. Sheets wider than 8192 pixels get smaller pictures.",
    minimum=64, maximum=1024, step=16,
)  # fmt: skip
BATCH_INDEX = Setting(
    "batch_index", 0, "int",
    "picture of the batch that is shown, 0 = the first",
    "Which picture of the batch is shown, as in Latent From Batch: 0 is the first.",
    minimum=0, maximum=4095, step=1,
)  # fmt: skip
