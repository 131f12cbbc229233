"""One run of a dLLM sampler inside ComfyUI: read the sockets, load the weights, sample, hand over LATENT and report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import comfy.model_management
from comfy_api.latest import io
from torch import Tensor

from ..ladr_core.mapped_files import check_mapped
from ..ladr_core.report import SamplingReport
from ..ladr_core.sampler_setup import SamplerSetup
from ..ladr_core.sampling import ImageRequest, RunCallbacks, sample_tokens
from ..ladr_core.settings import SEED, RescueSettings, SamplerSettings
from .conditioning import read_prompt
from .latent import read_latent, write_latent
from .model import get_dllm_model
from .preview import StepDisplay, check_interrupt, code_colors, needs_colors, shows_previews
from .run_result import announce_start, keep_result, shown_result


@dataclass(frozen=True)
class PreparedRun:
    """The sockets and widgets of a sampler, read and checked."""

    model: Any
    inner: Any  # the model's own side of MODEL
    request: ImageRequest
    settings: SamplerSettings

    @classmethod
    def read(
        cls, model: Any, seed: int, positive: Any, negative: Any, latent_image: dict[str, Any], settings: dict[str, Any]
    ) -> PreparedRun:
        """Read the inputs of `sampler_inputs.shared_inputs`."""
        inner = get_dllm_model(model)
        dllm = inner.dllm
        prompt, image_cfg = read_prompt("positive", positive, dllm.codebook_size)
        negative_prompt, _ = read_prompt("negative", negative, dllm.codebook_size)
        latent = read_latent("latent_image", latent_image, dllm)
        values = SamplerSettings(**settings)
        if image_cfg is not None:
            values = replace(values, image_cfg=image_cfg)
        seeds = [(SEED.check(seed) + index) % 2**64 for index in latent.batch_index]
        prompts, negatives = [prompt] * len(seeds), [negative_prompt] * len(seeds)
        request = ImageRequest(prompts, negatives, latent.grid, seeds, latent.indices, latent.editable)
        return cls(model, inner, request, values)

    def load(self, setups: Sequence[SamplerSetup], preview: bool) -> None:
        """Bring the weights to the card, with room for the largest of these runs."""
        dllm, vae = self.inner.dllm, self.inner.vae
        if preview and needs_colors(vae):
            code_colors(vae)
        check_mapped(dllm.transformer)
        check_mapped(dllm.vq)
        patchers = [self.model] if not preview or needs_colors(vae) else [self.model, vae.patcher]
        prompts, grid = list(self.request.positive), self.request.grid
        memory = max(self.inner.run_memory(prompts, grid, setup.settings, setup.options) for setup in setups)
        comfy.model_management.load_models_gpu(patchers, memory_required=memory)

    def draw(self, setup: SamplerSetup, callbacks: RunCallbacks) -> tuple[Tensor, SamplingReport]:
        """Sample: codebook indices [B, H, W] and the report."""
        return sample_tokens(self.inner.dllm, self.request, setup, device=self.model.load_device, callbacks=callbacks)


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
    mark_rescued: bool = False,
    **settings: Any,
) -> io.NodeOutput:
    """Sample with the inputs of `sampler_inputs.shared_inputs`; hidden: the node's id and the pictures' metadata."""
    run = PreparedRun.read(model, seed, positive, negative, latent_image, settings)
    setup = SamplerSetup(sampler, run.settings, rescue or RescueSettings(), options or {})
    preview = shows_previews(preview)
    display = StepDisplay(run.request.grid, run.inner.vae, preview, mark_rescued)
    callbacks = RunCallbacks(lambda start: announce_start(hidden.unique_id, start), check_interrupt, display)
    run.load([setup], preview)
    indices, report = run.draw(setup, callbacks)
    keep_result(hidden.extra_pnginfo, hidden.unique_id, report)
    text = "\n".join([*report.notices, report.to_text()])
    made = write_latent(latent_image, indices, run.inner.dllm.name)
    return io.NodeOutput(made, text, report.to_json(), ui=shown_result(report))
