"""Tokenises a turn and the end of its history: words, their places, and which of them the history has.

All of it is bounded: of a long turn its start and its end are read, of a history the last messages, of a message the
first characters. What a message holds is remembered in this process, because the next turn will ask again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.language.classify.lexicon import Lexicon, lexicon
from langchain_redis_memory.language.english import straight

HEAD, TAIL = 1500, 500
"""Characters of a turn that are read, from its start and its end."""
RECENT, EACH = 8, 600
"""Messages of the history that are read, and characters of each."""

_WORD = re.compile(r"[^\W_]+(?:['\u2019.+#/_-][^\W_]+)*[+#]*")
_PUNCTUATION = re.compile(r"[?!.;:,\n\u2014()\"\u201c\u201d]")


@dataclass
class TurnTokens:
    """A turn's words with their places, and the signs found among them."""

    text: str
    words: list[str]
    low: list[str]
    places: list[tuple[int, int]]
    stop: list[str]
    """The punctuation behind each word, empty where there is none."""
    features: dict[str, float] = field(default_factory=dict)
    evidence: list[tuple[str, int, int]] = field(default_factory=list)

    def sign(self, name: str, first: int, last: int | None = None, why: str = "", strength: float = 1.0) -> None:
        """Notes a sign at the words from `first` to `last`."""
        self.features[name] = max(self.features.get(name, 0.0), strength)
        if why:
            start, end = self.places[first][0], self.places[first if last is None else last][1]
            self.evidence.append((f"{why}: {' '.join(self.text[start:end].split())[:40]!r}", start, end))


def read(turn: str) -> TurnTokens:
    """Tokenises a turn; of a long one its start and its end.

    Args:
        turn: What the user said.

    Returns:
        The reading, without signs yet.
    """
    cuts = [(0, turn)] if len(turn) <= HEAD + TAIL else [(0, turn[:HEAD]), (len(turn) - TAIL, turn[-TAIL:])]
    words: list[str] = []
    places: list[tuple[int, int]] = []
    stop: list[str] = []
    for offset, text in cuts:
        end = 0
        for found in _WORD.finditer(text):
            if words and (mark := _PUNCTUATION.search(text, end, found.start())):
                stop[-1] = mark[0]
            word, end = found[0], found.end()
            words.append(word)
            places.append((offset + found.start(), offset + end))
            stop.append("")
        if words:
            mark = _PUNCTUATION.search(text, end)
            stop[-1] = mark[0] if mark else "." if offset or len(cuts) == 1 else "\n"
    words = [straight(word) for word in words]
    return TurnTokens(turn, words, [word.lower() for word in words], places, stop)


def stem(word: str) -> str:
    """Returns the stem of an English word."""
    word = word.removesuffix("'s")
    for ending in ("ies", "ing", "es", "ed", "s", "e"):
        if len(word) > len(ending) + 3 and word.endswith(ending):
            return word.removesuffix(ending)
    return word


class MessageWords(NamedTuple):
    """The vocabulary of a message: stems of its content words and names, and pairs of neighbouring names."""

    content: frozenset[str]
    names: frozenset[str]
    pairs: frozenset[tuple[str, str]]


def known(text: str, language: Lexicon) -> MessageWords:
    """Returns the vocabulary of the start of a message; cached.

    Args:
        text: Its text.
        language: The lexicon.

    Returns:
        Its words.
    """
    return _known(text[:EACH], language)


@lru_cache(4096)
def _known(text: str, language: Lexicon) -> MessageWords:
    content, names, pairs = set(), set(), set()
    before = ""
    for found in _WORD.findall(text):
        low = straight(found).lower()
        name = ""
        if low not in language.function:
            content.add(stem(low))
            if found[0].isupper() or found[0].isdigit():
                name = stem(low)
                names.add(name)
                if before and found[0].isupper():
                    pairs.add((before, name))
        before = name if found[0].isupper() else ""
    return MessageWords(frozenset(content), frozenset(names), frozenset(pairs))


@dataclass(frozen=True)
class HistoryWords:
    """The vocabulary of the last messages of a history."""

    content: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    last: frozenset[str] = frozenset()
    pairs: frozenset[tuple[str, str]] = frozenset()
    asked_back: bool = False
    """The last message is the assistant's and asks."""
    answered: bool = False
    """The assistant's answers are there, not only the user's turns."""
    started: bool = False


def text_of(message: Any) -> str:
    """Returns the text of a message, empty where it has none that can be read."""
    try:
        return str(message.text)[: 4 * EACH]
    except Exception:  # noqa: BLE001 - whatever a damaged message raises, it has no text
        return ""


def said(history: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Returns the last messages of the user and the assistant, oldest first."""
    near: list[BaseMessage] = [
        message for message in history[-2 * RECENT :] if isinstance(message, HumanMessage | AIMessage)
    ]
    return near[-RECENT:]


def past(history: Sequence[BaseMessage], language: Lexicon) -> HistoryWords:
    """Returns the vocabulary of the end of a history.

    Args:
        history: The messages before the turn, oldest first.
        language: The lexicon.

    Returns:
        Their words.
    """
    last = said(history)
    if not last:
        return HistoryWords()
    texts = [text_of(message) for message in last]
    heard = [known(text, language) for text in texts]
    return HistoryWords(
        frozenset().union(*(one.content for one in heard)),
        frozenset().union(*(one.names for one in heard)),
        frozenset().union(*(one.content for one in heard[-2:])),
        frozenset().union(*(one.pairs for one in heard)),
        isinstance(last[-1], AIMessage) and texts[-1].rstrip().endswith("?"),
        any(isinstance(message, AIMessage) for message in last),
        True,
    )


def content_words(text: str) -> set[str]:
    """Returns the content words of a text, in lower case.

    Args:
        text: Any text.

    Returns:
        Its words without English function words.
    """
    low = (straight(word).lower().removesuffix("'s") for word in _WORD.findall(text[: 4 * HEAD]))
    function: frozenset[str] = lexicon("en").function
    return set(low) - function
