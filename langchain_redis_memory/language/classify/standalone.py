"""Whether a turn stands alone, judged by its words and without its conversation.

Also where the turns begin that the next question depends on: back to the last question that stands alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from langchain_core.messages import BaseMessage, HumanMessage

from langchain_redis_memory.language.classify.signs import signs
from langchain_redis_memory.language.classify.tokens import HistoryWords
from langchain_redis_memory.language.classify.weights import weights
from langchain_redis_memory.language.lexicon import Lexicon, lexicon
from langchain_redis_memory.language.logistic import odds
from langchain_redis_memory.language.turn_tokens import read

_ALONE = 0.3
"""The probability below which a turn without its conversation is taken to stand alone."""
_POINTS = 0.95
"""The probability, by its words alone, from which an opening question points at something."""
COMMENT = frozenset("only_comment only_acknowledges edits_said".split())
"""Signs of a mere comment on what was said, or a change to it: the turn depends whatever they weigh."""


def dependence(turn: str, language: Lexicon | None = None) -> list[str]:
    """Returns the signs that a turn depends on its conversation, judged without the conversation.

    Args:
        turn: What the user said.
        language: The lexicon; English by default.

    Returns:
        One reason for each sign, none where the turn stands alone.
    """
    language = language or lexicon("en")
    reading = read(turn)
    if not reading.words:
        return ["no words of its own"]
    if unweighed := language.unreadable(reading):
        return [unweighed]
    signs(reading, HistoryWords(started=True, answered=True), language)
    comment = COMMENT & reading.features.keys()
    if not comment and weights("linguistic").log_odds(reading.features) < odds(_ALONE):
        return []
    return [why for why, _, _ in reading.evidence] or ["may depend on the conversation"]


@lru_cache(4096)
def points_outside(opening: str) -> bool:
    """Returns whether an opening question refers to something unknown ("Where was he born?"); cached, as they repeat.

    Returns:
        Whether its words alone make it all but certain to be dependent; its answer is then not for anybody else.
    """
    reading = signs(read(opening), HistoryWords(started=True, answered=True), lexicon("en"))
    return weights("linguistic").log_odds(reading.features) >= odds(_POINTS)


@lru_cache(4096)
def stands(text: str, language: Lexicon) -> bool:
    """Returns whether a text has no sign of dependence; cached, as texts repeat."""
    return not dependence(text, language)


def stands_alone(message: BaseMessage) -> bool:
    """Returns whether a message is a user's question without any sign that it depends on its conversation."""
    return isinstance(message, HumanMessage) and not dependence(str(message.text))


def continued(messages: Sequence[BaseMessage]) -> list[str]:
    """Lists the user's turns that the next one may continue.

    Args:
        messages: The conversation so far, oldest first.

    Returns:
        The texts of the last user turn that stands alone and of those after it, oldest first.
    """
    return [str(said.text) for said in messages[leaning_from(messages) :] if isinstance(said, HumanMessage)]


def spoken(messages: Sequence[BaseMessage]) -> list[str]:
    """Lists what the user said: "What about Berlin?" may go on with the weather behind a question about a book.

    Args:
        messages: The conversation so far, oldest first.
    """
    return [str(said.text) for said in messages if isinstance(said, HumanMessage)]


def leaning_from(messages: Sequence[BaseMessage]) -> int:
    """Finds the first turn that the next question depends on.

    Args:
        messages: The conversation so far, oldest first.

    Returns:
        The place of the last user message that stands alone, 0 where none does.
    """
    for place in range(len(messages) - 1, -1, -1):
        if stands_alone(messages[place]):
            return place
    return 0
