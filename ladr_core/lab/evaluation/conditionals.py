"""`conditionals`: the emoji network's probabilities beside the exact ones, where a scene is partly decided.

A number is right only if the network knows in each such state whether another thing belongs there. States: the
background is known, some places are decided, the others open (see `training.place_masks`); at each open place the
probability that a thing lies there, the network's with guidance and the exact one without.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...command_line import OneSentenceParser
from ...command_line.machine import describe_machine
from ...guidance import ClassifierFreeGuidance
from ...models.builtin.loading import EMOJI_WEIGHTS, load_builtin
from ...models.builtin.model import BuiltinDLLM
from ...models.contract import Prompt
from ..worlds.emoji.codes import assign_codes
from ..worlds.emoji.sprites import SPRITE_CELLS
from ..worlds.emoji.token_posterior import PLACE_CELLS, TokenPosterior
from ..worlds.emoji.world import PLACES, EmojiWorld
from .runner import model_fingerprint

CATEGORIES = ("two", "counting", "position", "attribution")
GUIDANCE = (1.0, 1.5, 2.0)
MOST_HIDDEN = 2
_INNER = SPRITE_CELLS + 1
"""Cell of a place that every sprite covers: second row, second column."""
CELLS = PLACE_CELLS[:, _INNER]


def states(world: EmojiWorld, posterior: TokenPosterior, category: str, hidden: int, count: int,
           rng: np.random.Generator) -> list[tuple[Prompt, np.ndarray, np.ndarray]]:
    """Prompts, known cells [N] (-1 = masked) and exact probabilities of a thing at each place [P].

    `hidden` of the scene's things and any number of its empty places, at least one, are masked.
    """
    found = []
    for _ in range(count):
        scene, caption = world.sample_with_caption(rng, category)
        filled = [PLACES.index((thing.row, thing.column)) for thing in scene.objects]
        empty = np.setdiff1d(np.arange(len(PLACES)), filled)
        more = rng.permutation(empty)[: rng.integers(1, len(empty) + 1)]
        opened = np.concatenate((rng.permutation(filled)[:hidden], more))
        known = posterior.tokens(scene).copy()
        known[PLACE_CELLS[opened].ravel()] = -1
        entries = posterior.entries(scene, caption, known)
        if entries is None:
            raise AssertionError("a scene does not fit its own tokens")
        thing = ~np.isin(entries.codes, posterior.background_codes)
        flat = np.bincount(entries.cells[thing], entries.shares[thing], len(known))
        found.append((Prompt(caption.text), known, flat[CELLS]))
    return found


@torch.no_grad()
def network_probabilities(model: BuiltinDLLM, drawn: Sequence[tuple[Prompt, np.ndarray, np.ndarray]], cfg: float,
                          background_codes: np.ndarray) -> np.ndarray:
    """The network's probabilities [n, P] of a thing at each place; NaN where the place is known."""
    prompts, known = [prompt for prompt, _, _ in drawn], torch.from_numpy(np.stack([known for _, known, _ in drawn]))
    bound = model.bind(prompts, [Prompt("")] * len(prompts), model.default_grid, device="cpu")
    guidance = ClassifierFreeGuidance((cfg,))
    branches = bound.predict(known, torch.arange(len(prompts)), guided=guidance.guided, step=0)
    probabilities = guidance.combine(branches).softmax(-1)
    thing = torch.ones(model.codebook_size, dtype=torch.bool)
    thing[background_codes] = False
    masked = known < 0
    flat = torch.full(known.shape, float("nan"))
    flat[masked] = probabilities[:, thing].sum(-1)
    return flat[:, CELLS].numpy()


def compared(exact: np.ndarray, network: np.ndarray) -> dict[str, float]:
    """How the network's probabilities [n, P] of a thing compare with the exact ones at the places that are open."""
    opened = ~np.isnan(network)
    p, q = exact[opened], network[opened].clip(1e-6, 1 - 1e-6)
    surprise = -(p * np.log(q) + (1 - p) * np.log(1 - q))
    least = -(p * np.log(p.clip(1e-12)) + (1 - p) * np.log((1 - p).clip(1e-12)))
    return {"places": len(p), "exact": float(p.mean()), "network": float(q.mean()),
            "divergence": float((surprise - least).mean())}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the result file."""
    parser = OneSentenceParser(prog="python -m ladr_core.lab conditionals", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="result file (JSON)")
    parser.add_argument("--weights", type=Path, default=EMOJI_WEIGHTS, help="default: the shipped ones")
    parser.add_argument("--states", type=int, default=96, help="states per row (default 96)")
    args = parser.parse_args(arguments)
    if args.states < 1:
        parser.error(f"--states: got {args.states}; allowed: 1 or more.")
    torch.set_num_threads(1)
    world, model = EmojiWorld(), load_builtin(args.weights)
    posterior = TokenPosterior(assign_codes(world.sprites))
    rows: list[dict[str, Any]] = []
    for category in CATEGORIES:
        for hidden in range(MOST_HIDDEN + 1):
            drawn = states(world, posterior, category, hidden, args.states, np.random.default_rng((hidden, 1)))
            exact = np.stack([probabilities for _, _, probabilities in drawn])
            for cfg in GUIDANCE:
                network = network_probabilities(model, drawn, cfg, posterior.background_codes)
                rows.append({"category": category, "hidden": hidden, "cfg": cfg, **compared(exact, network)})
                print(json.dumps(rows[-1]), flush=True)
    result = {
        "machine": describe_machine(), "model": model_fingerprint(model), "states": args.states, "rows": rows,
    }  # fmt: skip
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0
