"""Typed readers: whatever a user's file holds becomes one sentence that names file, entry and what is expected."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ladr_core.checkpoint.header import read_header
from ladr_core.errors import CheckpointError, InputError, cut, one_line, shown
from ladr_core.file_reading import Fields, open_regular, read_fields, read_text
from ladr_core.models.llada import LLaDAConfig

PAGE = "https://example.org/model"
SMALL = {"d_model": 16, "n_layers": 2, "n_heads": 2, "mlp_hidden_size": 24, "vocab_size": 100}


def sentence(call, *arguments) -> str:
    with pytest.raises(CheckpointError) as error:
        call(*arguments)
    text = str(error.value)
    text.encode()
    assert "\n" not in text and len(text) < 1000, text
    return text


CONTENTS = {
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "UTF-16, expected UTF-8"),
    "Latin-1": (b'{"a": "\xe9"}', "is no text in UTF-8"),
    "empty": (b"", "holds no JSON"),
    "a list": (b"[1]", "holds a list of 1, expected a JSON object"),
    "null": (b"null", "holds null"),
    "deep": (b"[" * 200_000, "brackets within brackets"),
    "a long number": (b'{"a": ' + b"9" * 5000 + b"}", "holds no JSON"),
    "half": (b'{"a": ', "holds no JSON"),
}


@pytest.mark.parametrize(("content", "said"), CONTENTS.values(), ids=CONTENTS)
def test_what_is_no_json_object(tmp_path, content, said):
    (tmp_path / "config.json").write_bytes(content)
    found = sentence(read_fields, tmp_path / "config.json", PAGE)
    assert said in found and "config.json" in found and PAGE in found


def test_a_byte_order_mark_is_no_fault(tmp_path):
    (tmp_path / "config.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_fields(tmp_path / "config.json").whole("a", 0, 2) == 1


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices of POSIX systems")
def test_only_regular_files_are_opened_and_nothing_waits(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    (tmp_path / "itself").symlink_to("itself")
    kinds = {"pipe": "a named pipe", "zeros": "a device", ".": "a folder", "itself": "cannot be opened"}
    for name, kind in kinds.items():
        assert kind in sentence(open_regular, tmp_path / name, "do something")
    assert "There is no file" in sentence(open_regular, tmp_path / "nowhere", "do something")
    assert "cannot be opened" in sentence(open_regular, Path("a\0b"), "do something")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "x.json").open("wb") as file:
        file.truncate(10_000)
    assert "too large" in sentence(read_text, tmp_path / "x.json", PAGE, 9_999)


NAN, LONG = float("nan"), 10**400
READS = [
    (lambda f: f.whole("a", 1, 5), [0, 6, 1.5, "1", True, [], {}, LONG, NAN], "a whole number from 1 to 5"),
    (lambda f: f.number("a", 0.5, 2), [0.1, 3, "1", True, [], NAN, float("inf"), LONG], "a number from 0.5 to 2"),
    (lambda f: f.flag("a"), [0, 1, "true", [], {}], "true or false"),
    (lambda f: f.text("a"), [0, True, [], {}], "a text"),
    (lambda f: f.texts("a"), ["x", [1], [None], {}], "a list of texts"),
    (lambda f: f.wholes("a", 1, 5, 3), ["x", [], [0], [1.0], [True], [1] * 4, {}], "a list of 1 to 3 whole numbers"),
    (lambda f: f.below("a"), [0, "x", [], True], "a JSON object"),
]


@pytest.mark.parametrize(("read", "wrong", "expected"), READS)
def test_entries_of_another_type_or_range(read, wrong, expected):
    for value in wrong:
        found = sentence(read, Fields({"a": value}, "x/config.json", f"get it from {PAGE}"))
        assert "x/config.json: a is " in found and expected in found and PAGE in found
    for values in ({}, {"a": None}):
        assert "expected" in sentence(read, Fields(values, "x/config.json", "get it again"))


def test_defaults_stand_for_what_is_missing_or_null():
    for values in ({}, {"a": None}):
        fields = Fields(values, "x", "y")
        assert fields.whole("a", 1, 5, 3) == 3 and fields.text("a", "z") == "z" and list(fields.below("a", {})) == []
    assert Fields({"a": 4096.0}, "x", "y").whole("a", 1, 5000) == 4096


CHECKED = ["d_model", "n_layers", "n_heads", "mlp_hidden_size", "vocab_size", "rope_theta", "rms_norm_eps"]


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("value", [0, -1, 2**40, "16", [], {}, True, float("nan"), 0.3])
def test_sizes_of_a_config_are_checked_before_anything_is_built(name, value):
    found = sentence(LLaDAConfig.from_dict, {**SMALL, name: value})
    assert name in found and "expected" in found


def test_heads_must_cut_the_width_into_even_parts():
    for values in ({"n_heads": 3}, {"n_heads": 16}, {"n_kv_heads": 3}):
        assert "heads" in sentence(LLaDAConfig.from_dict, {**SMALL, **values})


def write_header(path: Path, header: object, data: bytes = bytes(8)) -> None:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(content)) + content + data)


GOOD = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HEADERS = {
    "metadata null": ({"__metadata__": None, "a": GOOD}, None),
    "metadata of numbers": ({"__metadata__": {"x": 1}, "a": GOOD}, "x in __metadata__ is 1, expected a text"),
    "metadata is a list": ({"__metadata__": [], "a": GOOD}, "__metadata__ is a list of 0"),
    "dtype": ({"a": {**GOOD, "dtype": "F31"}}, "the dtype of a is the text 'F31'"),
    "shape": ({"a": {**GOOD, "shape": "2"}}, "the shape of a is the text '2'"),
    "negative shape": ({"a": {**GOOD, "shape": [-2]}}, "the shape of a"),
    "huge shape": ({"a": {**GOOD, "shape": [2**39, 2**39, 2**39]}}, "a has 8 bytes, expected a number of"),
    "offsets": ({"a": {**GOOD, "data_offsets": [0]}}, "the data_offsets of a"),
    "wrong size": ({"a": {**GOOD, "shape": [3]}}, "a has 8 bytes, expected 12"),
    "gap": ({"a": {**GOOD, "data_offsets": [8, 16]}}, "the data of a begins at 8, expected 0"),
    "nan": (b'{"a": NaN}', "holds the number NaN"),
    "surrogate": (b'{"\\ud800": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', "damaged header"),
    "deep": (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "damaged header"),
    "entry": ({"a": 5}, "a needs dtype, shape and data_offsets"),
}  # fmt: skip


@pytest.mark.parametrize(("header", "said"), HEADERS.values(), ids=HEADERS)
def test_headers(tmp_path, header, said):
    write_header(tmp_path / "x.safetensors", header)
    if said is None:
        assert list(read_header(tmp_path / "x.safetensors").tensors) == ["a"]
        return
    found = sentence(read_header, tmp_path / "x.safetensors", PAGE)
    assert said in found and "x.safetensors" in found and PAGE in found


def test_everything_the_package_writes_is_read(tmp_path):
    dtypes = torch.float64, torch.bfloat16, torch.int8, torch.uint8, torch.bool, torch.float8_e4m3fn, torch.float8_e5m2
    tensors = {str(dtype): torch.zeros(3, 5).to(dtype) for dtype in dtypes}
    tensors |= {"none": torch.zeros(0, 4), "one": torch.ones(())}
    save_file(tensors, tmp_path / "x.safetensors", {"format": "pt"})
    header = read_header(tmp_path / "x.safetensors")
    shapes = {name: tuple(tensor.shape) for name, tensor in header.tensors.items()}
    assert shapes == {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def test_messages_are_one_bounded_line_that_every_terminal_can_show():
    error = InputError("text", "x\n" * 100_000 + "\ud800", "a\nb", "do\x07")
    text = str(error)
    text.encode()
    assert "\n" not in text and len(text) < 500 and "(200001 characters)" in text
    assert one_line("красный 👩‍🚀 \ud83d") == "красный 👩‍🚀 \\ud83d"
    assert cut("x" * 300, 20).startswith("xxxxxxxxxx ... ") and shown(10**400) == "a number of 1329 bits"
