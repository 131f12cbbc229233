"""Graphs for the tiny random Lumina-DiMOO and MMaDA folders that `tiny_checkpoints` writes."""

from __future__ import annotations

from typing import Any

from comfyui.client import Run
from comfyui.conftest import Graph, graph

LUMINA, MMADA = "Lumina-DiMOO", "MMaDA-8B-MixCoT"
SIZES = {LUMINA: (64, 48), MMADA: (512, 512)}
PATCHED = ("transformer.wte", "transformer.blocks.0.q_proj", "transformer.blocks.1.ff_out", "transformer.ff_out")


def large_graph(name: str, model: str) -> Graph:
    """The prompt `name` on one of the folders, at a size that its model draws, with few steps."""
    prompt = graph(name).set("load", checkpoint=model).set("sampler", steps=4 if model == LUMINA else 2)
    width, height = SIZES[model]
    if "grid" in prompt:
        prompt.set("grid", width=width, height=height)
    if "picture" in prompt:
        prompt.set("picture", width=width, height=height, x=16, y=16, side=20)
    return prompt


def edit_graph() -> Graph:
    """Lumina-DiMOO adds something to a picture."""
    prompt, (width, height) = large_graph("ladr", LUMINA), SIZES[LUMINA]
    prompt.add("picture", "LADRProbe_MakePicture", width=width, height=height, batch=1, x=16, y=16, side=16)
    prompt.add("encode", "VAEEncode", pixels=["picture", 0], vae=["load", 2])
    prompt.add("reference", "ReferenceLatent", conditioning=["positive", 0], latent=["encode", 0])
    prompt.add("task", "LADR_EditTask", conditioning=["reference", 0], task="edit_add", image_cfg=1.0)
    return prompt.set("sampler", positive=["task", 0])


def without_picture(prompt: Graph) -> Graph:
    """The same prompt that stops at the tokens: pictures of MMaDA's size take most of a test's time."""
    for node in ("decode", "save"):
        prompt.pop(node, None)
    return prompt.set("sampler", preview=False)


def with_lora(prompt: Graph, name: str, strength: float = 1.0) -> Graph:
    """The same prompt with a LoRA between its loader and what takes the MODEL."""
    prompt.add("lora", "LoraLoaderModelOnly", model=["load", 0], lora_name=name, strength_model=strength)
    return put_before_sampler(prompt, "lora")


def put_before_sampler(prompt: Graph, node: str) -> Graph:
    """Let the sampler, or the probe of a model, take its MODEL from this node."""
    return prompt.set("sampler" if "sampler" in prompt else "logits", model=[node, 0])


def logits_graph(model: str, dtype: str) -> Graph:
    """A model and what its transformer says about a fixed sequence, without a sampler."""
    prompt = Graph().add("load", "LADR_LoadDLLM", checkpoint=model, dtype=dtype)
    return prompt.add("logits", "LADRProbe_ShowLogits", model=["load", 0])


def in_part(prompt: Graph, megabytes: float = 0.001) -> Graph:
    """The same prompt on a model of which ComfyUI may load only so much."""
    taker = "sampler" if "sampler" in prompt else "logits"
    prompt.add("limit", "LADRProbe_SmallBudget", model=prompt[taker]["inputs"]["model"], megabytes=megabytes)
    return put_before_sampler(prompt, "limit")


def show_loaded(prompt: Graph) -> Graph:
    """The same prompt that also shows what of the model is loaded after sampling."""
    return prompt.add("loaded", "LADRProbe_ShowLoaded", latent=["sampler", 0])


def loaded_model(result: Run) -> dict[str, Any]:
    """What `show_loaded` found of the dLLM."""
    (entry,) = [entry for entry in result.json("loaded") if entry["model"] == "DLLMModel"]
    return entry


def tokens(result: Run) -> list[Any]:
    """The tokens that were drawn."""
    return result.json("show")["samples"]
