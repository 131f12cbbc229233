"""What tells a published model from the others: its files, its pages, and how its parts are built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from ..file_reading import Fields
from .contract import DLLM
from .llada import LLaDATransformer

if TYPE_CHECKING:
    from .text_tokenizer import TextTokenizer


@dataclass(frozen=True)
class Family:
    """A published model."""

    name: str
    title: str
    page: str  # of the weights
    architectures: tuple[str, ...]  # in config.json
    model_types: tuple[str, ...]  # in config.json
    looks_like: Callable[[Mapping[str, Any], bool], bool]  # config.json without either; is its vq_folder there?
    bytes_in_16_bit: int  # of the transformer's weights, as published
    vq_page: str
    vq_repository: str  # on the hub, OWNER/NAME
    vq_folder: str
    vq_files: tuple[str, ...]  # names that the image tokenizer's weights go by
    vq_bytes: int  # of the image tokenizer's weights, as published: float32
    vq_is_shared: bool  # published apart from the model: looked for beside the model's folder as well
    vq_needs_config: bool  # its config.json says how large it is
    build_vq: Callable[[Fields, Any], nn.Module]  # its configuration and the layer classes; without weights
    vq_constants: Callable[[Any], dict[str, Any]]  # tensors of its state that follow from its configuration
    build: Callable[[LLaDATransformer, Any, TextTokenizer], DLLM]
