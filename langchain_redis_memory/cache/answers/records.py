"""What a cache of answers lets the people on call do: count, find, remove and report its entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from langchain_redis_memory.cache.answers.answer_cache import Answer, AnswerCache, CacheQuestion
from langchain_redis_memory.cache.marks import Wanted
from langchain_redis_memory.cache.semantic.search import Candidate
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.ops import Flow, Op
from langchain_redis_memory.redis.keys import KeySpace


class Explained(NamedTuple):
    """What a cache would do with a question.

    Args:
        answer: The answer that it would serve; None for none.
        candidates: What else is near, with what spoke against it.
    """

    answer: Answer | None
    candidates: Sequence[Candidate]


class AnswerRecords(Protocol):
    """The entries of one cache of answers, of any tenant."""

    name: str
    """Names the cache within a tenant."""

    def tally(self, space: KeySpace) -> Tally:
        """Returns the statistics of a tenant.

        Args:
            space: The tenant's key builder.
        """
        ...

    def delete_flow(self, space: KeySpace, wanted: Wanted) -> Flow[int]:
        """Deletes the answers that are meant, by reading through all entries; gives how many there were.

        Args:
            space: The tenant's key builder.
            wanted: Which are meant.
        """
        ...

    def remove_flow(self, space: KeySpace, entries: Sequence[str]) -> Flow[int]:
        """Deletes answers by the ids of their entries; gives how many there were.

        Args:
            space: The tenant's key builder.
            entries: Ids, as `Answer.entry` has them.
        """
        ...

    def report(self, space: KeySpace, entry: str, *, correct: bool) -> Op[bool]:
        """Notes whether an answer was right, so that a wrong one is not served again.

        Args:
            space: The tenant's key builder.
            entry: The id, as `Answer.entry` has it.
            correct: Whether it was right.

        Returns:
            An op of one trip: whether the entry was still there.

        Raises:
            InvalidInputError: It is no id of an entry.
        """
        ...

    def explain_flow(self, asked: CacheQuestion) -> Flow[Explained]:
        """Says what a look-up would find, and what spoke against the rest; nothing is counted.

        Args:
            asked: The question.
        """
        ...


@runtime_checkable
class ManagedAnswerCache(AnswerCache, Protocol):
    """A cache of answers whose entries can be looked at and removed."""

    @property
    def records(self) -> AnswerRecords:
        """Its entries."""
        ...
