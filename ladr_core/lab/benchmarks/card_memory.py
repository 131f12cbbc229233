"""What Lumina-DiMOO and MMaDA need on graphics cards of four sizes, from the sizes of their tensors.

`python -m ladr_core.lab card_memory` prints the tables that fill_docs puts into the documents and the help page.
Weights and activations are laid out on the meta device, where a tensor has a size and no data: nothing is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ...models.llada import LLaDAConfig
from ...models.memory import run_bytes, table_bytes, weight_bytes
from ...token_grid import TokenGrid
from ...vq.amused_vq import VQModel, VQModelConfig
from ...vq.magvit2 import MAGVITv2, MAGVITv2Config

GIB, KEPT_FREE = 1024**3, 1.0  # what the driver, the desktop and ComfyUI keep for themselves, in GiB
CARDS = (8, 12, 16, 24)
DTYPES = {"bfloat16": torch.bfloat16, "float8_e4m3fn": torch.float8_e4m3fn}
PICTURES = (("Lumina-DiMOO", 512), ("Lumina-DiMOO", 1024), ("MMaDA", 512))
MOST_PICTURES = 8  # together, as far as the table goes
CODEBOOK, BRANCHES = 8192, 2  # with and without the prompt


class _LiveBytes(TorchDispatchMode):
    """Most bytes of tensors alive at once, those of the weights left out."""

    def __init__(self, weights: nn.Module):
        super().__init__()
        self._ignored = {self._key(value) for value in weights.state_dict().values()}
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0

    @staticmethod
    def _key(tensor: Tensor) -> int:
        return StorageWeakRef(tensor.untyped_storage()).cdata

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and self._key(tensor) not in self._ignored:
                storage = tensor.untyped_storage()
                reference = StorageWeakRef(storage)
                self._alive[reference.cdata] = (reference, storage.nbytes())
        self._alive = {key: entry for key, entry in self._alive.items() if not entry[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))
        return result


@lru_cache(maxsize=4)
def image_tokenizer(model: str) -> VQModel | MAGVITv2:
    """The published image tokenizer of a model, without data."""
    if model == "MMaDA":
        return MAGVITv2(MAGVITv2Config(), device="meta")
    return VQModel(VQModelConfig(), device="meta")


@torch.no_grad()
def _peak_bytes(weights: nn.Module, call: Callable[[], Tensor]) -> int:
    with _LiveBytes(weights) as live:
        call()
    return live.peak


def vq_weight_bytes(model: str) -> int:
    """Bytes of the image tokenizer's weights, float32."""
    return sum(value.nbytes for value in image_tokenizer(model).state_dict().values())


@lru_cache(maxsize=64)
def encode_bytes(model: str, side: int) -> int:
    """Bytes beside the weights that encoding one picture takes at most."""
    vq = image_tokenizer(model)
    pixels = torch.empty(1, 3, side, side, device="meta")
    return _peak_bytes(vq, lambda: vq.to_indices(vq.features(pixels))) + pixels.nbytes


@lru_cache(maxsize=64)
def decode_bytes(model: str, side: int) -> int:
    """Bytes beside the weights that decoding one picture takes at most."""
    vq, cells = image_tokenizer(model), side // 16
    if isinstance(vq, MAGVITv2):
        entries = torch.empty(1, vq.config.bits, cells, cells, device="meta")
        return _peak_bytes(vq, lambda: vq.decoder(entries)) + entries.nbytes
    entries = torch.empty(1, vq.config.latent_channels, cells, cells, device="meta")
    return _peak_bytes(vq, lambda: vq.decoder(vq.post_quant_conv(entries))) + entries.nbytes


def transformer_config(model: str) -> LLaDAConfig:
    """The published transformer of a model."""
    rows = {"Lumina-DiMOO": 134548, "MMaDA": 134656}[model]
    return LLaDAConfig(d_model=4096, n_layers=32, n_heads=32, mlp_hidden_size=12288, embedding_size=rows)


@cache
def layer_bytes(model: str, dtype: torch.dtype) -> int:
    """Bytes of the weights that go to the card: all but embedding and head."""
    config = transformer_config(model)
    return weight_bytes(config, dtype) - table_bytes(config, dtype)


