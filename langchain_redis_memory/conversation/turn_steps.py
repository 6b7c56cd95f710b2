"""The four steps of a turn, as values: loaded -> planned -> answered -> stored.

Each step is made from the one before it by one flow of `TurnFlows`; all of them are immutable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.messages import BaseMessage

from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion
from langchain_redis_memory.conversation.context import StoredContext
from langchain_redis_memory.conversation.turn import Chain, ModelInput, Plan, TurnInput, as_served
from langchain_redis_memory.conversation.turn_cache import NOTHING, Flight, TurnLookup
from langchain_redis_memory.conversation.turn_cost import TurnCost
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.ops import Arg, Flow

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from typing_extensions import Self


class TurnProgress:
    """The progress of a turn, for what has to be done when it fails.

    Attributes:
        planned: The planned turn.
        flight: The lease that the turn may hold.
        spent: What it has cost.
        chunks: What the chain has streamed.
        interrupted: What is done when the turn is interrupted; None: what is left of it is put away.
    """

    def __init__(self) -> None:
        self.planned: PlannedTurn | None = None
        self.flight: Flight | None = None
        self.spent: TurnCost = TurnCost()
        self.chunks: Sequence[Any] = ()
        self.interrupted: Callable[[BaseException], Flow[None]] | None = None


class TurnRequest(NamedTuple):
    """A turn before its first step.

    Args:
        incoming: The turn as it came in.
        chain: How to retrieve and generate.
        transcript: The conversation.
        text: The user's words.
        asked: How the cache sees the question by itself; for everybody, until a plan says for whom.
        said: The question as it is stored, with an id.
        encoded: The same, as `Transcript.pairs` gives it.
        progress: How far the turn has come.
    """

    incoming: TurnInput
    chain: Chain
    transcript: Transcript
    text: str
    asked: CacheQuestion
    said: BaseMessage
    encoded: list[Arg]
    progress: TurnProgress


class LoadedTurn(NamedTuple):
    """What the first round trip of a turn read.

    Args:
        history: The newest messages of the conversation, oldest first.
        context: What else is stored of it.
        reachable: Whether the server could be reached; if not, this is what the process remembers.
        looked_up: The question that the cache was asked in the same trip; None where it was not.
        found: What the cache gave.
        plan: The plan that was made before the trip, where the loaded conversation is what it was made for.
    """

    history: list[BaseMessage]
    context: StoredContext
    reachable: bool = True
    looked_up: CacheQuestion | None = None
    found: TurnLookup = NOTHING
    plan: Plan | None = None


class PlannedTurn(NamedTuple):
    """A turn whose plan is final.

    Args:
        history: The messages that the plan was made from.
        context: What else is stored of the conversation.
        reachable: Whether the server could be reached.
        plan: What is done with the question.
        shown_tokens: Approximate tokens of what the model is shown of the conversation.
        answer: A cached answer that may be served; None to ask the model.
        cached: Whether there is a cache at all.
    """

    history: list[BaseMessage]
    context: StoredContext
    reachable: bool
    plan: Plan
    shown_tokens: int
    answer: Answer | None = None
    cached: bool = True


class AnsweredTurn(NamedTuple):
    """A turn with its answer.

    Args:
        value: The answer, a string or a message.
        tokens: What it cost; from the cache, what it would have cost.
        outcome: "hit", "miss", "bypass" or "off"; see `TurnReport`.
        documents: What the retriever found.
        query: What the retriever was asked; None where it was not.
        output: The chain's whole output.
        served: The cached answer; None where the model was asked.
        why: Why the answer was served from the cache, or was not.
    """

    value: str | BaseMessage
    tokens: int
    outcome: str
    documents: Sequence[Document] = ()
    query: str | None = None
    output: Any = None
    served: Answer | None = None
    why: str = ""

    @classmethod
    def from_cache(cls, chain: Chain, answer: Answer, shown: ModelInput, query: str | None = None) -> Self | None:
        """Makes a cached answer this turn's, or gives None where the chain's output cannot be built here.

        The chain builds its output from what it would have been `shown`; `query` is what the retriever was asked.
        """
        value = as_served(answer)
        built, output = chain.restored(value, answer.output, shown)
        if not built:
            return None
        return cls(value, answer.tokens, "hit", shown.documents, query, output, answer, answer.why)


class StoredTurn(NamedTuple):
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
