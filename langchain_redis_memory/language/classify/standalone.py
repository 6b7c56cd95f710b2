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
from langchain_redis_memory.language.logistic import odds, probability
from langchain_redis_memory.language.turn_tokens import HEAD, TAIL, read

_ALONE = odds(0.3)
"""The log-odds of the probability below which a turn without its conversation is taken to stand alone."""
_POINTS = odds(0.95)
"""The log-odds of the probability, by its words alone, from which an opening question points at something."""
COMMENT = frozenset("only_comment only_acknowledges edits_said".split())
"""Signs of a mere comment on what was said, or a change to it."""
LEANS = COMMENT | {"amount", "premise"}
"""Signs by which a turn depends whatever they weigh."""


@lru_cache(4096)
def _judged(turn: str, language: Lexicon) -> tuple[float, tuple[str, ...]]:
    """The log-odds of dependence of a turn without its conversation, and the signs of it where it is dependent.

    Remembered, because several ask of one turn, and the next turn asks again.
    """
    tokens = signs(read(turn), HistoryWords(started=True, answered=True), language)
    log_odds = weights("linguistic").log_odds(tokens.features)
    if unread := language.unreadable(tokens) if tokens.words else "no words of its own":
        return log_odds, (unread,)
    if log_odds < _ALONE and LEANS.isdisjoint(tokens.features):
        return log_odds, ()
    return log_odds, tuple(why for why, _, _ in tokens.evidence) or ("may depend on the conversation",)


def _judge(turn: str, language: Lexicon | None = None) -> tuple[float, tuple[str, ...]]:
    judge = _judged if len(turn) <= HEAD + TAIL else _judged.__wrapped__
    return judge(turn, language or lexicon("en"))


def dependence(turn: str, language: Lexicon | None = None) -> tuple[str, ...]:
    """Returns the signs that a turn depends on its conversation, judged without the conversation.

    Returns:
        One reason for each sign, none where the turn stands alone.
    """
    return _judge(turn, language)[1]


def leaning(question: str) -> float:
    """Returns the probability that a question depends on its conversation, by its words alone."""
    return probability(_judge(question)[0])


def points_outside(opening: str) -> bool:
    """Returns whether an opening question refers to something unknown ("Where was he born?").

    Returns:
        Whether its words alone make it all but certain to be dependent; its answer is then not for anybody else.
    """
    return _judge(opening)[0] >= _POINTS


def stands_alone(message: BaseMessage) -> bool:
    """Returns whether a message is a user's question without any sign that it depends on its conversation."""
    return isinstance(message, HumanMessage) and not dependence(str(message.text))


def continued(messages: Sequence[BaseMessage]) -> list[str]:
    """Lists the user's turns that the next one may continue.

    Returns:
        The texts of the last user turn that stands alone and of those after it, oldest first.
    """
    return [str(said.text) for said in messages[leaning_from(messages) :] if isinstance(said, HumanMessage)]


def spoken(messages: Sequence[BaseMessage]) -> list[str]:
    """Lists what the user said: "What about Berlin?" may go on with the weather behind a question about a book."""
    return [str(said.text) for said in messages if isinstance(said, HumanMessage)]


def leaning_from(messages: Sequence[BaseMessage]) -> int:
    """Finds the first turn that the next question depends on.

    Returns:
        The place of the last user message that stands alone, 0 where none does.
    """
    return next((place for place in range(len(messages) - 1, -1, -1) if stands_alone(messages[place])), 0)
