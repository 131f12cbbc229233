"""Ideas on top of LADR with the built-in emoji model: pictures of the tuning prompts, one per prompt, judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...command_line.pictures import load_model
from ...models.contract import DLLM, Prompt
from ...models.sequence import SequenceDenoiser
from ...noise import PerImageNoise
from ...presets import PRESETS
from ...sampler_setup import SamplerSetup
from ...settings import SamplerSettings
from ...token_grid import MASKED
from ..evaluation.prompts import EvaluationPrompt, evaluation_prompts
from ..evaluation.runner import judged_world, to_pictures
from ..evaluation.statistics import mean_of_categories
from ..evaluation.verdict import shows_scene
from .command_line import mean, share
from .revision import Correction, Parts, Redraft, correct, read_hidden, redraft

NAME = "emoji model"
BATCH = 12
HALVES = 2  # groups of cells that are hidden in turn to rate a picture


@dataclass(frozen=True)
class NetworkTrial:
    """A row: an idea, its value, the sampler, and how its pictures are drawn."""

    idea: str
    value: Any
    sampler: str
    setup: SamplerSetup
    plan: Correction | Redraft | None = None
    reference: Any = None  # the value of the same idea and sampler that it is compared with


class Counted(SequenceDenoiser):
    """The network with a count of the passes that each picture takes; reads: it also reads the known cells."""

    def __init__(self, bound: SequenceDenoiser, images: int, reads: bool) -> None:
        super().__init__(bound.transformer, bound._branches, bound.vocabulary, bound.device)
        self.passes = torch.zeros(images)
        self.readings = torch.ones(images, len(bound._branches[0][0].cell_places))
        self._reads = reads

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """See Denoiser."""
        self.passes[rows] += 2 if guided else 1
        branches = super().predict(codebook_indices, rows, guided=guided, step=step)
        if not self._reads:
            return branches
        masked = codebook_indices == MASKED
        own = branches[0].float().softmax(-1).view(*masked.shape, -1)
        own = own.gather(-1, codebook_indices.clamp_min(0)[..., None])[..., 0]
        self.readings[rows] = torch.where(masked, 1.0, own)
        return tuple(branch[masked.flatten()] for branch in branches)

    def wanted_positions(self, codebook_indices: Tensor, layout: Any) -> tuple[Tensor, list[int]]:
        """See SequenceDenoiser; where known cells are read, the positions of all cells."""
        if self._reads:
            codebook_indices = torch.full_like(codebook_indices, MASKED)
        return super().wanted_positions(codebook_indices, layout)


def network_trials() -> list[NetworkTrial]:
    """Guidance over density, and revision, each on LADR and on the baseline."""
    found = []
    baseline = SamplerSetup("baseline", SamplerSettings(steps=16, cfg=1.0, top_p=0.9, choose_then_sample=True))
    for sampler, setup in (("ladr balanced", PRESETS["balanced"].setup), ("baseline 16", baseline)):
        for value, cfg, start in (("cfg 1", 1.0, 0.0), ("cfg 1.5", 1.5, 0.0), ("cfg 1.5 from .5", 1.5, 0.5),
                                  ("cfg 1.5 from .8", 1.5, 0.8)):  # fmt: skip
            settings = replace(setup.settings, cfg=cfg, cfg_start=start)
            found.append(NetworkTrial("guidance late", value, sampler, replace(setup, settings=settings),
                                      reference="cfg 1"))  # fmt: skip
        found += [
            NetworkTrial("correction", value, sampler, setup, plan, "none")
            for value, plan in (("none", None), ("published", Correction(1)),
                                ("impossible", Correction(4096, early=True, below=1e-3)))
        ]
    fast, quality = PRESETS["fast"].setup, PRESETS["quality"].setup
    found.append(NetworkTrial("revision", "none", "ladr quality", quality, reference="none"))
    for part in (1 / 16, 1 / 4):
        plan = Redraft(part, 4)
        found.append(NetworkTrial("revision", f"{part:g} again", "ladr fast", fast, plan, ("ladr quality", "none")))
    found.append(NetworkTrial("revision", "none", "baseline 16", baseline, reference="none"))
    draft = replace(baseline, settings=replace(baseline.settings, steps=10))
    for part in (1 / 16, 1 / 4):
        plan = Redraft(part, 4)
        found.append(NetworkTrial("revision", f"{part:g} again", "baseline 10", draft, plan, ("baseline 16", "none")))
    return found


@dataclass
class Drawn:
    """What came out of a row's pictures, one entry per prompt."""

    passed: list[bool]
    nfe: list[float]
    passes: list[float]


