"""Which foreign nodes a dLLM refuses, and how that is said: the node by its name, and a remedy that fits it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from ..ladr_core.errors import InputError
from .core_features import asking_node

ALLOWED = "the MODEL of Load dLLM, with LoRA or merged weights"
_GIVEN = "the MODEL of Load dLLM, which draws tokens, not noise"
_REMEDY = "Remove that node: the dLLM samplers would not execute it"
_SAMPLERS = "LADR Sampler or Baseline dLLM Sampler"
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
_INJECTION_NODES = {"bypass_lora": "a Load LoRA (Bypass) node, in whose place Load LoRA works"}


def refuse_use(allowed: str) -> RuntimeError:
    """The error for a node that asks our MODEL for what only other models have.

    A RuntimeError, because nn.Module turns an AttributeError raised in a property into one about itself.
    """
    asking = asking_node()
    if asking is None:
        return _refusal(allowed, f"Connect it to {_SAMPLERS} instead")
    name, kind = asking
    if getattr(kind, "OUTPUT_NODE", False):
        remedy = f"Remove {name}, and write one file of a model folder with `python -m ladr_core convert`"
    elif "MODEL" in getattr(kind, "RETURN_TYPES", ()):
        remedy = f"Remove {name}: the dLLM samplers would not execute it"
    else:
        remedy = f"Use {_SAMPLERS} in place of {name}"
    return _refusal(f"{allowed}, as {name} needs one", remedy)


def _refusal(allowed: str, remedy: str) -> RuntimeError:
    return RuntimeError(str(InputError("model", _GIVEN, allowed, remedy)))


class UNetConfig(dict):
    """The size table core looks for; asking for a U-Net's sizes (FreeU, HyperTile) says what this model is."""

    def __missing__(self, key: str) -> NoReturn:
        raise refuse_use(f"a U-Net with {key}")


def refuse_changes(patcher: Any) -> None:
    """Raise InputError where a MODEL carries changes that our loop would silently leave out."""
    changes = foreign_changes(patcher)
    if changes:
        raise InputError("model", "a MODEL changed by " + "; ".join(changes), ALLOWED, _REMEDY)


def refuse_other_weights(patcher: Any, shapes: Mapping[str, Any]) -> None:
    """Raise InputError where a merge node added the weights of a model with other sizes: ComfyUI would skip some.

    shapes: of our weights, by their names in the MODEL.
    """
    for name, entries in patcher.patches.items():
        for _, value, *_ in entries:
            merged = value[0][0] if isinstance(value, list) and value and isinstance(value[0], tuple) else None
            found = getattr(merged, "shape", None)
            if found is not None and name in shapes and tuple(found) != tuple(shapes[name]):
                raise InputError(
                    "model", f"a MODEL merged with the weights of another model ({name} is {list(found)} there and "
                    f"{list(shapes[name])} here)", "two MODELs of one kind, such as two fine-tunes of Lumina-DiMOO",
                    "Remove the merge node, or load two models of one kind",
                )  # fmt: skip


def foreign_changes(patcher: Any) -> list[str]:
    """Names of everything on a MODEL, other than weight patches, that our loop does not execute."""
    found = [_OBJECT_NODES.get(name, f"the object patch {name!r}") for name in patcher.object_patches]
    options = dict(patcher.model_options)
    transformer_options = options.pop("transformer_options", {})
    options.pop("disable_cfg1_optimization", None)  # only ever set together with one of the functions
    found += [_OPTION_NODES.get(name, f"the model option {name!r}") for name, value in options.items() if value]
    found += _transformer_changes(transformer_options)
    found += _nested("wrapper", getattr(patcher, "wrappers", {}))
    found += [_INJECTION_NODES.get(name, f"the injection {name!r}") for name in getattr(patcher, "injections", {})]
    found += [f"the additional model {name!r}" for name, models in patcher.additional_models.items() if models]
    if getattr(patcher, "hook_patches", None):
        found.append("hook patches (Set Model Hooks)")
    if getattr(patcher, "weight_wrapper_patches", None):
        found.append("weight wrappers (a training node)")
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
