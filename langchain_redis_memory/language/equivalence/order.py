"""Compares the order of two questions over their paired words: what was moved, and what was exchanged.

A phrase that moves as a whole, under its own preposition, asks the same ("In Excel, how do I ..."); words that take
each other's place do not. So runs of words that stay together count as one block, and for each two blocks in another
order their surroundings are compared: with those of the same block in the other text, and of the other block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from langchain_redis_memory.language.equivalence.parse import ParsedQuestion, Word
from langchain_redis_memory.language.equivalence.relations import WIDER

_MOST_WORDS = 40
"""Paired words whose order is compared."""
_LIST = 3
"""The tokens from one item of a list to the next: "tea and the coffee"."""


class Order(NamedTuple):
    """How the order of the paired words differs.

    Args:
        inversions: Pairs of words in another order, lists ("tea and coffee") and moved phrases left out.
        moved: Pairs of words in another order because a phrase moved.
        exchanged: Pairs of words that have each other's neighbour.
        crossed: Pairs of blocks whose surroundings are rather each other's than their own.
        roles: Whether two words have exchanged their prepositions.
        governed: Words under another preposition.
    """

    inversions: int
    moved: int
    exchanged: int
    crossed: int
    roles: bool
    governed: int


def order_of(a: ParsedQuestion, b: ParsedQuestion, paired: dict[int, tuple[int, int]]) -> Order:
    """Compares the order of two texts."""
    close = [(one, two) for one, (two, kind) in sorted(paired.items()) if kind <= WIDER][:_MOST_WORDS]
    pairs = [(a.words[one], b.words[two]) for one, two in close]
    governed = sum(bool(x.preposition and p.preposition and x.preposition != p.preposition) for x, p in pairs)
    places = [two for _, two in close]
    inversions = moved = exchanged = 0
    roles = False
    for i, high in enumerate(places):
        for j in range(i + 1, len(places)):
            if high < places[j]:
                continue
            (x, p), (y, q) = pairs[i], pairs[j]
            listing = x.lemma in a.joined and (q.lemma in b.joined or (j == i + 1 and bool(b.joined)))
            if listing and y.place - x.place <= _LIST:
                continue
            if x.preposition != y.preposition and x.preposition and y.preposition:
                roles = roles or (x.preposition == q.preposition and y.preposition == p.preposition)
            if (x.before == q.before and y.before == p.before) or (x.after == q.after and y.after == p.after):
                exchanged += 1
                inversions += 1
            elif _kept(x, p) != _kept(y, q):
                moved += 1
            else:
                inversions += 1
    crossed = _crossed(close, pairs) if inversions else 0
    return Order(inversions, moved, exchanged, crossed, roles, governed)


def _kept(one: Word, two: Word) -> bool:
    """Whether a word is under one preposition in both texts, as in a phrase that moves as a whole."""
    return bool(one.preposition) and one.preposition == two.preposition


def _crossed(close: Sequence[tuple[int, int]], pairs: Sequence[tuple[Word, Word]]) -> int:
    """Counts the pairs of blocks in another order whose surroundings are each other's."""
    blocks: list[tuple[int, int]] = []
    for at, (one, two) in enumerate(close):
        if at and one == close[at - 1][0] + 1 and two == close[at - 1][1] + 1:
            blocks[-1] = (blocks[-1][0], at)
        else:
            blocks.append((at, at))
    around = []
    for first, last in blocks:
        (x, p), (y, q) = pairs[first], pairs[last]
        around.append((close[first][1], (x.before, y.after, x.preposition), (p.before, q.after, p.preposition)))
    count = 0
    for i, (place, mine, image) in enumerate(around):
        for other_place, theirs, other_image in around[i + 1 :]:
            if place > other_place:
                own = _alike(mine, image) + _alike(theirs, other_image)
                count += _alike(mine, other_image) + _alike(theirs, image) > own
    return count


def _alike(one: tuple[str, str, str], two: tuple[str, str, str]) -> int:
    return sum(bool(x) and x == y for x, y in zip(one, two, strict=True))
