"""What a run did: network evaluations, each step's counts, clock and risk, and how each cell came to be known."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from .token_grid import TokenGrid

GIVEN, SCHEDULED, RESCUED = 0, 1, 2
UNMASKED_BY = ("given", "scheduled", "rescued")  # the words for the three numbers above
LETTERS = "gsr"  # the same in JSON


@dataclass(frozen=True)
class StepRecord:
    """One network evaluation as one image of the batch saw it."""

    row: int  # of the batch: image 0, 1, ...
    step: int  # network evaluations done before, 0 for the first
    time_before: float
    time_after: float
    mask_ratio: float  # masked / editable cells, before the step
    masked: int  # masked cells before the step
    scheduled: int  # cells unmasked by the schedule rule
    rescued: int  # cells unmasked by the rescue
    accepted_risk: float  # risk of the rescued cells together, in the unit of the risk filter
    distance_bound: float | None  # bound on the total-variation error of the step; only where cells are chosen first


@dataclass
class SamplingReport:
    """All that is known about a run of B images on a grid of N cells."""

    sampler: str
    grid: TokenGrid
    settings: dict[str, Any]
    nfe: int  # network evaluations of the batch
    most_nfe: int | None  # the most the run could have taken; None where no schedule limits it
    nfe_per_row: list[int]
    seconds: float
    steps: list[StepRecord]
    unmasked_at: Tensor  # [B, N] int: step that unmasked the cell, -1 where it was given
    unmasked_by: Tensor  # [B, N] int: GIVEN, SCHEDULED or RESCUED
    step_seconds: list[float] = field(default_factory=list)  # one per network evaluation of the batch
    seeds: list[int] = field(default_factory=list)  # one per image; empty where the noise is not an image's own
    codebook_indices: Tensor | None = None  # [B, N] int: the tokens the run ended with
    confidence: Tensor | None = None  # [B, N] float: probability of each token when it was unmasked, -1 where given
    risk: Tensor | None = None  # [B, N] float: 1 - the largest probability of the cell then, -1 where given
    model: str = ""
    prompts: list[str] = field(default_factory=list)  # one per image, like the next
    negative_prompts: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)  # what of the inputs has no effect, a sentence each

    def to_dict(self, *, cells: bool = True) -> dict[str, Any]:
        """The report in plain lists, numbers and strings, ready for JSON; cells=False leaves the grids out.

        In `unmasked_by` each grid row is a string with one letter per cell: g given, s scheduled, r rescued.
        """
        result: dict[str, Any] = {
            "model": self.model,
            "sampler": self.sampler,
            "prompts": list(self.prompts),
            "negative_prompts": list(self.negative_prompts),
            "notices": list(self.notices),
            "grid": {"height": self.grid.height, "width": self.grid.width},
            "settings": dict(self.settings),
            "seeds": list(self.seeds),
            "nfe": self.nfe,
            "most_nfe": self.most_nfe,
            "nfe_per_row": list(self.nfe_per_row),
            "seconds": round(self.seconds, 6),
            "step_seconds": [round(s, 6) for s in self.step_seconds],
            "steps": [asdict(record) for record in self.steps],
        }
        if cells:
            shape = (-1, self.grid.height, self.grid.width)
            result["unmasked_at"] = self.unmasked_at.reshape(shape).tolist()
            result["unmasked_by"] = [
                ["".join(LETTERS[v] for v in line) for line in image]
                for image in self.unmasked_by.reshape(shape).tolist()
            ]
            if self.codebook_indices is not None:
                result["codebook_indices"] = self.codebook_indices.reshape(shape).tolist()
            for name, values in (("confidence", self.confidence), ("risk", self.risk)):
                if values is not None:
                    result[name] = [[_rounded(line) for line in image] for image in values.reshape(shape).tolist()]
        return result

    def to_json(self, *, cells: bool = True, indent: int | None = None) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(cells=cells), indent=indent, allow_nan=False)

    def summary(self) -> dict[str, Any]:
        """The result in a few numbers, ready for JSON; `speedup` is most_nfe / nfe, None where either is missing."""
        images = []
        for row, nfe in enumerate(self.nfe_per_row):
            records = [r for r in self.steps if r.row == row]
            scheduled, rescued = sum(r.scheduled for r in records), sum(r.rescued for r in records)
            given = self.grid.cells - scheduled - rescued
            # The seed as text: a browser rounds numbers above 2**53.
            counts = {"nfe": nfe, "scheduled": scheduled, "rescued": rescued, "given": given}
            images.append({"seed": str(self.seeds[row]), **counts})
        return {
            "sampler": self.sampler,
            "nfe": self.nfe,
            "most_nfe": self.most_nfe,
            "speedup": round(self.most_nfe / self.nfe, 2) if self.most_nfe and self.nfe else None,
            "seconds": round(self.seconds, 2),
            "images": images,
            "notices": list(self.notices),
        }

    def to_text(self) -> str:
        """A few lines for people, without the notices."""
        lines = [
            f"{self.sampler}: {self.nfe} network evaluations"
            + (f" of at most {self.most_nfe}" if self.most_nfe else "")
            + f", {self.seconds:.2f} s",
        ]
        for number, image in enumerate(self.summary()["images"], start=1):
            line = f"image {number}, seed {image['seed']}: {image['nfe']} evaluations"
            line += f", {image['scheduled']} cells scheduled"
            line += f", {image['rescued']} rescued" if image["rescued"] else ""
            line += f", {image['given']} given" if image["given"] else ""
            lines.append(line)
        return "\n".join(lines)


def _rounded(values: list[float]) -> list[float]:
    """To a thousandth, which is finer than a map can show and keeps the text short."""
    return [round(value, 3) for value in values]
