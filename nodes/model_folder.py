"""Where dLLM checkpoints live: the folder key, the choices of the loader, and the path of a choice."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import folder_paths

from ..ladr_core.checkpoint.families import FAMILIES, find_family
from ..ladr_core.checkpoint.parts import SINGLE_FILE_KEY
from ..ladr_core.errors import InputError
from ..ladr_core.models.builtin.loading import CONFIG_KEY, WEIGHTS

FOLDER_KEY = "dllm"
SEARCHED_KEYS = (FOLDER_KEY, "diffusion_models", "checkpoints")
BUILTIN = "built-in shapes"
_VQ_NAMES = {family.vq_folder + ".safetensors" for family in FAMILIES}  # an image tokenizer beside its model
_LONGEST_HEADER = 100 * 1024**2


def register_model_folder() -> None:
    """Tell ComfyUI of ``models/dllm``; folders that extra_model_paths.yaml gave this key stay."""
    folder = os.path.join(folder_paths.models_dir, FOLDER_KEY)
    folder_paths.add_model_folder_path(FOLDER_KEY, folder)
    with contextlib.suppress(OSError):  # a read-only models folder is no reason not to load
        os.makedirs(folder, exist_ok=True)


def list_checkpoints() -> list[str]:
    """The built-in model, then the dLLM checkpoints of the model folders, with forward slashes."""
    found: dict[str, None] = {}
    for key in SEARCHED_KEYS:
        for root in _roots(key):
            for path in _checkpoints(root, ours=key == FOLDER_KEY):
                found.setdefault(path.relative_to(root).as_posix())
    return [BUILTIN, *sorted(found, key=str.lower)]


def checkpoint_path(name: str) -> Path:
    """The folder or file of a choice of the loader; a name never leads out of the model folders."""
    if name == BUILTIN:
        return WEIGHTS
    relative = str(name).replace("\\", "/")
    parts = relative.split("/")
    if any(part in ("", ".", "..") or ":" in part for part in parts):
        raise InputError(
            "checkpoint", repr(name), f"names inside models/{FOLDER_KEY} and the other model folders",
            "Choose an entry of the list",
        )  # fmt: skip
    for key in SEARCHED_KEYS:
        for root in _roots(key):
            path = root.joinpath(*parts)
            if path.exists():
                return path
    raise InputError(
        "checkpoint", repr(name), ", ".join(list_checkpoints()),
        f"Put the checkpoint's folder or file into models/{FOLDER_KEY} and press R to refresh the list",
    )  # fmt: skip


def _checkpoints(root: Path, ours: bool) -> Iterator[Path]:
    """Folders and files of models this pack knows; in models/dllm every single file is offered."""
    for folder, subfolders, files in os.walk(root, followlinks=True):
        subfolders.sort()
        here = Path(folder)
        if here != root and "config.json" in files:
            subfolders.clear()
            if _is_dllm_folder(here):
                yield here
            continue
        weights = (here / name for name in sorted(files) if name.endswith(".safetensors") and name not in _VQ_NAMES)
        yield from (path for path in weights if ours or _is_dllm_file(path))


def _is_dllm_folder(folder: Path) -> bool:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and find_family(config, has_vqvae=(folder / "vqvae").is_dir()) is not None


def file_metadata(path: Path) -> dict[str, str]:
    """The metadata in a safetensors header; empty where there is none or the file is none."""
    try:
        state = path.stat()
        return _read_metadata(path, state.st_mtime_ns, state.st_size)
    except OSError:
        return {}


@lru_cache(maxsize=4096)
def _read_metadata(path: Path, changed: int, size: int) -> dict[str, str]:
    """Read a header once per state of the file."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size, _LONGEST_HEADER):
            return {}
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return {}
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def _is_dllm_file(path: Path) -> bool:
    return bool(file_metadata(path).keys() & {CONFIG_KEY, SINGLE_FILE_KEY})


def _roots(key: str) -> list[Path]:
    try:
        folders = folder_paths.get_folder_paths(key)
    except KeyError:
        return []
    return [Path(folder) for folder in folders if os.path.isdir(folder)]
