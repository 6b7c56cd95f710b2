"""Words that exclude each other, and words that may stand for each other, as data in `contrasts.json`.

Two members of one closed class (days, months, colours, units, languages ...) never mean the same, nor do two opposite
prepositions of one word. A group joined by "/" in a class counts as one member. Synonyms are those of everyday
questions that WordNet lacks: a price is a cost.
"""

from __future__ import annotations

import json
from collections import defaultdict
from importlib import resources
from typing import Any

from langchain_redis_memory.language.english import Replacement

_DATA: dict[str, Any] = json.loads(resources.files(__package__).joinpath("contrasts.json").read_text("utf-8"))


def spelled_pairs(text: str) -> frozenset[tuple[str, str]]:
    """Returns pairs that are spelled "a/b", in both orders."""
    both = [pair.split("/") for pair in text.split()]
    return frozenset((a, b) for a, b in both) | frozenset((b, a) for a, b in both)


def _members() -> dict[str, dict[str, int]]:
    """The classes of each word, with the number of its group in the class."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for name, listed in _DATA["classes"].items():
        for number, group in enumerate(listed.split()):
            for word in group.split("/"):
                found[word][name] = number
    return dict(found)


def _groups() -> dict[str, frozenset[int]]:
    """The numbers of the groups of synonyms that each word is in."""
    found: dict[str, set[int]] = defaultdict(set)
    for number, group in enumerate(_DATA["synonyms"].split()):
        for word in group.split("/"):
            found[word].add(number)
    return {word: frozenset(numbers) for word, numbers in found.items()}


_MEMBERS = _members()
_GROUPS = _groups()
_NO_GROUP: frozenset[int] = frozenset()
MORE_OPPOSITES = spelled_pairs(_DATA["opposites"])
OPPOSITE_PREPOSITIONS = spelled_pairs(_DATA["prepositions"])
MORE_PHRASES: list[Replacement] = [Replacement.of(*row) for row in _DATA["phrases"]]
"""Phrasings with what replaces them, after those of `english.json`."""


def classes() -> list[list[str]]:
    """Returns the closed classes, one word for each member."""
    return [[group.partition("/")[0] for group in listed.split()] for listed in _DATA["classes"].values()]


def contrasted(a: str, b: str) -> str:
    """Returns the closed class of which two lemmas are different members.

    Returns:
        The name of the class, such as "day"; empty where there is none, or where another class holds both as one.
    """
    mine, theirs = _MEMBERS.get(a), _MEMBERS.get(b)
    if mine is None or theirs is None:
        return ""
    shared = [name for name in mine if name in theirs]
    return shared[0] if shared and all(mine[name] != theirs[name] for name in shared) else ""


def interchangeable(a: str, b: str) -> bool:
    """Returns whether two lemmas are in one group of synonyms, or one member of a class.

    Returns:
        Whether one may stand for the other in a question.
    """
    if _GROUPS.get(a, _NO_GROUP) & _GROUPS.get(b, _NO_GROUP):
        return True
    mine, theirs = _MEMBERS.get(a), _MEMBERS.get(b)
    return bool(mine and theirs and any(theirs.get(name) == number for name, number in mine.items()))
