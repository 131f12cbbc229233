"""The MODEL output of Load dLLM: a ModelPatcher over the transformer, and what of a MODEL our loop executes."""

from __future__ import annotations

from typing import Any, NoReturn

import comfy.ldm.modules.attention
import comfy.model_management
import comfy.model_patcher
import torch
from torch import Tensor

from ..ladr_core.errors import InputError
from ..ladr_core.models.contract import DLLM, Prompt
from ..ladr_core.models.llada import dot_product_attention
from ..ladr_core.models.memory import run_bytes, run_bytes_of_prompts
from ..ladr_core.samplers.published.lumina_dimoo import ML_CACHE
from ..ladr_core.settings import SamplerSettings
from ..ladr_core.token_grid import TokenGrid
from .weights_on_card import patcher_class

_GIVEN = "the MODEL of Load dLLM, which draws tokens, not noise"
_REMEDY = "Remove that node: the dLLM samplers would not execute it"
_ALLOWED = "the MODEL of Load dLLM, with LoRA or merged weights"
_OPTION_NODES = {
    "sampler_cfg_function": "a node that replaces guidance (RescaleCFG or similar)",
    "sampler_post_cfg_function": "a node that changes guidance (PerturbedAttentionGuidance, TCFG or similar)",
    "sampler_pre_cfg_function": "a node that changes guidance (CFGZeroStar, SkipLayerGuidance or similar)",
    "sampler_calc_cond_batch_function": "a node that replaces guidance (PerpNeg or similar)",
    "model_function_wrapper": "a node that wraps the model call",
    "denoise_mask_function": "Differential Diffusion",
}
_OBJECT_NODES = {
    "model_sampling": "a ModelSampling node",
    "manual_cast_dtype": "ModelComputeDtype",
    "latent_format": "a node that replaces the latent format",
}


def _refusal(allowed: str, remedy: str) -> RuntimeError:
    """A RuntimeError, because nn.Module turns an AttributeError raised in a property into one about itself."""
    return RuntimeError(str(InputError("model", _GIVEN, allowed, remedy)))


class UNetConfig(dict):
    """The size table core looks for; asking for a U-Net's sizes (FreeU, HyperTile) says what this model is."""

    def __missing__(self, key: str) -> NoReturn:
        raise _refusal(f"a U-Net (this node asks for its {key})", "Remove this node in front of the sampler")


class ModelConfig:
    """What core nodes read of a model's configuration."""

    def __init__(self, config: Any) -> None:
        self.unet_config = UNetConfig(image_model="ladr_dllm", **vars(config))
        self.sampling_settings: dict[str, Any] = {}


class DLLMModel(torch.nn.Module):
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
        raise _refusal("a model that removes noise", "Connect it to LADR Sampler or Baseline dLLM Sampler instead")

    @property
    def model_sampling(self) -> NoReturn:
        """Asked for by schedulers and custom samplers."""
        raise _refusal("a model that removes noise", "Connect it to LADR Sampler or Baseline dLLM Sampler instead")

    @property
    def model_type(self) -> NoReturn:
        """Asked for by nodes that save checkpoints."""
        raise _refusal("models whose file format ComfyUI knows", "Use `python -m ladr_core convert` to write one file")

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
    model = DLLMModel(dllm, vae)
    # bfloat16 or float32 where the card is not good at the weights' own dtype: these models were trained in bfloat16,
    # and their activations may leave the range of float16, which only a file in float16 is computed in.
    dllm.transformer.compute_dtype = comfy.model_management.unet_manual_cast(
        model.get_dtype(), load_device, [torch.bfloat16, torch.float32]
    )
    offload_device = comfy.model_management.unet_offload_device()
    return patcher_class()(model=model, load_device=load_device, offload_device=offload_device)


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
        raise InputError("model", f"a MODEL of another kind ({kind})", _ALLOWED, "Connect the MODEL of Load dLLM")
    changes = foreign_changes(model)
    if changes:
        raise InputError("model", "a MODEL changed by " + "; ".join(changes), _ALLOWED, _REMEDY)
    return inner


def foreign_changes(patcher: Any) -> list[str]:
    """Names of everything on a MODEL, other than weight patches, that our loop would silently leave out."""
    found = [_OBJECT_NODES.get(name, f"the object patch {name!r}") for name in patcher.object_patches]
    options = dict(patcher.model_options)
    transformer_options = options.pop("transformer_options", {})
    options.pop("disable_cfg1_optimization", None)  # only ever set together with one of the functions
    found += [_OPTION_NODES.get(name, f"the model option {name!r}") for name, value in options.items() if value]
    found += _transformer_changes(transformer_options)
    found += _nested("wrapper", getattr(patcher, "wrappers", {}))
    found += [f"the injection {name!r}" for name in getattr(patcher, "injections", {})]
    found += [f"the additional model {name!r}" for name, models in patcher.additional_models.items() if models]
    if getattr(patcher, "hook_patches", None):
        found.append("hook patches (Set Model Hooks)")
    return list(dict.fromkeys(found))


def _transformer_changes(options: dict[str, Any]) -> list[str]:
    found = []
    for name, value in options.items():
        if name in ("patches", "patches_replace"):
            found += [f"the attention or block patch {kind!r}" for kind, patches in value.items() if patches]
        elif name in ("wrappers", "callbacks"):
            found += _nested(name.rstrip("s"), value)
        elif value:
            found.append(f"the transformer option {name!r}")
    return found


def _nested(what: str, table: dict[str, dict[Any, list[Any]]]) -> list[str]:
    """Names in a {kind: {key: [functions]}} table of comfy.patcher_extension."""
    return [
        "TorchCompileModel" if key == "torch.compile" else f"the {kind} {what} {key!r}"
        for kind, keyed in table.items()
        for key, functions in keyed.items()
        if functions
    ]
