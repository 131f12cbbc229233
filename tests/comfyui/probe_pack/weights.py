"""Nodes for tests only: what a MODEL's weights do in memory."""

import gc
import json

import comfy.model_management
import torch


def shown(value):
    """What a node returns to show a value."""
    return {"ui": {"text": [json.dumps(value)]}}


class ShowLoaded:
    """Shows which models ComfyUI holds, after the input has been computed."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"latent": ("LATENT",)}}

    RETURN_TYPES = ()
    FUNCTION = "show"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    @classmethod
    def IS_CHANGED(cls, **inputs):
        return float("nan")

    def show(self, latent):
        gc.collect()
        loaded = [
            {
                "model": type(entry.model.model).__name__,
                "bytes": entry.model.loaded_size(),
                "lowvram": entry.model.model.model_lowvram,
            }
            for entry in comfy.model_management.current_loaded_models
            if entry.model is not None
        ]
        return shown(loaded)


class ProbesModel:
    """An output node that takes a MODEL."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",)}}

    RETURN_TYPES = ()
    FUNCTION = "show"
    OUTPUT_NODE = True
    CATEGORY = "probe"


class ShowTables(ProbesModel):
    """Shows where embedding and head of a MODEL are after ComfyUI has loaded it and something tried to move them."""

    def show(self, model):
        comfy.model_management.load_models_gpu([model])
        transformer = model.model.diffusion_model
        tables = {name: leaf.to("meta").weight for name, leaf in transformer.vocabulary_tables.items()}
        size = comfy.model_management.module_size(transformer)
        table_bytes = sum(weight.nbytes for weight in tables.values())
        devices = {name: weight.device.type for name, weight in tables.items()}
        clones, clone = [], model
        for _ in range(4):
            clone = clone.clone()
            clones.append(clone.model_size())
        facts = {"loaded": model.loaded_size(), "others": size - table_bytes, "clones": clones}
        return shown({"devices": devices, **facts})


class ShowLogits(ProbesModel):
    """Shows what the transformer of a large MODEL says about a fixed sequence, with its patches applied."""

    def show(self, model):
        comfy.model_management.load_models_gpu([model])
        transformer = model.model.diffusion_model
        token_ids = torch.arange(40, device=model.load_device)[None] * 7
        logits = transformer.logits(transformer(token_ids), 126356, 48)
        return shown(logits.float().flatten().tolist())


class ShowAlive:
    """Shows which modules of this pack exist in the process, and how many bytes all tensors hold."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}, "optional": {"latent": ("LATENT",)}}

    RETURN_TYPES = ()
    FUNCTION = "show"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    @classmethod
    def IS_CHANGED(cls, **inputs):
        return float("nan")

    def show(self, latent=None):
        modules, storages = set(), {}
        for found in gc.get_objects():
            kind = type(found)
            if issubclass(kind, torch.nn.Module) and "ComfyUI-LADR" in kind.__module__:
                modules.add(kind.__name__)
            elif issubclass(kind, torch.Tensor) and found.device.type != "meta":
                storage = found.untyped_storage()
                storages[storage.data_ptr()] = storage.nbytes()
        return shown({"modules": sorted(modules), "bytes": sum(storages.values())})


class SmallBudget:
    """Lets ComfyUI load only so many bytes of a MODEL, as on a card that is too small."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "megabytes": ("FLOAT", {"default": 0.1})}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "limit"
    CATEGORY = "probe"

    def limit(self, model, megabytes):
        model = model.clone()
        load = model.load

        def load_part(device_to=None, lowvram_model_memory=0, force_patch_weights=False, full_load=False):
            load(
                device_to,
                lowvram_model_memory=megabytes * 1024**2,
                force_patch_weights=force_patch_weights,
                full_load=False,
            )

        model.load = load_part
        model.patches_uuid = object()  # so that a full load of the same weights is not taken for this one
        return (model,)
