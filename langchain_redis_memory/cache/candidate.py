"""A question that a look-up by meaning found near; alone here, so that exact caches need not load what compares two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from langchain_redis_memory.cache.decision_log import LoggedCandidate

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


def logged(candidates: Sequence[Candidate]) -> tuple[LoggedCandidate, ...]:
    """Returns the candidates that were judged, as a decision log keeps them."""
    judged = ((one, one.judgement) for one in candidates if one.judgement is not None)
    return tuple(LoggedCandidate(one.question, one.similarity, j.probability, bool(j.vetoes)) for one, j in judged)
