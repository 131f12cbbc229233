"""Near the known and apart from each other: the order of locality-aware parallel decoding.

LPD, arXiv 2507.01957, a trained autoregressive model; only its order is used. A reconstruction: places beyond those
near known cells are filled in random order with the same distance, not by farthest points.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..cell_ranking import rank_cells
from ..settings import SamplerSettings, Setting
from ..step import Prediction, StepState
from .baseline import BaselineRule
from .frontier import count_neighbors, keep_apart

REPULSION = Setting(
    "repulsion", 2, "int",
    "smallest distance in cells between cells that are unmasked together",
    "Cells of one step keep this distance along rows or columns while there is room. Higher spreads them more; below 2 "
    "they may touch.",
    minimum=1, maximum=16, step=1, on_node=False,
)  # fmt: skip
_BESIDE, _CORNER = 1.0, 2**-0.5  # one over the distance
_APART = 16.0  # more than eight neighbors can add up to


class NearApartOrder:
    """Cells by how near they are to known ones, those first that keep the distance; equals in random order."""

    needs_entropy = False

    def __init__(self, repulsion: int) -> None:
        self._repulsion = repulsion

    def score(self, state: StepState, prediction: Prediction, confidence: Tensor, time_left: Tensor) -> Tensor:
        """See CellOrder."""
        observed = ~state.is_masked
        beside = count_neighbors(observed, state.grid, "cross", 1)
        corners = count_neighbors(observed, state.grid, "square", 1) - beside
        nearness = _BESIDE * beside + _CORNER * corners + 1e-3 * state.uniform()
        rank = rank_cells(nearness, state.is_masked)
        apart = keep_apart(rank, state.is_masked, state.grid, self._repulsion)
        return nearness + _APART * apart.to(torch.float32)


class NearApartRule(BaselineRule):
    """As many cells as the mask schedule asks for, near the known ones and apart from each other."""

    name = "near_apart"

    def __init__(self, settings: SamplerSettings, *, repulsion: int = REPULSION.default) -> None:
        super().__init__(settings)
        self._order, self.needs_entropy = NearApartOrder(repulsion), False
