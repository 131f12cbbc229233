"""Finding the parts of a checkpoint: transformer, image and text tokenizer, in a folder as published or one file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError, cut, shown
from ..file_reading import Fields, parse_fields, read_fields, reason
from ..models.families import FAMILIES, LUMINA_DIMOO, find_family
from ..models.family import Family
from ..models.llada import TRANSFORMER_PREFIX, LLaDAConfig
from ..models.text_tokenizer import TOKENIZER_FILE, TextTokenizer
from ..vq.contract import VQ_PREFIX
from .header import read_header, readable_bytes
from .hub_cache import find_snapshot, snapshots_beside
from .missing import CONFIG_JSON, SHORT_JSON, TOKENIZER_JSON, MissingFile, incomplete, unreadable
from .scales import EIGHT_BIT_FLOATS, Scales, check_method, find_scales
from .tensor_files import TensorFiles, missing_files

SINGLE_FILE_KEY = "ladr_dllm"  # metadata of the files that `convert` writes
_SHARD_NAME = re.compile(r".+-\d{5}-of-\d{5}\.safetensors")
_SHARE = "transformer.wte.weight"
_TORCH_DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F64": torch.float32}


@dataclass(frozen=True)
class CheckpointParts:
    """What was found of a checkpoint, before any weight is read."""

    family: Family
    config: dict[str, Any]
    weights: TensorFiles
    vq_config: Fields
    vq_weights: TensorFiles
    tokenizer: TextTokenizer
    source: str  # the file that the configuration stands in, for messages

    @cached_property
    def transformer_config(self) -> LLaDAConfig:
        """Sizes of the transformer; the number of tokens is the file's own, which the config may get wrong."""
        shape = self.weights.shape(_SHARE) if _SHARE in self.weights.names else ()
        rows = shape[0] if len(shape) == 2 else self.config.get("vocab_size")
        return LLaDAConfig.from_dict(Fields({**self.config, "embedding_size": rows}, self.source, self.advice))

    @property
    def advice(self) -> str:
        """What to get where the weights cannot be used, without a full stop."""
        size = readable_bytes(self.family.bytes_in_16_bit)
        return (
            f"get the published weights (about {size}) from {self.family.page}, or one file that `python -m ladr_core "
            "convert --dtype float8_e4m3fn` wrote from them"
        )

    @cached_property
    def scales(self) -> Scales:
        """The scales of weights in 8 bits, once all tensors have been compared with what the model needs."""
        expected, title = expected_shapes(self.transformer_config), self.family.title
        check_method(Fields(self.config, self.source, self.advice), self.advice)
        scales = find_scales(self.weights, expected, title, self.advice)
        self.weights.check(expected, title, self.family.page, optional=scales.allowed)
        return scales

    @cached_property
    def stored_dtype(self) -> torch.dtype:
        """Dtype in which the layers of the transformer are kept where none is asked for; 8-bit numbers that are whole
        are unpacked to bfloat16."""
        layers = [name for name in self.weights.names if ".blocks." in name and name.endswith("_proj.weight")]
        found = [self.weights.dtype(name) for name in layers] or ["BF16"]
        if any(dtype in EIGHT_BIT_FLOATS for dtype in found):
            return torch.float8_e4m3fn
        return _TORCH_DTYPES.get(found[0], torch.bfloat16)


def find_parts(path: Path, vq_path: Path | None = None, vq_folders: Sequence[Path] = ()) -> CheckpointParts:
    """The parts of a checkpoint folder or single file; CheckpointError names what is missing and where to get it.

    vq_path: where the image tokenizer is; without it, it is looked for in and beside the checkpoint's folder, and in
    vq_folders. The folder may be one of the Hugging Face cache, ``models--OWNER--NAME``.
    """
    try:
        if path.is_dir():
            return _folder_parts(find_snapshot(path), vq_path, vq_folders)
        if path.exists():
            return _file_parts(path, vq_path)
    except (OSError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} cannot be read ({reason(error)}).") from error
    raise CheckpointError(f"There is no file or folder {path}.")


def _folder_parts(folder: Path, vq_path: Path | None, vq_folders: Sequence[Path]) -> CheckpointParts:
    config_path = folder / "config.json"
    if not config_path.exists():
        raise CheckpointError(
            f"config.json ({CONFIG_JSON}) is missing in {folder}; a checkpoint folder holds all files of {_pages()} as "
            f"published.{unreadable([folder])}"
        )
    fields = read_fields(config_path, _pages())
    config = dict(fields.values)
    family = find_family(config, folder)
    if family is None:
        raise CheckpointError(_unknown(folder, config))
    source = Fields(config, str(config_path), f"download it again from {family.page}")
    expected = expected_shapes(LLaDAConfig.from_dict(source))
    sizes = {name: 2 * torch.Size(shape).numel() for name, shape in expected.items()}
    vq_place = find_snapshot(vq_path or _vq_place(family, folder, vq_folders))
    missing = missing_files(folder, family.page, sizes)
    if not (folder / TOKENIZER_FILE).is_file():
        missing.append(MissingFile(TOKENIZER_FILE, TOKENIZER_JSON, folder, family.page))
    missing += _missing_of_vq(family, vq_place, folder)
    if missing:
        raise incomplete(family.title, missing)
    weights = TensorFiles.of_folder(folder, family.page, sizes, (TRANSFORMER_PREFIX, ""))
    tokenizer = TextTokenizer.from_folder(folder, family.page)
    vq_config, vq_weights = _vq_at(family, vq_place)
    return CheckpointParts(family, config, weights, vq_config, vq_weights, tokenizer, str(config_path))


