"""Halton order: unmask cells in a fixed order that covers the grid evenly, whatever their confidence.

Besnier et al., "Halton Scheduler for Masked Generative Image Transformer", ICLR 2025, arXiv 2503.17076.
"""

from __future__ import annotations

from ..settings import SamplerSettings, Setting
from .baseline import BaselineRule
from .cell_order import HaltonOrder

ROLL = Setting(
    "roll", True, "bool",
    "start the order at a place of its own in each image",
    "On: each image starts the order at a place chosen by its seed. Off: all images unmask the same cells first.",
    on_node=False,
)  # fmt: skip


class HaltonRule(BaselineRule):
    """As many cells as the mask schedule asks for, the next ones in Halton order."""

    name = "halton"

    def __init__(self, settings: SamplerSettings, *, roll: bool = ROLL.default) -> None:
        super().__init__(settings)
        self._order, self.needs_entropy = HaltonOrder(roll), False