def sampling_bytes(model: str, side: int, pictures: int = 1) -> int:
    """Bytes beside the layers that sampling takes, with guidance."""
    grid = TokenGrid(side // 16, side // 16)
    return run_bytes(transformer_config(model), CODEBOOK, pictures, grid, 2, branches=BRANCHES)


@dataclass(frozen=True)
class Recipe:
    """How to draw pictures of one size on one card."""

    card: int
    model: str
    side: int
    dtype: str
    in_ram: float  # GiB of the transformer's layers that stay in RAM while it samples
    in_ram_16_bit: float  # the same with bfloat16
    pictures: int  # at once
    decoding: float  # GiB of the image tokenizer and one decode
    is_tiled: bool  # the decode would not fit undivided


def recipe(card: int, model: str, side: int) -> Recipe:
    """The first dtype that stays on the card, else the smallest; as many pictures as then stay on the card with it."""

    def surplus(dtype: torch.dtype, pictures: int = 1) -> float:
        needed = layer_bytes(model, dtype) + sampling_bytes(model, side, pictures)
        return needed / GIB + KEPT_FREE - card

    name = next((name for name, dtype in DTYPES.items() if surplus(dtype) <= 0), list(DTYPES)[-1])
    fitting = [count for count in range(1, MOST_PICTURES + 1) if surplus(DTYPES[name], count) <= 0]
    # The transformer makes room for the image tokenizer, which then has the card for itself.
    decoding = (vq_weight_bytes(model) + decode_bytes(model, side)) / GIB
    return Recipe(
        card, model, side, name, max(0.0, surplus(DTYPES[name])), max(0.0, surplus(torch.bfloat16)),
        max(fitting, default=1), decoding, decoding + KEPT_FREE > card,
    )  # fmt: skip


@lru_cache(maxsize=1)
def recipes() -> tuple[Recipe, ...]:
    """All of them, by card."""
    return tuple(recipe(card, model, side) for card in CARDS for model, side in PICTURES)


_PARTS = ["embedding, head", "sampling", "image tokenizer", "VAE Encode", "VAE Decode"]
NEEDS_HEAD = ["model", "picture", *(f"`{name}`" for name in DTYPES), *_PARTS]


def needs_rows() -> list[list[str]]:
    """What each part takes, in GiB."""
    rows = []
    for model, side in PICTURES:
        parts = [layer_bytes(model, dtype) for dtype in DTYPES.values()]
        parts += [table_bytes(transformer_config(model), torch.bfloat16), sampling_bytes(model, side)]
        parts += [vq_weight_bytes(model), encode_bytes(model, side), decode_bytes(model, side)]
        rows.append([model, f"{side} x {side}", *(f"{part / GIB:.1f}" for part in parts)])
    return rows


RECIPE_HEADS = {
    "en": [
        "card",
        "model",
        "picture",
        "`dtype`",
        "pictures at once",
        "in RAM",
        "in RAM with `bfloat16`",
        "image tokenizer + decode",
    ],
    "zh": ["显存", "模型", "图像", "`dtype`", "一次几张", "留在内存", "`bfloat16` 时留在内存", "图像 tokenizer + 解码"],
    "ja": ["カード", "モデル", "絵", "`dtype`", "一度に", "RAM に残る", "`bfloat16` で RAM", "VQ + デコード"],
}


def recipe_rows() -> list[list[str]]:
    """One row per card and picture size, in words that every language has; sizes in GiB."""
    return [
        [
            f"{found.card} GB", found.model, f"{found.side} x {found.side}", f"`{found.dtype}`", str(found.pictures),
            _up(found.in_ram), _up(found.in_ram_16_bit), _up(found.decoding) + (" (Tiled)" if found.is_tiled else ""),
        ]
        for found in recipes()
    ]  # fmt: skip


def _up(gib: float) -> str:
    """Rounded up, as what is left out of a need is missing on a card."""
    return f"{math.ceil(gib * 10) / 10:.1f}" if gib else "0"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    for head, rows in ((NEEDS_HEAD, needs_rows()), (RECIPE_HEADS["en"], recipe_rows())):
        print("\n".join(" | ".join(row) for row in [head, *rows]), end="\n\n")

