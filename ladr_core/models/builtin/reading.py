"""How the emoji model reads a prompt: in training's words as far as they go, and what it says of the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from .combinations import (
    AMOUNTS,
    CARDINALS,
    COLORED,
    COLORS,
    DENIALS,
    NUMBERS,
    OTHER_COLORS,
    amount_notice,
    color_notices,
    combination_notices,
    denial_notice,
    one_color_notice,
    plural_notice,
    relation_notice,
    side_notice,
)
from .phrases import BACKGROUNDS, NO_SIDE, PHRASE_WORDS, SIDES, phrase_at

_ARTICLES = frozenset(("a", "an", "the"))
_JOINTS = frozenset("and with on in at to of".split())
_ALL_COLORS = OTHER_COLORS | set(COLORS)
_BOTH = "both"
_FILLERS = frozenset("please my our your his her their its is are there this that these those i draw show me".split())
"""Words that say nothing about the picture: they are left out without a notice."""
_MEANT = PHRASE_WORDS | OTHER_COLORS | DENIALS | set(AMOUNTS) | {_BOTH} | set(" ".join(NO_SIDE).split())


@dataclass
class Reading:
    """The words that the model is given, the numbers of the written words that mean nothing to it, and notices."""

    words: list[str] = field(default_factory=list)
    unknown: set[int] = field(default_factory=set)
    notices: list[str] = field(default_factory=list)


class Reader:
    """Reads prompts for one vocabulary."""

    def __init__(self, vocabulary: Sequence[str], synonyms: Mapping[str, str]):
        self._vocabulary, self._synonyms = frozenset(vocabulary), synonyms
        self.plurals = {"fish": "fish"}
        for word in vocabulary:
            ends = (word + "s", word + "es", word[:-1] + "ies" if word.endswith("y") else "")
            self.plurals.update((word, many) for many in ends if many in self._vocabulary)
        self._singulars = {many: word for word, many in self.plurals.items()}
        self._nouns = frozenset(self.plurals) | frozenset(self._singulars)

    def read(self, plain_words: Sequence[str]) -> Reading:
        """Read the plain words of a prompt, "" for a sign or a word of another script."""
        reading = Reading()
        seen = [i for i, word in enumerate(plain_words) if self._may_mean(word)]
        reading.unknown = {i for i, word in enumerate(plain_words) if i not in seen and word not in _FILLERS}
        self._reword(plain_words, seen, reading)
        self._leave_out_denied(reading)
        self._move_sides_between(reading)
        self._join(reading)
        self._leave_out_colors(reading)
        self._count(reading)
        self._number_bare_plurals(reading)
        _strip(reading.words)
        singular = [self._singulars.get(word, word) for word in reading.words]
        things = [word for word in singular if word in self.plurals]
        counted = any(NUMBERS.get(word, 1) > 1 for word in singular)
        reading.notices += combination_notices(things, counted, [name for name in BACKGROUNDS if name in singular])
        reading.notices = list(dict.fromkeys(reading.notices))
        return reading

    def _may_mean(self, word: str) -> bool:
        return word in self._vocabulary or word in self._synonyms or word in _MEANT or word.isdecimal()

    def _reword(self, plain_words: Sequence[str], seen: Sequence[int], reading: Reading) -> None:
        """Phrases in training's words; what belongs to a phrase but stands outside of one is unknown."""
        words, at = [plain_words[i] for i in seen], 0
        while at < len(words):
            found = phrase_at(words, at, self._vocabulary)
            if found is not None:
                length, meant = found
                at += length
                if meant in SIDES and not self._is_thing_next(words, at):
                    reading.words.append(meant[2])  # a side of the picture, or of what the model does not know
                    while at < len(words) and (words[at] in _ARTICLES or self._plain(words[at]) == "picture"):
                        at += 1
                elif tuple(reading.words[-len(meant) :]) != meant:  # "at night, starry sky" is at night, once
                    reading.words += meant
                continue
            relation = _longest(NO_SIDE, words, at)
            after = at + len(relation.split())
            if relation and self._is_thing_next(words, after) and self._has_thing(reading.words):
                reading.words.append("and")
                reading.notices.append(relation_notice(relation, "and"))
                at = after
                continue
            word = self._plain(words[at])
            counts = self._is_amount(word) and self._is_thing_next(words, at + 1)
            if counts or word in self._vocabulary or word in _ALL_COLORS or word in DENIALS:
                reading.words.append(word)
            elif word not in _FILLERS:
                reading.unknown.add(seen[at])
            at += 1

    def _plain(self, word: str) -> str:
        return self._synonyms.get(word, word)

    def _is_amount(self, word: str) -> bool:
        return word in AMOUNTS or word == _BOTH or word.isdecimal()

    def _is_thing_next(self, words: Sequence[str], at: int) -> bool:
        """Whether a thing follows at `at`, behind articles, numbers and colors."""
        for written in words[at:]:
            word = self._plain(written)
            if word in self._nouns:
                return True
            if not (word in _ARTICLES or word in _ALL_COLORS or word in NUMBERS or word in AMOUNTS or word == "of"):
                return False
        return False

    def _has_thing(self, words: Collection[str]) -> bool:
        return any(self._plain(word) in self._nouns for word in words)

    def _leave_out_denied(self, reading: Reading) -> None:
        """Drop `no hat` and `without a hat`: what is named is drawn."""
        words = reading.words
        while denials := [i for i, word in enumerate(words) if word in DENIALS]:
            start, end = denials[-1], denials[-1] + 1
            while end < len(words) and (words[end] in _ARTICLES or words[end] in _ALL_COLORS):
                end += 1
            end += end < len(words) and words[end] in self._nouns
            reading.notices.append(denial_notice(" ".join(_strip(words[start:end]))))
            while start and words[start - 1] in ("and", "with"):
                start -= 1
            del words[start:end]

    def _move_sides_between(self, reading: Reading) -> None:
        """Make "X to the left of Y" of "X on the left and Y on the right"."""
        words = reading.words
        sides = [i for i, word in enumerate(words) if word in ("left", "right") and words[i + 1 : i + 2] != ["of"]]
        if not sides:
            return
        bounds = [0, *(i + 1 for i in sides), len(words)]
        side = words[sides[0]]
        parts = [words[a:b] for a, b in zip(bounds, bounds[1:])]
        parts = [_strip([word for word in part if word not in ("left", "right")]) for part in parts[:-1]] + parts[-1:]
        parts[-1] = _strip(parts[-1])
        named = [part for part in parts if self._has_thing(part)]
        rest = [word for part in parts if not self._has_thing(part) for word in part]
        if len(named) == 2:
            reading.words = [*named[0], "to", "the", side, "of", *named[1], *rest]
        else:
            reading.words = [word for part in parts for word in part]
            reading.notices.append(side_notice(side))

    def _join(self, reading: Reading) -> None:
        """Put `and` between things that only a comma parts, and training's relations for `on` and `in` a thing."""
        joined: list[str] = []
        last = -1  # the last thing, if nothing but articles, numbers and colors came after it
        for at, word in enumerate(reading.words):
            if word in self._nouns:
                if last >= 0:
                    joined.insert(last + 1, "and")
                last = len(joined)
            elif not (word in _ARTICLES or word in _ALL_COLORS or self._is_amount(word) or word in NUMBERS):
                last = -1
            if word in ("on", "in", "at") and self._has_thing(joined) and self._is_thing_next(reading.words, at + 1):
                drawn = "above" if word == "on" else "and"
                reading.notices.append(relation_notice(word, drawn))
                word = drawn
            joined.append(word)
        reading.words = joined

    def _leave_out_colors(self, reading: Reading) -> None:
        """Put colors before their things, and drop those that the things do not come in."""
        words = reading.words
        kept: list[str] = []
        for at in range(1, len(words)):
            color, before = words[at], words[at - 1]
            if color in _ALL_COLORS and before in self._nouns and not self._colored_thing(words, at):
                words[at - 1 : at + 1] = [color, before]  # `car red`, as is left of "the car is red"
        for at in range(len(words) - 2, -1, -1):
            more = at + 1 + (words[at + 1] == "and")
            if words[at] in _ALL_COLORS and words[more : more + 1] and words[more] in _ALL_COLORS:
                thing = self._colored_thing(words, more)
                colored = thing in COLORED and words[at] in COLORS
                reading.notices += [one_color_notice(words[at])] if colored else color_notices(words[at], thing)
                del words[at:more]
        for at, word in enumerate(words):
            thing = self._colored_thing(words, at) if word in _ALL_COLORS else ""
            if word not in _ALL_COLORS or (word in COLORS and (thing in COLORED or not thing)):
                kept.append(word)
                continue
            reading.notices += color_notices(word, thing)
            if kept and kept[-1] in ("a", "an"):
                kept[-1] = "an" if words[at + 1 : at + 2] and words[at + 1][0] in "aeiou" else "a"
        reading.words = kept

    def _colored_thing(self, words: Sequence[str], at: int) -> str:
        """The thing (singular) that a color belongs to: other colors alone lie between."""
        for word in words[at + 1 :]:
            if word in self._nouns:
                return self._singulars.get(word, word)
            if word not in _ALL_COLORS:
                return ""
        return ""

    def _count(self, reading: Reading) -> None:
        """Give numbers training's words, and things the singular or plural that fits."""
        words, number = list(reading.words), 0
        kept: list[str] = []
        for at, word in enumerate(words):
            if word == _BOTH:
                thing = next((w for w in words[at + 1 :] if w in self._nouns), "")
                if thing not in self._singulars:
                    continue  # as in "both a cat and a dog"
                word = "two"
                if words[at + 1] in _ARTICLES:
                    words[at + 1] = ""
            elif word in AMOUNTS or (word.isdecimal() and word not in NUMBERS):
                if words[at + 1] == "of":
                    words[at + 1] = ""
                while kept and (kept[-1] in _ARTICLES or kept[-1] in NUMBERS):
                    kept.pop()
                following = [w for w in words[at + 1 :] if w][:1]
                if following and (following[0] in NUMBERS or following[0] in AMOUNTS):
                    if word not in CARDINALS:
                        continue  # as in "a group of five cats"
                    words[at + 1] = ""  # as in "twenty-two cats"
                drawn = AMOUNTS.get(word, "five")
                reading.notices.append(amount_notice(word, drawn))
                word = drawn
            if word in NUMBERS and kept and kept[-1] in ("a", "an"):
                kept.pop()  # as in "a single tulip"
            if word in NUMBERS or word in ("a", "an"):
                number = NUMBERS.get(word, 1)
            elif word in self._nouns:
                forms: Mapping[str, str] = ({}, self._singulars, self.plurals)[min(number, 2)]
                word, number = forms.get(word, word), 0
            if word:
                kept.append(word)
        reading.words = kept

    def _number_bare_plurals(self, reading: Reading) -> None:
        """Make three of `cats`, and one of each where two things are named: training said how many, always."""
        words = reading.words
        alone = sum(word in self._nouns for word in words) == 1
        for at in range(len(words) - 1, -1, -1):
            word = words[at]
            if self._singulars.get(word, word) == word:
                continue
            first = at
            while first and words[first - 1] in _ALL_COLORS:
                first -= 1
            before = words[first - 1] if first else ""
            if before in NUMBERS:
                continue
            words[at] = word if alone else self._singulars[word]
            article = "an" if words[first][0] in "aeiou" else "a"
            words[first - (before in _ARTICLES) : first] = ["three" if alone else article]
            reading.notices.append(plural_notice(word, "three" if alone else "one"))


def _longest(phrases: Collection[str], words: Sequence[str], at: int) -> str:
    """The longest of the phrases that begin at a word; "" for none."""
    fitting = [phrase for phrase in phrases if list(words[at : at + len(phrase.split())]) == phrase.split()]
    return max(fitting, key=len, default="")


def _strip(words: list[str]) -> list[str]:
    """The list without the joints that begin and the joints and articles that end it: what they led to is unknown."""
    while words and (words[-1] in _ARTICLES or words[-1] in _JOINTS):
        words.pop()
    while len(words) > 1 and words[0] in ("and", "of", "with"):
        words.pop(0)
    return words
