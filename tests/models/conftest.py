"""Golden data and tiny checkpoints for the tests of the models."""

from __future__ import annotations

import pytest
from tiny_checkpoints import write_lumina, write_magvit, write_mmada


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
