"""What the emoji model can combine - colors, numbers, sides, backgrounds - and how it is said that it cannot.

Training's own tables are in the lab, which the archive leaves out; tests/lab/test_prompt_phrases.py compares them.
"""

from __future__ import annotations

from collections.abc import Sequence

COLORS = ("red", "yellow", "green", "blue", "purple", "pink")
COLORED = ("butterfly", "fish", "apple", "tulip", "mushroom", "car", "bus", "sailboat", "umbrella", "balloon", "gift",
           "book", "guitar", "backpack")  # fmt: skip
"""Things that come in all colors; the others have those of their artwork."""
NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "2": 2, "3": 3, "4": 4, "5": 5}
OTHER_COLORS = frozenset(
    "orange white black brown gray gold silver beige cyan turquoise teal tan cream ivory bronze rainbow colorful "
    "multicolored maroon indigo grey colourful".split()  # the last two as prompts spell them
)
"""Colors that training never named."""
CARDINALS = frozenset(
    "six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty "
    "thirty forty fifty sixty seventy eighty ninety hundred thousand".split()
)
_MANY = "many lots lot bunch group dozen dozens flock pack herd crowd hundreds thousands countless".split()
AMOUNTS = dict.fromkeys("some few several multiple various".split(), "three")
AMOUNTS |= dict.fromkeys((*_MANY, *sorted(CARDINALS)), "five")
"""Amounts that training never named, and the number that is drawn for them."""
DENIALS = frozenset(("no", "without", "zero", "0", "not"))
_OWN_COLORS = {
    "fox": "orange", "bear": "brown", "cat": "yellow", "lion": "brown", "pig": "pink",
    "rabbit": "gray grey",  # as prompts spell it
    "panda": "black white", "owl": "brown", "turtle": "green", "frog": "green", "octopus": "red", "bee": "yellow",
    "banana": "yellow", "strawberry": "red", "doughnut": "brown", "cactus": "green", "sunflower": "yellow",
    "airplane": "blue", "crown": "yellow gold",
}  # fmt: skip
"""The color that the artwork has, where one is plainly its own."""
_KNOWN = (
    "The built-in model knows one thing, two things, two to five of a kind, and one left of, right of, above or below "
    "another"
)


def color_notices(color: str, noun: str) -> list[str]:
    """What to say of a color that is left out; nothing where the noun ("" for none) looks like that anyway."""
    if color in _OWN_COLORS.get(noun, "").split():
        return []
    if noun and noun not in COLORED:
        colored = ", ".join(COLORED)
        only = f"The built-in model has {noun} in its own colors only, so {color} is not drawn"
        return [f"{only}; in colors: {colored}."]
    return [f"The built-in model knows the colors {', '.join(COLORS)}, so {color} is not drawn."]


def one_color_notice(color: str) -> str:
    """What to say of the first of two colors of a thing."""
    return f"A thing has one color, so {color} is not drawn."


def amount_notice(amount: str, drawn: str) -> str:
    """What to say of an amount that is no number it knows."""
    return f"The built-in model counts from two to five, so {amount} is drawn as {drawn}."


def plural_notice(things: str, drawn: str) -> str:
    """What to say of several things whose number is not said."""
    return f"No number is said of {things}, so {drawn} is drawn."


def denial_notice(denied: str) -> str:
    """What to say of a thing that is not to be drawn."""
    return f"The built-in model cannot be told what not to draw, so {denied} is left out."


def relation_notice(relation: str, drawn: str) -> str:
    """What to say of a relation that is none of the four sides."""
    return f"The built-in model knows left of, right of, above and below, so {relation} is drawn as {drawn}."


def side_notice(side: str) -> str:
    """What to say of a side of the picture, where no other thing is named."""
    return f"The built-in model places a thing only beside another one, so {side} is not drawn."


def combination_notices(things: Sequence[str], counted: bool, backgrounds: Sequence[str]) -> list[str]:
    """What to say of things (singular), of whether a number from two on is among them, and of backgrounds."""
    notices = []
    if len(things) > 2:
        notices.append(f"{_KNOWN}; {len(things)} things ({', '.join(things)}) will hardly all be there.")
    elif len(things) == 2 and counted:
        notices.append(f"{_KNOWN}; numbers beside another thing are drawn by chance.")
    elif len(things) == 2 and things[0] == things[1]:
        notices.append(f"{_KNOWN}; two of a kind that are named apart ({things[0]}) may come out wrong.")
    if len(backgrounds) > 1:
        named = ", ".join(backgrounds)
        notices.append(f"The built-in model paints one background, so not all of {named} can be drawn.")
    return notices
