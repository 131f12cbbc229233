"""Just enough of ComfyUI to import the nodes and read their schemas; unknown keywords fail, as they do there.

The stub is 0.3.64, or a newer one that also knows folded inputs and search words.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any

import torch

PACK = Path(__file__).resolve().parents[2]
PACK_NAME = "pack_under_test"


@dataclass
class _Slot:
    """An input or output; the fields are the keywords that 0.3.64 knows for its type."""

    id: str
    display_name: str | None = None
    tooltip: str | None = None

    def facts(self) -> dict[str, Any]:
        """Everything that was given, without what was not."""
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass
class _Socket(_Slot):
    optional: bool = False
    lazy: bool | None = None
    extra_dict: dict | None = None


@dataclass
class _Widget(_Socket):
    default: Any = None
    socketless: bool | None = None
    force_input: bool | None = None


@dataclass
class _Text(_Widget):
    multiline: bool = False
    placeholder: str | None = None
    dynamic_prompts: bool | None = None


@dataclass
class _Number(_Widget):
    min: float | None = None
    max: float | None = None
    step: float | None = None
    display_mode: Any = None


@dataclass
class _Whole(_Number):
    control_after_generate: bool | None = None


@dataclass
class _Real(_Number):
    round: float | None = None


@dataclass
class _Switch(_Widget):
    label_on: str | None = None
    label_off: str | None = None


@dataclass
class _Choice(_Widget):
    options: list[str] | None = None
    control_after_generate: bool | None = None
    upload: Any = None
    image_folder: Any = None
    remote: Any = None


@dataclass
class _Output(_Slot):
    is_output_list: bool = False


@dataclass
class Schema:
    """io.Schema of 0.3.64."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    hidden: list[Any] = field(default_factory=list)
    description: str = ""
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_api_node: bool = False
    not_idempotent: bool = False
    enable_expand: bool = False


def _kind(name: str, base: type = _Socket, newer: bool = False) -> type:
    made = types.SimpleNamespace()
    fields = [("advanced", Any, None)] if newer else []
    made.Input = make_dataclass(f"{name}Input", fields, bases=(base,), namespace={"io_type": name})
    made.Output = type(f"{name}Output", (_Output,), {"io_type": name})
    return made


def _io(newer: bool) -> types.ModuleType:
    io = types.ModuleType("comfy_api.latest.io")
    for attribute, name in (
        ("Model", "MODEL"), ("Clip", "CLIP"), ("Vae", "VAE"), ("Conditioning", "CONDITIONING"), ("Latent", "LATENT"),
        ("Image", "IMAGE"),
    ):  # fmt: skip
        setattr(io, attribute, _kind(name, newer=newer))
    io.String = _kind("STRING", _Text, newer)
    io.Int, io.Float = _kind("INT", _Whole, newer), _kind("FLOAT", _Real, newer)
    io.Boolean, io.Combo = _kind("BOOLEAN", _Switch, newer), _kind("COMBO", _Choice, newer)
    words = [("search_aliases", list, field(default_factory=list))] if newer else []
    io.Schema = make_dataclass("Schema", words, bases=(Schema,))
    io.Hidden = types.SimpleNamespace(unique_id="UNIQUE_ID", extra_pnginfo="EXTRA_PNGINFO")
    io.ComfyNode = type("ComfyNode", (), {})
    io.NodeOutput = _NodeOutput
    return io


class _NodeOutput(tuple):
    """The outputs of a node, and what it shows."""

    ui: dict | None

    def __new__(cls, *values: Any, ui: dict | None = None) -> _NodeOutput:
        """Outputs that unpack like a tuple."""
        made = super().__new__(cls, values)
        made.ui = ui
        return made


