"""What the ComfyUI around us can do: the one place that knows how its versions differ.

Features are asked for by what is there, not by version numbers. Oldest: 0.3.64; newest seen: 0.33.0.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator
from typing import Any

import comfy.cli_args
import comfy.model_management
import comfy.model_patcher
import comfy.options
import comfy.utils
import execution
from comfy_api.latest import io
from comfy_execution.utils import get_executing_context
from server import PromptServer

_FAMILY_NAMES = (
    "lumina", "dimoo", "mmada", "llada", "dllm", "diffusion llm", "maskgit", "masked diffusion", "discrete diffusion",
)  # fmt: skip


def advanced() -> dict[str, Any]:
    """Keywords of an input that newer front ends fold away; older cores show every input."""
    known = "advanced" in inspect.signature(io.Int.Input.__init__).parameters
    return {"advanced": True} if known else {}


def search_aliases(*words: str) -> dict[str, Any]:
    """Keywords of a schema whose node is found by these words, and those of all our nodes, where the core can do so."""
    known = "search_aliases" in inspect.signature(io.Schema.__init__).parameters
    return {"search_aliases": [*words, *_FAMILY_NAMES]} if known else {}


def resent_output() -> dict[str, Any]:
    """Keywords of a schema whose ui output is sent again with a cached result; older cores send it once."""
    known = "has_intermediate_output" in inspect.signature(io.Schema.__init__).parameters
    return {"has_intermediate_output": True} if known else {}


def dynamic_patcher() -> type | None:
    """The patcher of a core that moves weights to the card as layers ask for them (DynamicVRAM); None elsewhere."""
    newest = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return None if newest is comfy.model_patcher.ModelPatcher else newest


def manages_dynamically(load_device: Any) -> bool:
    """Whether models that run on this device get that patcher; on a CPU the core itself takes the usual one."""
    return dynamic_patcher() is not None and not comfy.model_management.is_device_cpu(load_device)


def needs_cast(leaf: Any) -> bool:
    """Whether a layer's weight must be read through ComfyUI, which patches it or brings it to the card on the way.

    Patches are left on a layer as functions: all cores have `weight_function`, DynamicVRAM has another attribute
    besides, and keeps in `_v` where on the card the weight may be.
    """
    return (
        bool(leaf.weight_function) or getattr(leaf, "weight_lowvram_function", None) is not None or hasattr(leaf, "_v")
    )


def text_seed(text: str) -> int:
    """The seed that ComfyUI makes of a weight's name, by which it rounds the patched weight."""
    make = getattr(comfy.utils, "string_to_seed", None) or comfy.model_patcher.string_to_seed
    return make(text)


def asking_node() -> tuple[str, type] | None:
    """Name and class of the node that runs now in this thread; None where ComfyUI does not say."""
    nodes, context = execution.nodes, get_executing_context()
    for _, prompt_id, prompt, *_ in _running() if context else ():
        if prompt_id == context.prompt_id and context.node_id in prompt:
            name = prompt[context.node_id]["class_type"]
            kind = nodes.NODE_CLASS_MAPPINGS.get(name)
            return (nodes.NODE_DISPLAY_NAME_MAPPINGS.get(name, name), kind) if kind else None
    return None


def previews_refused() -> bool:
    """Whether the user said that there be no previews, by ``--preview-method none`` or in the front end's settings.

    No previews is also the default of that flag; our own switch on the node decides while nobody has said anything.
    """
    methods = comfy.cli_args.LatentPreviewMethod
    if comfy.cli_args.args.preview_method != methods.NoPreviews:
        return False
    if _flag_given("preview_method"):
        return True
    return any((more[0] or {}).get("preview_method") == "none" for _, _, _, *more in _running() if more)


def preview_size() -> int:
    """Longest side of a preview in pixels (``--preview-size``)."""
    return max(1, int(comfy.cli_args.args.preview_size))


def _flag_given(name: str) -> bool:
    """Whether a flag of the command line was typed: argparse leaves attributes alone that are there already."""
    if not comfy.options.args_parsing:
        return False
    untouched = object()
    found = argparse.Namespace(**{name: untouched})
    comfy.cli_args.parser.parse_known_args(sys.argv[1:], found)
    return getattr(found, name) is not untouched


def _running() -> Iterator[tuple[Any, ...]]:
    """The prompts that run now, as ComfyUI queues them: number, id, prompt, extra data and more."""
    queue = getattr(PromptServer.instance, "prompt_queue", None)
    yield from list(getattr(queue, "currently_running", {}).values())
