"""A sweep inside ComfyUI: every run after the other, one progress bar over all, finished runs kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from comfy_api.latest import io

from ..ladr_core.errors import InputError
from ..ladr_core.report import SamplingReport
from ..ladr_core.sampler_setup import SamplerSetup
from ..ladr_core.sampling import RunCallbacks
from ..ladr_core.settings import RescueSettings
from ..ladr_core.sweep import KeptRuns, read_axis, request_key, setup_key, sweep_points, write_sweep
from .latent import write_latent
from .preview import StepDisplay, SweepDisplay, check_interrupt, shows_previews
from .sampler_run import PreparedRun

_kept: WeakKeyDictionary[Any, KeptRuns] = WeakKeyDictionary()  # by model, gone with it


def run_sweep(
    axes: Sequence[tuple[str, str]], rescue: RescueSettings, *, model: Any, seed: int, positive: Any, negative: Any,
    latent_image: dict[str, Any], preview: bool = True, **settings: Any,
) -> io.NodeOutput:  # fmt: skip
    """Draw every pair of values; what was drawn before with the same inputs is not drawn again."""
    run = PreparedRun.read(model, seed, positive, negative, latent_image, settings)
    if len(run.request.seeds) != 1:
        raise InputError(
            "latent_image", f"a batch of {len(run.request.seeds)}", "one picture",
            "Set batch_size of Empty Token Grid to 1: the sweep makes the batch",
        )  # fmt: skip
    across, down = (read_axis(number, name, text) for number, (name, text) in enumerate(axes, start=1))
    points = sweep_points(SamplerSetup("ladr", run.settings, rescue), across, down)
    preview = shows_previews(preview)
    display = SweepDisplay(StepDisplay(run.request.grid, run.inner.vae, preview), len(points))
    kept = _kept.setdefault(run.inner, KeptRuns())
    same = (getattr(model, "patches_uuid", None), *request_key(run.request))
    run.load([point.setup for point in points], preview)
    grids, reports = [], {}
    for done, point in enumerate(points):
        check_interrupt()
        key = (*same, *setup_key(point.setup))
        drawn: tuple[torch.Tensor, SamplingReport] | None = kept.get(key)
        if drawn is None:
            indices, report = run.draw(point.setup, RunCallbacks(before_forward=check_interrupt, on_step=display))
            drawn = indices.cpu(), report
            kept.keep(key, drawn)
        grids.append(drawn[0])
        reports[point.place] = drawn[1]
        display.finish(done + 1)
    latent = {name: value for name, value in latent_image.items() if name != "batch_index"}
    sweep = json.dumps(write_sweep(across, down, reports), allow_nan=False)
    return io.NodeOutput(write_latent(latent, torch.cat(grids), run.inner.dllm.name), sweep)
