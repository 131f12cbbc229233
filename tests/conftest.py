"""Shared by all tests: one thread, so that tests neither fight for cores nor round differently, and golden data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden_data import golden_path

torch.set_num_threads(1)


@pytest.fixture
def golden():
    """Look up golden data by its name, skipping the test with the name of what is not there."""

    def find(relative: str) -> Path:
        found = golden_path(relative)
        if found is None:
            pytest.skip(f"golden data {relative} is not here; set LADR_GOLDEN to the folder that holds it")
        return found

    return find
