"""Finding the parts of a checkpoint: transformer, image and text tokenizer, in a folder as published or one file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError
from ..models.llada import LLaDAConfig, LLaDATransformer
from ..models.text_tokenizer import TOKENIZER_FILE, TextTokenizer
from .families import FAMILIES, LUMINA_DIMOO, MMADA, Family, find_family
from .header import read_header, readable_bytes
from .missing import CONFIG_JSON, SHORT_JSON, TOKENIZER_JSON, MissingFile, incomplete
from .tensor_files import TensorFiles, missing_files

SINGLE_FILE_KEY = "ladr_dllm"  # metadata of the files that `convert` writes
TRANSFORMER_PREFIX, VQ_PREFIX = "model.", "vq."
_VQ_FILES = {
    LUMINA_DIMOO.name: ("diffusion_pytorch_model.safetensors",),
    MMADA.name: ("pytorch_model.safetensors", "model.safetensors", "diffusion_pytorch_model.safetensors"),
}
_SHARE = "transformer.wte.weight"
_TORCH_DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F8_E4M3": torch.float8_e4m3fn}


@dataclass(frozen=True)
class CheckpointParts:
    """What was found of a checkpoint, before any weight is read."""

    family: Family
    config: dict[str, Any]
    weights: TensorFiles
    vq_config: dict[str, Any]
    vq_weights: TensorFiles
    tokenizer: TextTokenizer

    @property
    def transformer_config(self) -> LLaDAConfig:
        """Sizes of the transformer; the number of tokens is the file's own, which the config may get wrong."""
        rows = self.weights.shape(_SHARE)[0] if _SHARE in self.weights.names else self.config.get("vocab_size")
        return LLaDAConfig.from_dict({**self.config, "embedding_size": rows})

    @property
    def stored_dtype(self) -> torch.dtype:
        """Dtype in which the layers of the transformer are stored."""
        name = next((n for n in self.weights.names if n.endswith(".q_proj.weight")), _SHARE)
        found = self.weights.dtype(name)
        if found not in _TORCH_DTYPES:
            allowed = ", ".join(_TORCH_DTYPES)
            raise CheckpointError(f"{name} is stored as {found}; weights must be one of {allowed}.")
        return _TORCH_DTYPES[found]


def find_parts(path: Path, vq_path: Path | None = None) -> CheckpointParts:
    """The parts of a checkpoint folder or single file; CheckpointError names what is missing and where to get it."""
    if path.is_dir():
        return _folder_parts(path, vq_path)
    if path.is_file():
        return _file_parts(path, vq_path)
    raise CheckpointError(f"There is no file or folder {path}.")


def _folder_parts(folder: Path, vq_path: Path | None) -> CheckpointParts:
    config_path = folder / "config.json"
    if not config_path.is_file():
        raise CheckpointError(
            f"config.json ({CONFIG_JSON}) is missing in {folder}; a checkpoint folder holds all files of {_pages()} as "
            "published."
        )
    config = read_json(config_path, _pages())
    family = find_family(config, has_vqvae=(folder / LUMINA_DIMOO.vq_folder).is_dir())
    if family is None:
        raise CheckpointError(_unknown(folder, config))
    try:
        expected = expected_shapes(LLaDAConfig.from_dict(config))
        sizes = {name: 2 * torch.Size(shape).numel() for name, shape in expected.items()}
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{config_path} lacks {error}; download it again from {family.page}.") from error
    vq_place = vq_path or _vq_place(family, folder)
    missing = missing_files(folder, family.page, sizes)
    if not (folder / TOKENIZER_FILE).is_file():
        missing.append(MissingFile(TOKENIZER_FILE, TOKENIZER_JSON, folder, family.page))
    missing += _missing_of_vq(family, vq_place, folder)
    if missing:
        raise incomplete(family.title, missing)
    weights = TensorFiles.of_folder(folder, family.page, sizes, (TRANSFORMER_PREFIX, ""))
    tokenizer = TextTokenizer.from_folder(folder, family.page)
    vq_config, vq_weights = _vq_at(family, vq_place)
    return CheckpointParts(family, config, weights, vq_config, vq_weights, tokenizer)


