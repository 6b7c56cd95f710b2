"""The protocol of answer caches: what `ConversationMemory` may serve again, and the question that it is served for.

A key covers everything that decided the answer: the chain, the documents' name, the question, and every message that
the model was shown. An `AnswerCache` answers the very same question in the very same context; a `SearchableAnswerCache`
also finds questions that mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from langchain_core.messages import AIMessage, BaseMessage

from langchain_redis_memory.cache.marks import Marks, marks_of
from langchain_redis_memory.errors import CorruptDataError, UnserialisableError
from langchain_redis_memory.frozen import Frozen, replace
from langchain_redis_memory.ops import Flow, Op
from langchain_redis_memory.redis.codec.messages import decode_message, encode_message
from langchain_redis_memory.redis.codec.values import digest, is_document, pack, unpack
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.ttl import milliseconds

if TYPE_CHECKING:
    from langchain_core.documents import Document


class CacheQuestion(Frozen):
    """Describes a question to an answer cache: its words, and everything else that the answer depends on.

    Args:
        space: The tenant's key builder.
        agent: The agent that answers.
        scope: Names the chain and its documents; answers are shared only within a scope.
        question: The user's words.
        context: The messages that the model is shown besides the question and the conversation.
        memory: The messages of the conversation that the model is shown.
        given: Whatever else the chain is given, in a form that `codec.pack` takes.
        query: What the retriever is asked, where that is not the question; it follows from question and context.
        audience: For whom the answer is: "" for everybody of the tenant, else the asker's name (see `cache.sharing`).
        later: Whether the question was asked within a conversation that it does not depend on; it decides nothing.
        session: The conversation, for removing its answers; it decides nothing and is not part of the key.
        ttl_s: How long the answer may be kept at most, in seconds; None for as long as the cache keeps any.
        notes: What a cache notes at the look-up for the store and for the log, by name. They belong to the turn, so two
            concurrent turns with the same question do not mix them up.
    """

    space: KeySpace
    agent: str
    scope: str
    question: Any
    context: Sequence[BaseMessage] = ()
    given: Any = None
    query: str | None = None
    audience: str = ""
    memory: Sequence[BaseMessage] = ()
    later: bool = field(default=False, compare=False)
    session: str = field(default="", compare=False)
    ttl_s: float | None = field(default=None, compare=False)
    notes: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def unanswered(self) -> str:
        """What is said of a miss: a question that leans on its conversation may be answered in others."""
        return f"there is no answer to it{' in this context' if self.memory else ''}"

    def lifetime_ms(self, ttl_ms: int) -> int:
        """Returns the lifetime to store the answer with: the cache's own, or this turn's bound where that is shorter.

        Args:
            ttl_ms: The cache's own, in milliseconds, 0 for none.

        Returns:
            The shorter one of the two, 0 for none.
        """
        return min(filter(None, (ttl_ms, milliseconds(self.ttl_s))), default=0)

    def key(self) -> str:
        """Returns the key of this question's answer, which only the very same question shares."""
        return self.space.answer(self.entry)

    def asked_for(self, audience: str, ttl_s: float | None = None) -> CacheQuestion:
        """Returns the question as it is asked for an audience, whose answer is kept for so long at most."""
        same = audience == self.audience and ttl_s == self.ttl_s
        return self if same else replace(self, audience=audience, ttl_s=ttl_s)

    def is_named_as(self, other: CacheQuestion) -> bool:
        """Returns whether another question of the tenant has this one's key.

        One that is made of the very same parts takes the name over: it is a digest, which takes as long as a trip.
        """
        mine, theirs = vars(self), vars(other)
        if self.audience == other.audience and all(mine[part] is theirs[part] for part in _DECIDING):
            mine["entry"] = other.entry
        return self.entry == other.entry

    @property
    def marks(self) -> Marks:
        """The marks by which the answer is found again to be removed."""
        return marks_of(self.question, self.session, self.scope)

    @cached_property
    def entry(self) -> str:
        """Names the answer to the very same question: the digest of all that decides it."""
        question = self.question.strip() if isinstance(self.question, str) else self.question
        parts = {
            "scope": self.scope,
            "question": question,
            "context": [seen_by_model(message) for message in (*self.context, *self.memory)],
            "given": self.given,
            "query": self.query,
            "audience": self.audience,
            "agent": self.agent,
        }
        return self.space.blind(bytes.fromhex(digest(parts))).hex()


_DECIDING = ("space", "agent", "scope", "question", "context", "given", "query", "memory")
"""What decides the key, besides the audience."""


def seen_by_model(message: BaseMessage) -> list[Any]:
    """Returns the parts of a message that a model sees: all but its ids and what was measured when it was made."""
    calls = [(call["name"], call["args"]) for name in _CALLS for call in getattr(message, name, [])]
    who = [message.type, message.name, getattr(message, "role", None), getattr(message, "status", None)]
    return [who, message.content, calls, message.additional_kwargs]


