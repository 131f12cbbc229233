"""`preset_search`: values of LADR's presets, chosen on some seeds of the oracles, reported on thrice as many others.

Each preset has steps and a neighborhood of its own. Steps are what a picture without any sure cell may cost. Far
conditionals of an oracle are exact, those of a network are not (`chosen_cells`), so how far to trust them is not for
the oracles to decide. With these a preset takes the values of fewest evaluations among those whose scenes are possible
as often as it promises, and whose texture is at most WORST_TEXTURE times as far from the truth as Halton order with as
many steps. Of equal evaluations it takes the most careful: the highest floor, then the lowest risk bound, and the
default cap.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from ...command_line.machine import describe_machine
from ...sampler_setup import SamplerSetup
from ...settings import CELL_ORDERS, RescueSettings
from .command_line import known_rows, measure_once, result_parser
from .contestants import ladr, simple
from .contract import Oracle
from .structured import StructuredOracle
from .texture import QuadtreeTexture

PROMISED = {
    "quality": (64, "cross", 1, 0.995), "balanced": (64, "square", 1, 0.99), "fast": (64, "square", 2, 0.93),
}  # steps, frontier shape, radius, share of possible scenes
FLOORS, RISK_BOUNDS, CAPS = (0.5, 0.95), (0.001, 0.02, 0.1), (1.0, 4.0, RescueSettings().rescue_cap)
WORST_TEXTURE = 1.1
TUNING, REPORTING = 10_000, 20_000  # first seeds


@dataclass(frozen=True)
class Values:
    """What is varied."""

    frontier_shape: str
    radius: int
    order: str
    steps: int
    risk_bound: float = RISK_BOUNDS[0]
    rescue_floor: float = FLOORS[-1]
    rescue_cap: float = CAPS[-1]

    @property
    def setup(self) -> SamplerSetup:
        """LADR with these values."""
        rescue = {name: getattr(self, name) for name in ("frontier_shape", "risk_bound", "rescue_floor", "rescue_cap")}
        return ladr(self.steps, self.radius, self.order, **rescue)


def swept_values() -> list[Values]:
    """What is tried: every order of cells with the lowest floor, and with the last order each value by itself."""
    found = []
    for steps, shape, radius, _ in PROMISED.values():
        found += [Values(shape, radius, order, steps, rescue_floor=FLOORS[0]) for order in CELL_ORDERS]
        found += [replace(found[-1], rescue_floor=floor) for floor in FLOORS[1:]]
        own = found[-1]
        found += [replace(own, risk_bound=bound) for bound in RISK_BOUNDS if bound != own.risk_bound]
        found += [replace(own, rescue_cap=cap) for cap in CAPS if cap != own.rescue_cap]
    return found


def candidates(rows: Sequence[dict[str, Any]], steps: int, shape: str, radius: int,
               promised: float) -> list[dict[str, Any]]:
    """The rows of these steps and neighborhood whose scenes are possible often enough, the best first."""
    wanted = {"steps": steps, "frontier_shape": shape, "radius": radius}
    fitting = [row for row in rows if wanted.items() <= row["values"].items() and row["valid"][0] >= promised]
    return sorted(fitting, key=preference)


def preference(row: dict[str, Any]) -> tuple[float, ...]:
    """What rows are sorted by: fewest evaluations, then the highest floor, the lowest bound and the default cap."""
    values = row["values"]
    other_cap = values["rescue_cap"] != RescueSettings().rescue_cap
    return (row["nfe"][0], -values["rescue_floor"], values["risk_bound"], other_cap)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, choose, report, and write the result file; what it holds already is not measured again."""
    args = result_parser("preset_search", __doc__, scenes=48, textures=16).parse_args(arguments)
    torch.set_num_threads(1)  # the tensors are small, more threads only wait for each other
    scenes, texture = StructuredOracle(), QuadtreeTexture(6)
    rows = known_rows(args.out)

    def row_of(oracle: Oracle, setup: SamplerSetup, values: dict[str, Any], first: int, count: int) -> dict[str, Any]:
        key = {"oracle": oracle.name, "values": values, "seed": first, "images": count}
        return measure_once(args.out, rows, key, oracle, setup, range(first, first + count))

    def texture_of(values: Values) -> float:
        row = row_of(texture, values.setup, asdict(values), TUNING, args.textures)
        halton = row_of(texture, simple("halton", values.steps), {"halton": values.steps}, TUNING, args.textures)
        return float(row["divergence"][0] / halton["divergence"][0])

    tried = [row_of(scenes, values.setup, asdict(values), TUNING, args.scenes) for values in swept_values()]
    chosen: dict[str, Any] = {}
    for name, (steps, shape, radius, promised) in PROMISED.items():
        for row in candidates(tried, steps, shape, radius, promised):
            values = Values(**row["values"])
            if texture_of(values) <= WORST_TEXTURE:
                chosen[name] = row_of(scenes, values.setup, asdict(values), REPORTING, 3 * args.scenes)
                break
    result = {"machine": describe_machine(), "rows": rows, "chosen": chosen}
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0
