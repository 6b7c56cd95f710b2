"""English word lists and irregular forms of this room, as data in `english.json`.

A list is a string of words, a table maps words to strings. Each group belongs to one task; what the classifiers read is
a file of its own (`lexicons/en.json`), because another language may take its place.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from langchain_redis_memory.language.lazy_pattern import lazy_pattern

_SUFFIX = lazy_pattern(r"(?:['\u2019]s?|ies|ied|ing|ed|es|s|e|y)$")
_APOSTROPHE = str.maketrans({"\u2019": "'", "\u02bc": "'"})


@cache
def _data() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((resources.files(__package__) / "english.json").read_text("utf-8"))
    return found


def word_list(group: str, name: str) -> frozenset[str]:
    """Returns a word list."""
    return frozenset(str(_data()[group][name]).split())


def table(group: str, name: str) -> dict[str, str]:
    """Returns a table of words."""
    return dict(_data()[group][name])


def lines(group: str, name: str) -> list[str]:
    """Returns a list of groups of words.

    Returns:
        The groups, each a string of words.
    """
    return list(_data()[group][name])


def replacements(group: str, name: str) -> list[tuple[str, str]]:
    """Returns phrasings with what replaces them.

    Returns:
        Pairs (regular expression, replacement), in the order in which they are applied.
    """
    return [(pattern, plain) for pattern, plain in _data()[group][name]]


def straight(text: str) -> str:
    """Returns a text with straight apostrophes."""
    return text.translate(_APOSTROPHE)


def ends_like_plural(word: str) -> bool:
    """Returns whether a lower-cased word has the ending of a regular plural.

    Returns:
        True for "cars", not for "bus" or "his".
    """
    return word.endswith("s") and not word.endswith(("ss", "us", "is", "'s"))


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """Returns the stem of a word: a prefix of it, three letters or more.

    Returns:
        The stem: the same for "recipe" and "recipes", "company" and "companies", "stop" and "stopped".
    """
    cut = _SUFFIX.sub("", word)
    if len(cut) < 3 or not any(vowel in cut for vowel in "aeiouy"):
        return word
    if cut != word and cut[-1] == cut[-2] and cut[-1] not in "aeiouls":
        return cut[:-1]
    return cut[:-1] if cut[-1] in "eiy" and len(cut) > 3 else cut


def singular(word: str) -> str:
    """Returns a noun without its plural ending, roughly.

    Returns:
        "city" for "cities", "car" for "cars", "bus" for "bus".
    """
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and ends_like_plural(word) else word
