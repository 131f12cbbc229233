"""Where the KV cache gains: every evaluation of a run timed without and with it, on the same grids.

`python -m ladr_core.lab speed_replay` records the grids that a sampler goes through, once, then runs both denoisers on
them in alternation, evaluation by evaluation. The emoji model goes through its own grids. Lumina-DiMOO and MMaDA have
reduced sizes and random weights here, which choose no cells; their grids are those of the same sampler on an exact
oracle of as many cells. So their number of evaluations is an estimate, and so is what is computed from it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...command_line.machine import describe_machine
from ...command_line.pictures import load_model
from ...denoising_loop import LoopCallbacks, denoise
from ...models.contract import Denoiser, Prompt
from ...models.kv_cache import KVCacheDenoiser, with_kv_cache
from ...models.llada import LLaDAConfig, LLaDATransformer
from ...models.sequence import SequenceDenoiser, TokenSequence, VocabularySlice
from ...noise import PerImageNoise
from ...presets import PRESETS
from ...sampler_setup import SamplerSetup
from ...samplers.registry import find_sampler
from ...sampling import ImageRequest, RunCallbacks, sample_tokens
from ...settings import KV_CACHE_REFRESH, SamplerSettings
from ...token_grid import MASKED, TokenGrid
from ..documents.result_files import preset_values
from ..oracles.command_line import ORACLES
from ..oracles.contestants import for_oracle

OUTPUT = Path(__file__).resolve().parents[3] / "docs" / "results" / "kv_cache_replay.json"
EMOJI_PROMPTS = ("a banana", "a lion and a backpack", "a red car", "four foxes", "a pink sailboat and a purple apple")
BASELINE = SamplerSetup("baseline", SamplerSettings(steps=64, cfg=1.0, choice_temperature=3.0, choose_then_sample=True))
PROMPT_TOKENS = 64
CODES = 256  # of the reduced transformers, whose head then has about the share of a step that it has at full size


def balanced(steps: int = PRESETS["balanced"].settings.steps) -> SamplerSetup:
    """LADR's preset balanced as an oracle needs it, with other steps."""
    setup = for_oracle(PRESETS["balanced"].setup)
    return replace(setup, settings=replace(setup.settings, steps=steps))


# Name: the network and how many cells it has a side, the oracle whose grids it sees, the sampler.
CASES: dict[str, tuple[str, int, str, SamplerSetup]] = {
    "Lumina-DiMOO 1024 x 1024, LADR on scenes": ("lumina-dimoo", 64, "structured 64", balanced()),
    "Lumina-DiMOO 1024 x 1024, LADR with 16 steps on texture": ("lumina-dimoo", 64, "texture 64",
        balanced(16)),
    "Lumina-DiMOO 1024 x 1024, baseline 64 steps": ("lumina-dimoo", 64, "texture 64", BASELINE),
    "MMaDA 512 x 512, LADR 12 steps on texture": ("mmada", 32, "texture 32", balanced(12)),
}  # fmt: skip


def oracle_grids(name: str, setup: SamplerSetup) -> list[Tensor]:
    """The grids [1, N] before each evaluation of one image on an oracle."""
    oracle = ORACLES[name]()
    recipe = find_sampler(setup.sampler).recipe(setup.settings, setup.rescue, {})
    seen = [torch.full((1, oracle.grid.cells), MASKED)]
    denoise(
        oracle.begin([0]), seen[0], oracle.grid, editable=seen[0] == MASKED, rule=recipe.rule, settings=setup.settings,
        noise=PerImageNoise([0]), draw=recipe.draw, guidance=recipe.guidance,
        callbacks=LoopCallbacks(on_step=lambda event: seen.append(event.codebook_indices.clone())),
    )  # fmt: skip
    return [torch.where(cells == MASKED, cells, cells % CODES) for cells in seen[:-1]]


def emoji_grids(model: Any, prompt: str) -> list[Tensor]:
    """The same of one picture of the emoji model."""
    seen = [torch.full((1, model.default_grid.cells), MASKED)]
    request = ImageRequest([Prompt(prompt)], [Prompt("")], model.default_grid, [0])
    callbacks = RunCallbacks(on_step=lambda event: seen.append(event.codebook_indices.clone()))
    sample_tokens(model, request, PRESETS["balanced"].setup, callbacks=callbacks)
    return seen[:-1]


