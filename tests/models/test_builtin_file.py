"""The built-in model's file format: what is broken in a file is named in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from comfyui.tiny_model import write_tiny
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ladr_core.checkpoint import load_dllm
from ladr_core.errors import CheckpointError
from ladr_core.models.builtin.loading import CONFIG_KEY, load_builtin

WORD_ROWS = "model.transformer.wte.weight"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_tiny(tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def rewrite(file: Path, change_tensors=None, change_config=None, text: str | None = None) -> None:
    with safe_open(str(file), framework="pt") as opened:
        config = json.loads(opened.metadata()[CONFIG_KEY])
    tensors = load_file(file)
    if change_tensors:
        change_tensors(tensors)
    if change_config:
        change_config(config)
    save_file(tensors, file, {CONFIG_KEY: json.dumps(config) if text is None else text})


def test_an_unchanged_file_loads_by_both_functions(file: Path):
    rewrite(file)
    assert load_builtin(file).name == load_dllm(file).name == "builtin-shapes"


@pytest.mark.parametrize(
    ("tensors", "config", "text", "named"),
    [
        (lambda t: t.pop(WORD_ROWS), None, None, f"{WORD_ROWS} is missing"),
        (lambda t: t.pop(max(name for name in t if name.startswith("vq."))), None, None, r"vq\..* is missing"),
        (lambda t: t.update({WORD_ROWS: torch.zeros(3, 5)}), None, None, rf"{WORD_ROWS} is \[3, 5\] instead of"),
        (lambda t: t.update({"model.extra": torch.zeros(1)}), None, None, "model.extra"),
        (None, lambda c: c.pop("words"), None, "words is missing"),
        (None, lambda c: c["words"].pop(), None, "words for an embedding of"),
        (None, lambda c: c.pop("transformer"), None, "transformer is missing"),
        (None, lambda c: c["transformer"].pop("d_model"), None, "d_model"),
        (None, lambda c: c.update(vq=7), None, "vq is 7"),
        (None, None, "{broken", "holds no JSON"),
        (None, None, "null", "expected a JSON object"),
        (None, None, "[]", "expected a JSON object"),
    ],
)  # fmt: skip
def test_a_broken_file_gets_one_sentence(file: Path, tensors, config, text, named):
    rewrite(file, tensors, config, text)
    with pytest.raises(CheckpointError, match=named) as error:
        load_builtin(file)
    message = str(error.value)
    assert message.startswith("tiny.safetensors") and message.endswith("again.") and "\n" not in message
