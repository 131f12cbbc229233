"""Which check a recorded file gets, and the walk over a folder of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ...errors import CheckpointError
from . import image_tokenizers, lumina_files, lumina_generate, mmada_files, mmada_generate
from .golden_folder import GoldenFolder
from .result import FileCheck

Checker = Callable[[GoldenFolder, str], list[FileCheck]]

# Files that are read as part of a check of another file, or only describe.
_USED_ELSEWHERE = r"config\.json|model\.safetensors|diffusion_pytorch_model\.safetensors|meta\.json|README\.md"
_LUMINA: tuple[tuple[str, Checker], ...] = (
    (r"forward\.safetensors", lumina_files.check_forward),
    (r"generate_[^/]*\.json", lumina_generate.check_generate),
    (r"sampling\.json", lumina_files.check_sampling),
    (r"prompts\.json", lumina_files.check_prompts),
    (r"sequences\.json", lumina_files.check_sequences),
    (r"crop_sizes\.json", lumina_files.check_crop_sizes),
    (r"io\.json", image_tokenizers.check_vqmodel),
)
_MMADA: tuple[tuple[str, Checker], ...] = (
    (r"forward\.safetensors", mmada_files.check_forward),
    (r"forward_bf16\.safetensors", mmada_files.check_forward_bfloat16),
    (r"generate_[^/]*\.json", mmada_generate.check_generate),
    (r"primitives\.json", mmada_files.check_primitives),
    (r"prompt_layout\.json", mmada_files.check_prompt_layout),
    (r"full_size_keys\.json", image_tokenizers.check_full_size_keys),
    (r"io\.safetensors", image_tokenizers.check_magvit),
)


@torch.inference_mode()
def verify(root: Path, only: str = "") -> Iterator[FileCheck]:
    """Check every file below a folder of recorded data; a file that no check reads is a failure.

    only: a regular expression that the path of a file must contain.
    """
    folders = sorted({path.parent for path in root.rglob("*") if path.is_file()})
    if not folders:
        raise CheckpointError(f"There are no files in {root}; give a folder of recorded reference data.")
    for path in folders:
        yield from _verify_folder(GoldenFolder(path), path.relative_to(root), re.compile(only))


def _verify_folder(folder: GoldenFolder, place: Path, only: re.Pattern[str]) -> Iterator[FileCheck]:
    names = sorted(path.name for path in folder.path.iterdir() if path.is_file())
    read = {name for name in names if re.fullmatch(_USED_ELSEWHERE, name)}
    checkers = _checkers(folder)
    for name in names:
        checker = next((check for pattern, check in checkers if re.fullmatch(pattern, name)), None)
        if checker is None or name in read:
            continue
        if not only.search((place / name).as_posix()):
            read |= {other for other in names if other.startswith(name.removesuffix(".json"))}
            continue
        try:
            checks = checker(folder, name)
        except (KeyError, ValueError, RuntimeError, IndexError, TypeError, OSError) as error:
            # A damaged or changed file must be one failed line, not the end of the run.
            checks = [FileCheck(name, failures=[f"cannot be checked: {type(error).__name__}: {error}"])]
        for check in checks:
            read.add(check.file)
            check.file = (place / check.file).as_posix()
            yield check
    for name in names:
        if name not in read and only.search((place / name).as_posix()):
            yield FileCheck((place / name).as_posix(), failures=["no check reads this file"])


def _checkers(folder: GoldenFolder) -> tuple[tuple[str, Checker], ...]:
    """The checks of the model a folder belongs to."""
    if folder.has("config.json"):
        config = folder.json("config.json")
        kind = config.get("model_type") or config.get("_class_name")
        return _LUMINA if kind in ("llada", "VQModel") else _MMADA
    return _MMADA if folder.has("primitives.json") else _LUMINA
