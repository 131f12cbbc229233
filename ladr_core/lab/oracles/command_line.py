"""`oracles`: every sampler on every exact oracle; one line per row is kept at once, so a stopped run goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ...command_line import OneSentenceParser
from ...command_line.machine import describe_machine
from ...sampler_setup import SamplerSetup
from .contestants import contestants, values_of
from .contract import Oracle
from .measure import STARTS, Draw, OracleRow, measure
from .mixed import MixedOracle
from .structured import StructuredOracle
from .texture import QuadtreeTexture

ORACLES: dict[str, Callable[[], Oracle]] = {
    "structured 16": StructuredOracle,
    "structured 64": lambda: StructuredOracle(4),
    "texture 16": lambda: QuadtreeTexture(4),
    "texture 32": lambda: QuadtreeTexture(5),
    "texture 64": lambda: QuadtreeTexture(6),
    "mixed 16": MixedOracle,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for and write the result file."""
    parser = OneSentenceParser(prog="python -m ladr_core.lab oracles", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="result file (JSON)")
    parser.add_argument("--oracles", nargs="+", choices=list(ORACLES), default=list(ORACLES), metavar="NAME")
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=[STARTS[0]], metavar="START")
    parser.add_argument("--only", nargs="+", default=None, metavar="LABEL", help="contestants whose label begins so")
    parser.add_argument("--swept", action="store_true", help="also LADR with other values")
    parser.add_argument("--scenes", type=int, default=600, help="images per row of structured oracles (default 600)")
    parser.add_argument("--textures", type=int, default=16, help="images per row of the others (default 16)")
    parser.add_argument("--seed", type=int, default=0, help="first seed (default 0)")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the tensors are small, more threads only wait for each other
    rows = known_rows(args.out)
    for name in args.oracles:
        oracle = ORACLES[name]()
        images = args.scenes if name.startswith("structured") else args.textures
        for start in args.starts:
            for label, setup in contestants(swept=args.swept).items():
                place = {"oracle": name, "start": start, "sampler": label}
                key = place | {"seed": args.seed, "values": values_of(setup)}
                wanted = args.only is None or any(label.startswith(begin) for begin in args.only)
                if not wanted or any(holds(row, key) and row["images"] >= images for row in rows):
                    continue
                found = summary(measure(oracle, setup, range(args.seed, args.seed + images), start))
                row = key | {"images": images} | found
                rows = [other for other in rows if not holds(other, place)] + [row]  # older values or fewer images
                write(args.out, rows)
                print(line(row), flush=True)
    return 0


def result_parser(program: str, description: str | None, scenes: int, textures: int) -> OneSentenceParser:
    """The arguments of a program that measures on scenes and textures: its file, and how many of each a row has."""
    parser = OneSentenceParser(prog=f"python -m ladr_core.lab {program}", description=description)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="result file (JSON)")
    parser.add_argument("--scenes", type=int, default=scenes, help=f"scenes per row (default {scenes})")
    parser.add_argument("--textures", type=int, default=textures, help=f"textures per row (default {textures})")
    return parser


def known_rows(path: Path) -> list[dict[str, Any]]:
    """The rows that a result file holds already; none where there is no file."""
    return json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []


def measure_once(path: Path, rows: list[dict[str, Any]], key: dict[str, Any], oracle: Oracle, setup: SamplerSetup,
                 seeds: range, draw: Draw | None = None, renamed: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The row of the key, measured unless it is among the rows; a new one is added to them and to the file.

    draw: another way of drawing (see `measure`); renamed: figures that mean something else here.
    """
    for row in rows:
        if holds(row, key):
            return row
    found = summary(measure(oracle, setup, seeds, draw_images=draw))
    for name, other in (renamed or {}).items():
        found |= {other: found[name], name: None}
    row = key | found
    rows.append(row)
    write(path, rows)
    print(*key.values(), row["nfe"][0], row["valid"][0], (row["divergence"] or [""])[0], flush=True)
    return row


def holds(row: dict[str, Any], key: dict[str, Any]) -> bool:
    """Whether a row is that of the key."""
    return all(row.get(name) == value for name, value in key.items())


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the result file whole."""
    kept = path.with_suffix(".partial")
    kept.write_text(json.dumps({"machine": describe_machine(), "rows": rows}, indent=1) + "\n", encoding="utf-8")
    kept.replace(path)


def summary(row: OracleRow) -> dict[str, Any]:
    """The figures of a row, means with 95 % intervals; None where an oracle does not measure one."""
    found = {
        "nfe": mean(row.nfe),
        "most_nfe": int(row.nfe.max()),
        "valid": share(row.valid),
        "divergence": mean(row.divergence),
        "divergence_bound": mean(row.divergence_bound),
        "histogram_distance": row.histogram_distance,
        "token_entropy": row.token_entropy,
        "expected_token_entropy": row.expected_token_entropy,
        "seconds": round(row.seconds, 1),
    }
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in found.items()}


def mean(values: torch.Tensor) -> list[float] | None:
    """Mean and the ends of its 95 % interval (normal), None where nothing was measured."""
    values = values[~values.isnan()]
    if not len(values):
        return None
    middle = float(values.mean())
    half = 1.96 * float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return [round(number, 6) for number in (middle, middle - half, middle + half)]


def share(values: torch.Tensor) -> list[float]:
    """A share and the ends of its 95 % interval (Wilson)."""
    count, found = len(values), float(values.mean())
    z = 1.96
    middle = (found + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(found * (1 - found) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return [round(number, 6) for number in (found, max(0.0, middle - half), min(1.0, middle + half))]


def line(row: dict[str, Any]) -> str:
    """A row for the terminal."""
    divergence = "" if row["divergence"] is None else f"  KL {row['divergence'][0]:.4f}"
    return (
        f"{row['oracle']:<14} {row['start']:<14} {row['sampler']:<36} NFE {row['nfe'][0]:6.2f}  "
        f"valid {100 * row['valid'][0]:6.2f} %{divergence}  {row['seconds']:.0f} s"
    )
