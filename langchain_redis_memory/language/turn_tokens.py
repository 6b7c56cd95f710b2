"""Tokenises a text: the one place that says what a word is, and what a word is made of.

`read` gives a turn's words with their places and the punctuation behind them; of a long turn its start and its end.
"""

from __future__ import annotations

from functools import lru_cache

from langchain_redis_memory.language.english import straight
from langchain_redis_memory.language.lazy_pattern import lazy_pattern

HEAD, TAIL = 1500, 500
"""Characters of a turn that are read, from its start and its end."""

WORD = lazy_pattern(r"[^\W_]+(?:['\u2019.+#&/_-][^\W_]+|(?<=\d)[,:]\d+)*[+#]*")
"""A word, with what joins its parts: "don't", "C++", "e-mail", "AT&T", "read_csv", "10:30"."""
TOKEN = lazy_pattern(rf"{WORD.pattern}|[^\w\s]|\n")
"""A word, a mark, or the end of a line."""
PART = lazy_pattern(r"[^\W\d_]+(?:'(?!s\b)[^\W\d_]+)*|'s|\d+(?:[.,:]\d+)*|[^\w\s]")
"""What a word is made of, where parts of it are compared: letters, a possessive, a number; or a mark. None reaches
beyond a word."""
_PUNCTUATION = lazy_pattern(r"[?!.;:,\n\u2014()\"\u201c\u201d]")


class TurnTokens:
    """A turn's words with their places, and the signs found among them."""

    def __init__(
        self, text: str, words: list[str], low: list[str], places: list[tuple[int, int]], stop: list[str]
    ) -> None:
        self.text: str = text
        self.words: list[str] = words
        self.low: list[str] = low
        self.places: list[tuple[int, int]] = places
        self.stop: list[str] = stop
        """The punctuation behind each word, empty where there is none."""
        self.features: dict[str, float] = {}
        self.evidence: list[tuple[str, int, int]] = []
        self.at: dict[str, int] = {}
        """The place of the last word that showed a sign, by the sign's name."""

    def sign(self, name: str, first: int, last: int | None = None, why: str = "") -> None:
        """Notes a sign at the words from `first` to `last`."""
        self.features[name] = 1.0
        self.at[name] = first
        if why:
            start, end = self.places[first][0], self.places[first if last is None else last][1]
            self.evidence.append((f"{why}: {' '.join(self.text[start:end].split())[:40]!r}", start, end))


def read(turn: str) -> TurnTokens:
    """Tokenises a turn, once for all who ask; of a long one its start and its end."""
    if len(turn) <= HEAD + TAIL:
        return TurnTokens(turn, *_split(turn))
    return TurnTokens(turn, *_split(turn[:HEAD], turn[-TAIL:], len(turn) - TAIL))


_Split = tuple[list[str], list[str], list[tuple[int, int]], list[str]]


@lru_cache(512)
def _split(start: str, end: str = "", offset: int = 0) -> _Split:
    """The words as written and in lower case, their places, and the marks behind them; nobody changes these lists."""
    words: list[str] = []
    places: list[tuple[int, int]] = []
    stop: list[str] = []
    for first, text in ((0, start), (offset, end)) if end else ((0, start),):
        at = 0
        for found in WORD.finditer(text):
            begins, ends = found.span()
            if text[at:begins] != " " and words and (mark := _PUNCTUATION.search(text, at, begins)):
                stop[-1] = mark[0]
            at = ends
            words.append(found[0])
            places.append((first + begins, first + ends))
            stop.append("")
        if words:
            mark = _PUNCTUATION.search(text, at)
            stop[-1] = mark[0] if mark else "." if first or not end else "\n"
    if not (start.isascii() and end.isascii()):
        words = [straight(word) for word in words]
    return words, [word.lower() for word in words], places, stop
