"""How the cost of a step grows: all that is not the network, beside an 8B evaluation, over cells, codes and batch.

`python -m ladr_core.lab speed_growth` times the loop (guidance, draw, rule, noise, report) on random logits in place of
a network, and one layer of the published width. Seconds are those of the process with one thread, the least of a few
steps, as other work on the machine only adds to them. The 8B evaluation is computed: a layer's linear part per token,
and attention of one head at the sequence's length, times heads and layers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...command_line.machine import describe_machine
from ...denoising_loop import LoopCallbacks, denoise
from ...models.llada import LLaDABlock, LLaDAConfig, rms_norm_leaf
from ...models.memory import run_bytes
from ...models.packing import rotary_tables
from ...noise import PerImageNoise
from ...presets import PRESETS
from ...samplers.registry import find_sampler
from ...token_grid import MASKED, TokenGrid

OUTPUT = Path(__file__).resolve().parents[3] / "docs" / "results" / "cost_growth.json"
PUBLISHED = LLaDAConfig(
    d_model=4096, n_layers=32, n_heads=32, mlp_hidden_size=12288, embedding_size=134656, max_sequence_length=8192
)
CASES = (  # side of the grid, codes, images, steps, tokens of the prompt
    (16, 8192, 1, 64, 64),
    (32, 8192, 1, 64, 64),
    (48, 8192, 1, 64, 64),
    (64, 8192, 1, 64, 64),
    (64, 1024, 1, 64, 64),
    (64, 4096, 1, 64, 64),
    (64, 8192, 2, 64, 64),
    (64, 8192, 4, 64, 64),
    (32, 8192, 8, 64, 64),
    (64, 8192, 1, 16, 64),
    (64, 8192, 1, 64, 512),
)
TIMED_STEPS = 3
LINEAR_TOKENS = 256


class _Enough(Exception):
    """Ends a run after the steps that are timed."""


class RandomLogits:
    """In place of a network: two branches of random logits for whatever cells are masked, which guidance overwrites."""

    def __init__(self, images: int, cells: int, codes: int):
        self.codebook_size, self.device = codes, torch.device("cpu")
        generator = torch.Generator().manual_seed(0)
        self._branches = [torch.randn(images * cells, codes, generator=generator) for _ in range(2)]

    def predict(self, codebook_indices: Tensor, rows: Tensor, *, guided: bool, step: int) -> tuple[Tensor, ...]:
        """See Denoiser."""
        masked = int((codebook_indices == MASKED).sum())
        return tuple(branch[:masked] for branch in self._branches[: 2 if guided else 1])


def loop_seconds(side: int, codes: int, images: int, steps: int) -> float:
    """Seconds of a step of LADR with guidance without the network: the least of the first few."""
    preset = PRESETS["lumina-dimoo-ladr"]
    settings = type(preset.settings)(**{**vars(preset.settings), "steps": steps})
    recipe = find_sampler("ladr").recipe(settings, preset.rescue, {})
    grid, found = TokenGrid(side, side), []
    cells = torch.full((images, grid.cells), MASKED)

    def count() -> None:
        found.append(time.process_time())
        if len(found) > TIMED_STEPS + 1:
            raise _Enough

    with contextlib.suppress(_Enough):
        denoise(
            RandomLogits(images, grid.cells, codes), cells, grid, editable=cells == MASKED, rule=recipe.rule,
            settings=settings, noise=PerImageNoise(range(images)), callbacks=LoopCallbacks(before_forward=count),
        )  # fmt: skip
    return min(after - before for before, after in zip(found[1:], found[2:]))


def _timed(run: Callable[[], Any]) -> float:
    run()
    found = []
    for _ in range(TIMED_STEPS):
        started = time.process_time()
        run()
        found.append(time.process_time() - started)
    return min(found)


@torch.inference_mode()
def linear_seconds() -> float:
    """Seconds a token takes in one layer of the published width without attention."""
    block = LLaDABlock(PUBLISHED, nn, rms_norm_leaf(nn)).eval()
    x = torch.randn(1, LINEAR_TOKENS, PUBLISHED.d_model)
    cos, sin = rotary_tables(torch.arange(LINEAR_TOKENS), PUBLISHED.head_dim, PUBLISHED.rope_theta)

    def run() -> None:
        q, _, _ = block.project(x, cos, sin)
        block.add_mlp(x + block.attn_out(q.transpose(1, 2).flatten(2)))

    return _timed(run) / LINEAR_TOKENS


@torch.inference_mode()
def attention_seconds(length: int) -> float:
    """Seconds of the attention of one head over a sequence."""
    q, k, v = torch.randn(3, 1, 1, length, PUBLISHED.head_dim).unbind(0)
    return _timed(lambda: nn.functional.scaled_dot_product_attention(q, k, v))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every case; the file is whole after each."""
    parser = argparse.ArgumentParser(prog="python -m ladr_core.lab speed_growth")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    per_token = linear_seconds()
    rows: list[dict[str, Any]] = []
    heads: dict[int, float] = {}  # seconds of one head's attention by length
    for side, codes, images, steps, prompt in CASES:
        grid = TokenGrid(side, side)
        length = prompt + grid.cells + side + 4
        if length not in heads:
            heads[length] = attention_seconds(length)
        attention = heads[length] * PUBLISHED.n_heads
        evaluation = PUBLISHED.n_layers * 2 * images * (length * per_token + attention)
        loop = loop_seconds(side, codes, images, steps)
        sizes = [run_bytes(PUBLISHED, codes, images, grid, 2, branches=2, kv_cache=kept) for kept in (False, True)]
        rows.append({
            "cells": grid.cells, "codes": codes, "images": images, "steps": steps, "prompt_tokens": prompt,
            "loop_seconds": round(loop, 4), "evaluation_seconds": round(evaluation, 1),
            "share": round(loop / evaluation, 6), "run_bytes": sizes[0], "run_bytes_with_kv_cache": sizes[1],
        })  # fmt: skip
        print(rows[-1], flush=True)
        result = {
            "machine": describe_machine(),
            "layer_seconds_per_token": per_token,
            "head_seconds_by_length": {str(length): seconds for length, seconds in heads.items()},
            "rows": rows,
        }
        args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0
