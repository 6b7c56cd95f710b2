"""The four steps of a turn, as values: loaded -> planned -> answered -> stored.

Each step is made from the one before it by one flow of `TurnFlows`; all of them are immutable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_core.messages import BaseMessage

from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion
from langchain_redis_memory.conversation.context import StoredContext
from langchain_redis_memory.conversation.turn import Chain, Plan, TurnInput
from langchain_redis_memory.history.transcript import Transcript

if TYPE_CHECKING:
    from langchain_core.documents import Document


@dataclass(frozen=True)
class TurnRequest:
    """A turn before its first step.

    Args:
        incoming: The turn as it came in.
        chain: How to retrieve and generate.
        transcript: The conversation.
        text: The user's words.
        asked: How the cache sees the question by itself.
    """

    incoming: TurnInput
    chain: Chain
    transcript: Transcript
    text: str
    asked: CacheQuestion


@dataclass(frozen=True)
class LoadedTurn:
    """What the first round trip gave.

    Args:
        history: The newest messages of the conversation, oldest first.
        context: What else is stored of it.
        reachable: Whether the server could be reached; if not, this is what the process remembers.
        looked_up: The question that the cache was asked in the same trip; None where it was not.
        answer: The cached answer to it.
        plan: The plan that was made before the trip, where the loaded conversation is what it was made for.
    """

    history: list[BaseMessage]
    context: StoredContext
    reachable: bool = True
    looked_up: CacheQuestion | None = None
    answer: Answer | None = None
    plan: Plan | None = None


@dataclass(frozen=True)
class PlannedTurn:
    """A turn whose plan is final.

    Args:
        history: The messages that the plan was made from.
        context: What else is stored of the conversation.
        reachable: Whether the server could be reached.
        plan: What is done with the question.
        answer: The cached answer to serve; None to ask the model.
    """

    history: list[BaseMessage]
    context: StoredContext
    reachable: bool
    plan: Plan
    answer: Answer | None = None


@dataclass(frozen=True)
class AnsweredTurn:
    """A turn with its answer.

    Args:
        value: The answer, a string or a message.
        tokens: What it cost; from the cache, what it would have cost.
        outcome: "hit", "miss", "bypass" or "off"; see `TurnReport`.
        documents: What the retriever found.
        query: What the retriever was asked; None where it was not.
    """

    value: str | BaseMessage
    tokens: int
    outcome: str
    documents: Sequence[Document] = ()
    query: str | None = None


@dataclass(frozen=True)
class StoredTurn:
    """A finished turn.

    Args:
        planned: Its plan and what it was made from.
        answered: Its answer.
        messages: The turn's messages.
        stored: Whether Redis has them; if not, they wait in this process.
    """

    planned: PlannedTurn
    answered: AnsweredTurn
    messages: list[BaseMessage]
    stored: bool
