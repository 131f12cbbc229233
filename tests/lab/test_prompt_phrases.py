"""What the shipped code knows of the emoji world agrees with the world, and its captions are read word by word."""

from __future__ import annotations

import numpy as np
from drawn_sprites import drawn_sprites

from ladr_core.lab.worlds.emoji.backgrounds import PLACE_PHRASES
from ladr_core.lab.worlds.emoji.captions import (
    NUMBERS,
    RELATION_PHRASES,
    SYNONYMS,
    VOCABULARY,
    plain_caption,
    with_article,
    write_caption,
)
from ladr_core.lab.worlds.emoji.judged import JudgedEmoji
from ladr_core.lab.worlds.emoji.nouns import COLORS, NOUNS
from ladr_core.lab.worlds.scene import CATEGORIES
from ladr_core.models.builtin import combinations
from ladr_core.models.builtin.layout import FIRST_WORD, BuiltinLayout
from ladr_core.models.builtin.phrases import BACKGROUNDS
from ladr_core.models.builtin.reading import Reader

LAYOUT = BuiltinLayout(VOCABULARY, 1, world="emoji", synonyms=SYNONYMS, skips_unknown=True)
_IDS = {word: FIRST_WORD + i for i, word in enumerate(VOCABULARY)}
_UNLEARNED = "night sky"
"""Training had these captions in its last minutes only."""


def is_unchanged(text: str) -> bool:
    """Whether a caption keeps all its words, and nothing is said of it."""
    return LAYOUT.word_ids(text) == [_IDS[word] for word in text.split()] and not LAYOUT.reading_notices(text)


def test_tables_agree_with_the_world():
    assert tuple(COLORS) == combinations.COLORS
    assert tuple(noun.name for noun in NOUNS if noun.recolored) == combinations.COLORED
    assert {n: NUMBERS.get(n, "one") for n in combinations.NUMBERS.values()} == {1: "one"} | NUMBERS
    assert all(phrase in PLACE_PHRASES[name] for name, (phrase, _) in BACKGROUNDS.items())
    assert set(BACKGROUNDS) == set(PLACE_PHRASES)
    assert Reader(VOCABULARY, SYNONYMS).plurals == {noun.name: noun.plural_name for noun in NOUNS}
    known = set(VOCABULARY) | set(SYNONYMS)
    assert not known & (combinations.OTHER_COLORS | set(combinations.AMOUNTS) | combinations.DENIALS)


def test_every_caption_of_one_kind_is_read_word_by_word():
    phrases = [phrase for several in PLACE_PHRASES.values() for phrase in several if _UNLEARNED not in phrase]
    for noun in NOUNS:
        for color in ("", *(COLORS if noun.recolored else ())):
            name, several = f"{color} {noun.name}".strip(), f"{color} {noun.plural_name}".strip()
            texts = [name, "the " + name, "one " + name, with_article(name)]
            texts += [f"{number} {several}" for pair in NUMBERS.items() for number in pair]
            for number, text in enumerate(texts):
                assert is_unchanged(text) and is_unchanged(f"{text} {phrases[number % len(phrases)]}"), text


def test_every_pair_of_things_is_read_word_by_word():
    joints = ["and", "with", *(phrase for phrases in RELATION_PHRASES.values() for phrase in phrases)]
    pairs = [(a.name, b.name) for a in NOUNS for b in NOUNS if a != b]
    for number, (a, b) in enumerate(pairs):
        assert is_unchanged(f"{with_article(a)} {joints[number % len(joints)]} the {b}"), (a, b)


def test_captions_of_training_and_evaluation_are_read_word_by_word():
    world, rng = JudgedEmoji(drawn_sprites()), np.random.default_rng(0)
    for number in range(600):
        scene = world.sample(rng, CATEGORIES[number % len(CATEGORIES)], unnamed=True)
        for text in (write_caption(scene, rng).text, plain_caption(scene)):
            assert is_unchanged(text.replace(_UNLEARNED, "night")) or "under the night" in text, text


def test_the_night_sky_is_read_as_the_night():
    for phrase in PLACE_PHRASES["night"]:
        assert LAYOUT.word_ids(f"two foxes {phrase}")[-1] == _IDS["night"]
