"""One run of a dLLM sampler inside ComfyUI: read the sockets, load the weights, sample, hand over LATENT and report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import comfy.model_management
from comfy_api.latest import io

from ..ladr_core.mapped_files import check_mapped
from ..ladr_core.sampler_setup import SamplerSetup
from ..ladr_core.sampling import ImageRequest, RunCallbacks, sample_tokens
from ..ladr_core.settings import SEED, RescueSettings, SamplerSettings
from .conditioning import read_prompt
from .latent import read_latent, write_latent
from .model import get_dllm_model
from .preview import StepDisplay, check_interrupt, code_colors, needs_colors, shows_previews
from .run_result import announce_start, keep_result, shown_result


def run_sampler(
    hidden: Any,
    sampler: str,
    rescue: RescueSettings | None,
    options: dict[str, Any] | None = None,
    *,
    model: Any,
    seed: int,
    positive: Any,
    negative: Any,
    latent_image: dict[str, Any],
    preview: bool = True,
    **settings: Any,
) -> io.NodeOutput:
    """Sample with the inputs of `sampler_inputs.shared_inputs`; hidden: the node's id and the pictures' metadata."""
    inner = get_dllm_model(model)
    dllm, vae = inner.dllm, inner.vae
    prompt, image_cfg = read_prompt("positive", positive, dllm.codebook_size)
    negative_prompt, _ = read_prompt("negative", negative, dllm.codebook_size)
    latent = read_latent("latent_image", latent_image, dllm)
    values = SamplerSettings(**settings)
    if image_cfg is not None:
        values = replace(values, image_cfg=image_cfg)
    seeds = [(SEED.check(seed) + index) % 2**64 for index in latent.batch_index]
    prompts, negatives = [prompt] * len(seeds), [negative_prompt] * len(seeds)

    preview = shows_previews(preview)
    callbacks = RunCallbacks(
        lambda start: announce_start(hidden.unique_id, start), check_interrupt, StepDisplay(latent.grid, vae, preview)
    )
    if preview and needs_colors(vae):
        code_colors(vae)
    check_mapped(dllm.transformer)
    check_mapped(dllm.vq)
    patchers = [model] if not preview or needs_colors(vae) else [model, vae.patcher]
    memory = inner.run_memory(prompts, latent.grid, values, options or {})
    comfy.model_management.load_models_gpu(patchers, memory_required=memory)
    indices, report = sample_tokens(
        dllm,
        ImageRequest(prompts, negatives, latent.grid, seeds, latent.indices, latent.editable),
        SamplerSetup(sampler, values, rescue or RescueSettings(), options or {}),
        device=model.load_device,
        callbacks=callbacks,
    )
    keep_result(hidden.extra_pnginfo, hidden.unique_id, report)
    text = "\n".join([*report.notices, report.to_text()])
    made = write_latent(latent_image, indices, dllm.name)
    return io.NodeOutput(made, text, report.to_json(), ui=shown_result(report))
