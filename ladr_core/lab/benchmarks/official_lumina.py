"""Time and memory of Lumina-DiMOO here and in its official implementation, on the same random weights, alternating.

    git clone https://github.com/Alpha-VLLM/Lumina-DiMOO
    python -m ladr_core.lab speed_lumina --reference Lumina-DiMOO --output docs/results/official_lumina_cpu.json

`--sides 64` is 1024 x 1024 pixels, `--repeats 0` measures memory instead of time. At temperature 0 both must give the
same tokens; at 1, as published, both draw noise from the same seed. side_by_side.py says what is measured, and how.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Sequence
from typing import Any

from .reference_memory import PROMPT, UNCONDITIONAL, official_bytes, our_bytes
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

VOCABULARY, CODEBOOK = 134548, 8192  # as published
SCALE = 4.0


def measure(case: Case) -> dict[str, Any]:
    """Draw one picture."""
    device = set_up(case)
    from ...models.lumina_dimoo.model import LuminaIds, answer_sequence, shifted_ids
    from ...token_grid import TokenGrid

    config, state = random_state(case)
    shift = LuminaIds().image_offset + case.codebook_size - config.embedding_size
    ids, grid = shifted_ids(shift, case.codebook_size), TokenGrid(case.side, case.side)
    prompts = [random_words(PROMPT), random_words(UNCONDITIONAL)]
    draw = (_official if case.kind == "official" else _ours)(case, config, state, ids, grid, device)
    return observe(case, Drawing(lambda: [answer_sequence(prompt, grid, ids) for prompt in prompts], draw), device)


def computed_bytes(case: Case) -> dict[str, int]:
    """What reference_memory.py says of a case."""
    itemsize = {"float32": 4, "bfloat16": 2, "float16": 2}[case.dtype]
    official = official_bytes(case.sizes, case.codebook_size, case.side, itemsize, case.cache)
    ours = our_bytes(case.sizes, case.codebook_size, case.side, itemsize, case.cache)
    return {"ours": sum(ours.values()), "official": sum(official.values())}


def _ours(case: Case, config: Any, state: Any, ids: Any, grid: Any, device: Any) -> Any:
    import torch

    from ...denoising_loop import denoise
    from ...models.contract import Denoiser
    from ...models.kv_cache import with_kv_cache
    from ...models.ml_cache import MLCacheDenoiser, MLCacheSettings
    from ...models.sequence import SequenceDenoiser
    from ...noise import PerImageNoise
    from ...samplers.published.arithmetic import UpstreamGuidance
    from ...samplers.published.lumina_dimoo import GumbelArgmaxDraw, LuminaDiMOORule
    from ...settings import SamplerSettings

    model = our_transformer(config, state)
    masked, heat = torch.full((1, grid.cells), -1), case.temperature

    def draw(sequences: Any, steps: int) -> Any:
        branches = [[sequence] for sequence in sequences]
        settings = SamplerSettings(steps=steps, cfg=SCALE + 1, temperature=heat, choice_temperature=heat)
        denoiser: Denoiser = SequenceDenoiser(model, branches, ids.vocabulary, device)
        if case.cache:
            denoiser = MLCacheDenoiser(model, branches, ids.vocabulary, device, MLCacheSettings(steps))
        elif case.kind == "ours_kv_cache":
            denoiser = with_kv_cache(denoiser, settings.kv_cache_refresh)
        return denoise(
            denoiser, masked, grid, editable=masked < 0, rule=LuminaDiMOORule(settings), settings=settings,
            noise=PerImageNoise([0], device), draw=GumbelArgmaxDraw(heat), guidance=UpstreamGuidance(SCALE),
        )[0]  # fmt: skip

    return draw


def _official(case: Case, config: Any, state: Any, ids: Any, grid: Any, device: Any) -> Any:
    from generators.image_generation_generator import generate_image
    from model import LLaDAForMultiModalGeneration
    from model.configuration_llada import LLaDAConfig

    fields = {
        "activation_type": "silu", "block_type": "llama", "layer_norm_type": "rms", "rope": True, "weight_tying": False,
        "rope_full_precision": True, "include_bias": False, "include_qkv_bias": False, "bias_for_layer_norm": False,
        "attention_dropout": 0.0, "residual_dropout": 0.0, "embedding_dropout": 0.0, "max_sequence_length": 8192,
        "n_kv_heads": config.n_heads, "vocab_size": config.embedding_size, "rms_norm_eps": 1e-5, "init_device": "cpu",
        "mask_token_id": ids.mask, "use_cache": False, "alibi": False, "flash_attention": False,
    }  # fmt: skip
    import torch

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its configuration
        model = LLaDAForMultiModalGeneration(LLaDAConfig(**{**case.sizes, **fields, "rope_theta": 500000.0}))
    model.load_state_dict({"model." + name: value for name, value in state.items()}, assign=True)
    model.to(device).eval().requires_grad_(False)

    def draw(sequences: Any, steps: int) -> Any:
        conditional, unconditional = sequences
        torch.manual_seed(0)  # its noise is the global one; ours has the same seed
        with torch.no_grad():
            found = generate_image(
                model, conditional.token_ids[None].clone(), seq_len=grid.cells, newline_every=grid.width,
                timesteps=steps, mask_token_id=ids.mask, newline_id=ids.newline, temperature=case.temperature,
                cfg_scale=SCALE, uncon_ids=unconditional.token_ids[None, :UNCONDITIONAL], code_start=PROMPT + 2,
                codebook_size=ids.codebook_size, use_cache=case.cache,
            )  # fmt: skip
        return found - ids.image_offset

    return draw


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all cases and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64], help="cells per side; 64 = 1024 pixels")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.0, 1.0])
    parser.add_argument("--ml_cache", nargs="+", default=["off", "on"], choices=["off", "on"])
    args = parser.parse_args(arguments)
    transformer, codes = sizes(args, VOCABULARY, CODEBOOK)
    for dtype in args.dtypes:
        for side in args.sides:
            for heat in args.temperatures:
                for cache in args.ml_cache:
                    case = Case(
                        "Lumina-DiMOO", args.reference, transformer, codes, [PROMPT, UNCONDITIONAL], side, args.steps,
                        heat, cache == "on", dtype, args.device, args.threads,
                    )  # fmt: skip
                    kinds = ["ours", "official"] if case.cache else ["ours", "ours_kv_cache", "official"]
                    entry = compare(case, measure, kinds, args.repeats)
                    if "memory" in entry:
                        entry["memory"]["computed_bytes"] = computed_bytes(case)
                    record(args.output, entry, args.note)
    return 0

