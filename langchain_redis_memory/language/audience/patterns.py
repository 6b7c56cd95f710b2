"""Patterns of a sentence's words: its words, pairs and triples, where a rare word counts by what it ends in.

The signs are what was thought of; the patterns are what was left: "which ... did" with a name behind it, "is the ...
open". A word is common if it occurs in many domains, so that a pattern tells of the form, and of no subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

HEAD, TAIL = 16, 8
"""Of a long sentence so many words are read, from its start and its end."""
_ENDINGS = (
    ("ing", "+ing"),
    ("ed", "+ed"),
    ("en", "+ed"),
    ("ly", "+ly"),
    *((ending, "+adj") for ending in "able ible ic al ous ful ive ary".split()),
    *((ending, "+n") for ending in "tion ment ness ity ance ence".split()),
    ("s", "+s"),
)
_SHORTEST = 5
"""A word of fewer letters has no ending that tells anything."""


def shape(word: str) -> str:
    """Returns what a word counts as that is not common and no name: a number, or its ending."""
    if word[0].isdigit():
        return "#"
    if len(word) >= _SHORTEST:
        for ending, kind in _ENDINGS:
            if word.endswith(ending):
                return kind
    return "+"


def patterns(words: Sequence[str], capitals: Sequence[bool], mark: str, common: frozenset[str]) -> list[str]:
    """Finds the patterns of a sentence.

    Returns:
        Their names; each has a colon in it, which no sign has.
    """
    named = False in capitals
    inside = [word if word in common else shape(word) for word in words]
    if named:
        inside[1:] = ["Name" if capital else word for word, capital in zip(inside[1:], capitals[1:], strict=True)]
    size = len(inside)
    if size > HEAD + TAIL:
        inside = inside[:HEAD] + inside[-TAIL:]
    asks = "?" if mark == "?" else ""
    first = inside[0]
    row = ["^", *inside, "$"]
    found = [f"w:{word}" for word in inside]
    found += [f"b:{one} {two}" for one, two in pairwise(row)]
    for one, two, three in zip(row, row[1:], row[2:], strict=False):
        found += (f"t:{one} {two} {three}", f"s:{one} _ {three}")
    found += (f"f:{first} {asks}", f"n:{min(size, 12)} {asks}", f"l:{first} .. {inside[-1]}")
    found.append(f"m:{' '.join(inside[:2])} .. {inside[-1]}")
    return found
