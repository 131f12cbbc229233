"""`preset_search`: the values of LADR's presets, chosen on some seeds of the exact oracles and reported on others.

Each preset has a radius of its own: far conditionals of an oracle are exact, those of a network are not, so how far to
trust them is not for the oracles to decide. With its radius a preset takes the values of fewest evaluations among
those whose scenes are possible as often as it promises, and whose texture is at most WORST_TEXTURE times as far from
the truth as Halton order with as many steps.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch

from ...command_line import OneSentenceParser
from ...command_line.machine import describe_machine
from ...sampler_setup import SamplerSetup
from ...settings import CELL_ORDERS
from .command_line import holds, summary, write
from .contestants import ladr, simple
from .measure import measure
from .structured import StructuredOracle
from .texture import QuadtreeTexture

PROMISED = {"quality": (1, 0.995), "balanced": (2, 0.99), "fast": (8, 0.93)}  # radius, share of possible scenes
WORST_TEXTURE = 1.1
TUNING, REPORTING = 10_000, 20_000  # first seeds


@dataclass(frozen=True)
class Values:
    """What is varied."""

    radius: int
    order: str
    steps: int
    risk_bound: float = 0.02
    rescue_floor: float = 0.5

    @property
    def setup(self) -> SamplerSetup:
        """LADR with these values."""
        rescue = {"risk_bound": self.risk_bound, "rescue_floor": self.rescue_floor}
        return ladr(self.steps, self.radius, self.order, **rescue)


def swept_values() -> list[Values]:
    """Every combination that is tried."""
    radii, steps = [radius for radius, _ in PROMISED.values()], (64, 32)
    found = [Values(*one) for one in product(radii, CELL_ORDERS, steps)]
    last = CELL_ORDERS[-1]
    found += [Values(r, last, s, bound) for r, s, bound in product(radii, steps, (0.005, 0.1))]
    return found + [Values(r, last, s, rescue_floor=0.0) for r, s in product(radii, steps)]


def choose(rows: Sequence[dict[str, Any]], halton: dict[int, float], radius: int, promised: float) -> dict[str, Any]:
    """The row of fewest evaluations that keeps the promise; halton: divergence of the texture by steps."""
    fitting = [
        row
        for row in rows
        if row["values"]["radius"] == radius
        and row["structured"]["valid"][0] >= promised
        and row["texture"]["divergence"][0] <= WORST_TEXTURE * halton[row["values"]["steps"]]
    ]
    return min(fitting, key=lambda row: row["structured"]["nfe"][0]) if fitting else {}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, choose, report, and write the result file; what it holds already is not measured again."""
    parser = OneSentenceParser(prog="python -m ladr_core.lab preset_search", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="result file (JSON)")
    parser.add_argument("--scenes", type=int, default=96, help="scenes per row (default 96)")
    parser.add_argument("--textures", type=int, default=8, help="textures per row (default 8)")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the tensors are small, more threads only wait for each other
    scenes, texture = StructuredOracle(), QuadtreeTexture(6)
    rows = json.loads(args.out.read_text(encoding="utf-8"))["rows"] if args.out.is_file() else []

    def texture_of(setup: SamplerSetup, first: int) -> dict[str, Any]:
        return summary(measure(texture, setup, range(first, first + args.textures)))

    def row_of(values: Values, first: int, count: int) -> dict[str, Any]:
        key = {"values": asdict(values), "seed": first, "images": count}
        for row in rows:
            if holds(row, key):
                return dict(row)
        found = summary(measure(scenes, values.setup, range(first, first + count)))
        row = key | {"structured": found, "texture": texture_of(values.setup, first)}
        rows.append(row)
        write(args.out, rows)
        print(values, found["nfe"][0], found["valid"][0], row["texture"]["divergence"][0], flush=True)
        return row

    tried = [row_of(values, TUNING, args.scenes) for values in swept_values()]
    halton = {
        steps: texture_of(simple("halton", steps), TUNING)["divergence"][0]
        for steps in {values.steps for values in swept_values()}
    }
    chosen = {}
    for name, (radius, promised) in PROMISED.items():
        best = choose(tried, halton, radius, promised)
        chosen[name] = best and row_of(Values(**best["values"]), REPORTING, 3 * args.scenes)
    result = {"machine": describe_machine(), "rows": rows, "halton": halton, "chosen": chosen}
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0
