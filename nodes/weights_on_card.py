"""ComfyUI's patchers for a dLLM: which weights go to the card, and patches of weights that are kept in 8 bits.

Embedding and head stay where they were loaded and are patched there; a run copies the few rows of them that it uses.
"""

from __future__ import annotations

import weakref
from functools import lru_cache
from typing import Any

import comfy.lora
import comfy.model_management
import comfy.model_patcher
import torch
from torch import Tensor

from ..ladr_core.checkpoint.eight_bit_layers import SCALE
from .core_features import dynamic_patcher, manages_dynamically, text_seed
from .refusals import refuse_use

_FUNCTIONS = ("weight_function", "weight_lowvram_function")


class StoredWeightPatch(comfy.model_patcher.LowVramPatch):
    """A patch of a layer that is not loaded whole, on numbers that must be multiplied by a scale to be the weight.

    Newer cores would add a LoRA to the numbers themselves. This gives the numbers that a whole load would store.
    """

    def __init__(self, patch: Any, leaf: Any) -> None:
        self.__dict__.update(vars(patch))
        self._leaf = weakref.ref(leaf)

    def __call__(self, weight: Tensor) -> Tensor:
        """The patched numbers of a layer, in the dtype of those given."""
        leaf = self._leaf()
        patches = getattr(self, "prepared_patches", None) or self.patches[self.key]
        plain = comfy.lora.calculate_weight(patches, leaf.convert_weight(weight.float()), self.key)
        return leaf.set_weight(plain, seed=text_seed(self.key), return_weight=True).to(weight.dtype)


def patch_stored_weights(model: torch.nn.Module) -> None:
    """Let the patches that ComfyUI has left on layers with a scale act on the weights, not on the stored numbers."""
    for leaf in model.modules():
        if not hasattr(leaf, SCALE):
            continue
        for name in _FUNCTIONS:
            found = vars(leaf).get(name)
            if isinstance(found, list):
                found[:] = [_on_weight(patch, leaf) for patch in found]
            elif found is not None:
                setattr(leaf, name, _on_weight(found, leaf))


def _on_weight(patch: Any, leaf: Any) -> Any:
    is_plain = isinstance(patch, comfy.model_patcher.LowVramPatch) and not isinstance(patch, StoredWeightPatch)
    return StoredWeightPatch(patch, leaf) if is_plain else patch


class KeepsTables:
    """What our patchers change of ComfyUI's."""

    model: Any
    size: int
    backup: dict[str, Any]

    def _tables(self) -> dict[str, Any]:
        tables = self.model.diffusion_model.vocabulary_tables
        return {"diffusion_model." + name: leaf for name, leaf in tables.items()}

    def model_size(self) -> int:
        """Bytes that go to the card, of which ComfyUI asks for room; a clone is given its original's."""
        if self.size <= 0:
            staying = sum(comfy.model_management.module_size(leaf) for leaf in self._tables().values())
            self.size = comfy.model_management.module_size(self.model) - staying
        return self.size

    def clone(self, *args: Any, **options: Any) -> Any:
        """A copy that shares the weights; newer cores can ask for one with weights of its own, which they reload."""
        own_weights = options.get("force_deepcopy") or (options.get("disable_dynamic") and self.is_dynamic())  # type: ignore[attr-defined]
        if own_weights and options.get("model_override") is None:
            raise refuse_use("a model that ComfyUI itself can load a second time")
        return super().clone(*args, **options)  # type: ignore[misc]

    def _load_list(self, *args: Any, **kwargs: Any) -> list[Any]:
        """ComfyUI's list of the leaves to load or unload, one tuple each."""
        staying = {id(leaf) for leaf in self._tables().values()}
        found = super()._load_list(*args, **kwargs)  # type: ignore[misc]
        return [entry for entry in found if not staying & {id(part) for part in entry}]

    def load(self, *args: Any, **kwargs: Any) -> None:
        """Load the others, and apply LoRA and merges to the tables too."""
        for leaf in self._tables().values():
            leaf.stays_in_place = True
        super().load(*args, **kwargs)  # type: ignore[misc]
        patch_stored_weights(self.model)
        for name, leaf in self._tables().items():
            key = name + ".weight"
            # The mark is ComfyUI's own, which it takes away with the patches; DynamicVRAM has only the backup.
            if key not in self.backup and not getattr(leaf, "comfy_patched_weights", False):
                self.patch_weight_to_device(key)  # type: ignore[attr-defined]
                leaf.comfy_patched_weights = not self.is_dynamic()  # type: ignore[attr-defined]

    def partially_unload(self, *args: Any, **kwargs: Any) -> Any:
        """Free some of the card; what is left behind may carry patches."""
        freed = super().partially_unload(*args, **kwargs)  # type: ignore[misc]
        patch_stored_weights(self.model)
        return freed


class DLLMPatcher(KeepsTables, comfy.model_patcher.ModelPatcher):
    """The patcher that loads a model whole or in part before a run."""

    def is_dynamic(self) -> bool:
        """Asked by newer cores; the oldest have no such question."""
        return False


@lru_cache(maxsize=1)
def _dynamic_class(core: type) -> type:
    return type("DynamicDLLMPatcher", (KeepsTables, core), {})


def make_patcher(model: torch.nn.Module, load_device: Any, offload_device: Any) -> Any:
    """The patcher for a dLLM on this device."""
    newest = dynamic_patcher() if manages_dynamically(load_device) else None
    kind = DLLMPatcher if newest is None else _dynamic_class(newest)
    return kind(model=model, load_device=load_device, offload_device=offload_device)
