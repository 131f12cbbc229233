"""Phrases that people write to the emoji model, and what its training said instead.

The rules read the known words of a prompt. A prompt that says all in training's own words keeps every word, so its
picture stays what it was. The wording chosen for each background is the one that the network paints most surely.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

Phrase = tuple[str, ...]

BACKGROUNDS: dict[str, tuple[str, str]] = {
    "sky": ("in the sky", "sky; air; cloud; clouds; daytime; day; sunny day; sunshine; sun; sunlight"),
    "sea": ("on the sea", "sea; ocean; water; lake; river; pond; waves; pool"),
    "meadow": ("on a meadow", "meadow; grass; field; lawn; garden; park; yard; backyard; pasture; countryside"),
    "night": ("at night", "night; night sky; midnight; nighttime; dark; darkness; stars; starry sky; starry night; "
                          "space; outer space; moonlight; evening; evening sky; dark sky"),
    "sand": ("on sand", "sand; beach; desert; shore; seashore; seaside; coast; dune; dunes"),
    "snow": ("in the snow", "snow; ice; winter; winter landscape; snowfall; blizzard; arctic; north pole; antarctica"),
    "room": ("in a room", "room; kitchen; bedroom; bathroom; living room; dining room; classroom; office; hallway; "
                          "floor; carpet; rug; house; home"),
    "table": ("on a table", "table; desk; wood; counter; countertop; kitchen table; dining table"),
}  # fmt: skip
"""Each background's phrase, and the words that stand for it behind a preposition."""
_BEFORE = (
    "in on at by near under over above across against along beside during inside into onto through toward underneath "
    "upon within with".split()
    + ["next to", "close to", "in front of", "in the middle of", "on top of", "out on", "out in", "down by"]
)  # fmt: skip
_ARTICLES = {"a", "an", "the", "my", "our", "your", "his", "her", "their", "some"}
_LOOKS = set("sandy starry clear cloudy sunny snowy grassy wooden frozen deep open calm bright blue green dark".split())
"""What people add to a background that shows it anyway."""
_INSIDE = {"in", "inside", "within", "at"}
_THINGS = {"house", "home"}
"""A background only with a word of `_INSIDE` before it, else a thing."""
_ALONE = {"indoors": "room", "outdoors": "meadow", "underwater": "sea"}
"""Words that name a background without a preposition."""
_BARE = {(name,) for name in "beach desert midnight nighttime moonlight space kitchen bedroom garden seaside".split()}
"""Names that are backgrounds even with no preposition before them."""

_SIDES = {
    side: [
        f"{start}{side}{end}"
        for start in ("to the ", "on the ", "at the ", "from the ", "in the ", "to ", "on ", "at ", "")
        for end in (" of", " side of", " hand side of", " from", " to")
        if start or end != " of"  # training said "left of" too
    ]
    for side in ("left", "right")
}
SIDES = tuple(("to", "the", side, "of") for side in _SIDES)
"""What training says for a side, which another thing has to follow."""
BESIDE = ("next to", "close to", "near to", "near", "nearby", "by", "alongside", "side by side with", "along with",
          "together with", "as well as", "plus", "adjacent to", "besides", "accompanied by")  # fmt: skip
NO_SIDE = ("in front of", "behind", "inside", "inside of", "in back of", "between", "around", "through", "into",
           "against", "across from", "opposite")  # fmt: skip
