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
from .contract import Oracle
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
    return found + [Values(r, CELL_ORDERS[-1], s, rescue_floor=0.95) for r, s in product(radii, steps)]


def candidates(rows: Sequence[dict[str, Any]], radius: int, promised: float) -> list[dict[str, Any]]:
    """The rows of this radius whose scenes are possible often enough, those of fewest evaluations first."""
    fitting = [row for row in rows if row["values"]["radius"] == radius and row["valid"][0] >= promised]
    return sorted(fitting, key=lambda row: row["nfe"][0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, choose, report, and write the result file; what it holds already is not measured again."""
    parser = OneSentenceParser(prog="python -m ladr_core.lab preset_search", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="result file (JSON)")
    parser.add_argument("--scenes", type=int, default=48, help="scenes per row, thrice as many to report (default 48)")
    parser.add_argument("--textures", type=int, default=16, help="textures per row (default 16)")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the tensors are small, more threads only wait for each other
    scenes, texture = StructuredOracle(), QuadtreeTexture(6)
    rows = json.loads(args.out.read_text(encoding="utf-8"))["rows"] if args.out.is_file() else []

    def row_of(oracle: Oracle, setup: SamplerSetup, values: dict[str, Any], first: int, count: int) -> dict[str, Any]:
        key = {"oracle": oracle.name, "values": values, "seed": first, "images": count}
        for row in rows:
            if holds(row, key):
                return row
        row = key | summary(measure(oracle, setup, range(first, first + count)))
        rows.append(row)
        write(args.out, rows)
        print(oracle.name, values, row["nfe"][0], row["valid"][0], (row["divergence"] or [""])[0], flush=True)
        return row

    def texture_of(values: Values) -> float:
        row = row_of(texture, values.setup, asdict(values), TUNING, args.textures)
        halton = row_of(texture, simple("halton", values.steps), {"halton": values.steps}, TUNING, args.textures)
        return float(row["divergence"][0] / halton["divergence"][0])

    tried = [row_of(scenes, values.setup, asdict(values), TUNING, args.scenes) for values in swept_values()]
    chosen: dict[str, Any] = {}
    for name, (radius, promised) in PROMISED.items():
        for row in candidates(tried, radius, promised):
            values = Values(**row["values"])
            if texture_of(values) <= WORST_TEXTURE:
                chosen[name] = row_of(scenes, values.setup, asdict(values), REPORTING, 3 * args.scenes)
                break
    result = {"machine": describe_machine(), "rows": rows, "chosen": chosen}
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0
