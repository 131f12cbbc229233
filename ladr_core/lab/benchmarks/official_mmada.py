"""Time and memory of MMaDA here and in its official implementation, on the same random weights, alternating.

    git clone https://github.com/Gen-Verse/MMaDA
    python -m ladr_core.lab speed_mmada --reference MMaDA --output docs/results/official_mmada_cpu.json

The official `t2i_generate` draws 512 x 512 pixels after 513 positions of text, most of them padding. Ours leaves the
padding out; `ours_padded` keeps it, which gives its rounding to the last bit. All draw from the same seed.
`--repeats 0` measures memory instead of time. side_by_side.py says what is measured, and how.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from types import MethodType, ModuleType, SimpleNamespace
from typing import Any

from .side_by_side import (
    Case,
    Drawing,
    add_options,
    compare,
    observe,
    our_transformer,
    random_state,
    random_words,
    record,
    set_up,
    sizes,
)

PROMPT = 60  # tokens
VOCABULARY, CODEBOOK = 134656, 8192  # as published
SCALE, TEMPERATURE = 3.5, 1.0  # as published
KINDS = ["ours", "ours_padded", "ours_kv_cache", "official"]


class _Length:
    """Stands for a tokenizer, of which the official code asks the length alone."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length


def token_ids(embedding_size: int, codebook_size: int) -> Any:
    """The published token ids, moved down together where the vocabulary is reduced."""
    from ...models.mmada.model import MMaDAIds

    shift = 0 if embedding_size == VOCABULARY else MMaDAIds().image_offset + codebook_size - embedding_size
    moved = {f.name: getattr(MMaDAIds(), f.name) - shift for f in fields(MMaDAIds)}
    return MMaDAIds(**{**moved, "codebook_size": codebook_size, "text_length": MMaDAIds().text_length})


def measure(case: Case) -> dict[str, Any]:
    """Draw one picture."""
    device = set_up(case)
    from ...models.mmada.model import image_sequence

    config, state = random_state(case)
    ids, cells = token_ids(config.embedding_size, case.codebook_size), case.side**2
    words = random_words(PROMPT).tolist()
    draw = (_official if case.kind == "official" else _ours)(case, config, state, ids, device)
    texts: tuple[list[int], list[int]] = (words, [])
    return observe(case, Drawing(lambda: [image_sequence(text, cells, ids) for text in texts], draw), device)


def _ours(case: Case, config: Any, state: Any, ids: Any, device: Any) -> Any:
    import torch

    from ...denoising_loop import denoise
    from ...models.contract import Denoiser
    from ...models.kv_cache import with_kv_cache
    from ...models.mmada.padded import PaddedDenoiser
    from ...models.sequence import SequenceDenoiser
    from ...noise import SharedNoise
    from ...samplers.published.arithmetic import UpstreamGuidance
    from ...samplers.published.mmada import ExponentialRaceDraw, MMaDARule
    from ...settings import SamplerSettings
    from ...token_grid import TokenGrid

    model, grid = our_transformer(config, state), TokenGrid(case.side, case.side)
    masked = torch.full((1, grid.cells), -1)
    kind = PaddedDenoiser if case.kind == "ours_padded" else SequenceDenoiser

    def draw(sequences: Any, steps: int) -> Any:
        settings = SamplerSettings(steps=steps, cfg=SCALE + 1, choice_temperature=case.temperature)
        denoiser: Denoiser = kind(model, [[sequence] for sequence in sequences], ids.vocabulary, device)
        if case.kind == "ours_kv_cache":
            denoiser = with_kv_cache(denoiser, settings.kv_cache_refresh)
        return denoise(
            denoiser, masked, grid, editable=masked < 0, rule=MMaDARule(settings), settings=settings,
            noise=SharedNoise(torch.Generator(device).manual_seed(0)), draw=ExponentialRaceDraw(),
            guidance=UpstreamGuidance(SCALE),
        )[0]  # fmt: skip

    return draw


def _official(case: Case, config: Any, state: Any, ids: Any, device: Any) -> Any:
    import torch

    # Its package also imports the training code and the image decoder, and what those need.
    package = ModuleType("models")
    package.__path__ = [str(Path(case.reference) / "models")]
    sys.modules["models"] = package
    from models.configuration_llada import ActivationType, BlockType, LayerNormType, ModelConfig
    from models.modeling_llada import LLaDAModel
    from models.modeling_mmada import MMadaModelLM

    settings = ModelConfig(
        **case.sizes, n_kv_heads=config.n_heads, vocab_size=config.embedding_size, max_sequence_length=4096,
        mask_token_id=ids.mask, activation_type=ActivationType.silu, block_type=BlockType.llama,
        layer_norm_type=LayerNormType.rms, rms_norm_eps=config.rms_norm_eps, rope=True, rope_theta=config.rope_theta,
        rope_full_precision=True, weight_tying=False, include_bias=False, include_qkv_bias=False,
        bias_for_layer_norm=False, alibi=False, flash_attention=False, attention_dropout=0.0, residual_dropout=0.0,
        embedding_dropout=0.0, init_device="cpu",
    )  # fmt: skip
    network = LLaDAModel(settings, init_params=False)
    network.load_state_dict(state, assign=True)
    network.to(device).eval().requires_grad_(False)

    class Model:
        """What `t2i_generate` asks of its model."""

        def __call__(self, token_ids: Any, attention_bias: Any) -> Any:
            return SimpleNamespace(logits=network(token_ids, attention_bias=attention_bias).logits)

    generate = MethodType(MMadaModelLM.t2i_generate, Model())

    def draw(sequences: Any, steps: int) -> Any:
        room, cells = ids.text_length + 1, case.side**2
        rows, masks = [], []
        for sequence in sequences:
            padding = room + cells + 2 - len(sequence.token_ids)
            rows.append(torch.nn.functional.pad(sequence.token_ids, (padding, 0), value=0)[None].to(device))
            masks.append(torch.nn.functional.pad(torch.ones_like(sequence.token_ids), (padding, 0))[None].to(device))
        torch.manual_seed(0)  # its noise is the global one; ours has the same seed
        return generate(
            input_ids=rows[0], uncond_input_ids=rows[1], attention_mask=masks[0], uncond_attention_mask=masks[1],
            guidance_scale=SCALE, temperature=case.temperature, timesteps=steps, seq_len=cells, mask_token_id=ids.mask,
            resolution=ids.text_length, codebook_size=ids.codebook_size,
            uni_prompting=SimpleNamespace(text_tokenizer=_Length(ids.image_offset)),
        )  # fmt: skip

    return draw


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all cases and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    args = parser.parse_args(arguments)
    transformer, codes = sizes(args, VOCABULARY, CODEBOOK)
    for dtype in args.dtypes:
        case = Case(
            "MMaDA", args.reference, transformer, codes, [PROMPT + 3, 3], 32, args.steps, TEMPERATURE, False, dtype,
            args.device, args.threads,
        )  # fmt: skip
        record(args.output, compare(case, measure, args.kinds, args.repeats), args.note)
    return 0

