"""Which weights go to the card: all but embedding and head, of which a run copies the few rows that it uses."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.model_patcher


class DLLMPatcher(comfy.model_patcher.ModelPatcher):
    """ComfyUI's patcher, which leaves embedding and head where they were loaded and patches them there."""

    def _tables(self) -> dict[str, Any]:
        tables = self.model.diffusion_model.vocabulary_tables
        return {"diffusion_model." + name: leaf for name, leaf in tables.items()}

    def model_size(self) -> int:
        """Bytes that go to the card, of which ComfyUI asks for room."""
        staying = sum(comfy.model_management.module_size(leaf) for leaf in self._tables().values())
        return super().model_size() - staying

    def _load_list(self, *args: Any, **kwargs: Any) -> list[Any]:
        """ComfyUI's list of the leaves to load or unload, one tuple each."""
        staying = {id(leaf) for leaf in self._tables().values()}
        return [entry for entry in super()._load_list(*args, **kwargs) if not staying & {id(part) for part in entry}]

    def load(self, *args: Any, **kwargs: Any) -> None:
        """Load the others, and apply LoRA and merges to the tables too."""
        for leaf in self._tables().values():
            leaf.stays_in_place = True
        super().load(*args, **kwargs)
        for name, leaf in self._tables().items():
            if not getattr(leaf, "comfy_patched_weights", False):
                self.patch_weight_to_device(name + ".weight")
                leaf.comfy_patched_weights = True  # ComfyUI's own mark, which it takes away with the patches


def patcher_class() -> type:
    """The patcher for a dLLM: ours, or core's newest where that manages memory in a way of its own."""
    core = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return DLLMPatcher if core is comfy.model_patcher.ModelPatcher else core
