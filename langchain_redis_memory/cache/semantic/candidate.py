"""A question that a look-up by meaning found near; alone here, so that exact caches need not load what compares two."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from langchain_redis_memory.language.equivalence import Judgement


class Candidate(NamedTuple):
    """A question that was found near.

    Args:
        question: The stored question.
        similarity: Cosine, -1 to 1.
        judgement: What the policy says; None where it was not asked, because it is the very same or too far.
        why: Why it was not served; "" where it was.
    """

    question: str
    similarity: float
    judgement: Judgement | None
    why: str
