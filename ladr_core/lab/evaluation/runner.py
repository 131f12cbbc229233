"""Draws the pictures of prompts x configurations x seeds, judges them and keeps a record of each."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from ...models.contract import DLLM, Prompt
from ...sampler_setup import SamplerSetup
from ...sampling import ImageRequest, sample_tokens
from ..worlds.judged import find_judged_world
from ..worlds.scene import FoundObject, JudgedWorld
from .configurations import Configuration
from .prompts import EvaluationPrompt
from .record import PictureRecord, RecordFile, pack_tokens
from .verdict import shows_scene

Job = tuple[EvaluationPrompt, int]
Chunk = tuple[Configuration, list[Job]]  # drawn together
DrawAll = Callable[[Sequence[Chunk]], Iterator[tuple[Chunk, list[PictureRecord]]]]


def model_fingerprint(model: DLLM) -> str:
    """Name of the model and a hash of its weights, so that results of two models are never mixed."""
    digest = hashlib.sha256()
    for module in (model.transformer, model.vq):
        for name, weight in sorted(cast(nn.Module, module).state_dict().items()):
            digest.update(name.encode())
            digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"{model.name} {digest.hexdigest()[:16]}"


def to_pictures(pixels: Tensor) -> np.ndarray:
    """Pixels [B, 3, H, W] in 0 ... 1 as pictures [B, H, W, 3] uint8, as an image file would hold them."""
    return (pixels.detach().cpu().permute(0, 2, 3, 1) * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def draw_pictures(
    model: DLLM, jobs: Sequence[Job], configuration: Configuration, *, device: Any = "cpu"
) -> tuple[list[PictureRecord], np.ndarray]:
    """Records of a batch of pictures, and the pictures [B, H, W, 3]."""
    started = time.perf_counter()
    prompts = [Prompt(prompt.text) for prompt, _ in jobs]
    with torch.inference_mode():
        indices, report = sample_tokens(
            model,
            ImageRequest(
                prompts,
                [Prompt("")] * len(jobs),
                model.default_grid,
                [prompt.seed(repetition) for prompt, repetition in jobs],
            ),
            SamplerSetup(configuration.sampler, configuration.settings, configuration.rescue, configuration.options),
            device=device,
        )
        pictures = to_pictures(model.vq.decode(indices))
    seconds = (time.perf_counter() - started) / len(jobs)
    records = []
    for i, ((prompt, repetition), found) in enumerate(zip(jobs, judged_world(model).find_objects(pictures))):
        passed = shows_scene(prompt.scene, found)
        tokens = pack_tokens(indices[i].flatten().cpu().numpy())
        seen = [describe(thing) for thing in found]
        nfe = report.nfe_per_row[i]
        key = configuration.key
        records.append(PictureRecord(key, prompt.number, repetition, passed, nfe, round(seconds, 5), seen, tokens))
    return records, pictures


def judged_world(model: DLLM) -> JudgedWorld:
    """The world whose pictures a built-in model draws."""
    return find_judged_world(model.name.removeprefix("builtin-"))


def describe(thing: FoundObject) -> str:
    """Color, shape and center in pixels."""
    return f"{thing.color} {thing.shape or '?'} {thing.row:.0f} {thing.column:.0f}"


def run_benchmark(
    model: DLLM,
    prompts: Sequence[EvaluationPrompt],
    configurations: Sequence[Configuration],
    repetitions: int,
    file: RecordFile,
    *,
    batch: int = 12,
    progress: Callable[[str], None] | None = None,
    draw_all: DrawAll | None = None,
) -> None:
    """Draw what the file does not hold yet: every prompt `repetitions` times with every configuration.

    draw_all: how chunks are drawn, in any order; default one after the other, here.
    """
    jobs: list[Job] = [(prompt, s) for s in range(repetitions) for prompt in prompts]
    chunks: list[Chunk] = []
    for configuration in configurations:
        missing = [job for job in jobs if (configuration.key, job[0].number, job[1]) not in file.records]
        chunks += [(configuration, missing[start : start + batch]) for start in range(0, len(missing), batch)]

    def draw_here(chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, list[PictureRecord]]]:
        for configuration, own in chunks:
            yield (configuration, own), draw_pictures(model, own, configuration)[0]

    for (configuration, _), records in (draw_all or draw_here)(chunks):
        file.add(records)
        if progress is not None:
            done = [file.records.get((configuration.key, prompt.number, s)) for prompt, s in jobs]
            passed = [record.passed for record in done if record is not None]
            progress(progress_line(configuration.name, passed, len(jobs)))


def progress_line(name: str, passed: Sequence[bool], wanted: int) -> str:
    """A bar of the pictures done, their number, and the share that passed."""
    full = 20 * len(passed) // wanted
    share = 100 * np.mean(passed)
    return f"[{'#' * full:.<20}] {name}: {len(passed)} of {wanted} pictures, {share:.1f} % passed"


def measure_latency(
    model: DLLM, prompts: Sequence[EvaluationPrompt], configurations: Sequence[Configuration], pictures: int
) -> dict[str, float]:
    """Median seconds from prompt to pixels for one picture at a time, by configuration key.

    The configurations take turns, so that whatever else the machine does touches all alike; the first turn is dropped.
    """
    if pictures == 0:
        return {}
    seconds: dict[str, list[float]] = {configuration.key: [] for configuration in configurations}
    for turn in range(pictures + 1):
        prompt = prompts[turn * len(prompts) // (pictures + 1)]
        for configuration in configurations:
            (record,), _ = draw_pictures(model, [(prompt, turn)], configuration)
            if turn:
                seconds[configuration.key].append(record.seconds)
    return {key: round(float(np.median(values)), 4) for key, values in seconds.items() if values}
