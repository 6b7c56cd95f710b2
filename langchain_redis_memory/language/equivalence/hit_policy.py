"""The hit policy protocol: may the stored answer of one question be served for another?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Judgement:
    """The decision of a policy on one candidate.

    Args:
        hit: Whether the stored answer may be served.
        probability: The calibrated probability that the two questions are equivalent, 0 to 1.
        vetoes: What forbids a hit whatever the probability, for people: `numbers differ: 5 / 50`.
        features: All that was computed, by name.
        doubtful: Whether a second judge (a language model, a cross-encoder) is worth asking.
    """

    hit: bool
    probability: float
    vetoes: tuple[str, ...] = ()
    features: Mapping[str, float] = field(default_factory=dict)
    doubtful: bool = False


class HitPolicy(Protocol):
    """Decides which neighbours of a vector search are hits."""

    @property
    def floor(self) -> float:
        """The least cosine at which a candidate is worth judging."""
        ...

    def judge(self, asked: str, stored: str, similarity: float) -> Judgement:
        """Judges one candidate.

        Args:
            asked: The question that was asked.
            stored: The question whose answer is stored.
            similarity: The cosine of their vectors.

        Returns:
            The judgement.
        """
        ...
