"""Tokenises a turn and the end of its history: words, their places, and which of them the history has.

All of it is bounded: of a long turn its start and its end are read, of a history the last messages, of a message the
first characters. What a message holds is remembered in this process, because the next turn will ask again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.language.english import straight
from langchain_redis_memory.language.lexicon import Lexicon, lexicon
from langchain_redis_memory.language.turn_tokens import HEAD, WORD
from langchain_redis_memory.language.words import stem

RECENT, EACH = 8, 600
"""Messages of the history that are read, and characters of each."""


class MessageWords(NamedTuple):
    """The vocabulary of a message: stems of its content words and names, and pairs of neighbouring names."""

    content: frozenset[str]
    names: frozenset[str]
    pairs: frozenset[tuple[str, str]]


def known(text: str, language: Lexicon) -> MessageWords:
    """Returns the vocabulary of the start of a message; cached."""
    return _known(text[:EACH], language)


@lru_cache(4096)
def _known(text: str, language: Lexicon) -> MessageWords:
    content, names, pairs = set(), set(), set()
    before = ""
    for found in WORD.findall(text):
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


class HistoryWords(NamedTuple):
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
    """Returns the vocabulary of the end of a history."""
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
    """Returns the content words of a text, in lower case."""
    low = (straight(word).lower().removesuffix("'s") for word in WORD.findall(text[: 4 * HEAD]))
    function: frozenset[str] = lexicon("en").function
    return set(low) - function
