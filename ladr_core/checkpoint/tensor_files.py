"""The safetensors files of one model part: which there are, what is wrong with them, their memory-mapped tensors."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError, cut
from ..file_reading import ELSEWHERE, open_regular, read_fields, reason
from .header import Header, read_header, readable_bytes
from .missing import MissingFile, index_bytes
from .scales import makers_of

logger = logging.getLogger(__name__)

INDEX = "model.safetensors.index.json"
LISTED = 8  # names in a message
_TORCH_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors")


class TensorFiles:
    """Tensors of one or more safetensors files under one namespace."""

    def __init__(
        self,
        headers: Iterable[Header],
        prefixes: tuple[str, ...] = ("",),
        *,
        full_bytes: int = 0,
        index: Mapping[str, str] | None = None,
    ):
        """full_bytes: of all files as published, for messages; index: the file that each tensor should be in."""
        self.headers = list(headers)
        self.full_bytes = full_bytes
        self._prefixes = prefixes
        self._places = {name: header for header in self.headers for name in header.tensors if self._is_ours(name)}
        self.names = {
            self._own(name): name for name in self._places
        }  # own names (without prefix) to those in the files
        self._index = {self._own(name): file for name, file in (index or {}).items() if self._is_ours(name)}

    @classmethod
    def of_folder(cls, folder: Path, page: str, sizes: Mapping[str, int], prefixes: tuple[str, ...]) -> TensorFiles:
        """The shards that the folder's index names, or its only safetensors file; see `missing_files` first.

        sizes: bytes expected of each tensor, to tell how large a damaged shard should be.
        """
        weight_map = read_index(folder, page)
        names = sorted(set(weight_map.values())) or [path.name for path in _weight_files(folder)]
        shards = _shard_sizes(weight_map, sizes)
        whole = sum(sizes.values())
        headers, broken = [], []
        for name in names:
            try:
                headers.append(read_header(folder / name, page, shards.get(name, whole)))
            except CheckpointError as error:
                broken.append(str(error))
        if broken:
            raise CheckpointError(" ".join(broken))
        return cls(headers, prefixes, full_bytes=whole, index=weight_map)

    def _is_ours(self, name: str) -> bool:
        return any(name.startswith(prefix) for prefix in self._prefixes)

    def _own(self, name: str) -> str:
        return name.removeprefix(next(p for p in self._prefixes if name.startswith(p)))

    def shape(self, own_name: str) -> tuple[int, ...]:
        """Shape of a tensor by its own name."""
        stored = self.names[own_name]
        return self._places[stored].tensors[stored].shape

    def dtype(self, own_name: str) -> str:
        """Dtype of a tensor by its own name, as the format calls it."""
        stored = self.names[own_name]
        return self._places[stored].tensors[stored].dtype

    def file_of(self, own_name: str) -> Path:
        """The file that holds a tensor, by the tensor's own name."""
        return self._places[self.names[own_name]].path

    def check(
        self, expected: Mapping[str, tuple[int, ...]], what: str, page: str, optional: Iterable[str] = ()
    ) -> None:
        """Compare names and shapes with the model's.

        Missing or misshapen tensors are an error, and so are unknown ones within the model's own layers, without which
        its weights may mean something else. Others are a notice.
        """
        names = self.names
        allowed = set(optional)
        missing = [name for name in expected if name not in names and name not in allowed]
        surplus = [own for own in names if own not in expected and own not in allowed]
        within = [names[own] for own in surplus if _is_within(own, expected)]
        apart = [names[own] for own in surplus if not _is_within(own, expected)]
        misshapen = [
            f"{stored} in {self._places[stored].path.name} is {list(self.shape(name))} instead of {list(shape)}"
            for name, shape in expected.items()
            if (stored := names.get(name)) is not None and self.shape(name) != tuple(shape)
        ]
        notice = f"{len(apart)} tensors are not part of {what}: {_listed(apart)}" if apart else ""
        if not missing and not misshapen and not within:
            if notice:
                logger.warning("%s.", notice)
            return
        shaped = [f"{name} {list(expected[name])}{self._should_be(name)}" for name in missing]
        parts = [f"{len(missing)} tensors are missing: {_listed(shaped)}"] if missing else []
        parts += [f"{len(misshapen)} have the wrong shape: {_listed(misshapen)}"] if misshapen else []
        if within:
            made = makers_of(within)
            by = f" (written by {made}, which this pack does not read)" if made else ""
            parts.append(f"{len(within)} lie within its layers and are not understood{by}: {_listed(within)}")
        parts += [notice] if notice else []
        folder = self.headers[0].path.parent if self.headers else "the folder"
        size = f" (about {readable_bytes(self.full_bytes)})" if self.full_bytes else ""
        raise CheckpointError(
            f"The weights of {what} in {folder} do not fit: {'; '.join(parts)}. Get them{size} from {page}."
        )

    def _should_be(self, own_name: str) -> str:
        return f" of {self._index[own_name]}" if own_name in self._index else ""

    def tensors(self, memory_map: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Own names and tensors, file by file: views of the memory-mapped files, or copies read without mapping."""
        for number, header in enumerate(self.headers):
            logger.info("Reading %s (%d of %d)", header.path.name, number + 1, len(self.headers))
            with (_mapped if memory_map else _unmapped)(header) as read:
                for name in header.tensors:
                    if self._is_ours(name):
                        yield self._own(name), read(name)

    def tensor(self, own_name: str, memory_map: bool = True) -> Tensor:
        """One tensor by its own name, a view of the memory-mapped file or a copy."""
        stored = self.names[own_name]
        with (_mapped if memory_map else _unmapped)(self._places[stored]) as read:
            return read(stored)


@contextmanager
def _mapped(header: Header) -> Iterator[Callable[[str], Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(header.path), framework="pt", device="cpu") as file:
            yield file.get_tensor
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{header.path} cannot be read ({reason(error)}); download it again.") from error


@contextmanager
def _unmapped(header: Header) -> Iterator[Callable[[str], Tensor]]:
    """Reads tensors into memory of their own: nothing that happens to the file afterward can touch them."""
    remedy = f"download it again from {ELSEWHERE}"
    with open_regular(header.path, remedy) as file:

        def read(name: str) -> Tensor:
            stored = header.tensors[name]
            if stored.dtype not in _TORCH_DTYPES:
                raise CheckpointError(f"{name} in {header.path} is stored as {stored.dtype}; {remedy}.")
            content = torch.empty(stored.bytes, dtype=torch.uint8)
            file.seek(header.data_start + stored.start)
            try:
                count = file.readinto(content.numpy())  # type: ignore[attr-defined]
            except OSError as error:
                raise CheckpointError(f"{header.path} cannot be read ({reason(error)}); {remedy}.") from error
            if count != stored.bytes:
                raise CheckpointError(f"{header.path} was cut off while it was read; {remedy}.")
            return content.view(_TORCH_DTYPES[stored.dtype]).reshape(stored.shape)

        yield read


def _is_within(own_name: str, expected: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether an unknown tensor belongs to a layer that the model has, or to one block more of the same kind."""
    layers = {name.rpartition(".")[0] for name in expected}
    parts = own_name.split(".")
    inside = any(".".join(parts[:length]) in layers for length in range(1, len(parts)))
    return inside or bool(re.match(r"transformer\.blocks\.\d+\.", own_name))


def missing_files(folder: Path, page: str, sizes: Mapping[str, int]) -> list[MissingFile]:
    """Weight files that a model folder lacks, with the sizes that the tensors' shapes give them.

    sizes: bytes expected of each tensor by its own name.
    """
    weight_map, whole = read_index(folder, page), sum(sizes.values())
    if weight_map:
        shards = _shard_sizes(weight_map, sizes)
        names = [name for name in sorted(set(weight_map.values())) if not (folder / name).is_file()]
        return [MissingFile(name, _about(shards[name]), folder, page) for name in names]
    files = _weight_files(folder)
    numbered = [match for path in files if (match := _SHARD.fullmatch(path.name))]
    count = int(numbered[0]["count"]) if numbered else 0
    if len(files) == 1 and count < 2:
        return []
    index = MissingFile(INDEX, _about(index_bytes(sizes)), folder, page)
    if not files:
        together = f"{_about(whole)} together"
        return [index, MissingFile("its shards model-*-of-*.safetensors", together, folder, page)]
    have = {int(match["number"]) for match in numbered}
    lacking = [number for number in range(1, count + 1) if number not in have]
    left = max(0, whole - sum(path.stat().st_size for path in files))
    each = f"{_about(left / len(lacking))} {'each' if len(lacking) > 1 else ''}".strip() if lacking else ""
    names = [f"{numbered[0]['stem']}-{number:05d}-of-{count:05d}.safetensors" for number in lacking]
    return [index, *(MissingFile(name, each, folder, page) for name in names)]


def read_index(folder: Path, page: str) -> dict[str, str]:
    """Tensor names and the shards they are in, as the folder's index says; empty where there is no index."""
    path = folder / INDEX
    if not path.is_file():
        return {}
    weight_map = read_fields(path, page).below("weight_map")
    names = {name: weight_map.text(name) for name in weight_map}
    for name in set(names.values()):
        if Path(name).name != name or "\\" in name or ":" in name or "\0" in name:
            raise CheckpointError(f"{path} names files outside its folder; download it again from {page}.")
        if not name.endswith(".safetensors"):
            raise CheckpointError(
                f"{path} names {cut(name, 60)}, which is not a .safetensors file; download it again from {page}."
            )
    if not names:
        raise CheckpointError(f"{path} names no files; download it again from {page}.")
    return names


def _weight_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.safetensors") if path.is_file())


def _shard_sizes(weight_map: Mapping[str, str], sizes: Mapping[str, int]) -> dict[str, int]:
    """Bytes of each shard's tensors; 0 where none of them is known."""
    found = dict.fromkeys(weight_map.values(), 0)
    for name, shard in weight_map.items():
        found[shard] += sizes.get(name.removeprefix("model."), 0)
    return found


def _about(count: float) -> str:
    return f"about {readable_bytes(count)}" if count else "size not known"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(cut(name, 120) for name in names[:LISTED]) + more
