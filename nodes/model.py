"""The MODEL output of Load dLLM: a ModelPatcher over the transformer, and the way back from a MODEL input to it."""

from __future__ import annotations

from typing import Any, NoReturn

import comfy.ldm.modules.attention
import comfy.model_management
import comfy.model_patcher
import torch
from torch import Tensor

from ..ladr_core.errors import InputError
from ..ladr_core.models.contract import DLLM, Prompt
from ..ladr_core.models.llada import LLaDATransformer, dot_product_attention
from ..ladr_core.models.memory import run_bytes, run_bytes_of_prompts
from ..ladr_core.samplers.published.lumina_dimoo import ML_CACHE
from ..ladr_core.settings import SamplerSettings
from ..ladr_core.token_grid import TokenGrid
from .refusals import ALLOWED, UNetConfig, refuse_changes, refuse_other_weights, refuse_use
from .weights_on_card import make_patcher


class ModelConfig:
    """What core nodes read of a model's configuration."""

    def __init__(self, config: Any) -> None:
        self.unet_config = UNetConfig(image_model="ladr_dllm", **vars(config))
        self.sampling_settings: dict[str, Any] = {}


class AskedByNodes(torch.nn.Module):
    """A module of which nodes for other models ask parts that it does not have."""

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:  # it stays one, as many nodes only look whether something is there
            raise AttributeError(str(refuse_use(f"a model with {name}"))) from None


class AskedTransformer(AskedByNodes, LLaDATransformer):
    """The transformer as nodes find it behind a MODEL."""

    def forward(self, token_ids: Tensor, *more: Any, **named: Any) -> Tensor:
        """The same, for token ids only: detectors hand it a picture."""
        if not isinstance(token_ids, Tensor) or token_ids.is_floating_point():
            raise refuse_use("a model that reads pictures")
        return super().forward(token_ids, *more, **named)


class DLLMModel(AskedByNodes):
    """Holds the transformer as `diffusion_model`, where core's LoRA and merge nodes look for weights."""

    def __init__(self, dllm: DLLM, vae: Any) -> None:
        super().__init__()
        self.diffusion_model = dllm.transformer
        self.model_config = ModelConfig(dllm.transformer.config)
        self.dllm = dllm
        self.vae = vae

    @property
    def latent_format(self) -> NoReturn:
        """Asked for by KSampler and SamplerCustom."""
        raise refuse_use("a model that removes noise")

    @property
    def model_sampling(self) -> NoReturn:
        """Asked for by schedulers and custom samplers."""
        raise refuse_use("a model that removes noise")

    @property
    def model_type(self) -> NoReturn:
        """Asked for by nodes that save checkpoints."""
        raise refuse_use("a model whose file format ComfyUI knows")

    def get_dtype(self) -> torch.dtype:
        """The dtype its weights are stored in."""
        return next(self.diffusion_model.parameters()).dtype

    def compute_dtype(self) -> torch.dtype:
        """The dtype its activations have."""
        return self.diffusion_model.compute_dtype or self.get_dtype()

    def memory_required(self, input_shape: Any, cond_shapes: Any = None) -> float:
        """Bytes of activations and logits for a latent of shape [B, 1, H, W], at most; asked for by core."""
        grid = TokenGrid(input_shape[-2], input_shape[-1])
        config, itemsize = self.diffusion_model.config, self.compute_dtype().itemsize
        return run_bytes(config, self.dllm.codebook_size, input_shape[0], grid, itemsize)

    def run_memory(
        self, prompts: list[Prompt], grid: TokenGrid, settings: SamplerSettings, options: dict[str, Any]
    ) -> float:
        """Bytes beside the weights that a run with these inputs takes."""
        return run_bytes_of_prompts(
            self.diffusion_model.config, self.dllm.codebook_size, prompts, grid, settings,
            self.compute_dtype().itemsize, ml_cache=options.get(ML_CACHE.name, False),
        )  # fmt: skip


def make_model(dllm: DLLM, vae: Any) -> comfy.model_patcher.ModelPatcher:
    """Wrap a loaded dLLM for ComfyUI's memory management."""
    load_device = comfy.model_management.get_torch_device()
    dllm.transformer.attention = attention
    dllm.transformer.__class__ = AskedTransformer
    model = DLLMModel(dllm, vae)
    # bfloat16 or float32 where the card is not good at the weights' own dtype: these models were trained in bfloat16,
    # and their activations may leave the range of float16, which only a file in float16 is computed in.
    dllm.transformer.compute_dtype = comfy.model_management.unet_manual_cast(
        model.get_dtype(), load_device, [torch.bfloat16, torch.float32]
    )
    offload_device = comfy.model_management.unet_offload_device()
    return make_patcher(model, load_device, offload_device)


def attention(q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None) -> Tensor:
    """ComfyUI's attention of q, k, v [B, heads, L, head_dim]; plain SDPA on the CPU, where core's choice is slower."""
    if q.device.type == "cpu":
        return dot_product_attention(q, k, v, key_mask)
    mask = None if key_mask is None else key_mask[:, None, None, :].expand(-1, -1, q.shape[2], -1)
    return comfy.ldm.modules.attention.optimized_attention(
        q, k, v, q.shape[1], mask=mask, skip_reshape=True, skip_output_reshape=True
    )


def get_dllm_model(model: Any) -> DLLMModel:
    """The dLLM behind a MODEL input, or a sentence where it is another kind of model or carries foreign changes."""
    inner = getattr(model, "model", None)
    if not isinstance(inner, DLLMModel):
        kind = type(inner if inner is not None else model).__name__
        raise InputError("model", f"a MODEL of another kind ({kind})", ALLOWED, "Connect the MODEL of Load dLLM")
    refuse_changes(model)
    weights = inner.diffusion_model.named_parameters()
    refuse_other_weights(model, {f"diffusion_model.{name}": weight.shape for name, weight in weights})
    return inner
