"""How the emoji model reads what people write: phrases, numbers, colors, and what it says that it cannot draw."""

from __future__ import annotations

import pytest

from ladr_core.models.builtin.combinations import AMOUNTS, COLORED, COLORS, NUMBERS
from ladr_core.models.builtin.layout import SHAPES
from ladr_core.models.builtin.loading import load_builtin, shipped_models
from ladr_core.models.builtin.phrases import BACKGROUNDS
from ladr_core.prompt_notices import split_words

MODEL = load_builtin()
LAYOUT = MODEL.layout
SAME = {
    "two rockets in the night sky": "two rockets at night",
    "a bear under the stars": "a bear at night",
    "a car at midnight": "a car at night",
    "a rocket in outer space": "a rocket at night",
    "a lion in the desert": "a lion on sand",
    "a turtle on the sandy beach": "a turtle on sand",
    "a boat in the deep blue ocean": "a sailboat on the sea",
    "a fish in the water": "a fish on the sea",
    "three cats on green grass": "three cats on a meadow",
    "two dogs in the kitchen": "two dogs in a room",
    "a cat in the living room": "a cat in a room",
    "a bear in our house": "a bear in a room",
    "an owl indoors": "an owl in a room",
    "a rabbit in winter": "a rabbit in the snow",
    "a penguin on ice": "a penguin in the snow",
    "a red balloon against a clear blue sky": "a red balloon in the sky",
    "an airplane on a sunny day": "an airplane in the sky",
    "a book on my desk": "a book on a table",
    "a cat next to a dog": "a cat and a dog",
    "a cat near a house": "a cat and a house",
    "a cat on top of a car": "a cat above a car",
    "a frog underneath a mushroom": "a frog under a mushroom",
    "an owl on the left of a house": "an owl to the left of a house",
    "a bus at the left side of a train": "a bus to the left of a train",
    "a fox left from a bear": "a fox to the left of a bear",
    "a gift on the right-hand side of a book": "a gift to the right of a book",
    "the fox on the left and the owl on the right": "the fox to the left of the owl",
    "a pair of owls": "two owls",
    "a couple of dogs at night": "two dogs at night",
    "both cats": "two cats",
    "both a cat and a dog": "a cat and a dog",
    "one foxes": "one fox",
    "three red car": "three red cars",
    "a kitty-cat": "a cat",
    "a panda bear": "a panda",
    "a hot-air balloon in the clouds": "a balloon in the sky",
    "a fox & an owl": "a fox and an owl",
    "a fox, an owl": "a fox and an owl",
    "a car that is red": "a red car",
    "a pink pig": "a pig",
    "a golden crown": "a crown",
    "a single tulip": "one tulip",
    "two owls at night, starry sky": "two owls at night",
    "an owl on the left side of the picture and a bus on the right side of the picture": "an owl to the left of a bus",
}
SAID = {
    "a green crown": ("a crown", "has crown in its own colors only, so green is not drawn"),
    "an orange cat": ("a cat", "orange is not drawn; in colors: butterfly, fish, apple"),
    "a white rabbit": ("a rabbit", "white is not drawn"),
    "a black car": ("a car", "The built-in model knows the colors red, yellow, green, blue, purple, pink, so black"),
    "a red and blue car": ("a blue car", "one color, so red"),
    "6 cats": ("five cats", "from two to five, so 6 is drawn as five"),
    "ten cats": ("five cats", "ten is drawn as five"),
    "a lot of cats": ("five cats", "lot is drawn as five"),
    "a few cats": ("three cats", "few is drawn as three"),
    "no cats": ("", "no cats is left out"),
    "cats": ("three cats", "No number is said of cats, so three is drawn"),
    "the red cars at night": ("three red cars at night", "No number is said of cars"),
    "owls and a fox": ("an owl and a fox", "so one is drawn"),
    "a dog without a green crown": ("a dog", "without a green crown is left out"),
    "a cat on a book": ("a cat above a book", "on is drawn as above"),
    "a cat behind the car": ("a cat and the car", "behind is drawn as and"),
    "a cat in front of a house": ("a cat and a house", "in front of is drawn as and"),
    "a cat inside a gift": ("a cat and a gift", "inside is drawn as and"),
    "a fox on the left": ("a fox", "only beside another one"),
    "a fox on the right side of the picture": ("a fox", "so right is not drawn"),
    "twenty-two cats": ("five cats", "twenty is drawn as five"),
    "two cats and three dogs": ("two cats and three dogs", "numbers beside another thing"),
    "a cat, a dog and a fox": ("a cat and a dog and a fox", "3 things (cat, dog, fox)"),
    "a red car and a blue car": ("a red car and a blue car", "two of a kind that are named apart (car)"),
    "a cactus in the desert at night": ("a cactus on sand at night", "one background"),
}


