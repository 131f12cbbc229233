"""Files that a checkpoint lacks: their names, folders, sizes and pages, in one sentence for the user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError, cut

SHORT_JSON = "less than 1 kB"  # config.json of an image tokenizer
# As on the page of LLaDA-8B-Instruct, which both models grew from: its tokenizer has 6.1 MB, saved again 9.75.
CONFIG_JSON = "about 1.4 kB"
TOKENIZER_JSON = "about 6 to 10 MB"
_OTHER_KINDS = {
    (".bin", ".pt", ".pth", ".ckpt", ".pkl"): "loads no pickled files",
    (".gguf",): "reads no GGUF files; get the .safetensors files as published",
}
_INDEX_SHARD = "model-00001-of-00004.safetensors"


@dataclass(frozen=True)
class MissingFile:
    """One file that has to be fetched."""

    name: str
    size: str  # for people
    folder: Path
    page: str
    or_else: str = ""  # where it may lie as well


def incomplete(title: str, missing: Sequence[MissingFile]) -> CheckpointError:
    """The error that names every missing file, grouped by folder and page."""
    groups: dict[tuple[Path, str, str], list[str]] = {}
    for file in missing:
        groups.setdefault((file.folder, file.page, file.or_else), []).append(f"{file.name} ({file.size})")
    parts = [
        f"{', '.join(files)} {'is' if len(files) == 1 else 'are'} missing in {folder}{or_else}; "
        f"get {'it' if len(files) == 1 else 'them'} from {page}"
        for (folder, page, or_else), files in groups.items()
    ]
    return CheckpointError(f"{title} is incomplete: {'; '.join(parts)}.{unreadable(f.folder for f in missing)}")


def unreadable(folders: Iterable[Path]) -> str:
    """What lies in these folders in place of what is missing, and why it cannot be used; begins with a space."""
    sentences = []
    for folder in dict.fromkeys(folders):
        for endings, why in _OTHER_KINDS.items():
            try:
                names = sorted(cut(path.name, 80) for path in folder.iterdir() if path.suffix.lower() in endings)
            except OSError:
                continue
            if names:
                sentences.append(f" {', '.join(names[:3])} cannot be read: this pack {why}.")
    return "".join(sentences)


def index_bytes(names: Mapping[str, int]) -> int:
    """About as many bytes as an index over these tensors has: one line each, with the name of its shard."""
    return 60 + sum(len(f'    "model.{name}": "{_INDEX_SHARD}",\n') for name in names)
