"""Lexical knowledge of the verifier (WordNet): lemmas, and how two words are related.

Synonyms, hypernyms and antonyms come from WordNet 3.1 (Princeton University; its licence is beside the data file) cut down to
15,000 words; opposites that WordNet lacks (on/off, before/after, enable/disable), irregular forms and aliases are written
here. A word outside this vocabulary is taken for a name or a term: it matches only itself, or a slip of the pen.
"""

from __future__ import annotations

import gzip
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple

from langchain_redis_memory.language.english import ends_like_plural, lines, table, word_list
from langchain_redis_memory.language.equivalence.contrasts import (
    MORE_OPPOSITES,
    contrasted,
    interchangeable,
    spelled_pairs,
)


class LexiconEntry(NamedTuple):
    """A word of the lexicon: its synsets, their hypernyms, its antonyms, and whether it is a name."""

    synsets: frozenset[str]
    parents: frozenset[str]
    antonyms: frozenset[str]
    name: bool


@cache
def wordnet() -> dict[str, LexiconEntry]:
    """Loads the lexicon, once per process (about 40 ms)."""
    packed = resources.files(__package__).joinpath("lexicon.gz").read_bytes()
    found = {}
    for line in gzip.decompress(packed).decode().splitlines():
        word, synsets, parents, antonyms, flag = (*line.split("\t"), "", "", "", "")[:5]
        split = [frozenset(part.split()) for part in (synsets, parents, antonyms)]
        found[word] = LexiconEntry(split[0], split[1], split[2], flag == "n")
    return found


OPPOSITES = spelled_pairs(" ".join(word_list("lemmas", "opposites"))) | MORE_OPPOSITES
ALIASES = table("lemmas", "aliases")
_IRREGULAR = {form: base for line in lines("lemmas", "irregular") for base, *forms in (line.split(),) for form in forms}
_IRREGULAR["left"] = "left"  # a side, more often than what was left
_WHOLE = word_list("lemmas", "whole")
GRADABLE = word_list("lemmas", "gradable")


def in_wordnet(word: str) -> bool:
    """Returns whether the lexicon has a lower-cased word."""
    return word in wordnet()


@lru_cache(8192)
def lemma(word: str) -> str:
    """Returns the lemma of a lower-cased English word, by light rules and the lexicon.

    Returns:
        Its lemma, or the word itself.
    """
    if word in ALIASES:
        return ALIASES[word]
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or word in _WHOLE or not word.isascii():
        return word
    for ending, instead in _ENDINGS:
        if word.endswith(ending):
            stem = word[: -len(ending)]
            doubled = ending in {"ed", "ing"} and len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "sl"
            for base in (stem[:-1] if doubled else "", *(stem + end for end in instead)):
                if len(base) >= 2 and in_wordnet(base):
                    return ALIASES.get(base, base)
            break
    if in_wordnet(word):
        return word
    if word.endswith("ing") and len(word) > 6:
        return word[:-3].rstrip("e")
    if word.endswith("ed") and len(word) > 5:
        return word[:-2].rstrip("e")
    return word[:-1] if ends_like_plural(word) else word


_ENDINGS = (
    ("ies", ("y", "ie")), ("sses", ("ss",)), ("ches", ("ch", "che")), ("shes", ("sh", "she")), ("xes", ("x", "xe")),
    ("zes", ("z", "ze")), ("ss", ()), ("us", ()), ("is", ()), ("es", ("e", "")), ("s", ("",)), ("ied", ("y",)),
    ("ed", ("e", "")), ("ing", ("e", "")),
)  # fmt: skip
"""Endings of forms, with those of the base that are tried instead; the first ending that fits counts."""


@lru_cache(8192)
def degree(word: str) -> tuple[str, str]:
    """Returns the positive form and the degree of an adjective.

    Returns:
        The positive form, and `more`, `most` or nothing.
    """
    if word in {"better", "worse"}:
        return ("good" if word == "better" else "bad"), "more"
    if word in {"best", "worst"}:
        return ("good" if word == "best" else "bad"), "most"
    for ending, name in (("er", "more"), ("est", "most")):
        if word.endswith(ending):
            stem = word[: -len(ending)]
            forms = (stem, f"{stem}e", stem[:-1] if stem[-1:] == stem[-2:-1] else "", f"{stem[:-1]}y")
            for form in forms:
                if form in GRADABLE:
                    return form, name
    return word, ""


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


def is_name(word: str) -> bool:
    """Returns whether a lower-cased word is a name of a place or a person, or no common word at all.

    Returns:
        True for `paris` and for what the lexicon does not have.
    """
    entry = wordnet().get(word)
    return entry is None or entry.name
