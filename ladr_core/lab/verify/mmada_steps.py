"""Comparisons with single steps of MMaDA's recorded generations: rounding, draws of known cells, the end of a run."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...models.mmada.model import MMaDAIds
from ...models.sequence import SequenceDenoiser
from ...samplers.published.arithmetic import UpstreamGuidance, log_clamped, stays_masked
from ...token_grid import MASKED
from .recording import RecordedStep
from .result import FileCheck

# Of bfloat16's probabilities, exponential numbers and their quotient, as a share: half a unit in the last place each.
ROUNDING = 2.0**-6


def recorded_grid(data: dict[str, Tensor], number: int, cells: Tensor, ids: MMaDAIds) -> Tensor:
    """The grids [B, N] that a recorded step began with."""
    first = ids.text_length + 2
    tokens = data[f"step{number:02d}.model_input"][: len(cells), first : first + cells.shape[1]].long()
    return torch.where(tokens == ids.mask, MASKED, tokens - ids.image_offset)


def check_rounding(
    check: FileCheck, denoiser: SequenceDenoiser, data: dict[str, Tensor], ids: MMaDAIds, cells: Tensor,
    case: dict[str, Any],
) -> None:  # fmt: skip
    """Draws of our network on recorded inputs and noise: equal, or explained by a logit that rounded differently."""
    batch, count = cells.shape
    guidance = UpstreamGuidance(case["guidance_scale"])
    equal: list[bool] = []
    for number in range(case["steps"]):
        before = recorded_grid(data, number, cells, ids)
        masked = before == MASKED
        rows = masked.nonzero()[:, 0]
        found = denoiser.predict(before, torch.arange(batch), guided=True, step=number)
        recorded = data[f"step{number:02d}.logits"].view(-1, batch, count, ids.codebook_size)
        expected = tuple(branch[masked] for branch in recorded)
        equal += [
            torch.equal(ours[rows == row], theirs[rows == row])
            for ours, theirs in zip(found, expected)
            for row in range(batch)
        ]
        ours, theirs = guidance.combine(found), guidance.combine(expected)
        exponential = data[f"step{number:02d}.exponential"].view(batch, count, -1)[masked]
        drawn = (torch.softmax(ours, dim=-1) / exponential).argmax(dim=-1)
        wanted = data[f"step{number:02d}.sampled_raw"].view(batch, count)[masked].long()
        score = theirs.double() - exponential.double().log()
        margin = (score.gather(-1, wanted[:, None]) - score.gather(-1, drawn[:, None]))[:, 0]
        difference = (ours.double() - theirs.double()).abs().amax(dim=-1)
        explained = (difference > 0) & (margin <= 2 * difference + ROUNDING)
        check.equal(f"step {number} drawn by the network", torch.where(explained, wanted, drawn), wanted)
    check.notes.append(f"{sum(equal)} of {len(equal)} row-steps bit-equal")


def check_draws_of_known_cells(
    check: FileCheck, number: int, data: dict[str, Tensor], case: dict[str, Any], shape: torch.Size
) -> None:
    """The race over all cells, known ones included, from recorded logits and noise."""
    logits = data[f"step{number:02d}.logits"]
    exponential = data[f"step{number:02d}.exponential"]
    branches = logits.view(-1, shape.numel(), logits.shape[-1]).unbind()
    combined = UpstreamGuidance(case["guidance_scale"]).combine(branches)
    drawn = (torch.softmax(combined, dim=-1) / exponential).argmax(dim=-1)
    check.equal(f"step {number} drawn for all cells", drawn, data[f"step{number:02d}.sampled_raw"].long())


def check_end(
    check: FileCheck, tensors: FileCheck, how: str, result: Tensor, step: RecordedStep, data: dict[str, Tensor],
    case: dict[str, Any], ids: MMaDAIds,
) -> None:  # fmt: skip
    """The last step's choice, which the published code makes and does not use, and the sequence it leaves."""
    number, cells = case["steps"] - 1, result.shape[1]
    masked = step.before == MASKED
    confidence = step.prediction.confidence
    score = torch.where(masked, confidence, torch.finfo(confidence.dtype).max)  # the temperature has faded to 0
    stay = stays_masked(log_clamped(score), data[f"step{number:02d}.mask_len"].flatten().long().clamp_max(cells - 1))
    tensors.equal(f"step {number} {how} still masked", stay, data[f"step{number:02d}.masking"].bool())
    first = ids.text_length + 2
    expected = data["input_ids"].long().clone()
    expected[:, first : first + cells] = torch.where(stay, ids.mask, result + ids.image_offset)
    tensors.equal(f"final sequence {how}", expected, data["final_input_ids"].long())
