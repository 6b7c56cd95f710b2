"""Weighs what was found of a pair; a model that reads both questions (a pair scorer) gives one more term.

The verifier works by signs alone. A probability of a scorer enters its log-odds as the feature `scored`, under weights
that were fitted together with that scorer (`benchmarks/training/train_equivalence.py`): a probability of one model
means something else than that of another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Protocol

from langchain_redis_memory.language.equivalence.hit_policy import Judgement
from langchain_redis_memory.language.equivalence.weights import EquivalenceModel
from langchain_redis_memory.language.logistic import odds, probability

SCORED = "scored"
"""The feature's name in the weights."""
_VETOED = 0.02
"""The most that the probability of a vetoed pair is."""
_DOUBT = 0.25
"""The share of the cut from which on a second judge is worth asking."""
_BOUND = 30.0
"""Largest log-odds of equivalence that are told apart."""
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
        share: A probability; what is not a number counts as 0.

    Returns:
        Its log-odds, at most `MOST_ODDS` from 0.
    """
    return max(-MOST_ODDS, min(MOST_ODDS, odds(0.0 if isnan(share) else share)))


def weighed(
    model: EquivalenceModel,
    features: Mapping[str, float],
    vetoes: Sequence[str],
    *,
    max_error: float,
    near: bool,
    scorer: PairScorer | None,
    pair: tuple[str, str],
    prior: float = 0.0,
    also: Sequence[str] = (),
) -> Judgement:
    """Weighs the features of a pair, and asks the scorer where what it says can change the decision.

    Args:
        model: The weights.
        features: The features, the cosine among them.
        vetoes: What forbids a hit.
        max_error: The tolerated share of wrong hits.
        near: Whether the cosine is worth judging.
        scorer: A model that reads both, if any.
        pair: What it is given to read, in either order.
        prior: What is added to the log-odds.
        also: What forbids a hit as well, but is no reason not to ask.
    """
    cut, weight = model.cut(max_error), model.weights.get(SCORED, 0.0)
    log_odds = model.log_odds({SCORED: 0.0, **features, "cosine": max(features["cosine"], model.cosines[0])}) + prior
    if scorer is not None and near and not vetoes:
        least, most = (probability(log_odds + end * weight, _BOUND) for end in (-MOST_ODDS, MOST_ODDS))
        if least < cut <= most:
            said = scored_odds(scorer.score([(min(pair), max(pair))])[0])
            features, log_odds = {**features, SCORED: said}, log_odds + weight * said
    chance = probability(log_odds, _BOUND)
    if vetoes or also:
        return Judgement(False, min(chance, _VETOED), tuple(vetoes or also), features)
    hit = chance >= cut and near
    return Judgement(hit, chance, (), features, doubtful=not hit and chance >= _DOUBT * cut)
