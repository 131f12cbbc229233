"""Every hyper-parameter once: name, default, range, meaning and check; nodes, command line and docs read it here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .errors import InputError
from .setting import Setting

MASK_SCHEDULES = ("cosine", "linear", "square", "arccos", "sqrt")
FRONTIER_SHAPES = ("cross", "square", "disc")
RISK_FILTERS = ("absolute", "budget", "entropy", "relative", "running")
CELL_ORDERS = ("confidence", "halton", "least_confident", "open_first")
RESCUE_SCHEDULINGS = ("field", "jump")

SEED = Setting(
    "seed", 0, "int",
    "starting point of all random draws",
    "Same seed and settings give the same picture. Image i of a batch uses seed + i. Random numbers are drawn on the "
    "CPU, one generator per image, so batch size and device do not change them.",
    minimum=0, maximum=2**64 - 1, step=1,
)  # fmt: skip
STEPS = Setting(
    "steps", 64, "int",
    "steps of the mask schedule, the most network evaluations a run can take",
    "Steps of the mask schedule. More steps unmask fewer cells at a time: slower, usually better. Raise it if objects "
    "come out wrong or are missing, lower it for drafts. LADR Sampler usually needs fewer evaluations than steps.",
    minimum=1, maximum=1000, step=1,
)  # fmt: skip
CFG = Setting(
    "cfg", 2.0, "float",
    "classifier-free guidance scale, 1 = off",
    "How strongly the picture follows the prompt, as in KSampler. Raise it if parts of the prompt are ignored; higher "
    "gives less variety. 1 turns guidance off and halves the work. The models' own scale is this minus 1.",
    minimum=0.0, maximum=100.0, step=0.1,
)  # fmt: skip
DENOISE = Setting(
    "denoise", 1.0, "float",
    "how much of the editable picture is masked before the first step",
    "How much of the input picture is drawn anew. Higher changes more. Lower it for variations: more tokens are kept, "
    "at places chosen by the seed, in fewer steps. 1 draws everything anew, 0 returns the input.",
    minimum=0.0, maximum=1.0, step=0.01,
)  # fmt: skip
MASK_SCHEDULE = Setting(
    "mask_schedule", "cosine", "choice",
    "curve of the mask ratio over time",
    "How many cells are still masked at each time. cosine, the usual choice, and square start slowly. linear unmasks "
    "the same number at every step. arccos leaves many cells to the last steps. sqrt starts fast and ends slowly.",
    choices=MASK_SCHEDULES,
)  # fmt: skip
TEMPERATURE = Setting(
    "temperature", 1.0, "float",
    "randomness in choosing tokens",
    "Randomness of the token drawn for each cell. Raise it for more variety, lower it for more probable tokens. 0 "
    "always takes the most probable token.",
    minimum=0.0, maximum=10.0, step=0.05,
)  # fmt: skip
CHOICE_TEMPERATURE = Setting(
    "choice_temperature", 1.0, "float",
    "randomness in choosing which cells to unmask, fading out with time",
    "Random noise on the order in which cells are unmasked; it fades out during the run. Higher spreads the first "
    "cells over the picture. Raise it if only background is drawn: at 0 the most confident cells come first. Only "
    "cell_order confidence uses it.",
    minimum=0.0, maximum=100.0, step=0.1,
)  # fmt: skip
TOP_K = Setting(
    "top_k", 0, "int",
    "draw only from this many most probable tokens, 0 = off",
    "Draws each token from the k most probable ones. Lower is safer and less varied. 0 turns it off.",
    minimum=0, maximum=65536, step=1,
)  # fmt: skip
TOP_P = Setting(
    "top_p", 1.0, "float",
    "draw only from the most probable tokens that together reach this probability, 1 = off",
    "Draws each token from the smallest set of tokens with this total probability. Lower is safer and less varied. "
    "1 turns it off.",
    minimum=0.0, maximum=1.0, step=0.01,
)  # fmt: skip
CHOOSE_THEN_SAMPLE = Setting(
    "choose_then_sample", False, "bool",
    "choose cells before their tokens are drawn",
    "On: cells are chosen by the probability of their best token, then tokens are drawn; the reported risk is a "
    "bound only then. Off, as in MaskGIT: tokens are drawn first and the most confident kept: more probable tokens.",
)  # fmt: skip
IMAGE_CFG = Setting(
    "image_cfg", 1.0, "float",
    "guidance scale of the reference images in edit tasks, 1 = off",
    "How strongly an edit follows its reference images. Raise it if the result drifts away from them. 1 turns it off. "
    "Text-to-image ignores it.",
    minimum=0.0, maximum=100.0, step=0.1, on_node=False,
)  # fmt: skip
CFG_START = Setting(
    "cfg_start", 0.0, "float",
    "share of known cells from which guidance acts",
    "Guidance acts from this share of known cells on (0 = from the first step). Before it the unconditional branch is "
    "not computed, which is faster. Counts cells, not steps.",
    minimum=0.0, maximum=1.0, step=0.01,
)  # fmt: skip
CFG_END = Setting(
    "cfg_end", 1.0, "float",
    "share of known cells up to which guidance acts",
    "Guidance acts up to this share of known cells (1 = to the last step). Beyond it the unconditional branch is not "
    "computed, which is faster. Counts cells, not steps.",
    minimum=0.0, maximum=1.0, step=0.01,
)  # fmt: skip
KV_CACHE = Setting(
    "kv_cache", False, "bool",
    "keep keys and values of the prompt and of settled cells between evaluations",
    "On: only cells that were masked at the evaluation before are computed; prompt and settled cells keep what they "
    "had. Faster, needs more memory, and the picture may differ. Off: all are computed.",
)  # fmt: skip
KV_CACHE_REFRESH = Setting(
    "kv_cache_refresh", 0.3, "float",
    "share of cells that may become known before the KV cache is renewed",
    "How much denser the picture may become before prompt and settled cells are computed anew. Higher is faster and "
    "less exact; 1 never does. 0 renews at every evaluation: the pictures of kv_cache off, at its speed.",
    minimum=0.0, maximum=1.0, step=0.05, on_node=False,
)  # fmt: skip

RESCUE = Setting(
    "rescue", True, "bool",
    "unmask further cells beside known ones",
    "On: each step also unmasks cells next to known ones where the risk is low, which saves network evaluations. Off: "
    "exactly the baseline sampler, for comparison.",
)  # fmt: skip
FRONTIER_SHAPE = Setting(
    "frontier_shape", "square", "choice",
    "which cells count as neighbors",
    "Which cells around a known cell may be rescued. cross: its row and column. square: diagonals too, the most cells. "
    "disc: a circle, the same as cross at radius 1.",
    choices=FRONTIER_SHAPES,
)  # fmt: skip
RADIUS = Setting(
    "radius", 2, "int",
    "reach of the neighborhood in cells",
    "How far from a known cell, in cells, a cell may be rescued. Higher rescues more cells at a time, with less "
    "support from known neighbors: faster, riskier.",
    minimum=1, maximum=8, step=1,
)  # fmt: skip
MIN_NEIGHBORS = Setting(
    "min_neighbors", 1, "int",
    "known neighbors a cell needs to be rescued",
    "How many known neighbors a cell needs to be rescued. Raise it if rescued cells do not fit in; slower. A cross of "
    "radius 1 has only 4 neighbors, a square 8.",
    minimum=1, maximum=8, step=1,
)  # fmt: skip
SPACING = Setting(
    "spacing", 1, "int",
    "smallest distance between two cells rescued in one step",
    "Cells rescued in the same step are at least this far apart, because they cannot see each other. Raise it if "
    "neighboring cells clash; slower. 2 = never adjacent, not even diagonally. 0 or 1 = no limit.",
    minimum=0, maximum=16, step=1,
)  # fmt: skip
RISK_FILTER = Setting(
    "risk_filter", "running", "choice",
    "how the risk of rescuing a cell is limited",
    "What limits the rescue. running: a cell must be nearly as confident as the most confident of the run so far. "
    "relative: nearly as confident as the cells just scheduled. absolute: the risk of each cell. budget: the sum of "
    "risks in a step. entropy: the sum of entropies without the largest.",
    choices=RISK_FILTERS,
)  # fmt: skip
RISK_BOUND = Setting(
    "risk_bound", 0.02, "float",
    "most risk that is accepted, in the unit of the risk filter",
    "Raise it to rescue more cells: faster, riskier. running, relative: how far a probability may be below the "
    "standard (0.02 = 2 %). absolute: largest risk of a cell, 0 to 1. budget, entropy: largest sum in a step.",
    minimum=0.0, maximum=1000.0, step=0.001,
)  # fmt: skip
RISK_QUANTILE = Setting(
    "risk_quantile", 0.5, "float",
    "quantile of the scheduled cells' confidences that the relative filter compares with",
    "Which of the cells just scheduled sets the standard of the relative filter: 0 = the least confident, 0.5 = the "
    "median, 1 = the most confident. Lower rescues more. The other filters ignore it.",
    minimum=0.0, maximum=1.0, step=0.05, on_node=False,
)  # fmt: skip
RESCUE_CAP = Setting(
    "rescue_cap", 4096.0, "float",
    "most cells rescued per scheduled cell",
    "At most this many cells are rescued for each cell the schedule unmasks in the step. Higher is faster and riskier. "
    "0 rescues nothing.",
    minimum=0.0, maximum=4096.0, step=0.5,
)  # fmt: skip
RESCUE_START = Setting(
    "rescue_start", 0.0, "float",
    "time from which cells are rescued",
    "No rescue before this time (0 = first step, 1 = end). Raise it if the layout is wrong: the schedule alone then "
    "places the first cells; slower.",
    minimum=0.0, maximum=1.0, step=0.01,
)  # fmt: skip
INVERSE_SCHEDULING = Setting(
    "inverse_scheduling", True, "bool",
    "let time jump to where the schedule has the mask ratio reached",
    "Used by rescue_scheduling jump only. On: after a rescue the clock jumps ahead, which saves steps. Off: the same "
    "rescue without the jump.",
)  # fmt: skip
COUNT_FRESH_AS_OBSERVED = Setting(
    "count_fresh_as_observed", False, "bool",
    "count cells unmasked by the schedule in this step as known neighbors",
    "On: cells next to those the schedule has just unmasked may be rescued too; faster, but the network has not seen "
    "these neighbors yet. Off: only cells known before the step count.",
)  # fmt: skip

WIDTH, HEIGHT = (
    Setting(
        side, 256, "int",
        f"{side} of the picture in pixels",
        f"{side.capitalize()} of the picture in pixels. Built-in emoji: 256, built-in shapes: 128, Lumina-DiMOO: 512 "
        "to 1024, MMaDA: 512.",
        minimum=16, maximum=4096, step=16,
    )
    for side in ("width", "height")
)  # fmt: skip
BATCH_SIZE = Setting(
    "batch_size", 1, "int",
    "number of pictures drawn together",
    "Number of pictures drawn together. Higher needs more memory. Image i uses seed + i, so single runs give the same.",
    minimum=1, maximum=4096, step=1,
)  # fmt: skip

CELL_ORDER = Setting(
    "cell_order", "confidence", "choice",
    "which cells the schedule takes first",
    "confidence: the most confident cells first, with noise (choice_temperature). halton: cells spread evenly; "
    "better in texture. least_confident: the least confident cell, which decides the most, then as halton, nearly "
    "decided cells last. open_first: the same, but as halton where no cell is nearly decided; best with LADR.",
    choices=CELL_ORDERS,
)  # fmt: skip
RESCUE_SCHEDULING = Setting(
    "rescue_scheduling", "field", "choice",
    "what a rescue does to the schedule",
    "field: rescued cells leave the schedule, so the others are still unmasked a few at a time. jump: time jumps "
    "ahead as if the schedule had unmasked the rescued cells; riskier.",
    choices=RESCUE_SCHEDULINGS,
)  # fmt: skip
RESCUE_FLOOR = Setting(
    "rescue_floor", 0.5, "float",
    "least probability of a rescued cell's best token, for the running filter",
    "The running filter never rescues a cell whose best token is less probable than this. Raise it if rescued cells "
    "come out wrong; slower. The other filters ignore it.",
    minimum=0.0, maximum=1.0, step=0.01,
)  # fmt: skip

FINISH_SURE = Setting(
    "finish_sure", False, "bool", "unmask all cells left once every one of them is sure",
    "On: a run ends as soon as every cell left is sure of its token (98 %), also far from known cells; fewer "
    "evaluations where a scene is decided. Off: sure cells wait until the frontier reaches them.", on_node=False,
)  # fmt: skip

SAMPLER_SETTINGS: dict[str, Setting] = {
    s.name: s
    for s in (STEPS, CFG, DENOISE, MASK_SCHEDULE, TEMPERATURE, CHOICE_TEMPERATURE, TOP_K, TOP_P, CHOOSE_THEN_SAMPLE,
              IMAGE_CFG, CELL_ORDER, CFG_START, CFG_END, KV_CACHE, KV_CACHE_REFRESH)
}  # fmt: skip
RESCUE_SETTINGS: dict[str, Setting] = {
    s.name: s
    for s in (
        RESCUE, FRONTIER_SHAPE, RADIUS, MIN_NEIGHBORS, SPACING, RISK_FILTER, RISK_BOUND, RISK_QUANTILE, RESCUE_CAP,
        RESCUE_START, INVERSE_SCHEDULING, COUNT_FRESH_AS_OBSERVED, RESCUE_SCHEDULING, RESCUE_FLOOR,
        FINISH_SURE,
    )
}  # fmt: skip


def _check_all(settings: Any, known: Mapping[str, Setting]) -> None:
    for field in fields(settings):
        # The dataclasses are frozen; here, while they are made, each value is brought to its own type.
        object.__setattr__(settings, field.name, known[field.name].check(getattr(settings, field.name)))


@dataclass(frozen=True)
class SamplerSettings:
    """Settings that every sampler shares; checked when made."""

    steps: int = STEPS.default
    cfg: float = CFG.default
    denoise: float = DENOISE.default
    mask_schedule: str = MASK_SCHEDULE.default
    temperature: float = TEMPERATURE.default
    choice_temperature: float = CHOICE_TEMPERATURE.default
    top_k: int = TOP_K.default
    top_p: float = TOP_P.default
    choose_then_sample: bool = CHOOSE_THEN_SAMPLE.default
    image_cfg: float = IMAGE_CFG.default
    cell_order: str = CELL_ORDER.default
    cfg_start: float = CFG_START.default
    cfg_end: float = CFG_END.default
    kv_cache: bool = KV_CACHE.default
    kv_cache_refresh: float = KV_CACHE_REFRESH.default

    def __post_init__(self) -> None:
        _check_all(self, SAMPLER_SETTINGS)
        if self.cfg_start > self.cfg_end:
            allowed = f"at most cfg_end, which is {self.cfg_end}"
            raise InputError("cfg_start", self.cfg_start, allowed, f"Set cfg_start to {self.cfg_end}, or raise cfg_end")


@dataclass(frozen=True)
class RescueSettings:
    """Settings of the LADR rescue; checked when made."""

    rescue: bool = RESCUE.default
    frontier_shape: str = FRONTIER_SHAPE.default
    radius: int = RADIUS.default
    min_neighbors: int = MIN_NEIGHBORS.default
    spacing: int = SPACING.default
    risk_filter: str = RISK_FILTER.default
    risk_bound: float = RISK_BOUND.default
    risk_quantile: float = RISK_QUANTILE.default
    rescue_cap: float = RESCUE_CAP.default
    rescue_start: float = RESCUE_START.default
    inverse_scheduling: bool = INVERSE_SCHEDULING.default
    count_fresh_as_observed: bool = COUNT_FRESH_AS_OBSERVED.default
    rescue_scheduling: str = RESCUE_SCHEDULING.default
    rescue_floor: float = RESCUE_FLOOR.default
    finish_sure: bool = FINISH_SURE.default

    def __post_init__(self) -> None:
        _check_all(self, RESCUE_SETTINGS)