_CALLS = ("tool_calls", "invalid_tool_calls")


class Answer(Frozen):
    """Holds an answer of a chain, with what it cost to make and why it may be served again.

    Args:
        value: What the chain answered: a string or an AI message.
        tokens: What it cost to make, input and output; 0 where unknown.
        output: The other keys of the chain's output where that is a dict, as plain data; None for no dict.
        documents: What the retriever found for it.
        seconds: What it took to make; 0 where unknown.
        entry: Names the cached entry, for `report`; "" where it is not from a cache.
        kind: "exact" for the very same question, "meaning" for one that means the same, "" for no cache.
        why: Why it may be served, in a line.
        age_s: Seconds since it was stored, by the server's clock; None where unknown (it is not from a cache, or it
            never expires).
    """

    value: str | BaseMessage
    tokens: int = 0
    output: Mapping[str, Any] | None = None
    documents: Sequence[Document] = ()
    seconds: float = 0.0
    # How it was found is not part of what it is.
    entry: str = field(default="", compare=False)
    kind: str = field(default="", compare=False)
    why: str = field(default="", compare=False)
    age_s: float | None = field(default=None, compare=False)

    def grounded_in(self, documents: Sequence[Document]) -> bool:
        """Checks that the answer was made from the documents that the asker's own retrieval finds.

        Args:
            documents: What the retriever finds now, as this asker.

        Returns:
            True where they are the ones that the answer was made from, unchanged; their order does not matter, one more
            or one less does.
        """
        retrieved, made = ([document_digest(document) for document in some] for some in (documents, self.documents))
        return None not in retrieved and sorted(map(str, retrieved)) == sorted(map(str, made))


def document_digest(document: Document) -> str | None:
    """Names a document by what a chain may read of it.

    Returns a digest of its id, its text and its metadata; None where that holds what cannot be stored, and so not
    compared.
    """
    try:
        return digest({"id": document.id, "text": document.page_content, "metadata": document.metadata})
    except UnserialisableError:
        return None


class AnswerCache(Protocol):
    """Keeps answers, by operations that are merged into the turn's own round trips."""

    def lookup(self, asked: CacheQuestion) -> Op[Answer | None]:
        """Looks up the answer to the very same question.

        Args:
            asked: The question.

        Returns:
            An op of one trip: the answer, None where there is none that may be served.
        """
        ...

    def store(self, asked: CacheQuestion, answer: Answer) -> Op[Any] | Flow[Op[Any]]:
        """Keeps an answer.

        Args:
            asked: The question.
            answer: Its answer.

        Returns:
            An op of one trip, or a flow that prepares one.
        """
        ...


@runtime_checkable
class SearchableAnswerCache(AnswerCache, Protocol):
    """Also finds answers to questions that mean the same."""

    def search(self, asked: CacheQuestion) -> Flow[Answer | None]:
        """Searches for the answer to a question that means the same, where `lookup` found none.

        Args:
            asked: The question.

        Returns:
            The answer, None where there is none that may be served; whatever fails gives none.
        """
        ...


_VERSION = 2

CANDIDATES = "candidates"
"""The note of what a search by meaning looked at: a list of `Candidate`."""


def encode_answer(answer: Answer, ttl_ms: int) -> bytes:
    """Encodes an answer, with the lifetime that it is stored with (0 for none): what is left of it tells its age.

    Raises `UnserialisableError`: it holds a value that cannot be stored.
    """
    value = answer.value
    kind, body = ("message", encode_message(value)) if isinstance(value, BaseMessage) else ("text", value)
    output = None if answer.output is None else dict(answer.output)
    made = [answer.tokens, round(answer.seconds * 1000), ttl_ms]
    return pack([_VERSION, kind, body, output, list(answer.documents), *made])


def decode_answer(data: bytes, where: str, left_ms: int | None = None) -> Answer | None:
    """Decodes an answer read from `where`; bytes that are no answer, or of another version, are a miss: None."""
    try:
        return _answer(unpack(data, where), left_ms)
    except (CorruptDataError, ValueError):  # whatever is there, it is not an answer of ours
        return None


def _answer(stored: Any, left_ms: int | None) -> Answer | None:
    """Reads the answer from what was stored, None where it is something else."""
    if type(stored) is not list or len(stored) != 8 or stored[0] != _VERSION:
        return None
    _, kind, body, output, documents, *made = stored
    if any(type(number) is not int for number in made) or not (output is None or isinstance(output, dict)):
        return None
    if not isinstance(documents, list) or not all(map(is_document, documents)):
        return None
    value = decode_message(body) if kind == "message" else body if kind == "text" else None
    if not isinstance(value, AIMessage | str):
        return None
    tokens, made_ms, ttl_ms = made
    age_s = None if left_ms is None or not ttl_ms else max(0, ttl_ms - left_ms) / 1000
    return Answer(value, tokens, output, tuple(documents), made_ms / 1000, age_s=age_s)
