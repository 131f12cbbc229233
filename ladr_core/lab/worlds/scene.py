"""The record of one scene: what is in the picture and where, in cells of the token grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

CATEGORIES = ("single", "two", "counting", "color", "position", "attribution")
"""GenEval's six task categories (Ghosh et al., arXiv 2310.11513); `attribution`: a color for each of two."""

RELATIONS = ("left", "right", "above", "below")


@dataclass(frozen=True)
class SceneObject:
    """One object: its names and its square box, in cells."""

    shape: str
    color: str
    row: int
    column: int
    size: int

    @property
    def center(self) -> tuple[float, float]:
        """Row and column of the middle of the box, in cells."""
        return self.row + self.size / 2, self.column + self.size / 2


@dataclass(frozen=True)
class Background:
    """A tint and the pattern drawn on it."""

    tint: str
    pattern: str = "plain"


@dataclass(frozen=True)
class Scene:
    """Truth of one picture; `relation` says where objects[0] lies as seen from objects[1]."""

    category: str
    objects: tuple[SceneObject, ...]
    background: Background
    relation: str | None = None


@dataclass(frozen=True)
class Caption:
    """A sentence about a scene, and what it says beyond shapes, number and relation."""

    text: str
    names_colors: bool
    names_background: bool


@dataclass(frozen=True)
class FoundObject:
    """One object seen in a picture, in pixels; `overlap` says how well `shape` fits, which is None where none does."""

    shape: str | None
    color: str
    row: float
    column: float
    height: int
    width: int
    area: int
    overlap: float


class World(Protocol):
    """A kind of scene: draws random ones, renders them and writes captions for them."""

    name: str
    vocabulary: tuple[str, ...]

    def sample(self, rng: np.random.Generator, category: str | None = None) -> Scene:
        """Draw a scene that belongs to the training set."""

    def render(self, scene: Scene) -> np.ndarray:
        """Picture of the scene, uint8 [height, width, 3]."""

    def caption(self, scene: Scene, rng: np.random.Generator) -> Caption:
        """One of the English sentences that describe the scene."""

    def sample_with_caption(self, rng: np.random.Generator, category: str | None = None) -> tuple[Scene, Caption]:
        """Draw a scene of the training set with a caption of it."""


class JudgedWorld(World, Protocol):
    """A world on which samplers are compared: its prompts, and a program that says what a picture shows."""

    def __hash__(self) -> int:
        """Worlds are keys of what was computed for them."""

    def plain_caption(self, scene: Scene) -> str:
        """The sentence that the evaluation uses."""

    def contents(self, category: str) -> Iterator[tuple]:
        """Everything that a plain caption of the category can say."""

    def is_unseen(self, category: str, content: tuple) -> bool:
        """Whether the words of a caption are a combination that training never showed."""

    def scene_of(self, category: str, content: tuple) -> Scene:
        """A scene with this content."""

    def with_content(self, scene: Scene, wanted: Scene) -> Scene:
        """The scene's places and background with what the caption of another says of its objects."""

    def find_objects(self, pictures: np.ndarray) -> list[list[FoundObject]]:
        """Objects of each of the pictures, uint8 or float in 0 ... 255, [B, H, W, 3]; the most certain first."""
