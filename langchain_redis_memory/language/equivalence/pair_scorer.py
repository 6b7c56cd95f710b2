"""The pair scorer protocol: a model that reads both questions together gives the verifier one more term.

The verifier works by signs alone. A probability of a scorer enters its log-odds as the feature `scored`, under weights
that were fitted together with that scorer (`benchmarks/training/train_equivalence.py`): a probability of one model
means something else than that of another.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Protocol

from langchain_redis_memory.language.logistic import odds, probability

SCORED = "scored"
"""The feature's name in the weights."""
MOST_ODDS = 2.0
"""The largest log-odds of a score that are told apart: surer ones would overrule the signs, wrongly too often."""


class PairScorer(Protocol):
    """Scores pairs of questions, such as a cross-encoder does."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> Sequence[float]:
        """Scores pairs of questions.

        Args:
            pairs: Two questions each, the lesser text first: the verifier asks for one order only.

        Returns:
            For each pair the probability that one answer serves both, 0 to 1.
        """
        ...


def scored_odds(share: float) -> float:
    """Returns a score as the value of the feature `scored`.

    Args:
        share: A probability; what is no number counts as 0.

    Returns:
        Its log-odds, at most `MOST_ODDS` from 0.
    """
    return max(-MOST_ODDS, min(MOST_ODDS, odds(0.0 if isnan(share) else share)))


def said_of(scorer: PairScorer, pair: tuple[str, str], weight: float, log_odds: float, cut: float) -> float | None:
    """Asks a scorer about a pair where what it says can change the decision.

    Args:
        scorer: The scorer.
        pair: Two questions, in either order.
        weight: What one of its log-odds adds.
        log_odds: The log-odds of equivalence without it.
        cut: The least probability of a hit.

    Returns:
        The value of the feature `scored`; None where it cannot matter and was not asked for.
    """
    least, most = (probability(log_odds + end * weight, 30) for end in (-MOST_ODDS, MOST_ODDS))
    return scored_odds(scorer.score([(min(pair), max(pair))])[0]) if least < cut <= most else None


__all__ = ["PairScorer", "said_of", "scored_odds"]
