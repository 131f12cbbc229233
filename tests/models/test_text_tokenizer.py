"""Tokenizers from a checkpoint's own files: whole strings, special tokens at their ids, no code from the files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ladr_core.errors import CheckpointError
from ladr_core.models.text_tokenizer import TextTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tiny_checkpoints import SPECIAL, tokenizer_json  # noqa: E402


def merging_tokenizer() -> str:
    """A byte-pair tokenizer that merges over the border of two tags."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: number for number, piece in enumerate([*alphabet, "><", "></"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [(">", "<"), ("><", "/")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return tokenizer.to_str()


def test_special_tokens_have_their_real_ids():
    tokenizer = TextTokenizer({"tokenizer.json": tokenizer_json(SPECIAL)})
    assert tokenizer.encode("<uncondition>") == [126351]
    ids = tokenizer.encode("<user><uncondition></user>")
    assert ids.count(126351) == 1 and len(ids) == len("<user>") + 1 + len("</user>")


def test_text_is_tokenized_whole():
    tokenizer = TextTokenizer({"tokenizer.json": merging_tokenizer()})
    parts = [tokenizer.encode(part) for part in ("<user>", "</user>")]
    assert tokenizer.encode("<user></user>") != parts[0] + parts[1]


def test_nothing_is_added_cut_or_padded():
    from tokenizers import Tokenizer

    limited = Tokenizer.from_str(tokenizer_json(SPECIAL))
    limited.enable_truncation(4)
    limited.enable_padding(length=300)
    tokenizer = TextTokenizer({"tokenizer.json": limited.to_str()})
    assert [len(tokenizer.encode("x" * n)) for n in (0, 1, 9)] == [0, 1, 9]


def test_the_same_ids_as_transformers_gives(tmp_path):
    transformers = pytest.importorskip("transformers")
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(SPECIAL), encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": {"126360": {"content": "<extra>", "special": True}},
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**config, "added_tokens_decoder": {}}))
    reference = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path)
    tokenizer = TextTokenizer.from_folder(tmp_path)
    for text in ('A red "fox".\nCafé, 東京!', "<system>x</system><user><uncondition></user>", " two  spaces "):
        assert tokenizer.encode(text) == reference(text)["input_ids"]


def test_tokens_added_by_the_configuration_are_known():
    plain = TextTokenizer({"tokenizer.json": tokenizer_json({})})
    following = len(plain)
    config = {"added_tokens_decoder": {str(following): {"content": "<uncondition>", "special": True}}}
    tokenizer = TextTokenizer({"tokenizer.json": tokenizer_json({}), "tokenizer_config.json": json.dumps(config)})
    assert tokenizer.encode("a<uncondition>b")[1] == following


def test_files_that_do_not_belong_together_are_refused():
    config = {"added_tokens_decoder": {"126351": {"content": "<uncondition>", "special": True}}}
    with pytest.raises(CheckpointError, match="do not belong together"):
        TextTokenizer({"tokenizer.json": tokenizer_json({}), "tokenizer_config.json": json.dumps(config)})


@pytest.mark.parametrize("content", ["", "{}", "[1, 2]", '{"model": 3}'])
def test_a_damaged_file_is_named(content):
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        TextTokenizer({"tokenizer.json": content})


def test_code_named_by_the_files_is_not_run(tmp_path):
    marker = tmp_path / "was_run"
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(SPECIAL), encoding="utf-8")
    code = f"open({str(marker)!r}, 'w').close()\n"
    (tmp_path / "tokenization_evil.py").write_text(code)
    config = {"auto_map": {"AutoTokenizer": ["tokenization_evil.Evil", None]}, "tokenizer_class": "Evil"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert TextTokenizer.from_folder(tmp_path).encode("ab")
    assert not marker.exists()
