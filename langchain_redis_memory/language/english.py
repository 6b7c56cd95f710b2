"""English word lists and irregular forms of this room, as data in `english.json`.

A list is a string of words, a table maps words to strings. Each group belongs to one task; what the classifiers read is
a file of its own (`lexicons/en.json`), because another language may take its place.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

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
    """Returns a list of groups of words."""
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
