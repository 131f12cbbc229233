"""MMaDA's recorded generations: every token and every mask of every step."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor

from ...models.contract import Denoiser
from ...models.mmada.model import MMaDAIds, image_sequence
from ...models.mmada.padded import PaddedDenoiser
from ...models.sequence import SequenceDenoiser, TokenSequence
from ...noise import NoiseSource, RecordedNoise, SharedNoise
from ...samplers.published.arithmetic import UpstreamGuidance
from ...samplers.published.mmada import (
    ExponentialRaceDraw,
    MMaDARule,
    annealed_temperature,
    cosine,
    power,
    sigmoid,
    still_masked_counts,
)
from ...settings import SamplerSettings
from ...token_grid import MASKED, TokenGrid
from .golden_folder import GoldenFolder
from .mmada_steps import check_draws_of_known_cells, check_end, check_rounding, recorded_grid
from .recording import RecordedStep, record_run
from .result import FileCheck

LOGITS_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.08}
CONFIDENCE_TOLERANCE = 1e-4


def folder_ids(meta: dict[str, Any], text_length: int) -> MMaDAIds:
    """The token ids of a recorded folder."""
    special = meta["special_tokens"]
    return MMaDAIds(
        begin_text=meta["bos_token_id"],
        end_text=meta["eos_token_id"],
        begin_image=special["<|soi|>"],
        end_image=special["<|eoi|>"],
        text_to_image=special["<|t2i|>"],
        mask=meta["mask_token_id"],
        image_offset=meta["image_token_offset"],
        codebook_size=meta["codebook_size"],
        text_length=text_length,
    )


def mask_ratio(name: str, arguments: dict[str, float]) -> Any:
    """The published schedule of this name."""
    if name == "cosine":
        return cosine
    if name == "sigmoid":
        return sigmoid(**arguments)
    return power(1.0 if name == "linear" else float(name.removeprefix("pow")))


def check_generate(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """Run one recorded case of `t2i_generate`, from its recorded noise and again from its seed."""
    case, data = folder.json(name), folder.tensors(name.replace(".json", ".safetensors"))
    check, tensors = FileCheck(name), FileCheck(name.replace(".json", ".safetensors"))
    ids = folder_ids(folder.meta, case["max_text_len"])
    dtype = torch.bfloat16 if case.get("dtype") == "bfloat16" else torch.float32
    branches = _branches(case, ids, data, tensors)
    denoiser = SequenceDenoiser(folder.transformer(dtype), branches, ids.vocabulary, "cpu")
    initial = torch.tensor(case.get("initial_image_ids", [[ids.mask] * case["seq_len"]] * case["batch"]))
    cells = torch.where(initial == ids.mask, MASKED, initial - ids.image_offset)
    steps, temperature = case["steps"], case["temperature"]
    temperatures = torch.tensor(
        [annealed_temperature(temperature, k, steps) for k in range(steps)], dtype=torch.float64
    )
    recorded = torch.tensor(case["step_temperatures"], dtype=torch.float64)
    check.close("choice temperatures", temperatures, recorded, 1e-12)
    runs: list[tuple[str, Any, NoiseSource]] = []
    generator = torch.Generator("cpu").manual_seed(case["seed"])
    if "step00.logits" in data:
        runs.append(("from recorded logits and noise", _Replay(data, ids, cells), _noise(data, steps)))
    if dtype == torch.bfloat16:
        runs.append(("from recorded logits and the seed", _Replay(data, ids, cells), SharedNoise(generator)))
        # One rounding that falls the other way on another processor changes tokens here, so the network is compared by
        # its logits on the recorded inputs: padded as published, and without padding.
        padded = PaddedDenoiser(folder.transformer(dtype), branches, ids.vocabulary, "cpu")
        _check_logits(tensors, "padded", padded, data, ids, cells, steps)
        check_rounding(tensors, padded, data, ids, cells, case)
        _check_logits(tensors, "without padding", denoiser, data, ids, cells, steps)
    else:
        if "step00.exponential" in data:
            runs.append(("from recorded noise", denoiser, _noise(data, steps)))
        runs.append(("from the seed", denoiser, SharedNoise(generator)))
    for how, network, noise in runs:
        result, recorded_steps = _run(network, cells, case, noise)
        for number, step in enumerate(recorded_steps):
            _check_step(tensors, how, number, step, data, ids, case, denoiser)
        tensors.equal(f"final codebook indices {how}", result, data["final_codes"].long())
        check.equal(f"final codebook indices {how}", result, case["final_codes"])
        check.equal(f"steps run {how}", len(recorded_steps), steps)
        check_end(check, tensors, how, result, recorded_steps[-1], data, case, ids)
        if how.endswith("the seed"):
            state = hashlib.sha256(generator.get_state().numpy().tobytes()).hexdigest()
            check.equal("state of the generator afterward", state, case["final_generator_state_sha"])
    check.keep_margin(case.get("min_cutoff_margin"), case.get("min_draw_margin"))
    return [check, tensors]


class _Replay:
    """A denoiser that answers with the recorded logits of each step."""

    def __init__(self, data: dict[str, Tensor], ids: MMaDAIds, cells: Tensor):
        self._data, self._shape = data, (-1, *cells.shape, ids.codebook_size)
        self.codebook_size, self.device = ids.codebook_size, torch.device("cpu")

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        logits = self._data[f"step{step:02d}.logits"].view(self._shape)
        return tuple(branch[codebook_indices == MASKED] for branch in logits)


def _check_logits(
    check: FileCheck,
    how: str,
    denoiser: SequenceDenoiser,
    data: dict[str, Tensor],
    ids: MMaDAIds,
    cells: Tensor,
    steps: int,
) -> None:
    """The logits of our network on the recorded inputs of every step."""
    batch, count = cells.shape
    for number in range(steps):
        before = recorded_grid(data, number, cells, ids)
        branches = denoiser.predict(before, torch.arange(batch), guided=True, step=number)
        expected = data[f"step{number:02d}.logits"].view(-1, batch, count, ids.codebook_size)
        for branch, logits in enumerate(branches):
            what = f"step {number} logits {how}"
            check.close(what, logits, expected[branch][before == MASKED], LOGITS_TOLERANCE[logits.dtype])


def _run(
    denoiser: Denoiser, cells: Tensor, case: dict[str, Any], noise: NoiseSource
) -> tuple[Tensor, list[RecordedStep]]:
    scale = case["guidance_scale"]
    settings = SamplerSettings(steps=case["steps"], cfg=scale + 1, choice_temperature=case["temperature"])
    rule = MMaDARule(settings, mask_ratio(case["schedule"], case["schedule_kwargs"]))
    result, steps, _ = record_run(
        denoiser, cells, TokenGrid(1, cells.shape[1]), settings,
        rule=rule, draw=ExponentialRaceDraw(), guidance=UpstreamGuidance(scale), noise=noise,
    )  # fmt: skip
    return result, steps


def _noise(data: dict[str, Tensor], steps: int) -> NoiseSource:
    return RecordedNoise([data[f"step{k:02d}.{kind}"] for k in range(steps) for kind in ("exponential", "uniform")])


def _branches(
    case: dict[str, Any], ids: MMaDAIds, data: dict[str, Tensor], check: FileCheck
) -> list[list[TokenSequence]]:
    """Our sequences of a case, compared with the recorded padded rows."""
    texts = [[int(word) for word in prompt.removeprefix("ids:").split()] for prompt in case["prompts"]]
    cells = case["seq_len"]
    # The published code keeps so many tokens of the unconditional row as they were at the start.
    stale = max(0, case.get("uncond_prefix_length", 0) - (ids.text_length + 2))
    conditional = [image_sequence(text, cells, ids) for text in texts]
    unconditional = [image_sequence([], cells, ids, stale_cells=stale) for _ in texts]
    for prefix, rows in (("", conditional), ("uncond_", unconditional)):
        if f"{prefix}input_ids" not in data:
            continue
        for row, sequence in enumerate(rows[: len(data[f"{prefix}input_ids"])]):
            real = data[f"{prefix}attention_mask"][row].bool()
            kept = data[f"{prefix}input_ids"][row][real].clone()
            own = sequence.token_ids.clone()
            own[sequence.cell_places] = kept[sequence.cell_places].long()  # given cells are checked with the steps
            check.equal(f"{prefix}row {row} tokens", own, kept)
            check.equal(f"{prefix}row {row} padding", sequence.first_position, int((~real).sum()))
    return [conditional, unconditional]


def _check_step(
    check: FileCheck, how: str, number: int, step: RecordedStep, data: dict[str, Tensor], ids: MMaDAIds,
    case: dict[str, Any], denoiser: SequenceDenoiser,
) -> None:  # fmt: skip
    def recorded(kind: str) -> Tensor:
        return data[f"step{number:02d}.{kind}"]

    what = f"step {number} {how}"
    masked = step.before == MASKED
    batch, cells = masked.shape
    guided = len(step.branches) > 1
    if f"step{number:02d}.model_input" in data:
        rows = torch.arange(batch)
        layout, tokens = denoiser.arrange(step.before, rows, guided)
        first = ids.text_length + 2
        span = recorded("model_input")[:, first : first + cells]
        check.equal(f"{what} grid tokens", tokens[layout.cells].flatten(), span.flatten())
    if f"step{number:02d}.logits" in data:
        expected = recorded("logits").view(-1, batch, cells, ids.codebook_size)
        for branch, logits in enumerate(step.branches):
            check.close(f"{what} logits", logits, expected[branch][masked], LOGITS_TOLERANCE[logits.dtype])
    drawn = recorded("sampled_raw").view(batch, cells)[masked]
    check.equal(f"{what} drawn", step.prediction.tokens[masked], drawn)
    confidence, expected = step.prediction.confidence[masked], recorded("selected_probs")[masked]
    check.close(f"{what} confidence", confidence, expected, CONFIDENCE_TOLERANCE)
    ratio = mask_ratio(case["schedule"], case["schedule_kwargs"])
    counts = still_masked_counts(masked.sum(dim=1), cells, ratio, number, case["steps"])
    check.equal(f"{what} counts", counts, recorded("mask_len").flatten().long())
    check.equal(f"{what} listed counts", counts.tolist(), [int(count) for count in case["step_mask_len"][number]])
    masking = recorded("masking").bool()
    check.equal(f"{what} listed masked", case["step_masked_count"][number], masking.sum(dim=1))
    if number < case["steps"] - 1:
        check.equal(f"{what} still masked", masked & ~step.chosen, masking)
    if {f"step{number:02d}.logits", f"step{number:02d}.exponential"} <= data.keys():
        check_draws_of_known_cells(check, number, data, case, masked.shape)
