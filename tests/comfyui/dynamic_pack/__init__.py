"""A pack for tests only: a ComfyUI on the CPU in the state in which DynamicVRAM leaves one on an NVIDIA card.

    COMFYUI_PACKS=tests/comfyui/dynamic_pack python -m pytest tests/comfyui

Layers are then made without weights, files are mapped by ComfyUI's own code, and the newest patcher is asked for, which
gives way to the usual one on a CPU. Does nothing on cores without DynamicVRAM. What only a card does is not simulated:
weights that come to the card as layers ask for them.
"""

from __future__ import annotations

import ctypes
import mmap

NODE_CLASS_MAPPINGS: dict[str, type] = {}


class MappedFile:
    """A file mapped by Python, for the library that maps it elsewhere and does not start without a card."""

    def __init__(self, path):
        self._file = open(path, "rb")  # noqa: SIM115 (closed with the mapping)
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_COPY)
        self._first = ctypes.c_char.from_buffer(self._map)

    def get(self):
        """Address of the first byte."""
        return ctypes.addressof(self._first)

    def get_file_handle(self):
        """What else would read the file by."""
        return self._file.fileno()

    def bounce(self):
        """Nothing to give back."""
        return False


def simulate() -> bool:
    """Switch it on; False where the core has no DynamicVRAM."""
    try:
        import comfy.memory_management
        import comfy.model_patcher
        import comfy_aimdo.model_mmap
        import comfy_aimdo.model_vbar
    except ImportError:
        return False
    if not hasattr(comfy.model_patcher, "ModelPatcherDynamic"):
        return False
    comfy.memory_management.aimdo_enabled = True
    comfy.model_patcher.CoreModelPatcher = comfy.model_patcher.ModelPatcherDynamic
    comfy_aimdo.model_vbar.vbars_analyze = lambda *_, **__: 0
    comfy_aimdo.model_mmap.ModelMMAP = MappedFile
    return True


simulate()
