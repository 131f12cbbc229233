"""Text tokenizers of the large models, read from the checkpoint's own files without running any code from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CheckpointError

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"


class TextTokenizer:
    """A fast tokenizer described by `tokenizer.json`, with the added tokens of `tokenizer_config.json`.

    It always takes whole strings: pieces tokenised one by one may merge differently.
    """

    def __init__(self, files: Mapping[str, str]):
        # Imported here: ComfyUI brings the package with transformers, and starting it takes a while.
        from tokenizers import AddedToken, Tokenizer

        if TOKENIZER_FILE not in files:
            raise CheckpointError(
                f"{TOKENIZER_FILE} is missing; put the tokenizer files published with the model beside its weights."
            )
        try:
            self._tokenizer = Tokenizer.from_str(files[TOKENIZER_FILE])
            config = json.loads(files.get(CONFIG_FILE, "{}"))
        except Exception as error:  # the tokenizers package raises plain Exception for a file it cannot read
            raise CheckpointError(f"{TOKENIZER_FILE} or {CONFIG_FILE} cannot be read: {error}.") from error
        self.files = dict(files)
        for token_id, fields in sorted(_added_tokens(config).items()):
            if self._tokenizer.token_to_id(fields["content"]) is None:
                flags = {name: bool(fields.get(name, False)) for name in ("lstrip", "rstrip", "single_word")}
                normalized = bool(fields.get("normalized", not fields.get("special", False)))
                token = AddedToken(fields["content"], normalized=normalized, **flags)
                (self._tokenizer.add_special_tokens if fields.get("special") else self._tokenizer.add_tokens)([token])
            found = self._tokenizer.token_to_id(fields["content"])
            if found != token_id:
                raise CheckpointError(
                    f"{CONFIG_FILE} gives the token {fields['content']!r} the id {token_id}, but {TOKENIZER_FILE} "
                    f"gives it {found}; the two files do not belong together."
                )
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    @classmethod
    def from_folder(cls, folder: Path, page: str = "the page of the model's weights") -> TextTokenizer:
        """Read the tokenizer files of a checkpoint folder."""
        files = {}
        for name in (TOKENIZER_FILE, CONFIG_FILE):
            path = folder / name
            if path.is_file():
                files[name] = path.read_text(encoding="utf-8")
        if TOKENIZER_FILE not in files:
            raise CheckpointError(
                f"{TOKENIZER_FILE} (about 6 to 10 MB) is missing in {folder}; download it from {page}."
            )
        return cls(files)

    def encode(self, text: str) -> list[int]:
        """Token ids of a whole string, special tokens in it recognised, as the published scripts get them."""
        return self._tokenizer.encode(text).ids

    def __len__(self) -> int:
        """Number of tokens, added ones included."""
        return self._tokenizer.get_vocab_size()


def _added_tokens(config: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    return {int(token_id): fields for token_id, fields in config.get("added_tokens_decoder", {}).items()}
