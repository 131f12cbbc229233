"""What recording costs the loop at 64 x 64 cells and 8,192 codes, and what previews cost at that size.

    python -m ladr_core.lab recording_cost docs/results/recording.json

Two measures of the recording of confidence and risk. Its operations are timed alone on grids of that size, many times,
and set against the median step of the loop on a network that takes no time, where the loop itself is all there is. And
whole runs with and without the recording alternate, whose difference shows the noise of the machine.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from ... import cell_state, denoising_loop
from ...command_line.machine import describe_machine
from ...noise import PerImageNoise
from ...pictures.preview import MOST_SHARE, preview_picture
from ...samplers.registry import find_sampler
from ...settings import RescueSettings, SamplerSettings
from ...token_grid import MASKED, TokenGrid

GRID, CODES, STEPS, REPEATS, ALONE = TokenGrid(64, 64), 8192, 6, 2, 400


class _FreeNetwork:
    """A denoiser whose logits are there already."""

    codebook_size = CODES
    device = torch.device("cpu")

    def __init__(self) -> None:
        self._logits = torch.randn(GRID.cells, CODES, generator=torch.Generator().manual_seed(0))

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """Logits of the masked cells."""
        return (self._logits[(codebook_indices[0] == MASKED)],)


class _WithoutRecording(cell_state.CellState):
    """The grids without confidence and risk."""

    def _put(self, values: Tensor, rows: tuple[int, ...], chosen: Tensor, new: Tensor) -> Tensor:
        return values if values.dtype == torch.float32 else super()._put(values, rows, chosen, new)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    torch.set_num_threads(1)
    network = _FreeNetwork()
    _run(network, cell_state.CellState)  # the first calls are slow
    steps: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(REPEATS):
        steps["with"] += _run(network, cell_state.CellState)
        steps["without"] += _run(network, _WithoutRecording)
    medians = {name: statistics.median(values) for name, values in steps.items()}
    alone, preview = _recording_alone(), _preview_alone()
    result = {
        "machine": describe_machine(),
        "grid": [GRID.height, GRID.width], "codes": CODES, "steps": STEPS, "repeats": REPEATS, "threads": 1, "seed": 0,
        "step_ms": {name: round(1000 * value, 3) for name, value in medians.items()},
        "recording_ms_per_step": round(1000 * alone, 4),
        "recording_per_cent_of_the_loop": round(100 * alone / medians["with"], 4),
        "difference_of_medians_per_cent": round(100 * (medians["with"] / medians["without"] - 1), 2),
        "preview_ms": round(1000 * preview, 3),
        "preview_per_cent_allowed": 100 * MOST_SHARE,
    }  # fmt: skip
    text = json.dumps(result, indent=1)
    print(text)
    if given:
        Path(given[0]).write_text(text + "\n", encoding="utf-8")
    return 0


def _run(network: Any, state: type) -> list[float]:
    """Seconds of each step of a run of LADR."""
    settings = SamplerSettings(steps=STEPS, cfg=1.0)
    recipe = find_sampler("ladr").recipe(settings, RescueSettings(), {})
    cells = torch.full((1, GRID.cells), MASKED)
    with mock.patch.object(denoising_loop, "CellState", state):
        _, report = denoising_loop.denoise(
            network, cells, GRID, editable=torch.ones_like(cells, dtype=torch.bool), rule=recipe.rule,
            settings=settings, noise=PerImageNoise([0], "cpu"),
        )  # fmt: skip
    return report.step_seconds


def _recording_alone() -> float:
    """Median seconds of the two operations per step that record confidence and risk."""
    chosen = torch.rand(1, GRID.cells) < 0.05
    values, new = torch.full((1, GRID.cells), -1.0), torch.rand(1, GRID.cells)
    seconds = []
    for _ in range(ALONE):
        started = time.perf_counter()
        torch.where(chosen, new.to(torch.float32), values)
        torch.where(chosen, 1 - new.to(torch.float32), values)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _preview_alone() -> float:
    """Median seconds of a preview of one color per cell, half of them known, some framed."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (GRID.height, GRID.width, 3), dtype=np.uint8)
    known = random.random((GRID.height, GRID.width)) < 0.5
    seconds = []
    for _ in range(30):
        started = time.perf_counter()
        preview_picture(pixels, known, known, 512)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