def _file_parts(path: Path, vq_path: Path | None) -> CheckpointParts:
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path.name} is not a .safetensors file; this pack loads no pickled or other files.")
    header = read_header(path)
    if SINGLE_FILE_KEY not in header.metadata:
        if _SHARD_NAME.fullmatch(path.name):
            raise CheckpointError(f"{path.name} is one of several shards; give its folder, {path.parent}, instead.")
        raise CheckpointError(
            f"{path.name} does not say which model it is. Give the folder as published, or write one file from it with "
            "`python -m ladr_core convert`."
        )
    source, remedy = f"The description in {path.name}", "convert or download it again"
    description = parse_fields(header.metadata[SINGLE_FILE_KEY], source, remedy)
    named = description.text("family")
    family = next((f for f in FAMILIES if f.name == named), None)
    if family is None:
        raise description.wrong("family", "one of " + ", ".join(f.name for f in FAMILIES))
    texts = description.below("tokenizer")
    tokenizer = TextTokenizer({name: texts.text(name) for name in texts}, f"{source}: tokenizer", remedy)
    config, vq_config = description.below("transformer"), description.below("vq", {})
    LLaDAConfig.from_dict(config)
    weights = TensorFiles([header], (TRANSFORMER_PREFIX,))
    if vq_path is not None:
        vq_place = find_snapshot(vq_path)
        missing = _missing_of_vq(family, vq_place, path.parent)
        if missing:
            raise incomplete(family.title, missing)
        vq_config, vq_weights = _vq_at(family, vq_place)
    else:
        vq_weights = TensorFiles([header], (VQ_PREFIX,))
    return CheckpointParts(family, dict(config.values), weights, vq_config, vq_weights, tokenizer, config.source)


def _vq_place(family: Family, folder: Path, vq_folders: Sequence[Path]) -> Path:
    """Where the image tokenizer of a model folder is, or should be."""
    name = family.vq_folder
    if not family.vq_is_shared:
        return next((place for place in _named(folder, name) if place.exists()), folder / name)
    around = [folder, folder.parent, *vq_folders]
    places = [place for one in dict.fromkeys(around) for place in _named(one, name)]
    places += [place for one in dict.fromkeys(around) for place in snapshots_beside(one, family.vq_repository)]
    return next((place for place in places if place.exists()), folder / name)


def _named(folder: Path, name: str) -> list[Path]:
    return [folder / name, folder / f"{name}.safetensors"]


def _missing_of_vq(family: Family, place: Path, folder: Path) -> list[MissingFile]:
    """Files of the image tokenizer that are not at its place."""
    if place.is_file():
        return []
    names, page, missing = family.vq_files, family.vq_page, []
    beside = folder.parent / family.vq_folder
    is_free = family.vq_is_shared and not place.exists() and place.parent == folder
    or_else = f" (or in {beside}, or as one file {beside}.safetensors)" if is_free else ""
    if family.vq_needs_config and not (place / "config.json").is_file():
        missing.append(MissingFile("config.json", SHORT_JSON, place, page))
    if not any((place / name).is_file() for name in names):
        missing.append(MissingFile(names[0], f"about {readable_bytes(family.vq_bytes)}", place, page, or_else))
    return missing


def _vq_at(family: Family, place: Path) -> tuple[Fields, TensorFiles]:
    """Configuration and weights of an image tokenizer whose files are there."""
    page, full_bytes = family.vq_page, family.vq_bytes
    remedy = f"download it again from {page}"
    if place.is_file():
        header = read_header(place, page, full_bytes)
        found = header.metadata.get("config")
        source = f"The configuration in {place}"
        return parse_fields(found or "{}", source, remedy), TensorFiles([header], full_bytes=full_bytes)
    config_path = place / "config.json"
    config = read_fields(config_path, page) if config_path.exists() else Fields({}, str(config_path), remedy)
    path = next(place / name for name in family.vq_files if (place / name).is_file())
    return config, TensorFiles([read_header(path, page, full_bytes)], full_bytes=full_bytes)


def expected_shapes(config: LLaDAConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a transformer's tensors, without building it: a configuration may ask for anything."""
    d, kv, wide = config.d_model, config.kv_heads * config.head_dim, config.mlp_hidden_size
    layer: dict[str, tuple[int, ...]] = {
        "attn_norm": (d,), "ff_norm": (d,), "q_proj": (d, d), "k_proj": (kv, d), "v_proj": (kv, d),
        "attn_out": (d, d), "ff_proj": (wide, d), "up_proj": (wide, d), "ff_out": (d, wide),
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (config.embedding_size, d)}
    for block in range(config.n_layers):
        shapes |= {f"transformer.blocks.{block}.{name}.weight": shape for name, shape in layer.items()}
    shapes |= {"transformer.ln_f.weight": (d,), "transformer.ff_out.weight": (config.embedding_size, d)}
    if config.learned_positions:
        shapes["transformer.wpe.weight"] = (config.max_sequence_length, d)
    return shapes


def _unknown(folder: Path, config: dict[str, Any]) -> str:
    is_vq = config.get("_class_name") in ("VQModel", "MAGVITv2")
    if is_vq or (folder / LUMINA_DIMOO.vq_files[0]).is_file():
        return f"{folder.name} holds only an image tokenizer; choose the folder of the language model beside it."
    architectures = config.get("architectures")
    named = architectures[0] if isinstance(architectures, list) and architectures else architectures
    kind = named or config.get("model_type") or config.get("_class_name")
    kind = "nothing" if kind is None else kind if isinstance(kind, str) else shown(kind)
    return f"{folder} is not a model this pack knows (its config.json names {cut(kind, 60)}); it knows {_pages()}."


def _pages() -> str:
    return " and ".join(f"{family.title} ({family.page})" for family in FAMILIES)