def _file_parts(path: Path, vq_path: Path | None) -> CheckpointParts:
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path.name} is not a .safetensors file; this pack loads no pickled or other files.")
    header = read_header(path)
    if SINGLE_FILE_KEY not in header.metadata:
        raise CheckpointError(
            f"{path.name} does not say which model it is. Give the folder as published, or write one file from it with "
            "`python -m ladr_core convert`."
        )
    try:
        description = json.loads(header.metadata[SINGLE_FILE_KEY])
        family = next(f for f in FAMILIES if f.name == description["family"])
        tokenizer = TextTokenizer(description["tokenizer"])
        config, vq_config = description["transformer"], description["vq"]
    except (ValueError, KeyError, StopIteration) as error:
        raise CheckpointError(f"The description in {path.name} is damaged; convert or download it again.") from error
    weights = TensorFiles([header], (TRANSFORMER_PREFIX,))
    if vq_path is not None:
        missing = _missing_of_vq(family, vq_path, path.parent)
        if missing:
            raise incomplete(family.title, missing)
        vq_config, vq_weights = _vq_at(family, vq_path)
    else:
        vq_weights = TensorFiles([header], (VQ_PREFIX,))
    return CheckpointParts(family, config, weights, vq_config, vq_weights, tokenizer)


def _vq_place(family: Family, folder: Path) -> Path:
    """Where the image tokenizer of a model folder is, or should be."""
    name = family.vq_folder
    places = [folder / name] if family is LUMINA_DIMOO else [folder / name, folder.parent / name]
    places += [place.with_name(name + ".safetensors") for place in places]
    return next((place for place in places if place.exists()), places[0])


def _missing_of_vq(family: Family, place: Path, folder: Path) -> list[MissingFile]:
    """Files of the image tokenizer that are not at its place."""
    if place.is_file():
        return []
    names, page, missing = _VQ_FILES[family.name], family.vq_page, []
    beside = folder.parent / family.vq_folder
    is_free = family is MMADA and not place.exists() and place.parent == folder
    or_else = f" (or in {beside}, or as one file {beside}.safetensors)" if is_free else ""
    if family is LUMINA_DIMOO and not (place / "config.json").is_file():
        missing.append(MissingFile("config.json", SHORT_JSON, place, page))  # magvitv2's says nothing of its sizes
    if not any((place / name).is_file() for name in names):
        missing.append(MissingFile(names[0], f"about {readable_bytes(family.vq_bytes)}", place, page, or_else))
    return missing


def _vq_at(family: Family, place: Path) -> tuple[dict[str, Any], TensorFiles]:
    """Configuration and weights of an image tokenizer whose files are there."""
    page, full_bytes = family.vq_page, family.vq_bytes
    if place.is_file():
        header = read_header(place, page, full_bytes)
        found = header.metadata.get("config")
        return (json.loads(found) if found else {}), TensorFiles([header], full_bytes=full_bytes)
    config_path = place / "config.json"
    config = read_json(config_path, page) if config_path.is_file() else {}
    path = next(place / name for name in _VQ_FILES[family.name] if (place / name).is_file())
    return config, TensorFiles([read_header(path, page, full_bytes)], full_bytes=full_bytes)


def expected_shapes(config: LLaDAConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a transformer's tensors."""
    state = LLaDATransformer(config, device="meta").state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def read_json(path: Path, page: str = "where it came from") -> dict[str, Any]:
    """A JSON object, or a CheckpointError that names the file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        size = path.stat().st_size
        raise CheckpointError(
            f"{path} cannot be read (it has {size} bytes; {error}); download it again from {page}."
        ) from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds no JSON object; download it again from {page}.")
    return found


def _unknown(folder: Path, config: dict[str, Any]) -> str:
    if config.get("_class_name") in ("VQModel", "MAGVITv2") or (folder / _VQ_FILES[LUMINA_DIMOO.name][0]).is_file():
        return f"{folder.name} holds only an image tokenizer; choose the folder of the language model beside it."
    kind = config.get("architectures") or config.get("model_type") or config.get("_class_name") or "nothing"
    return f"{folder} is not a model this pack knows (its config.json names {kind}); it knows {_pages()}."


def _pages() -> str:
    return " and ".join(f"{family.title} ({family.page})" for family in FAMILIES)
