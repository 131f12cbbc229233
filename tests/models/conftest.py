"""Where the recorded reference data is: the full set beside the repository, or the small part kept in it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_checkpoints import write_lumina, write_magvit, write_mmada

from ladr_core.models.llada import LLaDAConfig, LLaDATransformer

REPOSITORY = Path(__file__).resolve().parents[2]


def golden_folders() -> list[Path]:
    """Folders that may hold golden data, the most complete first."""
    named = os.environ.get("LADR_GOLDEN")
    return [Path(named)] if named else [REPOSITORY.parent / "shared" / "golden", REPOSITORY / "tests" / "golden"]


def golden_path(relative: str) -> Path | None:
    """The first existing file or folder of that name."""
    return next((root / relative for root in golden_folders() if (root / relative).exists()), None)


@pytest.fixture
def golden():
    """Look up golden data by its name, skipping the test with the name of what is not there."""

    def find(relative: str) -> Path:
        found = golden_path(relative)
        if found is None:
            pytest.skip(f"golden data {relative} is not here; set LADR_GOLDEN to the folder that holds it")
        return found

    return find


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Golden values were recorded with one thread; more of them only compete with other work."""
    torch.set_num_threads(1)


def load_transformer(folder: Path, dtype: torch.dtype = torch.float32) -> LLaDATransformer:
    """A transformer with the weights of a golden folder."""
    config = LLaDAConfig.from_dict(json.loads((folder / "config.json").read_text()))
    model = LLaDATransformer(config, device="meta")
    state = {k.removeprefix("model."): v.to(dtype) for k, v in load_file(folder / "model.safetensors").items()}
    model.load_state_dict(state, assign=True)
    return model.eval()


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """Both models as published, read-only by agreement."""
    root = tmp_path_factory.mktemp("models")
    write_lumina(root / "Lumina-DiMOO")
    write_mmada(root / "MMaDA")
    write_magvit(root / "magvitv2")
    return root


@pytest.fixture
def lumina_folder(tmp_path):
    return write_lumina(tmp_path / "Lumina-DiMOO")


@pytest.fixture
def mmada_folder(tmp_path):
    return write_mmada(tmp_path / "MMaDA")
