"""A pair scorer as one more term of the verifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.language.equivalence import PairScorer, VerifiedPolicy
from langchain_redis_memory.language.equivalence.pair_scorer import MOST_ODDS
from langchain_redis_memory.language.equivalence.weights import shipped

WEIGHTS = replace(shipped(), weights={**shipped().weights, "scored": 0.8})
UNSURE = ("How do I clean a leather sofa?", "What removes stains on a leather couch?")


class Fixed:
    """A scorer that gives one probability and remembers what it was asked."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.asked: list[tuple[str, str]] = []

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        self.asked += pairs
        return [self.share for _ in pairs]


def policy_with(scorer: PairScorer) -> VerifiedPolicy:
    return VerifiedPolicy(0.2, scorer=scorer, weights=WEIGHTS)


def test_a_score_moves_the_probability_both_ways() -> None:
    low, even, high = (policy_with(Fixed(share)).judge(*UNSURE, 0.9) for share in (0.02, 0.5, 0.98))
    assert low.probability < even.probability < high.probability
    assert even.probability == pytest.approx(VerifiedPolicy(0.2).judge(*UNSURE, 0.9).probability)
    assert (low.hit, high.hit) == (False, True)
    assert high.features["scored"] == pytest.approx(-low.features["scored"])


def test_one_order_of_the_two_texts_is_scored() -> None:
    scorer = Fixed(0.9)
    for pair in (UNSURE, UNSURE[::-1]):
        policy_with(scorer).judge(*pair, 0.9)
    assert scorer.asked == [UNSURE, UNSURE]


@pytest.mark.parametrize(
    ("asked", "stored", "similarity"),
    [
        ("Is 5 mg safe?", "Is 50 mg safe?", 0.99),
        (*UNSURE, 0.1),
        ("What is Redis?", "what is redis", 0.9),
        ("What is Redis?", "What is Redis?", 0.9),
    ],
    ids=["vetoed", "far", "the same but for its form", "the same"],
)
def test_a_scorer_is_not_asked_where_it_decides_nothing(asked: str, stored: str, similarity: float) -> None:
    scorer = Fixed(0.999)
    policy_with(scorer).judge(asked, stored, similarity)
    assert scorer.asked == []


def test_what_is_no_number_speaks_against_a_hit() -> None:
    assert policy_with(Fixed(float("nan"))).judge(*UNSURE, 0.9).features["scored"] == -MOST_ODDS


def test_weights_without_a_scorer_are_refused_with_one() -> None:
    with pytest.raises(ConfigError, match="fitted with this scorer"):
        VerifiedPolicy(scorer=Fixed(0.5))


def test_a_scorer_is_not_asked_about_statements() -> None:
    scorer = Fixed(0.999)
    policy_with(scorer).judge("The leather sofa was cleaned.", "Somebody removed stains on the leather couch.", 0.9)
    assert scorer.asked == []


def test_a_scorer_brings_its_weights() -> None:
    class Weighed(Fixed):
        verifier_weights = WEIGHTS

    judged = VerifiedPolicy(0.2, scorer=Weighed(0.98)).judge(*UNSURE, 0.9)
    assert judged.probability == policy_with(Fixed(0.98)).judge(*UNSURE, 0.9).probability
