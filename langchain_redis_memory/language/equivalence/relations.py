"""How two lemmas are related: by WordNet, and by opposites that it lacks (on/off, enable/disable).

A word outside the lexicon is taken for a name or a term: it matches only itself, or a slip of the pen.
"""

from __future__ import annotations

from functools import lru_cache

from langchain_redis_memory.language.english import word_list
from langchain_redis_memory.language.equivalence.contrasts import (
    MORE_OPPOSITES,
    contrasted,
    interchangeable,
    spelled_pairs,
)
from langchain_redis_memory.language.words import in_wordnet, lemma, wordnet

OPPOSITES = spelled_pairs(" ".join(word_list("lemmas", "opposites"))) | MORE_OPPOSITES
_CONVERSE = spelled_pairs("give/take")
"""Antonyms that say the same of each other's subject: what I give my dog, it takes."""
SAME, SYNONYM, DERIVED, WIDER, SISTER, OPPOSITE, UNRELATED = 0, 1, 2, 3, 4, 5, 6
NEGATIVE_PREFIXES = ("un", "in", "im", "il", "ir", "dis", "non", "non-", "de", "mis", "anti", "a")
_SURE_PREFIXES = frozenset({"un", "non", "non-", "anti"})
"""Prefixes that negate in front of any word."""


def _slip(a: str, b: str) -> bool:
    """Whether two long words differ by one letter added, lost or changed, or two neighbours swapped."""
    a, b = (word.removesuffix("s") for word in (a, b))
    if a == b or abs(len(a) - len(b)) > 1 or min(len(a), len(b)) < 6 or a[0] != b[0]:
        return a == b
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    if a[start:] == b[start + 1 :] or a[start + 1 :] == b[start:] or a[start + 1 :] == b[start + 1 :]:
        return True
    return a[start : start + 2] == b[start : start + 2][::-1] and a[start + 2 :] == b[start + 2 :]


def _negates(long: str, short: str) -> bool:
    """Whether a word is another one with a negative prefix: unpaid / pay, nonmember / member."""
    for prefix in NEGATIVE_PREFIXES:
        if long.startswith(prefix) and lemma(long[len(prefix) :]) == short and in_wordnet(short):
            return prefix in _SURE_PREFIXES or (in_wordnet(long) and len(short) >= 4)
    return False


@lru_cache(65536)
def relation(a: str, b: str) -> int:
    """Returns how two lemmas are related; symmetric.

    Returns:
        `SAME`, `SYNONYM`, `DERIVED` (same stem), `WIDER` (one is a kind of the other), `SISTER` (kinds of one thing),
        `OPPOSITE` or `UNRELATED`.
    """
    if a == b:
        return SAME
    if (a, b) in OPPOSITES or contrasted(a, b):
        return OPPOSITE
    if interchangeable(a, b):
        return SYNONYM
    words = wordnet()
    one, two = words.get(a), words.get(b)
    if ((one and b in one.antonyms) or (two and a in two.antonyms)) and (a, b) not in _CONVERSE:
        return OPPOSITE
    short, long = sorted((a, b), key=len)
    if len(short) >= 3 and _negates(long, short):
        return OPPOSITE
    if one and two:
        if one.synsets & two.synsets:
            return SISTER if one.name and two.name else SYNONYM
        if one.synsets & two.parents or two.synsets & one.parents:
            return WIDER
    if one and two and one.name and two.name:
        return SISTER if one.parents & two.parents else UNRELATED
    shared = len(short)
    while shared and long[:shared] != short[:shared]:
        shared -= 1
    if (
        shared >= 4
        and shared >= len(short) - 2
        and len(long) - shared <= (5 if one and two else 3)
        and not (one and two and len(long) == shared)
    ):
        return DERIVED
    if not (one and two) and _slip(a, b):
        return DERIVED
    if one and two and one.parents & two.parents:
        return SISTER
    return UNRELATED
