"""Lumina-DiMOO's recorded generations: every token and every mask of every step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...models.lumina_dimoo.model import LuminaIds, answer_sequence, shifted_ids
from ...models.ml_cache import MLCacheDenoiser, MLCacheSettings
from ...models.sequence import SequenceDenoiser, TokenSequence
from ...noise import NoiseSource, PerImageNoise, RecordedNoise
from ...samplers.published.arithmetic import UpstreamGuidance
from ...samplers.published.lumina_dimoo import GumbelArgmaxDraw, LuminaDiMOORule, kept_count
from ...settings import SamplerSettings
from ...token_grid import MASKED, TokenGrid
from .golden_folder import GoldenFolder
from .recording import RecordedStep, record_run
from .result import FileCheck

LOGITS_TOLERANCE = 2e-4


def case_ids(case: dict[str, Any]) -> LuminaIds:
    """The token ids of a recorded case."""
    ids = shifted_ids(LuminaIds().mask - case["mask_token_id"], case["codebook_size"])
    return replace(ids, newline=case["newline_id"], image_offset=case["text_vocab_size"])


def check_generate(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """Run one recorded case of `generate_image` or `generate_i2i`."""
    case, check = folder.json(name), FileCheck(name)
    if case["kind"] not in ("generate_image", "generate_image_use_cache", "generate_i2i"):
        return [FileCheck(name, skipped="block-wise text generation is not part of this pack, which draws images")]
    ids, grid = case_ids(case), TokenGrid(case["grid_h"], case["grid_w"])
    sequences = _sequences(case, grid, ids, check)
    cache = None
    if case.get("use_cache"):
        cache = MLCacheSettings(
            case["timesteps"], *(case[k] for k in ("cache_ratio", "refresh_interval", "warmup_ratio"))
        )
        full = [cache.is_full(step) for step in range(case["n_steps_run"])]
        check.equal("full steps", full, case["refresh_steps"][: case["n_steps_run"]])
    transformer = folder.transformer()
    if cache is None:
        denoiser = SequenceDenoiser(transformer, sequences, ids.vocabulary, "cpu")
    else:
        denoiser = MLCacheDenoiser(transformer, sequences, ids.vocabulary, "cpu", cache)
    given = sequences[0][0].token_ids[sequences[0][0].cell_places]
    cells = torch.where(given == ids.mask, MASKED, given - ids.image_offset)[None]
    scale, image_scale, temperature = case["cfg_scale"], case.get("cfg_img", 0.0), case["temperature"]
    settings = SamplerSettings(
        steps=case["timesteps"], cfg=scale + 1, image_cfg=image_scale + 1, temperature=temperature,
        choice_temperature=temperature,
    )  # fmt: skip
    noise_name = name.replace(".json", ".noise.safetensors")
    result, steps, report = record_run(
        denoiser, cells, grid, settings,
        rule=LuminaDiMOORule(settings), draw=GumbelArgmaxDraw(temperature),
        guidance=UpstreamGuidance(scale, image_scale), noise=_noise(folder, noise_name, case),
    )  # fmt: skip
    check.equal("steps run", report.nfe, case["n_steps_run"])
    first_masked = int((cells == MASKED).sum())
    check.equal("steps listed", [recorded["step"] for recorded in case["steps"]], list(range(len(steps))))
    for recorded, step in zip(case["steps"], steps):
        _check_step(check, recorded, step, sequences[0][0], first_masked, case)
    check.equal("final codebook indices", result[0], case["vq_codes"])
    check.equal("final token ids", result[0] + ids.image_offset, case["vq_ids"])
    if "n_distinct_codes" in case:
        check.equal("distinct indices", len(result[0].unique()), case["n_distinct_codes"])
    if "vq_codes_without_cache" in case:
        plain, _, _ = record_run(
            SequenceDenoiser(transformer, sequences, ids.vocabulary, "cpu"), cells, grid, settings,
            rule=LuminaDiMOORule(settings), draw=GumbelArgmaxDraw(temperature),
            guidance=UpstreamGuidance(scale, image_scale), noise=_noise(folder, noise_name, case),
        )  # fmt: skip
        check.equal("final codebook indices without cache", plain[0], case["vq_codes_without_cache"])
        check.equal("indices changed by the cache", int((plain != result).sum()), case["n_codes_changed_by_cache"])
    check.keep_margin(*(case.get(k) for k in ("min_argmax_gap", "min_cut_gap", "quantile_min_gap")))
    checks = [check]
    if folder.has(noise_name):
        checks.append(FileCheck(noise_name, comparisons=1, failures=list(check.failures)))
    logits_name = name.replace(".json", ".logits.safetensors")
    if folder.has(logits_name) and isinstance(denoiser, MLCacheDenoiser):
        checks.append(_check_logits(folder, logits_name, steps, sequences, denoiser))
    return checks


def _sequences(case: dict[str, Any], grid: TokenGrid, ids: LuminaIds, check: FileCheck) -> list[list[TokenSequence]]:
    """Branches of a case, built by our layout and compared with the recorded sequence."""
    start = case["code_start"] - 2
    full = torch.tensor(case["prompt_ids"])
    names = [n for n in ("uncon_ids", "uncon_text", "uncon_image") if n in case]
    prefixes = [full[:start], *(torch.tensor(case[n]) for n in names)]
    sequences = [answer_sequence(prefix, grid, ids) for prefix in prefixes]
    own = sequences[0].token_ids.clone()
    own[sequences[0].cell_places] = full[sequences[0].cell_places]
    check.equal("sequence layout", own, full)
    return [[TokenSequence(own, sequences[0].cell_places)], *([s] for s in sequences[1:])]


def _noise(folder: GoldenFolder, name: str, case: dict[str, Any]) -> NoiseSource:
    if not case["temperature"]:
        return PerImageNoise([0])  # drawn, and multiplied by zero
    recorded = folder.tensors(name)
    order = [f"step{step}.{kind}" for step in range(case["n_steps_run"]) for kind in ("u_sample", "u_mask")]
    return RecordedNoise([recorded[key] for key in order])


def _check_step(
    check: FileCheck, recorded: dict[str, Any], step: RecordedStep, sequence: TokenSequence, first: int, case: dict
) -> None:
    number = recorded["step"]
    masked = step.before[0] == MASKED
    count = int(masked.sum())
    keep = int(kept_count(torch.tensor([first]), number, case["timesteps"]))
    check.equal(f"step {number} keep", keep, recorded["keep_n"])
    check.equal(f"step {number} effective keep", min(keep, count - 1), recorded["keep_n_effective"])
    check.equal(f"step {number} masked", count, recorded["n_masked_before"])
    after = int((masked & ~step.chosen[0]).sum())
    check.equal(f"step {number} masked after", after, recorded["n_masked_after"])
    check.equal(f"step {number} drawn", step.prediction.tokens[0][masked], recorded["sampled_codes"])
    left = sequence.cell_places[masked & ~step.chosen[0]]
    check.equal(f"step {number} still masked", left, recorded["still_masked_positions"])
    if "cond_recomputed" in recorded:
        expected = [recorded["cond_recomputed"], recorded["uncond_recomputed"]]
        check.equal(f"step {number} recomputed", step.recomputed or [None, None], expected)


class _EveryCellDenoiser(MLCacheDenoiser):
    """ML-Cache's denoiser that gives the logits of the known cells too."""

    def wanted_positions(self, codebook_indices: Tensor, layout: Any) -> tuple[Tensor, list[int]]:
        """Places of all cells of all branches."""
        return layout.cells.flatten(), [codebook_indices.shape[1]] * len(codebook_indices) * len(layout.cells)

    def highest(self) -> list[Tensor]:
        """Highest image logit of every place [L] of each sequence; none where a full step follows: nothing is kept."""
        state = self._state
        return [] if state is None else list(state.highest.split(list(state.layout.packed.lengths)))


