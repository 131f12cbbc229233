"""English captions of the emoji world: one plain form per category and paraphrases of it."""

from __future__ import annotations

import numpy as np

from ..scene import Caption, Scene, SceneObject
from .backgrounds import PLACE_PHRASES
from .nouns import BY_NAME, COLORS, NATURAL, NOUNS

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}
RELATION_PHRASES = {
    "left": ("to the left of", "left of"),
    "right": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
_PLAIN_WORDS = (
    "a an one two three four five 2 3 4 5 and with on in at to of the left right above over below under picture"
)
VOCABULARY = tuple(
    dict.fromkeys(
        _PLAIN_WORDS.split()
        + list(COLORS)
        + [word for phrases in PLACE_PHRASES.values() for phrase in phrases for word in phrase.split()]
        + [noun.name for noun in NOUNS]
        + [noun.plural_name for noun in NOUNS]
    )
)
"""Every word the captions use."""
SYNONYMS = {word: noun.plural_name if word.endswith("s") or word in ("octopi", "cacti") else noun.name
            for noun in NOUNS for word in noun.synonyms}  # fmt: skip
SYNONYMS |= {
    "ocean": "sea", "water": "sea", "lake": "sea", "beach": "sand", "desert": "sand", "grass": "meadow",
    "field": "meadow", "lawn": "meadow", "desk": "table", "wood": "table", "ice": "snow", "winter": "snow",
    "indoors": "room", "air": "sky", "beneath": "under", "underneath": "under", "beside": "with",
    "photo": "picture", "image": "picture",
    "drawing": "picture", "violet": "purple", "crimson": "red", "golden": "yellow", "lime": "green", "azure": "blue",
    "1": "one", "single": "one",
}  # fmt: skip
"""Words that mean one of the vocabulary's; stored with the weights."""


def with_article(phrase: str) -> str:
    """The phrase behind its indefinite article."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _named(thing: SceneObject, several: bool = False) -> str:
    noun = BY_NAME[thing.shape]
    word = noun.plural_name if several else noun.name
    return word if thing.color == NATURAL else f"{thing.color} {word}"


def plain_caption(scene: Scene) -> str:
    """The plain form, which the evaluation uses; it names the color of each thing that is recolored."""
    first, last = scene.objects[0], scene.objects[-1]
    if scene.category == "counting":
        return f"{NUMBERS[len(scene.objects)]} {_named(first, several=True)}"
    if len(scene.objects) == 1:
        return with_article(_named(first))
    joint = RELATION_PHRASES[scene.relation][0] if scene.relation else "and"
    return f"{with_article(_named(first))} {joint} {with_article(_named(last))}"


def write_caption(scene: Scene, rng: np.random.Generator) -> Caption:
    """A caption of the scene: the plain form half of the time, else a paraphrase."""
    text = plain_caption(scene) if rng.random() < 0.5 else _paraphrase(scene, rng)
    if rng.random() < 0.08:
        text = "a picture of " + text
    names_background = bool(rng.random() < 0.25)
    if names_background:
        phrases = PLACE_PHRASES[scene.background.tint]
        text += " " + phrases[rng.integers(len(phrases))]
    return Caption(text, True, names_background)


def _paraphrase(scene: Scene, rng: np.random.Generator) -> str:
    first, last = scene.objects[0], scene.objects[-1]
    if scene.category == "counting":
        number = str(len(scene.objects)) if rng.random() < 0.7 else NUMBERS[len(scene.objects)]
        return f"{number} {_named(first, several=True)}"

    def name(thing: SceneObject) -> str:
        form = rng.random()
        if form < 0.25:
            return _named(thing)
        return ("the " if form < 0.4 else "one ") + _named(thing) if form < 0.5 else with_article(_named(thing))

    if len(scene.objects) == 1:
        return name(first)
    if scene.relation:
        phrases = RELATION_PHRASES[scene.relation]
        return f"{name(first)} {phrases[rng.integers(len(phrases))]} {name(last)}"
    if rng.random() < 0.5:
        first, last = last, first
    return f"{name(first)} {'and' if rng.random() < 0.6 else 'with'} {name(last)}"
