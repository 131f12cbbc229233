"""Text tokenizers of the large models, read by transformers from the checkpoint's own files.

Local files only, and no code from them: the class is always the one of transformers for ``tokenizer.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, cut
from ..file_reading import Fields, parse_fields, read_fields, read_text

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
_OTHER_OBJECTS = ("special_tokens_map.json", "added_tokens.json")  # transformers reads them where they are
_OTHER_TEXTS = ("chat_template.jinja", "chat_template.json")
_MOST_ID = 2**24


class TextTokenizer:
    """A tokenizer of transformers; it always takes whole strings: pieces tokenized one by one may merge differently."""

    def __init__(self, files: Mapping[str, str], source: str = "The tokenizer", remedy: str = ""):
        """files: the texts of ``tokenizer.json`` and, where it adds tokens, ``tokenizer_config.json``.

        source, remedy: how a sentence names them and what it tells the user to do. Raises CheckpointError.
        """
        remedy = remedy or "put the tokenizer files published with the model beside its weights"
        if TOKENIZER_FILE not in files:
            raise CheckpointError(f"{TOKENIZER_FILE} is missing; {remedy}.")
        config = parse_fields(files.get(CONFIG_FILE, "{}"), f"{source}: {CONFIG_FILE}", remedy)
        added = _added_tokens(config)

        def load(transformers: Any) -> Any:
            from tokenizers import AddedToken, Tokenizer

            tokens = {number: AddedToken(**fields) for number, fields in added.items()}
            backend = Tokenizer.from_str(files[TOKENIZER_FILE])
            return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, added_tokens_decoder=tokens)

        self._keep(_read(load, f"{source}: {TOKENIZER_FILE} or {CONFIG_FILE}", remedy), added, config)

    @classmethod
    def from_folder(cls, folder: Path, page: str = "the page of the model's weights") -> TextTokenizer:
        """Read the tokenizer files of a checkpoint folder."""
        remedy = f"download it again from {page}"
        if not (folder / TOKENIZER_FILE).is_file():
            raise CheckpointError(
                f"{TOKENIZER_FILE} (about 6 to 10 MB) is missing in {folder}; download it from {page}."
            )
        # Looked at first, so that transformers opens nothing that is not what its name says.
        found = {name: read_fields(folder / name, page) for name in _present(folder, TOKENIZER_FILE, CONFIG_FILE)}
        for name in _present(folder, *_OTHER_OBJECTS):
            read_fields(folder / name, page)
        for name in _present(folder, *_OTHER_TEXTS):
            read_text(folder / name, page)
        config = found.get(CONFIG_FILE, Fields({}, str(folder / CONFIG_FILE), remedy))
        added = _added_tokens(config)

        def load(transformers: Any) -> Any:
            return transformers.PreTrainedTokenizerFast.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )

        tokenizer = cls.__new__(cls)
        names = " or ".join([TOKENIZER_FILE, *_present(folder, CONFIG_FILE, *_OTHER_OBJECTS)])
        tokenizer._keep(_read(load, f"{names} in {folder}", remedy), added, config)
        return tokenizer

    def _keep(self, tokenizer: Any, added: Mapping[int, Mapping[str, Any]], config: Fields) -> None:
        self._tokenizer = tokenizer
        for number, fields in added.items():
            found = tokenizer.convert_tokens_to_ids(fields["content"])
            if found != number:
                raise CheckpointError(
                    f"{config.source} gives the token {cut(fields['content'], 60)!r} the id {number}, but "
                    f"{TOKENIZER_FILE} gives it {found}; the two files do not belong together: {config.remedy}."
                )

    @property
    def files(self) -> dict[str, str]:
        """The tokenizer as the text of one ``tokenizer.json``, with all tokens that other files added."""
        return {TOKENIZER_FILE: self._tokenizer.backend_tokenizer.to_str()}

    def encode(self, text: str) -> list[int]:
        """Token ids of a whole string, special tokens in it recognized, as the published scripts get them."""
        return list(self._tokenizer(text, verbose=False)["input_ids"])

    def __len__(self) -> int:
        """Number of tokens, added ones included."""
        return len(self._tokenizer)


def _present(folder: Path, *names: str) -> list[str]:
    return [name for name in names if (folder / name).exists()]


def _read(load: Callable[[Any], Any], what: str, remedy: str) -> Any:
    """What `load` makes of transformers; whatever it raises becomes a sentence."""
    try:
        import transformers  # here: starting it takes a while, and only the large models need it

        tokenizer = load(transformers)
        tokenizer("a")  # some damage shows only when it is used
    except ImportError as error:
        raise CheckpointError(
            f"{what} cannot be read, as the package transformers is missing or damaged ({cut(error, 80)}); install "
            "what requirements.txt names."
        ) from error
    except BaseException as error:
        # Plain Exceptions and the panics of the tokenizers package, which is not written in Python; nothing else.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        why = f"{type(error).__name__}: {cut(error, 100)}"
        raise CheckpointError(f"{what} cannot be read by transformers ({why}); {remedy}.") from error
    return tokenizer


def _added_tokens(config: Fields) -> dict[int, dict[str, Any]]:
    """Content and flags of the tokens that the configuration adds, by id."""
    decoder = config.below("added_tokens_decoder", {})
    found = {}
    for name in decoder:
        if not name.isascii() or not name.isdigit() or len(name) > 9 or int(name) > _MOST_ID:
            raise decoder.wrong(name, f"an id from 0 to {_MOST_ID} as its name")
        fields = decoder.below(name)
        special = fields.flag("special", False)
        found[int(name)] = {
            "content": fields.text("content"), "special": special,
            "normalized": fields.flag("normalized", not special),
            **{flag: fields.flag(flag, False) for flag in ("lstrip", "rstrip", "single_word")},
        }  # fmt: skip
    return dict(sorted(found.items()))