def _check_logits(
    folder: GoldenFolder,
    name: str,
    steps: list[RecordedStep],
    sequences: list[list[TokenSequence]],
    denoiser: MLCacheDenoiser,
) -> FileCheck:
    """Logits of the masked cells in the run, and of every cell when its grids go through the network again.

    Of the places outside the grid ML-Cache keeps the highest logit only, which is compared where it is kept.
    """
    check, data = FileCheck(name), folder.tensors(name)
    again = _EveryCellDenoiser(denoiser.transformer, sequences, denoiser.vocabulary, denoiser.device, denoiser.settings)
    for number, step in enumerate(steps):
        masked = step.before[0] == MASKED
        everywhere = again.predict(step.before, torch.arange(1), guided=True, step=number)
        for branch, label in enumerate(("cond", "uncond")):
            all_places, what = data[f"step{number}.{label}_logits"], f"step {number} {label}"
            recorded = all_places[sequences[branch][0].cell_places]
            check.close(what, step.branches[branch], recorded[masked], LOGITS_TOLERANCE)
            check.close(f"{what} at every cell", everywhere[branch], recorded, LOGITS_TOLERANCE)
            for highest in again.highest()[branch : branch + 1]:
                check.close(f"{what} highest at every place", highest, all_places.amax(dim=-1), LOGITS_TOLERANCE)
    check.notes.append("known cells included; of places outside the grid the highest logit, as no other is kept")
    return check
