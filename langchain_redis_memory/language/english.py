"""English word lists and irregular forms of this room, as data in `english.json`.

A list is a string of words, a table maps words to strings. Each group belongs to one task; what the classifiers read is
a file of its own (`lexicons/en.json`), because another language may take its place.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from langchain_redis_memory.language.lazy_pattern import lazy_pattern

_APOSTROPHE = str.maketrans({"\u2019": "'", "\u02bc": "'"})


class Replacement(NamedTuple):
    """A phrasing with what replaces it.

    Args:
        pattern: A regular expression.
        plain: What replaces it.
        needs: Texts of which one is in each text that it fits, as to see that none is there is faster; none for any.
    """

    pattern: str
    plain: str
    needs: tuple[str, ...] = ()

    @classmethod
    def of(cls, pattern: str, plain: str, needs: str = "") -> Replacement:
        """Reads a row of a file, where bars part what it needs."""
        return cls(pattern, plain, tuple(needs.split("|")) if needs else ())


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
    """Returns a list of groups of words."""
    return list(_data()[group][name])


def replacements(group: str, name: str) -> list[Replacement]:
    """Returns phrasings with what replaces them, in the order in which they are applied."""
    return [Replacement.of(*row) for row in _data()[group][name]]


def straight(text: str) -> str:
    """Returns a text with straight apostrophes."""
    return text.translate(_APOSTROPHE)


_UNSEEN = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    r"\ufeff\uffa0\U000e0000-\U000e0fff"
)
_INVISIBLE = lazy_pattern(f"[{_UNSEEN}]+")
_INSIDE = lazy_pattern(rf"[^\W_][{_UNSEEN}]+[^\W_]")


def visible(text: str) -> str:
    """Returns a text without characters that nobody sees: zero-width spaces, soft hyphens, marks of direction."""
    return _INVISIBLE.sub("", text)


def hidden_inside(text: str) -> bool:
    """Returns whether a character that nobody sees stands inside a word: what a model reads there nobody can tell."""
    return _INSIDE.search(text) is not None