"""Relations that training has no words for: the things are drawn without them."""
_REPLACED: dict[str, str] = {
    **dict.fromkeys(_SIDES["left"], "to the left of"),
    **dict.fromkeys(_SIDES["right"], "to the right of"),
    **dict.fromkeys(BESIDE, "and"),
    **dict.fromkeys(("on top of", "atop", "higher than", "up above", "over the top of"), "above"),
    **dict.fromkeys(("lower than", "at the bottom of", "down below"), "below"),
    **dict.fromkeys(("a pair of", "pair of", "a couple of", "couple of", "a couple", "a duo of", "twin"), "two"),
    **dict.fromkeys(("a trio of", "trio of"), "three"),
    **dict.fromkeys(("a slice of", "slice of", "a piece of", "piece of"), "a"),
    **dict.fromkeys(("a painting of", "a sketch of", "an illustration of", "an image of", "an icon of",
                     "an emoji of"), "a picture of"),
    "kitty cat": "cat", "kitty cats": "cats", "pussy cat": "cat", "puppy dog": "dog", "puppy dogs": "dogs",
    "panda bear": "panda", "panda bears": "pandas", "bunny rabbit": "rabbit", "bunny rabbits": "rabbits",
    "honey bee": "bee", "honey bees": "bees", "gold fish": "fish", "goldfish": "fish", "sea turtle": "turtle",
    "sea turtles": "turtles", "hot air balloon": "balloon", "hot air balloons": "balloons", "rocket ship": "rocket",
    "rocket ships": "rockets", "space rocket": "rocket", "space ship": "rocket", "space ships": "rockets",
    "air plane": "airplane", "air planes": "airplanes", "jet plane": "airplane", "jet planes": "airplanes",
    "sail boat": "sailboat", "sail boats": "sailboats", "sun flower": "sunflower", "sun flowers": "sunflowers",
    "back pack": "backpack", "cheese burger": "hamburger", "tulip flower": "tulip", "tulip flowers": "tulips",
    "gift box": "gift", "gift boxes": "gifts", "bumblebee": "bee", "bumblebees": "bees", "scarlet": "red",
    "navy": "blue", "navy blue": "blue", "emerald": "green", "magenta": "pink", "lilac": "purple",
}  # fmt: skip
"""Phrases and the words of training that say the same."""


def _words(text: str) -> Phrase:
    return tuple(text.split())


_TABLE = {_words(phrase): _words(meant) for phrase, meant in _REPLACED.items()}
_PREPOSITIONS = sorted({_words(words) for words in _BEFORE}, key=len, reverse=True)
_NAMES = sorted(((_words(name), key) for key, (_, names) in BACKGROUNDS.items() for name in names.split("; ")),
                key=lambda entry: -len(entry[0]))  # fmt: skip
_LONGEST = max(map(len, _TABLE))
_PHRASES = (*_TABLE, *_PREPOSITIONS, *(name for name, _ in _NAMES))
_AROUND = _ARTICLES | _LOOKS | set(_ALONE)
_FIRST = {phrase[0] for phrase in _PHRASES} | _AROUND
PHRASE_WORDS = frozenset({word for phrase in _PHRASES for word in phrase} | _AROUND)
"""Every word that a phrase may hold; a word that is not among them never parts one."""


def phrase_at(words: Sequence[str], start: int, vocabulary: Container[str]) -> tuple[int, Phrase] | None:
    """How many words the phrase has that begins at `start`, and the words of training for it; None for no phrase."""
    if words[start] not in _FIRST:
        return None
    background = _background_at(words, start, vocabulary)
    if background is not None:
        return background
    for length in range(min(_LONGEST, len(words) - start), 0, -1):
        meant = _TABLE.get(tuple(words[start : start + length]))
        if meant is not None:
            return length, meant
    return None


def _background_at(words: Sequence[str], start: int, vocabulary: Container[str]) -> tuple[int, Phrase] | None:
    before = next((p for p in _PREPOSITIONS if tuple(words[start : start + len(p)]) == p), ())
    at = start + len(before)
    while at < len(words) and words[at] in _ARTICLES:
        at += 1
    first = at
    while True:
        for name, background in _NAMES:
            if tuple(words[at : at + len(name)]) == name and _is_background(name, before, at > first):
                end = at + len(name)
                # Training's own words stay as they are, whatever stands before the background.
                plain = at == first and all(word in vocabulary for word in words[start:end])
                if plain and name != ("night", "sky") and name[0] not in _THINGS:
                    return None
                return end - start, _words(BACKGROUNDS[background][0])
        if at >= len(words) or words[at] not in _LOOKS:
            break
        at += 1
    if start < len(words) and words[start] in _ALONE:
        return 1, _words(BACKGROUNDS[_ALONE[words[start]]][0])
    return None


def _is_background(name: Phrase, before: Phrase, has_looks: bool) -> bool:
    """Whether these words name a background here and no thing."""
    if name[0] in _THINGS:
        return len(before) == 1 and before[0] in _INSIDE
    return bool(before) or len(name) > 1 or has_looks or name in _BARE
