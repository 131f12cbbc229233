"""Nodes for tests only: they show what flows through a graph, and make the wrong things on purpose."""

import json

import comfy.model_management
import comfy.model_patcher
import torch

from .disasters import AddEntry, CutFile, EncodeList
from .weights import ShowAlive, ShowLoaded, ShowLogits, ShowTables, SmallBudget, shown


class ShowLatent:
    """Shows a LATENT's tensors as lists."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"latent": ("LATENT",)}}

    RETURN_TYPES = ()
    FUNCTION = "show"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def show(self, latent):
        samples = latent["samples"]
        extra = {k: v for k, v in latent.items() if k not in ("samples", "noise_mask")}
        return shown(
            {
                "samples": samples.tolist(),
                "dtype": str(samples.dtype),
                "extra": json.loads(json.dumps(extra, default=lambda v: type(v).__name__)),
            }
        )


class ShowImage:
    """Shows the shape, type and values of an IMAGE."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    RETURN_TYPES = ()
    FUNCTION = "show"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def show(self, image):
        value = {
            "shape": list(image.shape),
            "dtype": str(image.dtype),
            "low": image.min().item(),
            "high": image.max().item(),
        }
        return shown(
            {
                **value,
                "sum": image.double().sum().item(),
                "pixels": image.flatten()[:: max(1, image.numel() // 512)].tolist(),
            }
        )


class WrongLatent:
    """Latents a user can make by mistake."""

    @classmethod
    def INPUT_TYPES(cls):
        kinds = ["fractions", "too large", "nan", "four channels", "below", "empty", "codes"]
        return {"required": {"kind": (kinds,), "height": ("INT", {"default": 16}), "width": ("INT", {"default": 16})}}

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "make"
    CATEGORY = "probe"

    def make(self, kind, height, width):
        samples = torch.full((1, 1, height, width), 3.0)
        if kind == "fractions":
            samples += 0.5
        elif kind == "too large":
            samples += 1e6
        elif kind == "below":
            samples -= 7
        elif kind == "nan":
            samples[0, 0, 0, 0] = float("nan")
        elif kind == "four channels":
            samples = torch.zeros(1, 4, height, width)
        elif kind == "empty":
            samples = samples[:0]
        return ({"samples": samples},)


class OtherModel:
    """A MODEL and a CONDITIONING of another kind of model."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ("MODEL", "CONDITIONING")
    FUNCTION = "make"
    CATEGORY = "probe"

    def make(self):
        cpu = torch.device("cpu")
        patcher = comfy.model_patcher.ModelPatcher(torch.nn.Linear(2, 2), load_device=cpu, offload_device=cpu)
        return (patcher, [[torch.zeros(1, 77, 768), {"pooled_output": torch.zeros(1, 768)}]])


class ChangeModel:
    """Puts onto a MODEL what a sampling loop of core would execute and ours does not."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": ("MODEL",),
                "kind": (["wrapper", "object", "attention", "cfg", "option", "injection"],),
            }
        }

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "change"
    CATEGORY = "probe"

    def change(self, model, kind):
        model = model.clone()
        if kind == "wrapper":
            model.add_wrapper_with_key("diffusion_model", "probe wrapper", lambda executor, *a, **k: executor(*a, **k))
        elif kind == "object":
            model.add_object_patch("diffusion_model.attention", None)
        elif kind == "attention":
            model.set_model_attn1_patch(lambda *a: a)
        elif kind == "cfg":
            model.set_model_sampler_post_cfg_function(lambda args: args["denoised"])
        elif kind == "option":
            model.model_options["transformer_options"]["probe_option"] = 1
        elif kind == "injection":
            model.set_injections("probe injection", [])
        return (model,)


class OutOfMemoryOnce:
    """A VAE whose next undivided encode and decode run out of memory."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"vae": ("VAE",)}}

    RETURN_TYPES = ("VAE",)
    FUNCTION = "arm"
    CATEGORY = "probe"

    def arm(self, vae):
        stage = vae.first_stage_model
        decode = type(stage).decode

        class Failing(type(stage)):
            def encode(self, pixels):
                raise comfy.model_management.OOM_EXCEPTION("probe")

            def decode(self, samples):
                if self.fail_next:
                    self.fail_next = False
                    raise comfy.model_management.OOM_EXCEPTION("probe")
                return decode(self, samples)

        copy = object.__new__(type(vae))
        copy.__dict__ = dict(vae.__dict__)
        failing = Failing(stage.vq)
        failing.fail_next = True
        copy.first_stage_model = failing
        copy.patcher = comfy.model_patcher.ModelPatcher(failing, load_device=vae.device, offload_device=vae.device)
        return (copy,)


class ShowRequest:
    """Shows how many bytes core is asked to keep free for encoding and decoding a batch of this size."""

    @classmethod
    def INPUT_TYPES(cls):
        sizes = {name: ("INT", {"default": 16}) for name in ("batch", "cells_down", "cells_across")}
        return {"required": {"vae": ("VAE",), **sizes}}

    RETURN_TYPES = ()
    FUNCTION = "show"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def show(self, vae, batch, cells_down, cells_across):
        pixels = torch.Size((batch, 3, cells_down * vae.downscale_ratio, cells_across * vae.downscale_ratio))
        encode = vae.memory_used_encode(pixels, vae.vae_dtype)
        decode = vae.memory_used_decode(torch.Size((batch, 1, cells_down, cells_across)), vae.vae_dtype)
        return shown({"encode": encode, "decode": decode})


class MakePicture:
    """A picture and a mask without any file: a bright square on a gradient."""

    @classmethod
    def INPUT_TYPES(cls):
        sizes = {
            "width": ("INT", {"default": 128}),
            "height": ("INT", {"default": 128}),
            "batch": ("INT", {"default": 1}),
        }
        return {
            "required": {
                **sizes,
                "x": ("INT", {"default": 32}),
                "y": ("INT", {"default": 32}),
                "side": ("INT", {"default": 40}),
            }
        }

    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "make"
    CATEGORY = "probe"

    def make(self, width, height, batch, x, y, side):
        across = torch.linspace(0, 1, width).expand(height, width)
        image = torch.stack([across, across.flip(1) * 0.5, torch.full_like(across, 0.25)], dim=-1)
        mask = torch.zeros(height, width)
        mask[y : y + side, x : x + side] = 1.0
        image = torch.where(mask[..., None] > 0, 1.0, image)
        return (image.expand(batch, -1, -1, -1).contiguous(), mask[None])


NODE_CLASS_MAPPINGS = {
    f"LADRProbe_{cls.__name__}": cls
    for cls in (
        ShowLatent, ShowImage, ShowLoaded, ShowLogits, ShowTables, ShowAlive, WrongLatent, OtherModel, ChangeModel,
        SmallBudget, OutOfMemoryOnce, ShowRequest, MakePicture, CutFile,
        AddEntry, EncodeList,
    )
}  # fmt: skip
