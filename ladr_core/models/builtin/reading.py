"""How the emoji model reads a prompt: in training's words as far as they go, and a sentence for what they cannot say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from .phrases import NO_SIDE, PHRASE_WORDS, PLACES, phrase_at

COLORS = ("red", "yellow", "green", "blue", "purple", "pink")
COLORED = ("butterfly", "fish", "apple", "tulip", "mushroom", "car", "bus", "sailboat", "umbrella", "balloon", "gift",
           "book", "guitar", "backpack")  # fmt: skip
"""Things that come in all colors; the others have those of their artwork."""
_OWN_COLOR = {
    "fox": "orange", "bear": "brown", "cat": "yellow", "lion": "brown", "pig": "pink", "rabbit": "gray",
    "owl": "brown", "turtle": "green", "frog": "green", "octopus": "red", "bee": "yellow", "banana": "yellow",
    "strawberry": "red", "doughnut": "brown", "cactus": "green", "sunflower": "yellow", "airplane": "blue",
    "crown": "yellow",
}  # fmt: skip
_NO_COLORS = frozenset(
    "orange white black brown gray grey gold silver beige cyan turquoise teal tan cream ivory bronze rainbow "
    "colorful colourful multicolored maroon indigo".split()
)
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "2": 2, "3": 3, "4": 4, "5": 5}
_VAGUE = {"some": "three", "few": "three", "several": "three", "multiple": "three", "various": "three"} | dict.fromkeys(
    "many lots lot bunch group dozen dozens flock pack herd crowd hundreds thousands hundred thousand countless six seven "
    "eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split(), "five"
)  # fmt: skip
_NONE = frozenset(("no", "without", "zero", "0", "not"))
_SMALL = frozenset("a an the".split())
_JOINTS = frozenset("and with on in at to of".split())
_SIDES = ("left", "right", "above", "over", "below", "under")
_EXTRA = PHRASE_WORDS | {"both"} | _NO_COLORS | _NONE | set(_VAGUE) | set(" ".join(NO_SIDE).split())


@dataclass
class Reading:
    """The words that the model is given, which written words it has no meaning for, and what is to be said."""

    words: list[str] = field(default_factory=list)
    unknown: set[int] = field(default_factory=set)
    notices: list[str] = field(default_factory=list)


class Reader:
    """Reads prompts for one vocabulary."""

    def __init__(self, vocabulary: Sequence[str], synonyms: Mapping[str, str]):
        self._vocabulary, self._synonyms = frozenset(vocabulary), synonyms
        self._plural = {"fish": "fish"}
        for word in vocabulary:
            ends = (word + "s", word + "es", word[:-1] + "ies" if word.endswith("y") else "")
            self._plural |= {word: many for many in ends if many in self._vocabulary}
        self._singular = {many: word for word, many in self._plural.items()}
        self._nouns = frozenset(self._plural) | frozenset(self._singular)

    def read(self, plain_words: Sequence[str]) -> Reading:
        """Read the plain words of a prompt, "" for a sign or a word of another script."""
        reading = Reading()
        seen = [i for i, word in enumerate(plain_words) if self._may_mean(word)]
        reading.unknown = set(range(len(plain_words))) - set(seen)
        self._reword(plain_words, seen, reading)
        self._count_and_color(reading)
        _drop_loose_ends(reading.words)
        self._say_combinations(reading)
        reading.notices = list(dict.fromkeys(reading.notices))
        return reading

    def _may_mean(self, word: str) -> bool:
        return word in self._vocabulary or word in self._synonyms or word in _EXTRA or word.isdecimal()

    def _reword(self, plain_words: Sequence[str], seen: Sequence[int], reading: Reading) -> None:
        """Phrases in training's words; what belongs to a phrase but stands outside of one is unknown."""
        words, at = [plain_words[i] for i in seen], 0
        while at < len(words):
            relation = _longest(NO_SIDE, words, at)
            found = phrase_at(words, at, self._vocabulary)
            if found is not None and (found[0] > 1 or words[at] not in self._vocabulary):
                at += found[0]
                reading.words += found[1]
                continue
            if relation and self._is_thing_next(words, at + len(relation.split())):
                at += len(relation.split())
                reading.words.append("and")
                reading.notices.append(_no_side(relation))
                continue
            word = self._synonyms.get(words[at], words[at])
            counted = word in _VAGUE or word == "both" or word.isdecimal()
            is_number = counted and self._is_thing_next([w for w in words[at + 1 :] if w != "of"], 0)
            if word in self._vocabulary or word in _NO_COLORS or word in _NONE or is_number:
                reading.words.append(word)
            else:
                reading.unknown.add(seen[at])
            at += 1

    def _is_thing_next(self, words: Sequence[str], at: int) -> bool:
        """Whether a thing follows at `at`, behind articles, numbers and colors."""
        for word in words[at : at + 4]:
            plain = self._synonyms.get(word, word)
            if plain in self._nouns:
                return True
            if plain not in _SMALL and plain not in COLORS and plain not in _NO_COLORS and plain not in _NUMBERS:
                return False
        return False

    def _count_and_color(self, reading: Reading) -> None:
        """Numbers with plurals, colors before their things, and neither where training had none."""
        self._leave_out_denied(reading)
        words = self._colors_first(self._joined(self._sides_between(reading)))
        kept: list[str] = []
        number = 0
        for at, word in enumerate(words):
            color_of = self._thing_of_color(words, at)
            if word in _NO_COLORS or (word in COLORS and color_of):
                if color_of and self._singular_of(color_of) in COLORED and word in COLORS:
                    kept.append(word)
                else:
                    self._say_color(word, color_of, reading)
                    if kept and kept[-1] in ("a", "an") and words[at + 1] == color_of:
                        kept[-1] = "an" if color_of[0] in "aeiou" else "a"
                continue
            if word == "both":
                thing = next(w for w in words[at + 1 :] if w in self._nouns)
                if thing in self._plural:
                    continue
                word = "two"
                if words[at + 1] in _SMALL:
                    words[at + 1] = ""
            if word in _VAGUE or (word.isdecimal() and word not in _NUMBERS):
                few = _VAGUE.get(word, "one" if word == "1" else "five")
                if words[at + 1] == "of":
                    words[at + 1] = ""
                while kept and (kept[-1] in _SMALL or kept[-1] in _NUMBERS):
                    kept.pop()
                if any(other in _NUMBERS for other in words[at + 1 : at + 3]):
                    continue
                reading.notices.append(f"It counts from two to five, so {word} is drawn as {few}.")
                word = few
            if word in _NUMBERS:
                number = _NUMBERS[word]
            elif word in ("a", "an"):
                number = 1
            elif word in self._nouns:
                if number == 1:
                    word = self._singular_of(word)
                elif number > 1:
                    word = self._plural.get(word, word)
                number = 0
            elif word == "on" and kept and self._is_thing_next(words, at + 1) and self._has_thing(kept):
                reading.notices.append("It knows no thing on another, so on is drawn as above.")
                word = "above"
            elif word in ("in", "at") and self._is_thing_next(words, at + 1) and self._has_thing(kept):
                reading.notices.append(_no_side(word))
                word = "and"
            if word:
                kept.append(word)
        reading.words = kept

    def _sides_between(self, reading: Reading) -> list[str]:
        """Words in which "X on the left and Y on the right" is "X to the left of Y"."""
        words = reading.words
        sides = [i for i, word in enumerate(words) if word in ("left", "right") and words[i + 1 : i + 2] != ["of"]]
        if not sides:
            return words
        at = sides[0]
        parts: list[list[str]] = [[]]
        for i, word in enumerate(words):
            parts[-1].append(word)
            if i in sides:
                parts[-1] = _without_joints(parts[-1][:-1])
                parts.append([])
        parts = [_without_joints(part) for part in parts if self._has_thing(part)]
        if len(parts) == 2:
            return [*parts[0], "to", "the", words[at], "of", *parts[1]]
        reading.notices.append(f"It places a thing only beside another one, so {words[at]} is not drawn.")
        return [word for part in parts for word in part]

    def _joined(self, words: Sequence[str]) -> list[str]:
        """Words with `and` between things that only a comma parts."""
        joined: list[str] = []
        last = -1  # where the last thing is, if nothing but articles, numbers and colors came after it
        for word in words:
            if word in self._nouns:
                if last >= 0 and len(joined) > last + 1:
                    joined.insert(last + 1, "and")
                last = len(joined)
            elif word not in _SMALL and word not in _NUMBERS and word not in COLORS:
                last = -1
            joined.append(word)
        return joined

    def _singular_of(self, word: str) -> str:
        return self._singular.get(word, word)

    def _has_thing(self, words: Collection[str]) -> bool:
        return any(word in self._nouns for word in words)

    def _thing_of_color(self, words: Sequence[str], at: int) -> str:
        """The thing behind a color, where only other colors and `and` lie between."""
        for word in words[at + 1 :]:
            if word in self._nouns:
                return word
            if word not in COLORS and word not in _NO_COLORS:
                return ""
        return ""

    def _colors_first(self, words: Sequence[str]) -> list[str]:
        """Words in which `car red`, as is left of "the car is red", is `red car`."""
        ordered = list(words)
        for at in range(1, len(ordered)):
            color, before = ordered[at], ordered[at - 1]
            if (color in COLORS or color in _NO_COLORS) and before in self._nouns and not self._thing_of_color(ordered, at):
                ordered[at - 1 : at + 1] = [color, before]
        return ordered

    def _leave_out_denied(self, reading: Reading) -> None:
        words = reading.words
        for at in range(len(words) - 1, -1, -1):
            if words[at] in _NONE:
                end = at + 1
                while end < len(words) and (words[end] in _SMALL or words[end] in COLORS or words[end] in _NO_COLORS):
                    end += 1
                end += end < len(words) and words[end] in self._nouns
                denied = _without_joints(words[at:end])
                reading.notices.append(f"It cannot be told what not to draw, so {' '.join(denied)} is left out.")
                while at and words[at - 1] in ("and", "with", "but"):
                    at -= 1
                del words[at:end]

    def _say_color(self, color: str, thing: str, reading: Reading) -> None:
        noun = self._singular_of(thing)
        if _OWN_COLOR.get(noun) == color or (noun, color) in (("crown", "gold"), ("panda", "black"), ("rabbit", "grey")):
            return
        if noun and noun not in COLORED:
            reading.notices.append(
                f"{noun} comes in its own colors only, so {color} is not drawn; in colors: {', '.join(COLORED)}."
            )
        else:
            reading.notices.append(f"It knows the colors {', '.join(COLORS)}, so {color} is not drawn.")

    def _say_combinations(self, reading: Reading) -> None:
        words = reading.words
        things = [self._singular_of(word) for word in words if word in self._nouns]
        numbers = [word for word in words if _NUMBERS.get(word, 1) > 1]
        known = "It knows one thing, two things, two to five of a kind, one left of, right of, above or below another"
        if len(things) > 2:
            reading.notices.append(f"{known}, so {len(things)} things in one picture ({', '.join(things)}) may not all be there.")
        elif len(things) == 2 and numbers:
            reading.notices.append(f"{known}, so a number beside another thing may come out wrong.")
        elif len(things) == 2 and things[0] == things[1]:
            reading.notices.append(f"{known}, so two of a kind that differ ({things[0]}) may come out wrong.")
        places = [place for place in PLACES if place in words]
        if len(places) > 1:
            reading.notices.append(f"It paints one background, so of {' and '.join(places)} only one is drawn.")


def _longest(phrases: Collection[str], words: Sequence[str], at: int) -> str:
    """The longest of the phrases that begin at a word; "" for none."""
    fitting = [phrase for phrase in phrases if words[at : at + len(phrase.split())] == phrase.split()]
    return max(fitting, key=len, default="")


def _no_side(relation: str) -> str:
    return f"It knows left of, right of, above and below, so {relation} is drawn as and: anywhere beside each other."


def _without_joints(words: Sequence[str]) -> list[str]:
    """Words without the joints around them, and without an article at their end."""
    kept = list(words)
    while kept and (kept[-1] in _SMALL or kept[-1] in _JOINTS):
        kept.pop()
    while kept and (kept[0] in _JOINTS):
        kept.pop(0)
    return kept


def _drop_loose_ends(words: list[str]) -> None:
    """Joints and articles that end a prompt, as what they led to is unknown."""
    while words and (words[-1] in _SMALL or words[-1] in _JOINTS):
        words.pop()
    while words and words[0] in ("and", "of", "with"):
        words.pop(0)
