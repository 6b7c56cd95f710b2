"""Okapi BM25 over the messages of one conversation, without an index.

The score is Robertson and Zaragoza's ("The Probabilistic Relevance Framework: BM25 and Beyond", 2009) with the idf of
Lucene, which is never negative (Kamphuis et al., "Which BM25 Do You Mean?", 2020). Two choices make a search of a
whole conversation cheap. A text's length is counted in characters: only its ratio to the mean matters. And a stem is
always the beginning of its words, so one pass of a regular expression over a text finds the few words that can count,
and only these are stemmed: no text is split into words, and there is no index to keep up to date.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from math import log
from typing import NamedTuple

from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.language.words import stem

K1, B = 1.2, 0.75
"""How soon a repeated word stops counting, and how much long texts are held back; Lucene's defaults."""

LONGEST = 20_000
"""Characters of a text that are looked at."""

_TERMS = 32
"""Different words of a query that are looked for."""

_UNSPACED = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = lazy_pattern(rf"[{_UNSPACED}]+|[^\W{_UNSPACED}]+(?:['\u2019][^\W{_UNSPACED}]+)*")
_UNSPACED_RUN = lazy_pattern(f"[{_UNSPACED}]")


class TextMatch(NamedTuple):
    """A matching text: its place and its score."""

    place: int
    score: float


def unspaced(term: str) -> bool:
    """Returns whether a term is of a script without spaces, and so a pair of characters."""
    return _UNSPACED_RUN.match(term) is not None


def terms(text: str) -> tuple[str, ...]:
    """Returns the stems of a text's words, in order; of scripts without spaces, character bigrams.

    Args:
        text: Any text; what is beyond `LONGEST` is not looked at.
    """
    found: list[str] = []
    for word in _WORD.findall(text[:LONGEST].casefold()):
        if unspaced(word):
            found += [word[i : i + 2] for i in range(max(1, len(word) - 1))]
        else:
            found.append(stem(word))
    return tuple(found)


def _finder(wanted: Sequence[str]) -> Callable[[str], list[str]]:
    """Finds the words of a text that begin with a stem, and the pairs of characters in scripts without spaces."""
    parts = []
    for term in wanted:
        first, rest = re.escape(term[0]), re.escape(term[1:])
        if unspaced(term):
            parts.append(first + rest)
        else:  # "no letter before it" stands behind the first letter, so that the search can skip to these letters
            parts.append(rf"{first}(?<!\w{first}){rest}[^\W{_UNSPACED}]*(?:['\u2019][^\W{_UNSPACED}]+)*")
    return re.compile("|".join(parts)).findall


def search(query: str, texts: Sequence[str], without: Collection[str] = ()) -> list[TextMatch]:
    """Ranks the texts that hold words of a query, best first.

    Args:
        query: What to look for.
        texts: Where to look.
        without: Stems that do not count.

    Returns:
        The texts that hold any; among equals the newest, which is the last, comes first.
    """
    wanted = [term for term in dict.fromkeys(terms(query)) if term not in without][:_TERMS]
    if not wanted or not texts:
        return []
    counted: dict[int, Counter[str]] = {}
    find = _finder(wanted)
    for place, text in enumerate(texts):
        if words := find(text[:LONGEST].casefold()):
            counted[place] = Counter(stem(word) for word in words)
    mean = sum(min(len(text), LONGEST) for text in texts) / len(texts) or 1.0
    held = {term: sum(term in counts for counts in counted.values()) for term in wanted}
    idf = {term: log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for term, n in held.items()}
    hits = []
    for place, counts in counted.items():
        damp = K1 * (1 - B + B * min(len(texts[place]), LONGEST) / mean)
        score = sum(idf[term] * counts[term] / (counts[term] + damp) for term in wanted if term in counts)
        if score > 0:
            hits.append(TextMatch(place, score))
    return sorted(hits, key=lambda hit: (-hit.score, -hit.place))
