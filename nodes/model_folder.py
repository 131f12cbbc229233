"""Where dLLM checkpoints live: the folder key, the choices of the loader, and the path of a choice."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import folder_paths

from ..ladr_core.checkpoint.header import LARGEST_HEADER, read_header
from ..ladr_core.checkpoint.parts import SINGLE_FILE_KEY
from ..ladr_core.errors import CheckpointError, InputError
from ..ladr_core.file_reading import open_regular, read_fields
from ..ladr_core.models.builtin.loading import CONFIG_KEY, UPSCALER, shipped_models
from ..ladr_core.models.families import FAMILIES, find_family
from .folder_listing import read_folder

log = logging.getLogger(__name__)

FOLDER_KEY = "dllm"
SEARCHED_KEYS = (FOLDER_KEY, "diffusion_models", "checkpoints")
_BUILT_IN = "built-in "  # before the name of what a built-in model draws
_VQ_NAMES = {family.vq_folder + ".safetensors" for family in FAMILIES}  # an image tokenizer beside its model
_MOST_NAMES = 8  # under which one folder is listed, where links give it more than one
_DEEPEST = 24  # folders within folders


def register_model_folder() -> None:
    """Tell ComfyUI of ``models/dllm``; folders that extra_model_paths.yaml gave this key stay."""
    folder = os.path.join(folder_paths.models_dir, FOLDER_KEY)
    folder_paths.add_model_folder_path(FOLDER_KEY, folder)
    with contextlib.suppress(OSError):  # a read-only models folder is no reason not to load
        os.makedirs(folder, exist_ok=True)
    if UPSCALER.is_file():  # a search path more, behind the user's own, so that Load Upscale Model lists it
        folder_paths.add_model_folder_path("upscale_models", str(UPSCALER.parent))


def list_checkpoints() -> list[str]:
    """The built-in models, then the dLLM checkpoints of the model folders, with forward slashes."""
    found: dict[str, None] = {}
    for key in SEARCHED_KEYS:
        for root in _roots(key):
            for path in _checkpoints(root, ours=key == FOLDER_KEY):
                found.setdefault(path.relative_to(root).as_posix())
    return [*(_BUILT_IN + world for world in shipped_models()), *sorted(found, key=str.lower)]


def checkpoint_path(name: str) -> Path:
    """The folder or file of a choice of the loader; a name never leads out of the model folders."""
    built_in = shipped_models().get(str(name).removeprefix(_BUILT_IN)) if str(name).startswith(_BUILT_IN) else None
    if built_in is not None:
        return built_in
    relative = str(name).replace("\\", "/")
    parts = relative.split("/")
    if any(part in ("", ".", "..") or ":" in part or "\0" in part for part in parts):
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


def checkpoint_state(name: str) -> str:
    """Sizes and times of the files of a choice; never an error, as loading says what is wrong."""
    try:
        path = checkpoint_path(name)
        files = sorted(found for found in (path, *path.glob("*"), *path.glob("*/*.safetensors")) if found.is_file())
        states = [(str(file), found.st_size, found.st_mtime_ns) for file in files for found in [file.stat()]]
        return str(states)
    except (InputError, OSError, ValueError):
        return ""


def _checkpoints(root: Path, ours: bool) -> Iterator[Path]:
    """Folders and files of models this pack knows; in models/dllm every single file and every folder of shards.

    Nothing of what lies there may raise or block: ComfyUI asks for the list while it builds the schema of all nodes.
    """
    visits: dict[tuple[int, int], int] = {}
    waiting = [root]
    while waiting:
        here = waiting.pop()
        found = read_folder(here)
        if found is None:
            continue
        visits[found.identity] = visits.get(found.identity, 0) + 1
        if visits[found.identity] > _MOST_NAMES or len(here.parts) - len(root.parts) > _DEEPEST:
            continue  # links that lead back up
        if here != root and ("config.json" in found.files or (ours and found.is_model)):
            if "config.json" not in found.files or _is_dllm_folder(here):
                yield here
            continue
        waiting += [here / name for name in reversed(found.folders)]
        weights = (here / name for name in found.files if name.endswith(".safetensors") and name not in _VQ_NAMES)
        yield from (path for path in weights if (path.is_file() if ours else _is_dllm_file(path)))


def _is_dllm_folder(folder: Path) -> bool:
    path = folder / "config.json"
    try:
        state = path.stat()
        return _reads_as_dllm(path, state.st_mtime_ns, state.st_size)
    except OSError:
        return False


@lru_cache(maxsize=4096)
def _reads_as_dllm(path: Path, changed: int, size: int) -> bool:
    """Read a configuration once per state of the file; one that is damaged is no model's, and the log says so."""
    try:
        config = read_fields(path).values
    except CheckpointError as error:
        if size:
            log.warning("Not offered by Load dLLM: %s", error)
        return False
    return find_family(config, path.parent) is not None


def _is_dllm_file(path: Path) -> bool:
    """Whether the header of a file names one of our kinds of models, read once per state of the file."""
    try:
        state = path.stat()
        return stat.S_ISREG(state.st_mode) and _names_a_dllm(path, state.st_mtime_ns, state.st_size)
    except OSError:
        return False


@lru_cache(maxsize=200_000)
def _names_a_dllm(path: Path, changed: int, size: int) -> bool:
    marks = [key.encode() for key in (CONFIG_KEY, SINGLE_FILE_KEY)]
    try:
        with open_regular(path, "") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(size, LARGEST_HEADER) or not any(mark in file.read(length) for mark in marks):
                return False
        return bool(read_header(path).metadata.keys() & {CONFIG_KEY, SINGLE_FILE_KEY})
    except (CheckpointError, OSError):
        return False


def _roots(key: str) -> list[Path]:
    try:
        folders = folder_paths.get_folder_paths(key)
    except KeyError:
        return []
    return [Path(folder) for folder in folders if os.path.isdir(folder)]


def model_roots() -> list[Path]:
    """Every folder in which a model's image tokenizer may lie, by the keys that the loader searches and ``vae``."""
    return list(dict.fromkeys(root for key in (*SEARCHED_KEYS, "vae") for root in _roots(key)))
