"""Mutated model files: hypothesis picks what is done to which file, `apply` does it to a copy of a sound folder.

A mutation is plain data, so that the same ones can be tried on two versions of the pack.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

SEED = 20261126  # fixed before the first of these faults was mended

Document = Any
DEEP = "[" * 100_000 + "]" * 100_000
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 7, 24, 27, 31, 1000, 65536, 1_000_000, 2**31, 2**40, 2**63, 2**64, 10**400,
    0.5, -0.5, 1e308, float("nan"), float("inf"), "", " ", "x", "12", "1e5", "nan", "../../etc", "a\nb", "é", "漢字",
    "\ud800", "\x00", "x" * 100_000, [], [1], [None], ["x", 1], [-1], [0, 0], [[]], [2**40, 2**40], {}, {"x": 1},
    {"0": {}}, {"x": {"y": []}},
)  # fmt: skip
JSON_FILES = {
    "lumina": (
        "config.json", "model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json", "vqvae/config.json",
    ),
    "mmada": ("config.json", "model.safetensors.index.json", "tokenizer_config.json", "magvitv2/config.json"),
    "adapter": ("adapter_config.json",),
}  # fmt: skip
TENSOR_FILES = {
    "lumina": ("model-00001-of-00002.safetensors", "vqvae/diffusion_pytorch_model.safetensors"),
    "mmada": ("model-00002-of-00002.safetensors", "magvitv2/pytorch_model.safetensors"),
    "single": ("single.safetensors",),
    "builtin": ("tiny.safetensors",),
    "adapter": ("adapter_model.safetensors",),
}
DESCRIPTIONS = {"single": "ladr_dllm", "builtin": "ladr_builtin"}  # metadata entries that hold JSON
NODES = ("folder", "fifo", "socket", "dangling", "itself", "zeros", "away")
BYTES = ("empty", "half", "one", "byte", "bom", "utf16", "latin1", "deep", "zeros", "more", "null", "list", "text")


@dataclass(frozen=True)
class Mutation:
    """What is done: target (a sound folder), file, kind, and numbers that say where and what exactly."""

    target: str
    file: str
    kind: str  # json, header, description, bytes, node
    path: tuple[int, ...] = ()  # which entry, level by level
    action: int = 0
    value: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def mutations(kind: str) -> st.SearchStrategy[Mutation]:
    """Mutations of one kind, of all files that it concerns."""
    if kind == "json":
        files = [(target, name) for target, names in JSON_FILES.items() for name in names]
    elif kind == "header":
        files = [(target, name) for target, names in TENSOR_FILES.items() for name in names]
    elif kind == "description":
        files = [(target, TENSOR_FILES[target][0]) for target in DESCRIPTIONS]
    else:
        files = [
            (target, name) for table in (JSON_FILES, TENSOR_FILES) for target, names in table.items() for name in names
        ]
    numbers = st.integers(0, 10_000)
    return st.builds(
        lambda place, path, action, value: Mutation(*place, kind, tuple(path), action, value),
        st.sampled_from(files), st.lists(numbers, min_size=1, max_size=5), numbers, st.integers(0, len(ODD) - 1),
    )  # fmt: skip


KINDS = ("json", "header", "description", "bytes", "node")


def any_mutation() -> st.SearchStrategy[Mutation]:
    """Mutations of every kind."""
    return st.sampled_from(KINDS).flatmap(mutations)


def draw_mutations(kind: str, count: int) -> list[Mutation]:
    """So many different mutations of a kind, always the same ones."""
    found: dict[Mutation, None] = {}

    @seed(SEED)
    @settings(
        max_examples=2 * count, database=None, phases=[Phase.generate], deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(mutations(kind))
    def keep(mutation: Mutation) -> None:
        found.setdefault(mutation)

    keep()
    return list(found)[:count]


def copy_folder(sound: Path, folder: Path) -> None:
    """A copy of a sound folder made of hard links; `apply` replaces files, it never writes into one."""
    for source in sorted(sound.rglob("*")):
        target = folder / source.relative_to(sound)
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, target)


def apply(mutation: Mutation, folder: Path) -> None:
    """Do it to a copy of the target's folder."""
    path = folder / mutation.file
    content = path.read_bytes()
    path.unlink()
    if mutation.kind == "node":
        _make_node(path, NODES[mutation.action % len(NODES)])
        return
    if mutation.kind == "bytes":
        path.write_bytes(_changed_bytes(content, BYTES[mutation.action % len(BYTES)], mutation.path[0]))
    elif mutation.kind == "json":
        path.write_bytes(_dump(_changed(json.loads(content), mutation)))
    else:
        path.write_bytes(_changed_header(content, mutation))


