"""ComfyUI's patchers in miniature: how 0.3.64 (old) and 0.33 (new, or dynamic on a card) apply weight patches.

A patch is a tensor that is added, times its strength. What differs between the cores, and matters to this pack: old
patches of layers in part convert stored weights themselves, new ones act on what is stored; new clones are given the
size of their original; dynamic ones leave patches in an attribute of their own and hold no layer whole.
"""

from __future__ import annotations

import types
from collections import namedtuple

import torch
from torch import nn

KINDS = ("old", "new", "dynamic")
CARD = torch.device("meta")  # only its name counts: everything stays where it is
_Backup = namedtuple("_Backup", ["weight"])


def calculate_weight(patches, weight, key, intermediate_dtype=torch.float32):
    """comfy.lora.calculate_weight: the patched weight, in its own dtype."""
    total = weight.to(intermediate_dtype)
    for strength, delta in patches:
        total = total + strength * delta.to(intermediate_dtype)
    return total.to(weight.dtype)


def _place(model, key):
    name, _, parameter = key.rpartition(".")
    leaf = model.get_submodule(name)
    return leaf, parameter, getattr(leaf, "convert_" + parameter, None), getattr(leaf, "set_" + parameter, None)


def make_patchers(kind: str) -> dict[str, type]:
    """comfy.model_patcher of a kind of core: its classes by name."""
    converts = kind == "old"

    class LowVramPatch:
        def __init__(self, key, patches, convert_func=None, set_func=None):
            self.key, self.patches, self.convert_func, self.set_func = key, patches, convert_func, set_func

        def __call__(self, weight):
            if not converts or self.convert_func is None:
                return calculate_weight(self.patches[self.key], weight, self.key, weight.dtype)
            plain = self.convert_func(weight.to(dtype=torch.float32, copy=True), inplace=True)
            plain = calculate_weight(self.patches[self.key], plain, self.key)
            return self.set_func(plain, seed=string_to_seed(self.key), return_weight=True).to(weight.dtype)

    class ModelPatcher:
        def __init__(self, model, load_device, offload_device, size=0, weight_inplace_update=False):
            self.model, self.size, self.load_device, self.offload_device = model, size, load_device, offload_device
            self.patches, self.backup, self.object_patches, self.model_options = {}, {}, {}, {}

        def is_dynamic(self):
            return False

        def model_size(self):
            self.size = self.size or module_size(self.model)
            return self.size

        def clone(self, disable_dynamic=False, force_deepcopy=False, model_override=None):
            if disable_dynamic and self.is_dynamic():
                raise RuntimeError("cached_patcher_init is not initialized")
            size = self.size if kind == "old" else self.model_size()
            made = type(self)(self.model, self.load_device, self.offload_device, size)
            made.patches = {key: list(found) for key, found in self.patches.items()}
            made.backup = self.backup
            return made

        def add_patches(self, patches, strength=1.0):
            for key, delta in patches.items():
                if key in self.model.state_dict():
                    self.patches.setdefault(key, []).append((strength, delta))

        def patch_weight_to_device(self, key, device_to=None, force_cast=False):
            leaf, name, convert, store = _place(self.model, key)
            if key not in self.patches and not force_cast:
                return
            stored = getattr(leaf, name)
            self.backup.setdefault(key, _Backup(stored.detach().clone()))
            weight = stored.float() if key in self.patches else stored.clone()
            weight = weight if convert is None else convert(weight, inplace=True)
            weight = calculate_weight(self.patches.get(key, []), weight, key)
            if store is not None:
                store(weight, inplace_update=False, seed=string_to_seed(key), return_weight=False)
            else:
                setattr(leaf, name, nn.Parameter(weight.to(stored.dtype), requires_grad=False))

        def _load_list(self, **_):
            found = []
            for name, leaf in self.model.named_modules():
                names = [parameter for parameter, _ in leaf.named_parameters(recurse=False)]
                if names:
                    found.append((module_size(leaf), name, leaf, names))
            return found

        def load(self, device_to=None, lowvram_model_memory=0, force_patch_weights=False, full_load=False):
            for _, name, leaf, names in self._load_list():
                if full_load or not hasattr(leaf, "comfy_cast_weights"):
                    for parameter in names:
                        self.patch_weight_to_device(f"{name}.{parameter}")
                    leaf.comfy_patched_weights = True
                else:
                    self._leave_in_part(name, leaf)

        def _leave_in_part(self, name, leaf):
            key = name + ".weight"
            leaf.weight_function = []
            if key in self.patches:
                _, _, convert, store = _place(self.model, key)
                leaf.weight_function.append(LowVramPatch(key, self.patches, convert, store))
            leaf.comfy_cast_weights = True

        def partially_unload(self, device_to, memory_to_free=0):
            for _, name, leaf, _ in self._load_list():
                if getattr(leaf, "comfy_patched_weights", False) and hasattr(leaf, "comfy_cast_weights"):
                    self._restore(name + ".weight")
                    self._leave_in_part(name, leaf)
                    leaf.comfy_patched_weights = False

        def _restore(self, key):
            if key in self.backup:
                leaf, name, _, _ = _place(self.model, key)
                setattr(leaf, name, nn.Parameter(self.backup.pop(key).weight, requires_grad=False))

        def unpatch_model(self):
            for key in list(self.backup):
                self._restore(key)
            for leaf in self.model.modules():
                for name in ("weight_function", "weight_lowvram_function", "comfy_patched_weights", "_v"):
                    vars(leaf).pop(name, None)

    class ModelPatcherDynamic(ModelPatcher):
        def __new__(cls, model=None, load_device=None, *rest, **named):
            if is_device_cpu(load_device):
                return ModelPatcher(model, load_device, *rest, **named)
            return super().__new__(cls)

        def is_dynamic(self):
            return True

        def load(self, device_to=None, **_):
            for key in list(self.backup):
                self._restore(key)
            for size, name, leaf, names in self._load_list(for_dynamic=True):
                key = name + ".weight"
                small = size <= 256 or not hasattr(leaf, "comfy_cast_weights")
                if not small:
                    leaf.comfy_cast_weights, leaf._v, leaf.weight_function = True, object(), []
                    leaf.weight_lowvram_function = LowVramPatch(key, self.patches) if key in self.patches else None
                for parameter in names:
                    if small or parameter != "weight":
                        self.patch_weight_to_device(f"{name}.{parameter}", force_cast=True)

        def partially_unload(self, device_to, memory_to_free=0):
            for key in list(self.backup):
                self._restore(key)

    classes = {"LowVramPatch": LowVramPatch, "ModelPatcher": ModelPatcher}
    if kind != "old":
        newest = ModelPatcherDynamic if kind == "dynamic" else ModelPatcher
        classes |= {"ModelPatcherDynamic": ModelPatcherDynamic, "CoreModelPatcher": newest}
    return classes


def string_to_seed(text):
    """A number for a text."""
    return sum(map(ord, text))


def module_size(module):
    """comfy.model_management.module_size."""
    return sum(tensor.nbytes for tensor in module.state_dict().values())


def is_device_cpu(device):
    """comfy.model_management.is_device_cpu."""
    return torch.device(device).type == "cpu"


def install(stubs: dict[str, types.ModuleType], kind: str) -> None:
    """Put the patchers of a kind of core into ComfyUI's stub."""
    vars(stubs["comfy.model_patcher"]).update(make_patchers(kind))
    stubs["comfy.lora"].calculate_weight = calculate_weight
    management = stubs["comfy.model_management"]
    management.module_size, management.is_device_cpu = module_size, is_device_cpu
    management.should_use_bf16 = lambda device: True
    home = "comfy.model_patcher" if kind == "old" else "comfy.utils"
    stubs[home].string_to_seed = string_to_seed
