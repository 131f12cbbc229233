"""What the emoji world can show: nouns with their icon, plural and synonyms, and the colors some of them come in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Noun:
    """A thing with its name, the icon that shows it, its plural, other words for it, and whether it is recolored."""

    name: str
    icon: str
    plural: str = ""
    synonyms: tuple[str, ...] = ()
    recolored: bool = False

    @property
    def plural_name(self) -> str:
        """The word for several of them."""
        return self.plural or self.name + "s"


NATURAL = "natural"
"""The color of a thing whose caption names none: that of the artwork."""

COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.0, 0.88, 0.9),
    "yellow": (0.14, 0.85, 1.0),
    "green": (0.35, 0.75, 0.72),
    "blue": (0.6, 0.8, 0.9),
    "purple": (0.76, 0.65, 0.75),
    "pink": (0.92, 0.5, 1.0),
}
"""Hue, saturation and value, each 0 ... 1, that the main hue of a recolored thing is moved to."""

NOUNS = (
    Noun("fox", "fox", "foxes"),
    Noun("bear", "bear"),
    Noun("cat", "cat-face", synonyms=("kitty", "kitten", "kitties", "kittens")),
    Noun("dog", "dog-face", synonyms=("puppy", "doggy", "puppies")),
    Noun("lion", "lion"),
    Noun("panda", "panda"),
    Noun("pig", "pig-face", synonyms=("piglet", "piglets", "piggy")),
    Noun("rabbit", "rabbit-face", synonyms=("bunny", "hare", "bunnies", "hares")),
    Noun("penguin", "penguin"),
    Noun("owl", "owl"),
    Noun("turtle", "turtle", synonyms=("tortoise", "tortoises")),
    Noun("frog", "frog", synonyms=("toad", "toads")),
    Noun("octopus", "octopus", "octopuses", synonyms=("octopi",)),
    Noun("bee", "honeybee", synonyms=("honeybee", "honeybees")),
    Noun("butterfly", "butterfly", "butterflies", recolored=True),
    Noun("fish", "fish", "fish", synonyms=("fishes",), recolored=True),
    Noun("apple", "red-apple", recolored=True),
    Noun("banana", "banana"),
    Noun("strawberry", "strawberry", "strawberries"),
    Noun("pizza", "pizza"),
    Noun("doughnut", "doughnut", synonyms=("donut", "donuts")),
    Noun("hamburger", "hamburger", synonyms=("burger", "cheeseburger", "burgers", "cheeseburgers")),
    Noun("cactus", "cactus", "cactuses", synonyms=("cacti",)),
    Noun("sunflower", "sunflower"),
    Noun("tulip", "tulip", synonyms=("flower", "flowers"), recolored=True),
    Noun("mushroom", "mushroom", synonyms=("toadstool", "toadstools"), recolored=True),
    Noun("car", "automobile", synonyms=("auto", "automobile", "autos", "automobiles"), recolored=True),
    Noun("bus", "bus", "buses", recolored=True),
    Noun("airplane", "airplane", synonyms=("plane", "aeroplane", "jet", "planes", "aeroplanes", "jets")),
    Noun("rocket", "rocket", synonyms=("spaceship", "spaceships")),
    Noun("sailboat", "sailboat", synonyms=("boat", "ship", "boats", "ships"), recolored=True),
    Noun("train", "locomotive", synonyms=("locomotive", "locomotives")),
    Noun("house", "house", synonyms=("home", "cottage", "homes", "cottages")),
    Noun("umbrella", "umbrella", synonyms=("parasol", "parasols"), recolored=True),
    Noun("balloon", "balloon", recolored=True),
    Noun("gift", "wrapped-gift", synonyms=("present", "presents"), recolored=True),
    Noun("book", "closed-book", recolored=True),
    Noun("crown", "crown"),
    Noun("guitar", "guitar", recolored=True),
    Noun("backpack", "backpack", synonyms=("rucksack", "rucksacks"), recolored=True),
)
BY_NAME = {noun.name: noun for noun in NOUNS}
