"""The safetensors files of one model part: which there are, what is wrong with them, their memory-mapped tensors."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import CheckpointError
from .header import Header, read_header, readable_bytes

logger = logging.getLogger(__name__)

INDEX = "model.safetensors.index.json"
LISTED = 8  # names in a message


class TensorFiles:
    """Tensors of one or more safetensors files under one namespace."""

    def __init__(self, headers: Iterable[Header], prefixes: tuple[str, ...] = ("",)):
        self.headers = list(headers)
        self._prefixes = prefixes
        self._places = {name: header for header in self.headers for name in header.tensors if self._is_ours(name)}
        self.names = {
            self._own(name): name for name in self._places
        }  # own names (without prefix) to those in the files

    @classmethod
    def of_folder(cls, folder: Path, title: str, page: str, sizes: Mapping[str, int], prefixes: tuple[str, ...]) -> Any:
        """The shards that the folder's index names, or its only safetensors file.

        sizes: bytes expected of each tensor, to tell how large a missing shard is.
        """
        index = folder / INDEX
        if index.is_file():
            try:
                weight_map: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
            except (ValueError, KeyError, TypeError) as error:
                raise CheckpointError(f"{index} is damaged; download it again from {page}.") from error
            names = sorted(set(weight_map.values()))
            if any(Path(name).name != name for name in names):
                raise CheckpointError(f"{index} names files outside its folder; download it again from {page}.")
            missing = [name for name in names if not (folder / name).is_file()]
            if missing:
                raise CheckpointError(_missing_shards(folder, title, page, missing, weight_map, sizes))
            return cls([read_header(folder / name, page) for name in names], prefixes)
        files = sorted(path for path in folder.glob("*.safetensors") if path.is_file())
        if len(files) == 1:
            return cls([read_header(files[0], page)], prefixes)
        if files:
            raise CheckpointError(f"{INDEX} is missing in {folder}, which has {len(files)} shards; get it from {page}.")
        pickled = [path.name for path in folder.glob("*.bin")]
        note = f" {', '.join(pickled[:3])} cannot be read: this pack loads no pickled files." if pickled else ""
        raise CheckpointError(f"{title}'s weights (.safetensors) are missing in {folder}; get them from {page}.{note}")

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

    def check(
        self, expected: Mapping[str, tuple[int, ...]], what: str, page: str, optional: Iterable[str] = ()
    ) -> None:
        """Compare names and shapes with the model's: missing or misshapen tensors are an error, others a notice."""
        names = self.names
        allowed = set(optional)
        missing = [name for name in expected if name not in names and name not in allowed]
        surplus = [stored for own, stored in names.items() if own not in expected and own not in allowed]
        misshapen = [
            f"{names[name]} is {list(self.shape(name))} instead of {list(shape)}"
            for name, shape in expected.items()
            if name in names and self.shape(name) != tuple(shape)
        ]
        notice = f"{len(surplus)} tensors are not part of {what}: {_listed(surplus)}" if surplus else ""
        if not missing and not misshapen:
            if notice:
                logger.warning("%s.", notice)
            return
        shaped = [f"{name} {list(expected[name])}" for name in missing]
        parts = [f"{len(missing)} tensors are missing: {_listed(shaped)}"] if missing else []
        parts += [f"{len(misshapen)} have the wrong shape: {_listed(misshapen)}"] if misshapen else []
        parts += [notice] if notice else []
        folder = self.headers[0].path.parent if self.headers else "the folder"
        raise CheckpointError(
            f"The weights of {what} in {folder} do not fit: {'; '.join(parts)}. Get them from {page}."
        )

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Own names and tensors, file by file, each a view of the memory-mapped file."""
        from safetensors import safe_open

        for number, header in enumerate(self.headers):
            logger.info("Reading %s (%d of %d)", header.path.name, number + 1, len(self.headers))
            with safe_open(str(header.path), framework="pt", device="cpu") as file:
                for name in header.tensors:
                    if self._is_ours(name):
                        yield self._own(name), file.get_tensor(name)

    def tensor(self, own_name: str) -> Tensor:
        """One tensor by its own name, a view of the memory-mapped file."""
        from safetensors import safe_open

        stored = self.names[own_name]
        with safe_open(str(self._places[stored].path), framework="pt", device="cpu") as file:
            return file.get_tensor(stored)


def _missing_shards(
    folder: Path, title: str, page: str, missing: list[str], weight_map: Mapping[str, str], sizes: Mapping[str, int]
) -> str:
    def described(shard: str) -> str:
        known = [sizes.get(name.removeprefix("model.")) for name, place in weight_map.items() if place == shard]
        size = sum(count for count in known if count)
        return f"{shard} (about {readable_bytes(size)})" if size else shard

    files = ", ".join(described(shard) for shard in missing)
    return (
        f"{title} is incomplete: {files} missing in {folder}; get {'them' if len(missing) > 1 else 'it'} from {page}."
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