def draw_trial(model: DLLM, prompts: Sequence[EvaluationPrompt], trial: NetworkTrial) -> Drawn:
    """The pictures of a row."""
    grid, world, found = model.default_grid, judged_world(model), Drawn([], [], [])
    for first in range(0, len(prompts), BATCH):
        own = prompts[first : first + BATCH]
        bound: Any = model.bind([Prompt(p.text) for p in own], [Prompt("")] * len(own), grid, device="cpu")
        denoiser = Counted(bound, len(own), isinstance(trial.plan, Correction))
        noise, cells = PerImageNoise([p.seed(0) for p in own]), torch.full((len(own), grid.cells), MASKED)
        parts = Parts.of(trial.setup, grid, noise)
        with torch.inference_mode():
            if isinstance(trial.plan, Correction):
                drawn, nfe = correct(denoiser, parts, trial.plan, cells)
            elif isinstance(trial.plan, Redraft):
                again = replace(trial.setup, settings=replace(trial.setup.settings, steps=trial.plan.steps))
                refill = Parts.of(again, grid, noise)
                drawn, nfe = redraft(denoiser, parts, refill, trial.plan, cells, read_hidden(denoiser, grid, HALVES))
            else:
                drawn, nfe = parts.run(denoiser, cells, cells == MASKED)
            pictures = to_pictures(model.vq.decode(drawn.view(-1, grid.height, grid.width)))
        found.passed += [shows_scene(p.scene, seen) for p, seen in zip(own, world.find_objects(pictures))]
        found.nfe += nfe.tolist()
        found.passes += denoiser.passes.tolist()
    return found


def compare(prompts: Sequence[EvaluationPrompt], one: Sequence[bool], other: Sequence[bool]) -> list[float]:
    """Difference of the shares of right pictures on the same prompts and seeds, with its 95 % interval."""
    outcomes: dict[str, dict[str, list[float]]] = {}
    for prompt, first, second in zip(prompts, one, other):
        outcomes.setdefault(prompt.category, {}).setdefault(prompt.text, []).append(float(first) - float(second))
    found = mean_of_categories(outcomes)
    return [round(value, 4) for value in (found.value, found.low, found.high)]


def measure_trials(known: Sequence[dict[str, Any]], keep: Callable[[dict[str, Any]], None]) -> None:
    """Draw every row that is not among those known, and give it to keep."""
    model = load_model("builtin", torch.device("cpu"))
    prompts = evaluation_prompts("tuning", world=judged_world(model))
    drawn: dict[str, Drawn] = {}
    passed = {
        (row["idea"], row["sampler"], row["value"]): [mark == "1" for mark in row["passed"]]
        for row in known
        if row["oracle"] == NAME
    }
    for trial in network_trials():
        place = (trial.idea, trial.sampler, trial.value)
        if place in passed:
            continue
        reference = trial.reference if isinstance(trial.reference, tuple) else (trial.sampler, trial.reference)
        same = repr((trial.setup, trial.plan))  # an idea's reference can be that of another
        if same not in drawn:
            drawn[same] = draw_trial(model, prompts, trial)
        found = drawn[same]
        passed[place] = found.passed
        row = {"idea": trial.idea, "value": trial.value, "sampler": trial.sampler, "oracle": NAME, "seed": 0,
               "images": len(prompts), "nfe": mean(torch.tensor(found.nfe)), "passes": mean(torch.tensor(found.passes)),
               "valid": share(torch.tensor(found.passed).float()), "divergence": None}  # fmt: skip
        if (trial.sampler, trial.value) != reference:
            row["minus"] = f"{reference[0]} {reference[1]}"
            row["difference"] = compare(prompts, found.passed, passed[trial.idea, reference[0], reference[1]])
        keep(row | {"passed": "".join(str(int(value)) for value in found.passed)})
