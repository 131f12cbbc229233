"""The models this pack knows: how their files are told apart, and where they are published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Family:
    """A published model."""

    name: str
    title: str
    page: str  # of the weights
    vq_page: str
    vq_folder: str
    vq_repository: str  # on the hub, OWNER/NAME
    architectures: tuple[str, ...]
    model_types: tuple[str, ...]
    bytes_in_16_bit: int  # of the transformer's weights, as published
    vq_bytes: int  # of the image tokenizer's weights, as published: float32


LUMINA_DIMOO = Family(
    name="lumina-dimoo",
    title="Lumina-DiMOO",
    page="https://huggingface.co/Alpha-VLLM/Lumina-DiMOO",
    vq_page="https://huggingface.co/Alpha-VLLM/Lumina-DiMOO/tree/main/vqvae",
    vq_folder="vqvae",
    vq_repository="Alpha-VLLM/Lumina-DiMOO",
    architectures=("LLaDAForMultiModalGeneration",),
    model_types=(),
    bytes_in_16_bit=2 * 8_081_805_312,
    vq_bytes=4 * 146_244_675,
)
MMADA = Family(
    name="mmada",
    title="MMaDA",
    page="https://huggingface.co/Gen-Verse/MMaDA-8B-MixCoT",
    vq_page="https://huggingface.co/showlab/magvitv2",
    vq_folder="magvitv2",
    vq_repository="showlab/magvitv2",
    architectures=("MMadaModelLM",),
    model_types=("mmada",),
    bytes_in_16_bit=2 * 8_082_690_048,
    vq_bytes=4 * 95_387_004 + 4 * 13 * 8192 + 8 * 13,  # parameters, codebook and powers of two
)
FAMILIES = (LUMINA_DIMOO, MMADA)


def find_family(config: Mapping[str, Any], *, has_vqvae: bool = False) -> Family | None:
    """The family a transformer's ``config.json`` belongs to, whatever else stands in it."""
    architectures = config.get("architectures")
    named = [*(architectures if isinstance(architectures, list) else ()), config.get("_class_name")]
    model_type = config.get("model_type")
    for family in FAMILIES:
        if any(name in family.architectures for name in named) or model_type in family.model_types:
            return family
    if model_type == "llada" and {"llm_vocab_size", "num_vq_tokens"} & config.keys():
        return MMADA  # some copies keep the type of the text model it grew from
    # Lumina-DiMOO's own type is that of the text model it grew from; its image tokenizer beside it tells.
    return LUMINA_DIMOO if model_type == "llada" and has_vqvae else None
