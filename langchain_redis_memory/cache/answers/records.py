"""What a cache of answers lets the people on call do: count, find, remove and report its entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from langchain_redis_memory.cache.answers.answer_cache import (
    Answer,
    AnswerCache,
    CacheQuestion,
    decode_answer,
    encode_answer,
)
from langchain_redis_memory.cache.candidate import Candidate
from langchain_redis_memory.cache.marks import AnswerFilter
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.frozen import replace
from langchain_redis_memory.ops import Flow, Op
from langchain_redis_memory.redis.keys import KeySpace


class LookupPreview(NamedTuple):
    """A preview of what a cache would serve to a question, and what else is near, with what spoke against it."""

    answer: Answer | None
    candidates: Sequence[Candidate]


class CachedAnswer(NamedTuple):
    """One entry of a cache of answers, for people.

    Args:
        entry: Its id.
        answer: What is served; None where it cannot be read.
        question: What it answers; "" where the cache keeps only a digest of it.
        session: The conversation that it was made in, "" where the cache keeps only a digest of it.
        reports: Each report of a hit: how sure the cache was, 0 to 1, and whether the answer was right.
        left_s: What is left of its lifetime in seconds; None for no end, or where it was read with others.
    """

    entry: str
    answer: Answer | None
    question: str = ""
    session: str = ""
    reports: tuple[tuple[float, bool], ...] = ()
    left_s: float | None = None


class CachedAnswers(NamedTuple):
    """Some entries, in no order, about as many as were asked for; and the cursor to go on from, 0 after the last."""

    answers: list[CachedAnswer]
    cursor: int


class AnswerRecords(Protocol):
    """The entries of one cache of answers, of any tenant."""

    name: str
    """Names the cache within a tenant."""

    def tally(self, space: KeySpace) -> Tally:
        """Returns the statistics of a tenant."""
        ...

    def delete_flow(self, space: KeySpace, wanted: AnswerFilter) -> Flow[int]:
        """Deletes the answers that are meant, by reading through all entries; gives how many there were."""
        ...

    def remove_flow(self, space: KeySpace, entries: Sequence[str]) -> Flow[int]:
        """Deletes answers by the ids of their entries; gives how many there were."""
        ...

    def report(self, space: KeySpace, entry: str, *, correct: bool) -> Op[bool]:
        """Notes whether an answer was right, so that a wrong one is not served again.

        An op of one trip: whether the entry was still there. Raises `InvalidInputError`: it is not the id of an entry.
        """
        ...

    def page_flow(self, space: KeySpace, cursor: int) -> Flow[CachedAnswers]:
        """Reads through the entries from a cursor on; what was there all the time is given at least once."""
        ...

    def entry_flow(self, space: KeySpace, entry: str) -> Flow[CachedAnswer | None]:
        """Reads one entry; None where there is none."""
        ...

    def edit_flow(self, space: KeySpace, entry: str, text: str) -> Flow[bool]:
        """Replaces the words of an answer, which lives as long as before; gives whether there was one."""
        ...

    def explain_flow(self, asked: CacheQuestion) -> Flow[LookupPreview]:
        """Says what a look-up would find, and what spoke against the rest; nothing is counted."""
        ...


@runtime_checkable
class ManagedAnswerCache(AnswerCache, Protocol):
    """A cache of answers whose entries can be looked at and removed."""

    @property
    def records(self) -> AnswerRecords:
        """Its entries."""
        ...


def stored_answer(body: bytes, where: str, left_ms: int | None = None) -> tuple[bytes, Answer | None]:
    """Decodes an answer as a cache keeps it, decrypted, whatever epoch it is of.

    Returns the token of its epoch with the mark after it, b"" for none; and the answer, None where it is something
    else.
    """
    left_ms = None if left_ms is None or left_ms < 0 else left_ms
    answer = decode_answer(body, where, left_ms)
    if answer is not None:
        return b"", answer
    token, mark, rest = body.partition(b";")
    return token + mark, decode_answer(rest, where, left_ms) if mark else None


def edited(body: bytes, where: str, text: str) -> bytes | None:
    """Replaces the words of an answer as a cache keeps it; its lifetime, documents and cost stay.

    Returns what to store instead; None where it is not an answer.
    """
    token, answer = stored_answer(body, where, 0)  # as if nothing were left of it: its age is its whole lifetime
    if answer is None:
        return None
    value = text if isinstance(answer.value, str) else answer.value.model_copy(update={"content": text})
    ttl_ms = 0 if answer.age_s is None else round(answer.age_s * 1000)
    return token + encode_answer(replace(answer, value=value), ttl_ms)
