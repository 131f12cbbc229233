"""Lumina-DiMOO's recorded forwards, sampling primitives, prompts, layouts and image sizes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...models.llada import LLaDATransformer
from ...models.lumina_dimoo.image_sizes import choose_size, edit_sizes, overhang
from ...models.lumina_dimoo.model import LuminaIds, answer_sequence, prompt_prefix
from ...models.lumina_dimoo.prompts import conditional_prompt, prompt_string, task_texts, unconditional_prompt
from ...models.ml_cache import MLCacheSettings, select_places
from ...models.packing import rotary_tables
from ...samplers.published.arithmetic import UpstreamGuidance, gumbel_added, log_clamped, stays_masked
from ...samplers.published.lumina_dimoo import kept_count
from ...token_grid import TokenGrid
from .golden_folder import GoldenFolder
from .result import FileCheck

FLOAT_TOLERANCE, REAL_VOCABULARY_TOLERANCE, BFLOAT16_TOLERANCE = 2e-4, 5e-4, 0.6
UNDERSTANDING = (  # of questions about images, which the pack does not answer
    "You are a multimodal model that can process both text and images. Answer the following question based on the "
    "provided images. Analyze each image and combine relevant details to answer."
)
TEMPLATES = {
    "image_generation": "text-to-image",
    "image_editing": "edit",
    "dense_prediction": "dense",
    "control_generation": "control",
    "subject_generation": "subject",
    "multi_view": "multi_view",
    "style_transfer": "ref_transfer",
}


def check_forward(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """Hidden states and logits of the recorded sequences."""
    check, data, model = FileCheck(name), folder.tensors(name), folder.transformer()
    if "image_logits" in data:
        _check_real_vocabulary(check, data, model)
        return [check]
    for sequence in sorted({key.split(".")[0] for key in data}):
        ids = data[f"{sequence}.input_ids"][None]
        inputs, last = hidden_states(model, ids)
        for number, hidden in enumerate([*inputs, last]):
            check.close(f"{sequence} hidden {number}", hidden[0], data[f"{sequence}.hidden.{number}"], FLOAT_TOLERANCE)
        logits = model.logits(last, 0, model.config.embedding_size)[0]
        check.close(f"{sequence} logits", logits, data[f"{sequence}.logits"], FLOAT_TOLERANCE)
    _check_block(check, data, model)
    half = folder.transformer(torch.bfloat16)
    logits = half.logits(half(data["image.input_ids"][None]), 0, half.config.embedding_size)[0]
    check.close("image logits in bfloat16", logits, data["image.logits_bf16"], BFLOAT16_TOLERANCE)
    return [check]


def hidden_states(model: LLaDATransformer, ids: Tensor, key_mask: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
    """The input of every block, and the normalized output."""
    inputs: list[Tensor] = []
    hooks = [
        block.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
        for block in model.transformer["blocks"]
    ]
    try:
        return inputs, model(ids, key_mask)
    finally:
        for hook in hooks:
            hook.remove()


def _check_block(check: FileCheck, data: dict[str, Tensor], model: LLaDATransformer) -> None:
    """What happens inside the first block."""
    block: Any = model.transformer["blocks"][0]
    x = data["image.hidden.0"][None]
    cos, sin = rotary_tables(torch.arange(x.shape[1]), model.config.head_dim, model.config.rope_theta)
    normed = block.attn_norm(x)
    q, k, v = block.project(x, cos, sin)
    attended = block.attend(q, k, v, None, model.attention)
    after = block.ff_norm(x + attended)
    found = {
        "attn_norm": normed[0], "q_proj": block.q_proj(normed)[0], "k_proj": block.k_proj(normed)[0],
        "v_proj": block.v_proj(normed)[0], "q_rope": q[0], "k_rope": k[0], "attn_out": attended[0], "ff_norm": after[0],
        "ff_proj": block.ff_proj(after)[0], "up_proj": block.up_proj(after)[0], "ff_out": block.mlp(x + attended)[0],
    }  # fmt: skip
    for name, value in found.items():
        check.close(f"first block {name}", value, data[f"image.block0.{name}"], FLOAT_TOLERANCE)


def _check_real_vocabulary(check: FileCheck, data: dict[str, Tensor], model: LLaDATransformer) -> None:
    hidden = model(data["input_ids"][None])[0]
    ids = LuminaIds()
    logits = model.logits(hidden, ids.image_offset, ids.codebook_size)
    check.close("image logits", logits, data["image_logits"], REAL_VOCABULARY_TOLERANCE)
    everything = model.logits(hidden, 0, model.config.embedding_size)
    columns = everything[:, data["columns"]]
    check.close("logits at columns", columns, data["logits_at_columns"], REAL_VOCABULARY_TOLERANCE)
    check.equal("most probable token", everything.argmax(dim=-1), data["argmax_full_vocab"])
    check.keep_margin(float(data["argmax_full_vocab_gap"].min()))


def check_sampling(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """Schedules, noise, draws, choices of cells, one whole step in bfloat16, and choices of ML-Cache."""
    cases, data = folder.json(name), folder.tensors(name.replace(".json", ".safetensors"))
    check, tensors = FileCheck(name), FileCheck(name.replace(".json", ".safetensors"))
    for cells, by_steps in cases["keep_counts"].items():
        for steps, counts in by_steps.items():
            found = [int(kept_count(torch.tensor([int(cells)]), t, int(steps))) for t in range(int(steps))]
            check.equal(f"kept of {cells} in {steps} steps", found, counts)
    for case in cases["refresh_steps"]:
        cache = MLCacheSettings(case["timesteps"], 0.9, case["refresh_interval"], case["warmup_ratio"])
        found = [step for step in range(case["timesteps"]) if cache.is_full(step)]
        check.equal(f"full steps of {case['timesteps']}", found, case["refresh"])
    for key in (key for key in data if key.startswith("cosine.")):
        steps = int(key.removeprefix("cosine.T"))
        many = torch.tensor([2**20])  # a count so large that its floor shows every bit of the cosine
        found = [int(kept_count(many, t, steps)) for t in range(steps - 1)]
        expected = torch.floor(2**20 * data[key][: steps - 1]).long().clamp_min(1)
        tensors.equal(f"cosine of {steps} steps", found, expected)
    for kind in ("f32", "bf16", "f16"):
        noise = gumbel_added(data[f"gumbel.{kind}.u"])
        tensors.close(f"noise in {kind}", noise, data[f"gumbel.{kind}.g"], 1e-5)
    for case in cases["gumbel_max_sample"]:
        key, tau = case["case"], case["tau"]
        logits, noise = data[f"{key}.logits"], gumbel_added(data[f"{key}.u"])
        drawn = logits.argmax(dim=-1) if tau == 0 else (logits / tau + noise).argmax(dim=-1)
        tensors.equal(f"{key} draw", drawn, data[f"{key}.index"])
    for case in cases["mask_by_random_topk"]:
        _check_choice(check, tensors, case, data)
    _check_bfloat16_step(tensors, cases["bf16_step"], data)
    for case in cases["cache_select"]:
        key = case["case"]
        chosen = select_places(data[f"{key}.max_logit"][0], case["cache_ratio"])
        tensors.equal(f"{key} places", chosen, data[f"{key}.recompute"][0])
        check.equal(f"{key} count", int(chosen.sum()), case["n_recompute"])
        threshold = torch.quantile(data[f"{key}.max_logit"][0].float(), 1 - case["cache_ratio"])
        tensors.close(f"{key} threshold", threshold, data[f"{key}.threshold"].reshape(()).float(), 1e-6)
    text = "its parts add_gumbel_noise and num_transfer_tokens belong to block-wise text generation, which is left out"
    return [check, tensors, FileCheck(f"{name} (text)", skipped=text)]


def _check_choice(check: FileCheck, tensors: FileCheck, case: dict[str, Any], data: dict[str, Tensor]) -> None:
    key, temperature = case["case"], case["temperature"]
    key = key if f"{key}.u" in data else f"mrt.{key}"
    noise = gumbel_added(data[f"{key}.u"])
    tensors.close(f"{key} noise", noise, data[f"{key}.gumbel"], 1e-5)
    confidence = log_clamped(data[f"{key}.probs"]) + temperature * noise
    ranks = torch.tensor(case["mask_len"]).clamp(0, confidence.shape[1] - 1)
    stay = stays_masked(confidence, ranks)
    tensors.equal(f"{key} still masked", stay, data[f"{key}.stay_masked"])
    check.equal(f"{key} count", stay.sum(dim=1), case["n_stay"])


def _check_bfloat16_step(check: FileCheck, case: dict[str, Any], data: dict[str, Tensor]) -> None:
    def recorded(name: str) -> Tensor:
        return data[f"bf16_step.{name}"]

    tau = case["temperature"]
    logits = UpstreamGuidance(case["cfg_scale"]).combine((recorded("cond"), recorded("uncond")))
    check.equal("bfloat16 guidance", logits, recorded("cfg_logits"))
    drawn = (logits / tau + gumbel_added(recorded("u_sample"))).argmax(dim=-1)
    check.equal("bfloat16 draw", drawn, recorded("sampled"))
    probability = torch.softmax(logits, dim=-1).gather(-1, drawn.unsqueeze(-1)).squeeze(-1)
    check.equal("bfloat16 confidence", probability, recorded("conf"))
    confidence = log_clamped(probability) + tau * gumbel_added(recorded("u_mask"))
    stay = stays_masked(confidence, torch.tensor([case["keep_n"]]))
    check.equal("bfloat16 still masked", stay, recorded("stay_masked"))


def check_prompts(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """Prompt strings of every task."""
    case, check = folder.json(name), FileCheck(name)
    text = case["user_text"]
    check.equal("text-to-image", conditional_prompt("text-to-image", text), case["t2i"]["prompt"])
    check.equal("text-to-image unconditional", unconditional_prompt("text-to-image"), case["t2i"]["unconditional"])
    check.equal("understanding", prompt_string(UNDERSTANDING, text), case["mmu"])
    for task, expected in case["i2i"].items():
        check.equal(task, conditional_prompt(task, text), expected["prompt"])
        check.equal(f"{task} unconditional", unconditional_prompt(task), expected["unconditional"])
        check.equal(f"{task} system", task_texts(task, text)[0], expected["system"])
    for template, task in TEMPLATES.items():
        check.equal(f"template {template}", task_texts(task, "")[0], case["templates"][template])
    check.equal("template text_understanding", UNDERSTANDING, case["templates"]["text_understanding"])
    return [check]


def check_sequences(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """Token layouts with the real ids."""
    cases, check, ids = folder.json(name), FileCheck(name), LuminaIds()
    prompt, negative = (cases["text_to_image"][key] for key in ("prompt_token_ids", "uncond_prompt_token_ids"))
    height, width = cases["text_to_image"]["grid"]
    grid = TokenGrid(height, width)
    for task in ("text_to_image", "image_to_image", "style_transfer_with_reference"):
        case = cases[task]
        keys = [key for key in ("source_codes_with_offset", "reference_codes_with_offset") if key in case]
        images = [torch.tensor(case[key]).view(height, width) - ids.image_offset for key in keys]
        sequence = answer_sequence(prompt_prefix(prompt, images, ids), grid, ids)
        check.equal(f"{task} sequence", sequence.token_ids, case["full_sequence"])
        check.equal(f"{task} first cell", int(sequence.cell_places[0]), case["code_start"])
        text_unconditional = prompt_prefix(negative, images, ids)
        check.equal(
            f"{task} unconditional", text_unconditional, case.get("uncond_prefix", case.get("uncond_text_prefix"))
        )
        if images:
            check.equal(f"{task} without images", prompt_prefix(prompt, (), ids), case["uncond_image_prefix"])
        else:
            full = answer_sequence(text_unconditional, grid, ids).token_ids
            check.equal(f"{task} unconditional sequence", full, case["uncond_full_sequence"])
    return [check]


def check_crop_sizes(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """Lists of image sizes and the choices from them."""
    check = FileCheck(name)
    for case in folder.json(name).values():
        sizes = edit_sizes(case["num_patches"])
        check.equal(f"{case['num_patches']} patches", sizes, case["crop_sizes_wh"])
        for chosen in case["selected"]:
            size = (chosen["input_wh"][0], chosen["input_wh"][1])
            target = choose_size(size, sizes)
            check.equal(f"choice for {size}", target, chosen["crop_wh"])
            check.equal(f"overhang of {size}", overhang(size, target), [chosen["max_left"], chosen["max_upper"]])
    return [check]
