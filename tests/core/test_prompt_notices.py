"""Words and signs of any script, and what prompts for other models hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladr_core.prompt_notices import habit_notices, plain_text, split_words

WORDS = {
    "a red circle, two stars!": ["a", "red", "circle", "two", "stars"],
    "don't": ["don", "t"],
    "un círculo": ["un", "circulo"],
    "ｔｗｏ ３ circles": ["two", "3", "circles"],
    "red_circle": ["red", "circle"],
    "红circle": ["", "circle"],
    "красный круг": ["", ""],
    "a 👩‍🚀👍🏽 star": ["a", "", "star"],
    "": [],
    "... ,": [],
}


@pytest.mark.parametrize(("text", "plain"), WORDS.items())
def test_words(text, plain):
    assert [word for _, word in split_words(text)] == plain


def test_words_are_shown_as_they_are_written():
    assert [written for written, _ in split_words("un círculo 👩‍🚀, वृत्त!")] == ["un", "círculo", "👩‍🚀", "वृत्त"]


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_no_word_is_lost_or_empty(text):
    words = split_words(text)
    assert all(written and written in text.replace("\n", " ") or written in text for written, _ in words)
    assert all(plain == "" or (plain.isascii() and plain.isalnum()) for _, plain in words)


@given(st.from_regex(r"[a-z0-9 ,.!-]*", fullmatch=True))
def test_plain_english_is_split_as_it_always_was(text):
    import re

    assert [plain for _, plain in split_words(text)] == re.findall(r"[a-z0-9]+", text)


HABITS = [
    "(fox:1.2)", "((fox))", "[fox:0.5]", "[fox:dog:0.5]", "[fox|dog]", "{fox|dog}", "__animal__",
    "embedding:EasyNegative", "<lora:sharp:0.8>", "<lyco:x:1>", "<hypernet:x:1>", "BREAK", "AND",
    "--ar 16:9", "--no dogs",
]  # fmt: skip


@pytest.mark.parametrize("habit", HABITS)
def test_habits_of_other_models_are_shown_whole(habit):
    (notice,) = habit_notices(f"a red {habit}, in the snow")
    assert notice.startswith(f"{habit} is plain text to a dLLM")


ORDINARY = [
    "a (red) fox, 1:2", "time 12:30", "a fox [1]", "rock and roll", "well-known", "a -- b", "snake_case", "a\nb\tc",
]  # fmt: skip


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_texts_get_no_notice(text):
    assert habit_notices(text) == []


def test_halves_of_characters_and_invisible_ones_are_said():
    assert "half of a character" in habit_notices("a \ud800 fox")[0]
    assert plain_text("a \ud800 fox") == "a ? fox" and plain_text("a fox") == "a fox"
    assert "U+0007, U+202E" in habit_notices("a\x07 fox\u202e")[0]


@given(st.text())
def test_notices_can_be_shown_whatever_the_prompt(text):
    for notice in habit_notices(text):
        notice.encode()
        assert "\n" not in notice and len(notice) < 2000
    plain_text(text).encode()
