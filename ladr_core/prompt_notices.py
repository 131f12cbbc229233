"""What prompts written for other models hold that a dLLM reads as plain text, and characters that are no text."""

from __future__ import annotations

import re
import unicodedata

from .errors import cut

_MOST_LISTED = 8
_HABITS = re.compile(
    r"""
      \([^()]{1,200}:\s*[\d.]+\s*\)              # (word:1.2), a weight
    | \({2,}[^()]{1,200}\){2,}                   # ((word)), a weight
    | \[[^\[\]]{1,200}:[^\[\]]{0,200}:\s*[\d.]+\s*\]  # [from:to:when]
    | \[[^\[\]]{1,200}:\s*[\d.]+\s*\]            # [word:when]
    | \[[^\[\]]{1,200}\|[^\[\]]{1,200}\]         # [a|b], alternating
    | \{[^{}]{0,200}\|[^{}]{0,200}\}             # {a|b}, a choice of dynamic prompts
    | __[\w./*-]{1,100}__                        # a wildcard
    | \bembedding:[^\s,()<>]{1,200}              # a textual inversion
    | <(?:lora|lyco|hypernet)[^<>]{0,200}>       # a LoRA named in the prompt
    | \bBREAK\b | \bAND\b                        # parts that other models encode apart
    | (?<!\S)--(?:ar|v|niji|no|style|stylize|s|q|chaos|seed|iw|tile)\b(?:\s+[\w:.]+)?  # options of other services
    """,
    re.VERBOSE,
)


def plain_text(text: str) -> str:
    """The text with half characters (lone surrogates, which no file or tokenizer can hold) replaced."""
    return text.encode("utf-8", "replace").decode("utf-8") if _is_broken(text) else text


def habit_notices(text: str) -> list[str]:
    """What of a prompt has no effect, or not the one that other models give it: a sentence each."""
    notices = []
    found = list(dict.fromkeys(match[0] for match in _HABITS.finditer(text)))
    if found:
        are = "is" if len(found) == 1 else "are"
        notices.append(
            f"{listed(found)} {are} plain text to a dLLM: weights, embeddings, LoRAs, wildcards and switches in a "
            "prompt have no effect."
        )
    if _is_broken(text):
        notices.append("The prompt holds half of a character (a lone surrogate), which is read as a question mark.")
    unseen = list(dict.fromkeys(f"U+{ord(character):04X}" for character in text if _is_unseen(character)))
    if unseen:
        notices.append(f"The prompt holds characters that cannot be seen: {listed(unseen)}.")
    return notices


def listed(texts: list[str]) -> str:
    """Texts of a prompt for a sentence: each one whole, or its end left out where it is very long."""
    more = f" and {len(texts) - _MOST_LISTED} more" if len(texts) > _MOST_LISTED else ""
    return ", ".join(cut(text, 100) for text in texts[:_MOST_LISTED]) + more


def split_words(text: str) -> list[tuple[str, str]]:
    """The words and signs of a text: each as it is written, and as plain small letters and digits.

    Accents and full-width forms are taken off; what has no Latin letters or digits then has an empty second part.
    A sign such as an emoji counts as a word, however many characters make it up; punctuation does not.
    """
    words: list[tuple[str, str]] = []
    for match in re.finditer(r"\S+", text):
        written, kind = "", ""
        for character in [*match[0], " "]:
            found = _kind(character)
            if found == "joined" and written:
                written += character
                continue
            if found != kind or not found:
                if written:
                    words.append((written, _plain(written)))
                written = ""
            kind = found
            written += character if found and found != "joined" else ""
    return words


def _kind(character: str) -> str:
    """Latin letters and digits are one kind, other letters another, signs a third; nothing for what separates words."""
    category = unicodedata.category(character)
    if category[0] in "LN":
        return "word" if _plain(character) else "foreign"
    if category[0] == "M" or category == "Cf" or category == "Sk":
        return "joined"  # accents, joiners, skin tones: part of what stands before
    return "sign" if category == "So" else ""


def _plain(written: str) -> str:
    """Small Latin letters and digits of a word, nothing where it has others."""
    apart = unicodedata.normalize("NFKD", written.casefold())
    bare = "".join(character for character in apart if not unicodedata.category(character).startswith(("M", "C")))
    return bare if bare.isascii() and bare.isalnum() else ""


def _is_broken(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _is_unseen(character: str) -> bool:
    """Control characters and invisible marks, other than line breaks, tabs and the joiners within words and emoji."""
    category = unicodedata.category(character)
    return (category == "Cc" and character not in "\n\r\t") or (category == "Cf" and character not in "\u200c\u200d")
