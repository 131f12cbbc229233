"""`on_top`: ideas that could be put on top of LADR, each on the exact oracles and beside a sampler that has it too.

*temperature by entropy*: an undecided cell's token is drawn from a sharper (factor above 1) or flatter distribution, a
decided cell's from the exact one: probabilities to the power factor ** (entropy / log K). *schedule*: other step sizes
than the cosine's: square takes few cells early as the cosine does, the others take more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...sampler_setup import SamplerSetup
from ...settings import MASK_SCHEDULES
from .command_line import known_rows, measure_once, result_parser
from .contestants import contestants
from .contract import Oracle, OracleRun, Verdict
from .structured import StructuredOracle
from .texture import QuadtreeTexture

FACTORS = (0.7, 1.5, 3.0)
SCENE_SAMPLERS = ("ladr fast", "ladr balanced", "baseline 16")
TEXTURE_SAMPLERS = ("ladr fast", "baseline 32")


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


def trials(scenes: int, textures: int) -> list[tuple[str, Any, str, Oracle, SamplerSetup, int]]:
    """Idea, its value, sampler, oracle, setup and images of every row; factor 1 and cosine change nothing."""
    structured, texture, setups = StructuredOracle(), QuadtreeTexture(6), contestants()
    found: list[tuple[str, Any, str, Oracle, SamplerSetup, int]] = []
    for sampler in SCENE_SAMPLERS:
        for factor in (1.0, *FACTORS):
            oracle: Oracle = structured if factor == 1.0 else SharpenedOracle(structured, factor)
            found.append(("temperature by entropy", factor, sampler, oracle, setups[sampler], scenes))
    for on, samplers, count in ((structured, SCENE_SAMPLERS, scenes), (texture, TEXTURE_SAMPLERS, textures)):
        for sampler in samplers:
            for name in MASK_SCHEDULES:
                setup = setups[sampler]
                setup = replace(setup, settings=replace(setup.settings, mask_schedule=name))
                found.append(("schedule", name, sampler, on, setup, count))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the result file; what it holds already is not measured again."""
    args = result_parser("on_top", __doc__, scenes=60, textures=8).parse_args(arguments)
    torch.set_num_threads(1)  # the tensors are small, more threads only wait for each other
    rows = known_rows(args.out)
    for idea, value, sampler, oracle, setup, images in trials(args.scenes, args.textures):
        key = {"idea": idea, "value": value, "sampler": sampler, "oracle": oracle.name, "seed": 0, "images": images}
        measure_once(args.out, rows, key, oracle, setup, range(images))
    return 0
