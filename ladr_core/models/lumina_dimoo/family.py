"""Lumina-DiMOO as it is published: files, pages, and how its parts are built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...file_reading import Fields
from ...vq.amused_vq import VQModel, VQModelConfig
from ..family import Family
from ..mmada.family import OWN_KEYS as MMADA_KEYS
from .model import LuminaDiMOO


def _looks_like(config: Mapping[str, Any], has_vq: bool) -> bool:
    # Its own type is that of the text model it grew from; its image tokenizer beside it tells.
    return config.get("model_type") == "llada" and has_vq and not MMADA_KEYS & config.keys()


def _build_vq(config: Fields, operations: Any) -> VQModel:
    return VQModel(VQModelConfig.from_dict(config), operations=operations, device="meta")


LUMINA_DIMOO = Family(
    name="lumina-dimoo",
    title="Lumina-DiMOO",
    page="https://huggingface.co/Alpha-VLLM/Lumina-DiMOO",
    architectures=("LLaDAForMultiModalGeneration",),
    model_types=(),
    looks_like=_looks_like,
    bytes_in_16_bit=2 * 8_081_805_312,
    vq_page="https://huggingface.co/Alpha-VLLM/Lumina-DiMOO/tree/main/vqvae",
    vq_repository="Alpha-VLLM/Lumina-DiMOO",
    vq_folder="vqvae",
    vq_files=("diffusion_pytorch_model.safetensors",),
    vq_bytes=4 * 146_244_675,
    vq_is_shared=False,
    vq_needs_config=True,
    build_vq=_build_vq,
    vq_constants=lambda vq: {},
    build=LuminaDiMOO,
)
