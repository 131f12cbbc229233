"""The nodes on small stand-ins of ComfyUI's cores, so that these tests need no server."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator

import pytest
from cores.stand_in_ops import cast_to, make_ops
from cores.stand_in_patchers import install
from node_specs.comfyui_stub import PACK, stub_modules

PACK_NAME = "pack_on_a_stand_in"


@pytest.fixture
def on_core(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., types.ModuleType]]:
    """A function that imports a module of the pack anew, as it is on a core with these features."""

    def load(
        module: str, *, lazy: bool = False, newer: bool = False, patcher: str = "old", anew: bool = True
    ) -> types.ModuleType:
        if not anew:  # another module of the one that was imported last
            return importlib.import_module(f"{PACK_NAME}.{module}")
        stubs = stub_modules(newer)
        install(stubs, patcher)
        stubs["comfy.ops"] = stubs["comfy"].ops = make_ops(lazy)
        stubs["comfy.model_management"].cast_to = cast_to
        for name, stub in stubs.items():
            monkeypatch.setitem(sys.modules, name, stub)
        for name in [name for name in sys.modules if name.split(".")[0] == PACK_NAME]:
            del sys.modules[name]
        package = types.ModuleType(PACK_NAME)
        package.__path__ = [str(PACK)]
        nodes = types.ModuleType(f"{PACK_NAME}.nodes")
        nodes.__path__ = [str(PACK / "nodes")]
        sys.modules.update({PACK_NAME: package, nodes.__name__: nodes})
        return importlib.import_module(f"{PACK_NAME}.{module}")

    yield load
    for name in [name for name in sys.modules if name.split(".")[0] == PACK_NAME]:
        del sys.modules[name]
