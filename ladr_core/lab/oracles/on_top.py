"""`on_top`: ideas that could be put on top of LADR, each on the exact oracles and beside a sampler that has it too.

*temperature by entropy*: an undecided cell's token is drawn from a sharper (factor above 1) or flatter distribution, a
decided cell's from the exact one: probabilities to the power factor ** (entropy / log K). *schedule*: other step sizes
than the cosine's: square takes few cells early as the cosine does, the others take more. *information*: step sizes from
how unsure cells are (`information_steps`). *correction*, *revision*: tokens are taken back (`revision`). *guidance
late*: guidance once a share of the picture is known. The last three also with the emoji network (`network_trials`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...sampler_setup import SamplerSetup
from ...settings import MASK_SCHEDULES
from .command_line import known_rows, measure_once, result_parser, write
from .contestants import contestants, ladr
from .contract import Oracle, OracleRun, Verdict
from .forgiving import ForgivingScenes, ReadTexture
from .information_steps import draw_with_schedule, equal_information, least_error, measure_profile, table_schedule
from .measure import Draw
from .mixed import MixedOracle
from .network_trials import measure_trials
from .revision import Correction, Redraft, draw_revised
from .structured import StructuredOracle
from .texture import QuadtreeTexture

FACTORS = (0.7, 1.5, 3.0)
SCENE_SAMPLERS = ("ladr, radius 8", "ladr, radius 2", "baseline 16")
TEXTURE_SAMPLERS = ("ladr, radius 8", "baseline 32")
IDEAS = ("temperature by entropy", "schedule", "correction", "revision", "information", "network")
PROFILE_STEPS, PROFILE_SEEDS = 128, range(10**5, 10**5 + 8)  # other pictures than those drawn
MIXED_IMAGES = 24
SURPRISAL = "surprisal"  # what is measured where tokens are taken back in a texture


@dataclass(frozen=True)
class Trial:
    """A row on an oracle; draw: how its pictures are drawn where that is not the loop as it is."""

    idea: str
    value: Any
    sampler: str
    oracle: Oracle
    setup: SamplerSetup
    images: int
    draw: Draw | None = None


class SharpenedOracle:
    """An oracle whose probabilities are changed where they are undecided; what is drawn is judged by the exact ones."""

    def __init__(self, oracle: Oracle, factor: float) -> None:
        self._oracle, self._factor = oracle, factor
        self.name, self.grid, self.codebook_size = oracle.name, oracle.grid, oracle.codebook_size

    def begin(self, seeds: list[int]) -> OracleRun:
        """See Oracle."""
        return SharpenedRun(self._oracle.begin(seeds), self._factor)


class SharpenedRun:
    """A run of it."""

    def __init__(self, run: OracleRun, factor: float) -> None:
        self._run, self._factor = run, factor
        self.codebook_size, self.device, self.truth = run.codebook_size, run.device, run.truth

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """See OracleRun."""
        (exact,) = self._run.predict(codebook_indices, rows, guided=guided, step=step)
        return (sharpen(exact, self._factor),)

    def judge(self, drawn: Tensor) -> Verdict:
        """See OracleRun."""
        return self._run.judge(drawn)


def sharpen(log_probability: Tensor, factor: float) -> Tensor:
    """Log probabilities [M, K] to the power factor ** (entropy / log K), not summing to 1."""
    probability = log_probability.softmax(-1)
    entropy = -(probability * log_probability.log_softmax(-1)).sum(-1, keepdim=True)
    return log_probability * factor ** (entropy / math.log(log_probability.shape[-1]))


def trials(scenes: int, textures: int) -> list[Trial]:
    """Every row on an oracle; factor 1, cosine and none change nothing."""
    structured, texture, setups = StructuredOracle(), QuadtreeTexture(6), setups_tried()
    found: list[Trial] = []
    for sampler in SCENE_SAMPLERS:
        for factor in (1.0, *FACTORS):
            oracle: Oracle = structured if factor == 1.0 else SharpenedOracle(structured, factor)
            found.append(Trial("temperature by entropy", factor, sampler, oracle, setups[sampler], scenes))
    for on, samplers, count in ((structured, SCENE_SAMPLERS, scenes), (texture, TEXTURE_SAMPLERS, textures)):
        for sampler in samplers:
            for name in MASK_SCHEDULES:
                setup = setups[sampler]
                setup = replace(setup, settings=replace(setup.settings, mask_schedule=name))
                found.append(Trial("schedule", name, sampler, on, setup, count))
    return found + revision_trials(structured, scenes, textures) + information_trials(structured, scenes, textures)


def setups_tried() -> dict[str, SamplerSetup]:
    """The contestants, and LADR with values of its own, which stay what they are when presets change."""
    found = contestants()
    for label, steps, radius in (("ladr, radius 8", 32, 8), ("ladr, radius 2", 64, 2)):
        found[label] = ladr(steps, radius, "open_first", rescue_floor=0.95)
    return found


def with_steps(setup: SamplerSetup, steps: int) -> SamplerSetup:
    """The setup with another number of steps."""
    return replace(setup, settings=replace(setup.settings, steps=steps))


def revision_trials(structured: StructuredOracle, scenes: int, textures: int) -> list[Trial]:
    """Tokens taken back: during the run, and of a draft; the rows "none" say what as many evaluations do without."""
    setups = setups_tried()
    forgiving: Oracle = ForgivingScenes(structured)
    texture: Oracle = ReadTexture(5)
    fast, baseline = setups["ladr, radius 8"], setups["baseline 16"]
    corrections = (("none", None), ("published", Correction(1)), ("early", Correction(1, early=True)),
                   ("early x 64", Correction(64, early=True)),
                   ("impossible", Correction(4096, early=True, below=1e-3)))  # fmt: skip
    found = []
    scheduled = [("ladr, radius 8", fast, steps) for steps in (32, 24, 16, 12)]
    for label, setup, steps in (*scheduled, ("baseline", baseline, 16), ("baseline", baseline, 32)):
        for value, plan in corrections:
            draw = None if plan is None else draw_revised(plan)
            found.append(Trial("correction", value, f"{label}, {steps} steps", forgiving, with_steps(setup, steps),
                               scenes, draw))  # fmt: skip
    for label, setup, steps in (("ladr, radius 8", fast, 32), ("baseline", baseline, 32)):
        for value, plan in corrections:
            draw = None if plan is None else draw_revised(plan)
            found.append(Trial("correction", value, f"{label}, {steps} steps", texture, with_steps(setup, steps),
                               textures, draw))  # fmt: skip
    for label, setup, steps, on, images in (
        ("ladr, radius 8", fast, 16, forgiving, scenes), ("baseline", baseline, 11, forgiving, scenes),
        ("ladr, radius 8", fast, 27, texture, textures), ("baseline", baseline, 27, texture, textures),
    ):  # fmt: skip
        for part in (1 / 16, 1 / 4):
            found.append(Trial("revision", f"{part:g} again", f"{label}, {steps} + 1 + 4 steps", on,
                               with_steps(setup, steps), images, draw_revised(Redraft(part, 4))))  # fmt: skip
    return found


def information_trials(structured: StructuredOracle, scenes: int, textures: int) -> list[Trial]:
    """Step sizes from the information profile, for LADR and for those that follow the schedule alone."""
    setups = setups_tried()
    found: list[Trial] = []
    scene: Oracle = structured
    mixed: Oracle = MixedOracle()
    texture: Oracle = QuadtreeTexture(6)
    for oracle, samplers, images in (
        (scene, ("ladr, radius 8", "ladr, radius 2", "halton 16", "baseline 16"), scenes),
        (mixed, ("ladr, radius 8", "halton 32", "baseline 32"), MIXED_IMAGES),
        (texture, ("ladr, radius 8", "halton 32", "baseline 32"), textures),
    ):
        for sampler in samplers:
            for value in ("cosine", "equal information", "least error"):
                draw = None if value == "cosine" else _Scheduled(value, oracle, setups[sampler])
                found.append(Trial("information", value, sampler, oracle, setups[sampler], images, draw))
    return found


class _Scheduled:
    """A way of drawing whose step sizes are measured when it is first used."""

    def __init__(self, value: str, oracle: Oracle, setup: SamplerSetup) -> None:
        self._value, self._oracle, self._setup = value, oracle, setup

    def __call__(self, *arguments: Any) -> Any:
        """See Draw."""
        shares = step_shares(self._value, self._oracle, self._setup)
        return draw_with_schedule(table_schedule(self._value, shares))(*arguments)


_PROFILES: dict[tuple[str, str, str], np.ndarray] = {}


def step_shares(value: str, oracle: Oracle, setup: SamplerSetup) -> np.ndarray:
    """Shares of known cells [steps + 1] of the schedule that is called so."""
    key = (oracle.name, setup.sampler, setup.settings.cell_order)
    if key not in _PROFILES:
        _PROFILES[key] = measure_profile(oracle, setup, PROFILE_SEEDS, PROFILE_STEPS)
    find = equal_information if value == "equal information" else least_error
    return find(_PROFILES[key], setup.settings.steps)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the result file; what it holds already is not measured again."""
    parser = result_parser("on_top", __doc__, scenes=60, textures=8)
    parser.add_argument("--ideas", nargs="+", choices=IDEAS, default=list(IDEAS), metavar="IDEA")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the tensors are small, more threads only wait for each other
    rows = known_rows(args.out)
    for trial in trials(args.scenes, args.textures):
        if trial.idea in args.ideas:
            key = {"idea": trial.idea, "value": trial.value, "sampler": trial.sampler, "oracle": trial.oracle.name,
                   "seed": 0, "images": trial.images}  # fmt: skip
            renamed = {"divergence": SURPRISAL} if isinstance(trial.oracle, ReadTexture) else {}
            measure_once(args.out, rows, key, trial.oracle, trial.setup, range(trial.images), trial.draw, renamed)

    def keep(row: dict[str, Any]) -> None:
        rows.append(row)
        write(args.out, rows)
        print(row["idea"], row["value"], row["sampler"], row["nfe"][0], row["valid"][0], flush=True)

    if "network" in args.ideas:
        measure_trials(rows, keep)
    return 0
