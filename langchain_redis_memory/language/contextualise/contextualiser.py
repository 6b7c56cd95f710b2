"""The query rewriter protocol (`Contextualiser`) and its result.

A rewrite decides what is searched for, and, where it is trusted, what a cached answer is an answer to. So it says
whether it may be trusted: a rewrite that is wrong and trusted serves a wrong answer, one that is missing only costs a
cache hit. `LocalContextualiser` needs no model; `LLMContextualiser` asks one and checks what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from langchain_core.messages import BaseMessage

from langchain_redis_memory.language.classify import content_words
from langchain_redis_memory.language.classify.standalone import continued
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.ops import Flow


@dataclass(frozen=True)
class Rewrite:
    """Holds a question rewritten to stand alone, and whether the rewrite can be trusted.

    Args:
        question: The rewritten question; the turn itself where it stands alone or nothing could be resolved.
        used: Which messages of the history were used, as places in it.
        confidence: How sure it is, 0 to 1.
        trusted: Whether it may stand for the turn. Where not, `question` is a guess at best.
        reasons: Why, for people.
    """

    question: str
    used: tuple[int, ...] = ()
    confidence: float = 0.0
    trusted: bool = False
    reasons: tuple[str, ...] = ()


class Contextualiser(Protocol):
    """Rewrites a user's turn so that it stands alone."""

    def contextualise(
        self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE
    ) -> Rewrite | Flow[Rewrite]:
        """Rewrites the turn as a question that stands alone.

        Args:
            turn: What the user said.
            history: The conversation before it, oldest first, as far as it was loaded.
            state: What is known of the conversation beyond its messages: `entities` and `topic`, if any.

        Returns:
            The rewrite, or a flow that gives it where a model has to be asked.
        """
        ...


def resolved(turn: str, rewrite: Rewrite) -> str | None:
    """Returns the question that a dependent turn means, where somebody is sure of it.

    Only the classifier says that a turn stands alone. Where it says that the turn depends on its conversation, a rewrite
    that leaves the turn as it is has resolved nothing, however sure the rewriter is that nothing is missing.

    Returns:
        The rewritten question; None where it is not trusted or is the turn itself.
    """
    question = " ".join(rewrite.question.split())
    return question if rewrite.trusted and question and question != " ".join(turn.split()) else None


def search_query(turn: str, rewrite: Rewrite | None, history: Sequence[BaseMessage]) -> str:
    """Builds the query for the retriever: never without the user's own words.

    Returns:
        A trusted rewrite, followed by the turn itself where it left one of the turn's words out. Without one, the
        user's questions since the last that stands alone and the turn.
    """
    if rewrite is None or not rewrite.trusted:
        return standalone(turn, history)
    if content_words(turn) <= content_words(rewrite.question):
        return rewrite.question
    return f"{rewrite.question} {turn}"


def standalone(turn: str, history: Sequence[BaseMessage]) -> str:
    """Joins the user's questions that a turn depends on with the turn: no word is invented.

    Returns:
        The user's questions since the last one that stands alone, then the turn itself.
    """
    asked = continued(history)
    return " ".join([*asked[:1], *asked[1:][-2:], turn])
