"""Forms of words: the one place where several forms become one word. English.

Three levels, by what they cost and merge. `singular` takes a plural ending off. `stem` cuts a word to a prefix, so that
forms are found in a text that is not split into words; it also merges some words that only begin alike (car, care).
`lemma` gives the dictionary form by the lexicon, where two words that are not the same must not become one. The lexicon
is WordNet 3.1 (Princeton University; its licence is beside the file) cut down to 15,000 words.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple

from langchain_redis_memory.language.english import lines, table, word_list
from langchain_redis_memory.language.lazy_pattern import lazy_pattern

_SUFFIX = lazy_pattern(r"(?:['\u2019]s?|ies|ied|ing|ed|es|s|e|y)$")


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


class LexiconEntry(NamedTuple):
    """A word of the lexicon: its synsets, their hypernyms, its antonyms, and whether it is a name."""

    synsets: frozenset[str]
    parents: frozenset[str]
    antonyms: frozenset[str]
    name: bool


@cache
def wordnet() -> dict[str, LexiconEntry]:
    """Loads the lexicon, once per process (about 40 ms)."""
    import gzip

    packed = (resources.files(__package__) / "lexicons" / "wordnet.gz").read_bytes()
    found = {}
    for line in gzip.decompress(packed).decode().splitlines():
        word, synsets, parents, antonyms, flag = (*line.split("\t"), "", "", "", "")[:5]
        split = [frozenset(part.split()) for part in (synsets, parents, antonyms)]
        found[word] = LexiconEntry(split[0], split[1], split[2], flag == "n")
    return found


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


def is_name(word: str) -> bool:
    """Returns whether a lower-cased word is a name of a place or a person, or no common word at all.

    Returns:
        True for `paris` and for what the lexicon does not have.
    """
    entry = wordnet().get(word)
    return entry is None or entry.name
