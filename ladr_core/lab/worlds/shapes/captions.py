"""English captions of the shapes world: one plain form per category and a few paraphrases."""

from __future__ import annotations

import numpy as np

from ..scene import Caption, Scene

NUMBERS = {2: "two", 3: "three", 4: "four"}
PLURALS = {"cross": "crosses"}
_RELATION_PHRASES = {
    "left": ("to the left of", "left of"),
    "right": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
VOCABULARY = tuple(
    (
        "a an one two three four - 2 3 4 - and with - on to the of left right above over below under picture "
        "background circle square triangle diamond star heart cross ring "
        "circles squares triangles diamonds stars hearts crosses rings "
        "red orange yellow green blue purple pink brown black white gray sky mint cream lavender "
        "- dotted striped checkered gradient"
    ).split()
)
"""Every word the captions use; - keeps the number of a word that they no longer use."""


def plural(shape: str) -> str:
    """Plural of a shape's name."""
    return PLURALS.get(shape, shape + "s")


def with_article(phrase: str) -> str:
    """The phrase behind its indefinite article."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def plain_caption(scene: Scene) -> str:
    """The plain form, which the evaluation uses."""
    first = scene.objects[0]
    if scene.category == "counting":
        return f"{NUMBERS[len(scene.objects)]} {plural(first.shape)}"
    if scene.category == "single":
        return with_article(first.shape)
    if scene.category == "color":
        return with_article(f"{first.color} {first.shape}")
    second = scene.objects[1]
    if scene.category == "attribution":
        return f"{with_article(f'{first.color} {first.shape}')} and {with_article(f'{second.color} {second.shape}')}"
    if scene.category == "position":
        phrase = _RELATION_PHRASES[scene.relation or "left"][0]
        return f"{with_article(first.shape)} {phrase} {with_article(second.shape)}"
    return f"{with_article(first.shape)} and {with_article(second.shape)}"


def write_caption(scene: Scene, rng: np.random.Generator) -> Caption:
    """A caption of the scene: the plain form half of the time, else a paraphrase that may say more than it must."""
    text, colored = plain_caption(scene), scene.category in ("color", "attribution")
    if rng.random() < 0.5:
        colored = colored or (scene.category in ("counting", "position") and bool(rng.random() < 0.5))
        text = _paraphrase(scene, colored, rng)
    if rng.random() < 0.15:
        text = "a picture of " + text
    names_background = bool(rng.random() < 0.2)
    if names_background:
        pattern = "" if scene.background.pattern == "plain" else scene.background.pattern + " "
        text += f" on a {pattern}{scene.background.tint} background"
    return Caption(text, colored, names_background)


def _paraphrase(scene: Scene, colored: bool, rng: np.random.Generator) -> str:
    first, second = scene.objects[0], scene.objects[-1]

    def name(thing) -> str:
        return with_article(f"{thing.color} {thing.shape}" if colored else thing.shape)

    if scene.category == "counting":
        count = len(scene.objects)
        number = NUMBERS[count] if rng.random() < 0.6 else str(count)
        return f"{number} {first.color + ' ' if colored else ''}{plural(first.shape)}"
    if scene.category == "single":
        return f"one {first.shape}"
    if scene.category == "color":
        return f"one {first.color} {first.shape}"
    if scene.category == "position":
        phrases = _RELATION_PHRASES[scene.relation or "left"]
        return f"{name(first)} {phrases[rng.integers(len(phrases))]} {name(second)}"
    if rng.random() < 0.5:
        first, second = second, first
    return f"{name(first)} {'and' if rng.random() < 0.5 else 'with'} {name(second)}"
