"""What a rule keeps of each image from step to step, while finished images leave the batch."""

from __future__ import annotations

import torch
from torch import Tensor

from ..step import StepState


class RowMemory:
    """A tensor [b, ...] with one entry for each active image."""

    def __init__(self) -> None:
        self._rows: tuple[int, ...] = ()
        self._values = torch.empty(0)

    def recall(self, state: StepState, at_first: Tensor) -> Tensor:
        """What was kept of the images that are still active; at_first [b, ...] in the first step of a run."""
        if state.step == 0:
            return at_first
        if state.rows == self._rows:
            return self._values
        places = torch.tensor([self._rows.index(row) for row in state.rows], device=self._values.device)
        return self._values.index_select(0, places)

    def keep(self, state: StepState, values: Tensor) -> None:
        """Keep values [b, ...] for the next step."""
        self._rows, self._values = state.rows, values
