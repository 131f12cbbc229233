"""Where the recorded reference data is: the full set beside the repository, or the small part kept in it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors.torch import load_file

from ladr_core.models.llada import LLaDAConfig, LLaDATransformer

REPOSITORY = Path(__file__).resolve().parents[1]


def golden_folders() -> list[Path]:
    """Folders that may hold golden data, the most complete first."""
    named = os.environ.get("LADR_GOLDEN")
    return [Path(named)] if named else [REPOSITORY.parent / "shared" / "golden", REPOSITORY / "tests" / "golden"]


def golden_path(relative: str) -> Path | None:
    """The first existing file or folder of that name."""
    return next((root / relative for root in golden_folders() if (root / relative).exists()), None)


def load_transformer(folder: Path, dtype: torch.dtype = torch.float32) -> LLaDATransformer:
    """A transformer with the weights of a golden folder."""
    config = LLaDAConfig.from_dict(json.loads((folder / "config.json").read_text()))
    model = LLaDATransformer(config, device="meta")
    state = {k.removeprefix("model."): v.to(dtype) for k, v in load_file(folder / "model.safetensors").items()}
    model.load_state_dict(state, assign=True)
    return model.eval()
