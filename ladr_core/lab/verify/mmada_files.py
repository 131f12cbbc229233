"""MMaDA's recorded forwards, sampling primitives and prompt layouts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...models.mmada.model import MMaDAIds, image_sequence
from ...samplers.published.arithmetic import UpstreamGuidance, gumbel_clamped, log_clamped, stays_masked
from ...samplers.published.mmada import annealed_temperature, sigmoid, still_masked_counts
from .golden_folder import GoldenFolder
from .image_tokenizers import check_quantizer, to_tensor
from .lumina_files import hidden_states
from .mmada_generate import mask_ratio
from .result import FileCheck

FLOAT_TOLERANCE, BFLOAT16_TOLERANCE = 1e-4, 0.08
RECORDED_SCALE = 3.5  # of the recorded guidance; the data does not name it


def check_forward(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """Hidden states and logits of the recorded rows, padding left out."""
    check, data, model = FileCheck(name), folder.tensors(name), folder.transformer()
    if "positions" in data:
        _check_real_vocabulary(check, data, folder)
        return [check]
    for case in sorted({key.split(".")[0] for key in data}):
        ids, real = _inputs(data, case)
        inputs, last = hidden_states(model, ids, None if bool(real.all()) else real)
        for number, hidden in enumerate([*inputs, last]):
            check.close(f"{case} hidden {number}", hidden[real], data[f"{case}.hidden{number}"][real], FLOAT_TOLERANCE)
        logits = model.logits(last, 0, model.config.embedding_size)
        check.close(f"{case} logits", logits[real], data[f"{case}.logits"][real], FLOAT_TOLERANCE)
    return [check]


def check_forward_bfloat16(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """Logits of the same rows from weights in bfloat16."""
    check, data, inputs = FileCheck(name), folder.tensors(name), folder.tensors("forward.safetensors")
    model = folder.transformer(torch.bfloat16)
    for case in sorted({key.split(".")[0] for key in data}):
        ids, real = _inputs(inputs, case)
        hidden = model(ids, None if bool(real.all()) else real)
        logits = model.logits(hidden, 0, model.config.embedding_size)
        check.close(f"{case} logits", logits[real], data[f"{case}.logits_bf16"][real], BFLOAT16_TOLERANCE)
    return [check]


def _inputs(data: dict[str, Tensor], case: str) -> tuple[Tensor, Tensor]:
    ids = data[f"{case}.ids"].long()
    return ids, data.get(f"{case}.attention_mask", torch.ones_like(ids)).bool()


def _check_real_vocabulary(check: FileCheck, data: dict[str, Tensor], folder: GoldenFolder) -> None:
    model, meta = folder.transformer(), folder.meta
    real, places = data["attention_mask"].bool(), data["positions"].long()
    hidden = model(data["ids"].long(), real)
    asked = real[:, places]
    offset, size = meta["image_token_offset"], meta["codebook_size"]
    tail = offset + size
    spans = {
        "logits_image_slice": (offset, size),
        "logits_first_text": (0, data["logits_first_text"].shape[-1]),
        "logits_tail": (tail, meta["vocab_size"] - tail),
    }
    for name, (first, count) in spans.items():
        found = model.logits(hidden[:, places], first, count)
        check.close(name, found[asked], data[name][asked], FLOAT_TOLERANCE)
    mask = model.logits(hidden, meta["mask_token_id"], 1)[..., 0]
    check.close("logits_mask_token", mask[real], data["logits_mask_token"][real], FLOAT_TOLERANCE)


def check_primitives(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """Schedules, temperatures, draws, choices, guidance, bits, and the preparation of an image."""
    cases, data = folder.json(name), folder.tensors(name.replace(".json", ".safetensors"))
    check, tensors = FileCheck(name), FileCheck(name.replace(".json", ".safetensors"))
    for schedule, runs in cases["schedules"].items():
        for run in runs:
            _check_schedule(check, schedule, run)
    for case in cases["temperatures"]:
        found = [annealed_temperature(case["start"], k, case["steps"]) for k in range(case["steps"])]
        check.close(
            f"temperatures of {case['steps']} steps", torch.tensor(found), torch.tensor(case["per_step"]), 1e-12
        )
    for case in cases["random_cases"]:
        _check_random(tensors, case, data)
    ties = log_clamped(data["ties.selected_probs"])
    check_ranks = data["ties.mask_len"].flatten().long()
    tensors.equal("ties", stays_masked(ties, check_ranks), data["ties.masking"].bool())
    tensors.close("logarithm at the edge", log_clamped(data["edge.probs"]), data["edge.log"], 1e-5)
    tensors.close("noise at the edge", gumbel_clamped(data["edge.uniform"]), data["edge.gumbel"], 1e-5)
    for kind in ("f32", "bf16"):
        _check_guidance(tensors, kind, data)
    check_quantizer(tensors, data)
    _check_image(check, tensors, cases["image"], data)
    return [check, tensors]


def _check_schedule(check: FileCheck, schedule: str, run: dict[str, Any]) -> None:
    name, _, arguments = schedule.partition("{")
    values = {
        part.split(":")[0].strip(' "'): float(part.split(":")[1]) for part in arguments.rstrip("}").split(",") if part
    }
    ratio, steps = (sigmoid(**values) if values else mask_ratio(name, {})), run["steps"]
    times = [torch.tensor((k + 1) / steps, dtype=torch.float32) for k in range(steps)]
    what = f"{schedule} {steps} steps"
    check.equal(f"{what} ratios", [ratio(time).item() for time in times], run["mask_ratio"])
    for cells, counts in run["masked_after_step"].items():
        unknown, found = torch.tensor([int(cells)]), []
        for k in range(steps):
            unknown = still_masked_counts(unknown, int(cells), ratio, k, steps)
            found.append(int(unknown))
        check.equal(f"{what} of {cells}", found, counts)
        floors = [float(torch.floor(int(cells) * ratio(time))) for time in times]
        check.equal(f"{what} floors of {cells}", floors, run["floor_N_ratio"][cells])


def _check_random(check: FileCheck, case: dict[str, Any], data: dict[str, Tensor]) -> None:
    def recorded(kind: str) -> Tensor:
        return data[f"{case['name']}.{kind}"]

    name = case["name"]
    probabilities = recorded("probs")  # softmax rounds its last bit by the instructions that a processor has
    check.close(f"{name} probabilities", torch.softmax(recorded("logits"), dim=-1), probabilities, 1e-6)
    drawn = (probabilities.flatten(0, 1) / recorded("exponential")).argmax(dim=-1).view(recorded("sampled").shape)
    check.equal(f"{name} drawn", drawn, recorded("sampled").long())
    check.close(f"{name} noise", gumbel_clamped(recorded("gumbel_uniform")), recorded("gumbel"), 1e-5)
    known = recorded("known").bool()
    selected = probabilities.gather(-1, drawn.unsqueeze(-1)).squeeze(-1)
    selected = torch.where(known, torch.finfo(selected.dtype).max, selected)
    check.equal(f"{name} confidence", selected[~known], recorded("selected_probs")[~known])
    confidence = log_clamped(selected) + case["temperature"] * gumbel_clamped(recorded("uniform"))
    stay = stays_masked(confidence, recorded("mask_len").flatten().long())
    check.equal(f"{name} still masked", stay, recorded("masking").bool())


def _check_guidance(check: FileCheck, kind: str, data: dict[str, Tensor]) -> None:
    branches = (data[f"cfg.{kind}.cond"], data[f"cfg.{kind}.uncond"])
    check.equal(f"guidance in {kind}", UpstreamGuidance(RECORDED_SCALE).combine(branches), data[f"cfg.{kind}.out"])


def _check_image(check: FileCheck, tensors: FileCheck, case: dict[str, Any], data: dict[str, Tensor]) -> None:
    from PIL import Image

    source = data["image.input_u8"]
    height, width = source.shape[:2]
    image = Image.frombytes("RGB", (width, height), bytes(source.flatten().tolist()))
    target = case["resolution"]
    scaled = [
        target if side == min(width, height) else int(target * side / min(width, height)) for side in (height, width)
    ]
    check.equal("resized", scaled, case["resized"])
    top, left = round((scaled[0] - target) / 2), round((scaled[1] - target) / 2)
    check.equal("crop", [top, left], [case["crop_top"], case["crop_left"]])
    resized = image.resize((scaled[1], scaled[0]), Image.Resampling.BICUBIC)
    cropped = to_tensor(resized.crop((left, top, left + target, top + target)))[0]
    tensors.close("image", cropped.movedim(0, -1) * 255, data["image.resized_cropped_u8"], 1e-3)
    tensors.close("image values", (cropped - 0.5) / 0.5, data["image.pixel_values"], 1e-6)


def check_prompt_layout(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """Sequences with the real ids for texts of many lengths."""
    content, check = folder.json(name), FileCheck(name)
    for number, case in enumerate(content["cases"]):
        ids = MMaDAIds(
            begin_text=content["bos"], end_text=content["eos"], mask=content["mask"],
            begin_image=content["special_tokens"]["<|soi|>"], end_image=content["special_tokens"]["<|eoi|>"],
            text_to_image=content["special_tokens"]["<|t2i|>"], text_length=case["max_text_len"],
        )  # fmt: skip
        sequence = image_sequence(case["text_ids"], case["num_vq_tokens"], ids)
        check.equal(f"case {number} tokens", sequence.token_ids, case["input_ids_without_padding"])
        check.equal(f"case {number} padding", sequence.first_position, case["left_padding"])
        length = sequence.first_position + len(sequence.token_ids)
        check.equal(f"case {number} length", length, case["total_length"])
        check.equal(f"case {number} hidden tokens", sequence.first_position, case["attention_mask_zeros"])
        check.equal(f"case {number} real tokens", len(sequence.token_ids), case["attention_mask_ones"])
    return [check]