def read(text: str) -> str:
    return " ".join(LAYOUT.words[number - 3] for number in LAYOUT.word_ids(text))


@pytest.mark.parametrize("text", SAME)
def test_phrases_are_read_in_the_words_of_training(text):
    assert read(text) == SAME[text]
    assert LAYOUT.reading_notices(text) == []


@pytest.mark.parametrize("text", SAID)
def test_what_it_cannot_draw_is_said_in_one_sentence(text):
    meant, said = SAID[text]
    (notice,) = LAYOUT.reading_notices(text)
    assert read(text) == meant and said in notice
    assert notice in MODEL.prompt_notices(text)


def test_two_things_without_numbers_are_one_of_each():
    assert read("cats and dogs in the snow") == "a cat and a dog in the snow"
    assert len(LAYOUT.reading_notices("cats and dogs in the snow")) == 2


@pytest.mark.parametrize("text", [*SAME, *SAID])
def test_what_was_read_reads_the_same(text):
    assert read(read(text)) == read(text)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_every_name_of_a_background_becomes_its_phrase(background):
    phrase, names = BACKGROUNDS[background]
    for name in names.split("; "):
        for text in (f"a fox in {name}", f"two owls in the {name}", f"a red car in our {name}"):
            assert background in read(text).split() and MODEL.prompt_notices(text) == [], text
    assert read(f"a fox {phrase}") == f"a fox {phrase}"


@pytest.mark.parametrize("amount", [*AMOUNTS, "6", "77"])
def test_every_amount_becomes_a_number_that_it_knows(amount):
    assert NUMBERS[read(f"{amount} red apples").split()[0]] > 1
    assert len(MODEL.prompt_notices(f"{amount} red apples")) == 1


def test_every_thing_has_the_colors_it_comes_in():
    nouns = [word for word in LAYOUT.words if word + "s" in LAYOUT.words or word in COLORED]
    for noun in nouns:
        for color in COLORS:
            assert (read(f"the {color} {noun}") == f"the {color} {noun}") == (noun in COLORED), (noun, color)


def test_words_that_say_nothing_about_the_picture_are_left_out_without_a_notice():
    same = {"My red car, please": "red car", "There is a fox": "a fox", "draw me two cats": "two cats"}
    for text, meant in same.items():
        assert read(text) == meant and MODEL.prompt_notices(text) == []


def test_unknown_words_are_still_named():
    assert LAYOUT.known_words("a teddy bear, on a plate in the night sky") == [
        ("a", True), ("teddy", False), ("bear", True), ("on", True), ("a", True), ("plate", False), ("in", True),
        ("the", True), ("night", True), ("sky", True),
    ]  # fmt: skip
    assert "hat" in MODEL.prompt_notices("a cat with a hat")[0]
    for apart in ("pair", "2024", "living", "clear"):  # a part of a phrase, or a number, by itself
        assert (apart, False) in LAYOUT.known_words(f"a fox {apart}")


def test_any_words_in_any_order_are_read():
    words = "a two 5 and on in of the left right below red sky night fox cats many no both orange 6 next beach".split()
    for first in words:
        for second in words:
            for text in (f"{first} {second}", f"a {first} fox {second}", f"{second} {first} cats and"):
                assert len(LAYOUT.encode_text(text)) == 24
                assert len(LAYOUT.known_words(text)) == len(split_words(text))


def test_the_shapes_read_word_by_word():
    layout = load_builtin(shipped_models()[SHAPES]).layout
    ids = {word: 3 + i for i, word in enumerate(layout.words)}
    text = "three circle next to a red square on the left side of a sky in the night"
    assert layout.word_ids(text) == [ids.get(word, 1) for word in text.split()]
    assert layout.reading_notices(text) == []
