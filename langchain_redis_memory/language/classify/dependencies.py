"""Dependency resolution: the messages of the history that a turn depends on.

What only points back ("why?", "tell me more") depends on the last exchange; what lacks its subject depends on the
turn that introduced it as well: the last question that stands alone, with its answer; and words that a message shares
with the turn speak for it. A question for what was said depends on the messages that share its words, and on the first
or the last ones where it asks for those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.language.classify.tokens import known, text_of
from langchain_redis_memory.language.lazy_pattern import lazy_pattern
from langchain_redis_memory.language.lexicon import Lexicon
from langchain_redis_memory.language.turn_tokens import TurnTokens

FAR = 24
"""Messages that are looked back for what a turn depends on."""
_MANY = 400
"""Messages that a question for what was said is compared with."""
_FIRST = lazy_pattern(r"\b(?:first|initial|original|start|beginning|begin)\b", re.IGNORECASE)


def leans_on(
    reading: TurnTokens, history: Sequence[BaseMessage], language: Lexicon, alone: Callable[[str], bool]
) -> tuple[int, ...]:
    """Returns the messages that a follow-up depends on.

    Returns:
        Their places in the history, in order.
    """
    said = _said(history, FAR)
    if not said:
        return ()
    found = set(said[-2:])
    spoken = _spoken(reading, language)
    for number, place in enumerate(reversed(said)):
        message = history[place]
        if spoken & known(text_of(message), language).content:
            found.add(place)
        if isinstance(message, HumanMessage) and (number > 3 or alone(text_of(message))):
            found.add(place)
            found.update(after for after in said if after == place + 1)
            break
    return tuple(sorted(found))


def asks_for(reading: TurnTokens, history: Sequence[BaseMessage], language: Lexicon) -> tuple[int, ...]:
    """Returns the messages that a recall question asks for.

    Returns:
        Their places in the history, in order: those that share most of its words; the first exchange where it asks for
        the first; else the last one.
    """
    said = _said(history, _MANY)
    spoken = _spoken(reading, language)
    shared = {place: len(spoken & known(text_of(history[place]), language).content) for place in said}
    most = max(shared.values(), default=0)
    found = [place for place in said if most and shared[place] == most][-4:]
    if not found or _FIRST.search(reading.text[:500]):
        found += said[:2] if _FIRST.search(reading.text[:500]) else said[-2:]
    return tuple(sorted(set(found)))


def _spoken(reading: TurnTokens, language: Lexicon) -> frozenset[str]:
    return known(" ".join(reading.low[:60]), language).content


def _said(history: Sequence[BaseMessage], most: int) -> list[int]:
    start = max(0, len(history) - most)
    return [place for place in range(start, len(history)) if isinstance(history[place], HumanMessage | AIMessage)]
