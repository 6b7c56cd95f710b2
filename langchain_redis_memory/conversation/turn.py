"""What goes into one user turn and what comes out of it: the words that `memory`, `wrap` and a report share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.utils import count_tokens_approximately

from langchain_redis_memory.cache.answers.answer_cache import CacheQuestion
from langchain_redis_memory.conversation.policy import Rule
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.ops import Flow, Invoke

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from langchain_redis_memory.redis.client.client import Client


@dataclass(frozen=True)
class TurnReport:
    """What happened in one turn.

    Args:
        question: The user's words.
        verdict: What the classifier decided, and why.
        cache: "hit", "miss", "bypass" (the policy forbids it), or "off" (no cache, or no server).
        value: What the chain returned or the cache gave: a string or a message.
        memory: The messages that the model was shown, or that decided the cache key.
        memory_tokens: Their approximate tokens.
        query: What the retriever was asked, None where it was not.
        documents: What it found.
        tokens: What the answer cost; on a hit, what it would have cost.
        trips: Round trips to the server.
        seconds: Duration.
        stored: Whether the turn is in Redis; if not, it waits in this process.
    """

    question: str
    verdict: Verdict
    cache: str
    value: Any
    memory: Sequence[BaseMessage]
    memory_tokens: int
    query: str | None
    documents: Sequence[Document]
    tokens: int
    trips: int
    seconds: float
    stored: bool


@dataclass(frozen=True)
class ModelInput:
    """What a chain gets for one turn."""

    question: HumanMessage
    memory: Sequence[BaseMessage]
    documents: Sequence[Document]
    query: str


@dataclass(frozen=True)
class Plan:
    """What to do with a question: `asked` is how the cache may see it, None where it must not."""

    verdict: Verdict
    rule: Rule
    shown: list[BaseMessage]
    query: str
    asked: CacheQuestion | None

    @property
    def reads(self) -> CacheQuestion | None:
        """How the cache is asked, None where it is not."""
        return self.asked if self.rule.read_cache else None


class TurnRunner(Protocol):
    """Runs turns: what a runnable needs of a memory."""

    @property
    def client(self) -> Client:
        """Drives the flows."""
        ...

    def turn(self, incoming: TurnInput, chain: Chain) -> Flow[TurnReport]:
        """Runs one turn as a flow, for a driver of the client.

        Args:
            incoming: The turn.
            chain: How to retrieve and generate.
        """
        ...


class Chain(Protocol):
    """The outside of a turn: how to retrieve, generate and read an answer."""

    scope: str
    """Names the chain and its documents."""

    def retrieve(self, query: str) -> Invoke | None:
        """The step that asks the retriever, None where there is none."""
        ...

    def generate(self, shown: ModelInput) -> Invoke:
        """The step that asks the model."""
        ...

    def value(self, raw: Any) -> str | BaseMessage:
        """The answer in what the chain returned (or streamed)."""
        ...


@dataclass(frozen=True)
class TurnInput:
    """One turn as it comes in.

    Args:
        session_id: The conversation.
        agent: The agent.
        tenant: Whose it is.
        question: What the user said.
        lead: System messages that the caller put in front of it.
        given: What else the caller gave to the chain.
        user: Who says it, "" where that is not told; a profile is learned of nobody else.
    """

    session_id: str
    agent: str
    tenant: str
    question: HumanMessage
    lead: Sequence[BaseMessage] = ()
    given: Any = None
    user: str = ""


def also_given(incoming: TurnInput) -> Any:
    """What decides the answer besides the words and the memory: the chain's other inputs, and who asks."""
    question = incoming.question
    if question.name or question.additional_kwargs:
        return [incoming.given, question.name, question.additional_kwargs]
    return incoming.given


def as_served(value: str | BaseMessage) -> str | BaseMessage:
    """A cached answer as a new message: an id of its own, and no tokens, because none were spent."""
    if isinstance(value, str):
        return value
    metadata = {**value.response_metadata, "cached": True}
    return value.model_copy(update={"id": str(uuid4()), "usage_metadata": None, "response_metadata": metadata})


def with_id(message: BaseMessage) -> BaseMessage:
    """The message with an id, so that storing it twice does no harm."""
    return message if message.id else message.model_copy(update={"id": str(uuid4())})


def cost(value: str | BaseMessage, prompt: Sequence[BaseMessage], documents: Sequence[Document]) -> int:
    """Tokens of an answer: what the model reported, else an estimate."""
    usage = getattr(value, "usage_metadata", None)
    if usage:
        return int(usage["total_tokens"])
    read = [*prompt, *(HumanMessage(document.page_content) for document in documents)]
    return count_tokens_approximately([*read, value if isinstance(value, BaseMessage) else AIMessage(value)])