def stub_modules(newer: bool = False) -> dict[str, types.ModuleType]:
    """ComfyUI's modules by name."""
    names = (
        "comfy", "comfy.ldm", "comfy.ldm.modules", "comfy.ldm.modules.attention", "comfy.cli_args",
        "comfy.lora", "comfy.model_management", "comfy.model_patcher", "comfy.ops", "comfy.options", "comfy.sd",
        "comfy.utils", "comfy_api", "comfy_api.latest", "comfy_execution", "comfy_execution.utils", "comfyui_version",
        "execution", "folder_paths", "node_helpers", "server",
    )  # fmt: skip
    made = {name: types.ModuleType(name) for name in names}
    for name, module in made.items():
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(made[parent], child, module)
    made["comfy_api.latest"].io = _io(newer)
    made["comfy_api.latest"].ComfyExtension = type("ComfyExtension", (), {})
    for name in ("ModelPatcher", "LowVramPatch"):
        setattr(made["comfy.model_patcher"], name, type(name, (), {}))
    methods = types.SimpleNamespace(NoPreviews="none", Auto="auto")
    made["comfy.cli_args"].LatentPreviewMethod = methods
    made["comfy.cli_args"].args = types.SimpleNamespace(preview_method=methods.NoPreviews, preview_size=512)
    made["comfy.options"].args_parsing = False
    made["execution"].nodes = types.SimpleNamespace(NODE_CLASS_MAPPINGS={}, NODE_DISPLAY_NAME_MAPPINGS={})
    made["comfy_execution.utils"].get_executing_context = lambda: None
    made["comfy.sd"].VAE = type("VAE", (), {})
    made["comfy.sd"].CLIP = type("CLIP", (), {})
    made["comfy.ops"].disable_weight_init = type(
        "disable_weight_init", (), {name: getattr(torch.nn, name) for name in ("Linear", "Embedding", "RMSNorm")}
    )
    made["comfy.model_management"].intermediate_device = lambda: torch.device("cpu")
    made["comfy.utils"].repeat_to_batch_size = lambda tensor, size: tensor.repeat(size, 1, 1)[:size]
    made["server"].PromptServer = types.SimpleNamespace(instance=None)
    made["comfyui_version"].__version__ = "0.3.64"
    paths = made["folder_paths"]
    paths.models_dir, paths.folder_names_and_paths = "models", {}
    paths.add_model_folder_path = lambda key, path: paths.folder_names_and_paths.setdefault(key, []).append(path)
    paths.get_folder_paths = lambda key: paths.folder_names_and_paths[key]
    return made


def load_pack() -> types.ModuleType:
    """Import the pack under a name of its own, as ComfyUI's loader does, on top of the stub."""
    if PACK_NAME in sys.modules:
        return sys.modules[PACK_NAME]
    sys.modules.update(stub_modules())
    spec = importlib.util.spec_from_file_location(
        PACK_NAME, PACK / "__init__.py", submodule_search_locations=[str(PACK)]
    )
    pack = importlib.util.module_from_spec(spec)
    sys.modules[PACK_NAME] = pack
    spec.loader.exec_module(pack)
    importlib.import_module(f"{PACK_NAME}.nodes")
    return pack


def schemas() -> dict[str, Schema]:
    """The schema of every node, by node id."""
    made = [node.define_schema() for node in load_pack().nodes.NODES]
    return {schema.node_id: schema for schema in made}


def snapshot() -> dict[str, Any]:
    """What saved workflows depend on: ids, order, types, defaults, ranges and choices."""
    found: dict[str, Any] = {}
    for node_id, schema in schemas().items():
        inputs = []
        for slot in schema.inputs:
            facts = {k: v for k, v in slot.facts().items() if k in ("default", "min", "max", "step", "options")}
            facts |= {"optional": True} if slot.optional else {}
            if slot.id == "checkpoint":
                facts["options"] = facts["options"][:1]  # the rest depends on the machine
            inputs.append({"id": slot.id, "type": slot.io_type, **facts})
        outputs = [{"name": slot.display_name, "type": slot.io_type} for slot in schema.outputs]
        found[node_id] = {
            "display_name": schema.display_name, "category": schema.category, "inputs": inputs, "outputs": outputs,
        }  # fmt: skip
    return found
