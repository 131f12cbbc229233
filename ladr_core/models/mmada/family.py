"""MMaDA as it is published: files, pages, and how its parts are built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...file_reading import Fields
from ...vq.magvit2 import LookupFreeQuantizer, MAGVITv2, MAGVITv2Config
from ..family import Family
from .model import MMaDA

OWN_KEYS = {"llm_vocab_size", "num_vq_tokens"}  # of its config.json


def _looks_like(config: Mapping[str, Any], has_vq: bool) -> bool:
    # Some copies keep the type of the text model it grew from.
    return config.get("model_type") == "llada" and bool(OWN_KEYS & config.keys())


def _build_vq(config: Fields, operations: Any) -> MAGVITv2:
    return MAGVITv2(MAGVITv2Config.from_dict(config), operations=operations, device="meta")


def _vq_constants(vq: MAGVITv2) -> dict[str, Tensor]:
    """The codebook, which follows from the number of bits."""
    return {"quantize." + name: value for name, value in LookupFreeQuantizer(vq.config.bits).state_dict().items()}


MMADA = Family(
    name="mmada",
    title="MMaDA",
    page="https://huggingface.co/Gen-Verse/MMaDA-8B-MixCoT",
    architectures=("MMadaModelLM",),
    model_types=("mmada",),
    looks_like=_looks_like,
    bytes_in_16_bit=2 * 8_082_690_048,
    vq_page="https://huggingface.co/showlab/magvitv2",
    vq_repository="showlab/magvitv2",
    vq_folder="magvitv2",
    vq_files=("pytorch_model.safetensors", "model.safetensors", "diffusion_pytorch_model.safetensors"),
    vq_bytes=4 * 95_387_004 + 4 * 13 * 8192 + 8 * 13,  # parameters, codebook and powers of two
    vq_is_shared=True,
    vq_needs_config=False,  # its published one says nothing of its sizes
    build_vq=_build_vq,
    vq_constants=_vq_constants,
    build=MMaDA,
)
