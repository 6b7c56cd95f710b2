"""What goes into one user turn and what comes out of it: the words that `memory`, `wrap` and a report share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion
from langchain_redis_memory.cache.sharing import Grounding, SharingRule
from langchain_redis_memory.conversation.policy import Rule
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.ops import Flow, Invoke
from langchain_redis_memory.redis.codec.messages import copied
from langchain_redis_memory.redis.codec.tokens import count_tokens

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from langchain_redis_memory.redis.client.client import Client


class TurnReport(NamedTuple):
    """Reports what happened in one turn; of a turn that failed, what had happened until then.

    Args:
        question: The user's words.
        verdict: What the classifier decided, and why.
        cache: "hit", "miss", "bypass" (the policy or the words forbid it), or "off" (no cache, or no server).
        value: The answer as the conversation keeps it: a string (JSON for a structured output) or a message.
        memory: The messages that the model was shown, or that decided the cache key.
        memory_tokens: Their approximate tokens.
        query: What the retriever was asked, None where it was not.
        documents: What it found.
        tokens: What the answer cost; on a hit, what it would have cost.
        trips: Round trips to the server.
        seconds: Duration.
        stored: Whether the turn is in Redis; if not, it waits in this process, or it failed.
        output: What the chain returned, whole; on a hit, what was built again from the cache.
        why: Why the answer was served from the cache, or was not.
        kind: On a hit, "exact" or "meaning".
        entry: On a hit, names the cached entry.
        age_s: On a hit, seconds since it was stored; None where unknown.
        saved_tokens: On a hit, the tokens that were not spent.
        saved_s: On a hit, the seconds that making the answer took.
        redis_s: Seconds that the round trips took, together.
        retrieval_s: Seconds that the retriever took.
        model_s: Seconds that the chain took.
        first_chunk_s: Seconds until the chain's first chunk; None where it streamed none.
        session: The conversation.
        tenant: Whose it is; "" for the memory's own.
        agent: The agent.
        user: Who asked; "" where that is not told.
        run_id: LangChain's id of the run; "" where there is none.
        scope: Names the chain in keys.
        error: What the turn failed with, or what interrupted it: `CancelledError`, `GeneratorExit` of a stream that
            its consumer left. It passes on to the caller.
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
    output: Any = None
    why: str = ""
    kind: str = ""
    entry: str = ""
    age_s: float | None = None
    saved_tokens: int = 0
    saved_s: float = 0.0
    redis_s: float = 0.0
    retrieval_s: float = 0.0
    model_s: float = 0.0
    first_chunk_s: float | None = None
    session: str = ""
    tenant: str = ""
    agent: str = ""
    user: str = ""
    run_id: str = ""
    scope: str = ""
    error: BaseException | None = None

    @property
    def operation(self) -> str:
        """How traces name a turn, as `Trip.operation` names a round trip."""
        return "conversation_turn"


class ModelInput(NamedTuple):
    """What a chain gets for one turn."""

    question: HumanMessage
    memory: Sequence[BaseMessage]
    documents: Sequence[Document]
    query: str


class Plan(NamedTuple):
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
        """Runs one turn as a flow, for a driver of the client."""
        ...


class Chain(Protocol):
    """The outside of a turn: how to retrieve, generate and read an answer."""

    scope: str
    """Names the chain and its documents."""
    sharing: SharingRule
    """With whom the answer may be shared, besides what the key covers."""
    grounding: Grounding
    """When an answer made from documents is served."""
    keep_partial: bool
    """Whether what was said is kept when a stream breaks off."""
    single_flight_ms: int
    """How long an equal question waits for the first one's answer; 0: not at all."""

    def retrieve(self, query: str) -> Invoke | None:
        """Returns the step that asks the retriever; None where there is none."""
        ...

    def generate(self, shown: ModelInput) -> Invoke:
        """Returns the step that asks the model."""
        ...

    def value(self, raw: Any) -> str | BaseMessage:
        """Extracts the answer from what the chain returned or streamed."""
        ...

    def output(self, value: str | BaseMessage) -> Any:
        """Returns the whole output; called after `value`."""
        ...

    def output_to_keep(self) -> tuple[bool, Mapping[str, Any] | None]:
        """Returns whether the output may be cached for other runs, and all of it but the answer, as plain data.

        Called after `value`.
        """
        ...

    def restored(self, value: str | BaseMessage, kept: Mapping[str, Any] | None, shown: ModelInput) -> tuple[bool, Any]:
        """Returns whether the output of a cached answer can be rebuilt, and that output."""
        ...

    def said_so_far(self, chunks: Sequence[Any]) -> str:
        """Returns the text of an answer that broke off after these chunks."""
        ...


class TurnInput(NamedTuple):
    """One turn as it comes in.

    Args:
        session_id: The conversation.
        agent: The agent.
        tenant: Whose it is.
        question: What the user said.
        lead: System messages that the caller put in front of it.
        given: What else the caller gave to the chain.
        user: Who says it, "" where that is not told; a profile is learned of nobody else.
        run_id: LangChain's id of the run.
    """

    session_id: str
    agent: str
    tenant: str
    question: HumanMessage
    lead: Sequence[BaseMessage] = ()
    given: Any = None
    user: str = ""
    run_id: str = ""


def also_given(incoming: TurnInput) -> Any:
    """Returns what else decides the answer besides the words and the memory: the chain's other inputs, and who asks."""
    question = incoming.question
    if question.name or question.additional_kwargs:
        return [incoming.given, question.name, question.additional_kwargs]
    return incoming.given


def words_of(question: HumanMessage) -> str:
    """Returns the words of a question; parts of it stand in lines of their own, as run together they say another."""
    content = question.content
    if isinstance(content, str):
        return content
    parts = [part if isinstance(part, str) else part.get("text") for part in content if _says(part)]
    return "\n".join(str(part) for part in parts if part)


def _says(part: Any) -> bool:
    return isinstance(part, str) or part.get("type") == "text"


def as_served(answer: Answer) -> str | BaseMessage:
    """Builds a new message from a cached answer: its own id, its origin, and no token usage, as none were spent."""
    value = answer.value
    if isinstance(value, str):
        return value
    about = {"hit": True, "kind": answer.kind, "why": answer.why, "entry": answer.entry, "age_s": answer.age_s}
    saved = {"tokens": answer.tokens, "seconds": answer.seconds}
    metadata = {**value.response_metadata, "cache": {**about, "saved": saved}}
    return copied(value, id=str(uuid4()), usage_metadata=None, response_metadata=metadata)


def with_id(message: BaseMessage) -> BaseMessage:
    """Returns the message with an id, so that storing it twice does no harm."""
    return message if message.id else copied(message, id=str(uuid4()))


def cost(
    value: str | BaseMessage, prompt: Sequence[BaseMessage], documents: Sequence[Document], shown_tokens: int = 0
) -> int:
    """Tokens of an answer: what the model reported, else an estimate, to which what it was shown is added."""
    usage = getattr(value, "usage_metadata", None)
    if usage:
        return int(usage["total_tokens"])
    read = [*prompt, *(HumanMessage(document.page_content) for document in documents)]
    read.append(value if isinstance(value, BaseMessage) else AIMessage(value))
    return shown_tokens + count_tokens(read)