def reduced(side: int, width: int, layers: int, newlines: bool) -> SequenceDenoiser:
    """A denoiser of one image with guidance on random weights; newlines: whether a token closes each row of cells."""
    config = LLaDAConfig(
        d_model=width, n_layers=layers, n_heads=width // 128, mlp_hidden_size=3 * width, embedding_size=CODES + 128,
        max_sequence_length=8192,
    )  # fmt: skip
    torch.manual_seed(0)
    transformer = LLaDATransformer(config).eval().requires_grad_(False)
    for weight in transformer.parameters():
        if weight.dim() > 1:
            weight.normal_(std=0.05)
    grid, row = TokenGrid(side, side), side + int(newlines)
    cell = torch.arange(grid.cells)
    branches = []
    for words in (PROMPT_TOKENS, 3):  # conditional and unconditional
        token_ids = torch.cat((torch.arange(words), torch.full((side * row,), 127)))
        branches.append([TokenSequence(token_ids, words + cell // side * row + cell % side)])
    return SequenceDenoiser(transformer, branches, VocabularySlice(CODES, 128, 127), "cpu")


@torch.inference_mode()
def replay(plain: Denoiser, grids: list[Tensor], refresh: float, guided: bool = True) -> list[dict[str, Any]]:
    """Seconds of the process of each evaluation without and with the cache, and the places computed.

    guided: with the unconditional branch.
    """
    cache = with_kv_cache(plain, refresh)
    if not isinstance(plain, SequenceDenoiser) or not isinstance(cache, KVCacheDenoiser):
        raise TypeError("the model has no KV cache")
    rows, found = torch.tensor([0]), []
    places = sum(len(branch[0].token_ids) for branch in plain._branches[: 1 + guided])
    plain.predict(grids[0], rows, guided=guided, step=0)  # warms up
    for step, grid in enumerate(grids):
        seconds, before = [], cache.computed_places
        for denoiser in (plain, cache):
            started = time.process_time()
            denoiser.predict(grid, rows, guided=guided, step=step)
            seconds.append(round(time.process_time() - started, 5))
        found.append({
            "masked": int((grid == MASKED).sum()), "places": places, "computed": cache.computed_places - before,
            "seconds": seconds[0], "seconds_with_cache": seconds[1],
        })  # fmt: skip
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay every case; the file is whole after each."""
    parser = argparse.ArgumentParser(prog="python -m ladr_core.lab speed_replay")
    parser.add_argument("--refresh", type=float, default=KV_CACHE_REFRESH.default)
    parser.add_argument("--width", type=int, default=256, help="of the reduced transformers")
    parser.add_argument("--layers", type=int, default=4, help="of the reduced transformers")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cases: dict[str, Any] = {}

    def keep(name: str, network: str, runs: list[tuple[Denoiser, list[Tensor]]], guided: bool = True) -> None:
        pictures = [replay(denoiser, grids, args.refresh, guided) for denoiser, grids in runs]
        cases[name] = {"network": network, "cells": runs[0][1][0].shape[1], "pictures": pictures}
        sums = [sum(step[key] for run in pictures for step in run) for key in ("seconds", "seconds_with_cache")]
        print(name, [len(run) for run in pictures], sums, round(sums[0] / sums[1], 3), flush=True)
        result = {
            "machine": describe_machine(), "refresh": args.refresh, "width": args.width, "layers": args.layers,
            "values": preset_values(), "cases": cases,
        }  # fmt: skip
        args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    model = load_model("builtin", torch.device("cpu"))
    bound = [model.bind([Prompt(text)], [Prompt("")], model.default_grid, device="cpu") for text in EMOJI_PROMPTS]
    runs = [(own, emoji_grids(model, text)) for own, text in zip(bound, EMOJI_PROMPTS)]
    keep("emoji model, LADR", model.name, runs, guided=PRESETS["balanced"].settings.cfg != 1)
    for name, (network, side, oracle, setup) in CASES.items():
        denoiser = reduced(side, args.width, args.layers, newlines=network == "lumina-dimoo")
        keep(name, network, [(denoiser, oracle_grids(oracle, setup))])
    return 0