def _make_node(path: Path, what: str) -> None:
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "socket":
        import socket

        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.path.relpath(path))  # a socket's address must be short
    elif what != "away":
        path.symlink_to({"dangling": "nowhere", "itself": path.name, "zeros": "/dev/zero"}[what])


def _changed_bytes(content: bytes, how: str, number: int) -> bytes:
    if how == "byte":
        place = number % min(len(content), 4096)
        return content[:place] + bytes([content[place] ^ (1 << number % 8)]) + content[place + 1 :]
    replaced: dict[str, Callable[[], bytes]] = {
        "empty": lambda: b"",
        "half": lambda: content[: len(content) // 2],
        "one": lambda: content[:-1],
        "bom": lambda: b"\xef\xbb\xbf" + content,
        "utf16": lambda: content[:100_000].decode("utf-8", "replace").encode("utf-16"),
        "latin1": lambda: b'{"caf\xe9": 1}',
        "deep": DEEP.encode,
        "zeros": lambda: bytes(len(content)),
        "more": lambda: content + b"more",
        "null": lambda: b"null",
        "list": lambda: b"[]",
        "text": lambda: b'"text"',
    }
    return replaced[how]()


def _changed_header(content: bytes, mutation: Mutation) -> bytes:
    """A safetensors file with one change in its header, or in the JSON text that an entry of its metadata holds."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    if mutation.kind == "description":
        metadata, key = header["__metadata__"], DESCRIPTIONS[mutation.target]
        metadata[key] = _dump(_changed(json.loads(metadata[key]), mutation)).decode("utf-8", "surrogatepass")
        changed = json.dumps(header).encode()
    else:
        changed = _dump(_changed(header, mutation))
    changed += b" " * (-len(changed) % 8)
    return struct.pack("<Q", len(changed)) + changed + data


def _dump(document: Document) -> bytes:
    text = json.dumps(document)
    return text.replace('"<deep>"', DEEP).encode()


def _changed(document: Document, mutation: Mutation) -> Document:
    """The document with one entry replaced, removed or added."""
    holder: dict[str, Document] = {"": document}
    parent, key = _find(holder, "", mutation.path)
    action = mutation.action % 10
    if action == 0 and parent is not holder:
        del parent[key]
    elif action == 1 and isinstance(parent[key], dict):
        parent[key]["unknown"] = ODD[mutation.value]
    elif action == 2 and isinstance(parent[key], list):
        parent[key].append(ODD[mutation.value])
    elif action == 3:
        parent[key] = "<deep>"
    elif action == 4 and isinstance(parent[key], (int, float)):
        parent[key] = str(parent[key])
    else:
        parent[key] = ODD[mutation.value]
    return holder[""]


def _find(parent: Any, key: Any, path: Sequence[int]) -> tuple[Any, Any]:
    """The place that the numbers lead to; the path ends early where there is nothing below."""
    for number in path:
        below = parent[key]
        if not isinstance(below, (dict, list)) or not below:
            break
        parent, key = below, list(below)[number % len(below)] if isinstance(below, dict) else number % len(below)
    return parent, key
