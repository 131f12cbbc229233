"""A folder of recorded data: its files, read once, and the model in it."""

from __future__ import annotations

import json
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ...models.llada import LLaDAConfig, LLaDATransformer


class GoldenFolder:
    """One folder of recorded data and what was read from it."""

    def __init__(self, path: Path):
        self.path = path
        self.json = lru_cache(maxsize=4)(self._json)
        self.tensors = lru_cache(maxsize=2)(self._tensors)
        self.transformer = lru_cache(maxsize=2)(self._transformer)

    def has(self, name: str) -> bool:
        """Whether the folder has a file of this name."""
        return (self.path / name).is_file()

    @cached_property
    def meta(self) -> dict[str, Any]:
        """The folder's description of itself, of this folder or the one above."""
        for folder in (self.path, self.path.parent):
            if (folder / "meta.json").is_file():
                return json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        return {}

    def _json(self, name: str) -> Any:
        return json.loads((self.path / name).read_text(encoding="utf-8"))

    def _tensors(self, name: str) -> dict[str, Tensor]:
        return load_file(self.path / name)

    def _transformer(self, dtype: torch.dtype = torch.float32) -> LLaDATransformer:
        model = LLaDATransformer(LLaDAConfig.from_dict(self.json("config.json")), device="meta")
        state = {
            name.removeprefix("model."): value.to(dtype) for name, value in self.tensors("model.safetensors").items()
        }
        model.load_state_dict(state, assign=True)
        return model.eval().requires_grad_(False)
