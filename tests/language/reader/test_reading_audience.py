"""A second opinion on who may be served an answer: asked where the words leave a doubt, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.language.audience import Audience, classify_audience
from langchain_redis_memory.language.audience.verdict import MAX_UNSAFE
from langchain_redis_memory.language.reader import LocalReader, ReadingAudience
from langchain_redis_memory.language.reader.reading_audience import DOUBT
from tests.support.table import table

DOUBTFUL = "Who made the first brass valve?"
"""A question that the words alone do not share, for a doubt that reading may settle."""


class Fixed:
    """A reader that gives one probability and remembers what it was asked."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.asked: list[str] = []

    def audience(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        self.asked += texts
        return [{"unsafe": self.share} for _ in texts]


class Broken(Fixed):
    """A reader that fails."""

    def audience(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        self.asked += texts
        raise OSError("no model")


def test_a_doubt_is_settled_by_reading_either_way() -> None:
    words = classify_audience(DOUBTFUL)
    assert not words.shareable()
    assert DOUBT[0] <= words.p_unsafe <= DOUBT[1]
    public, own = (ReadingAudience(Fixed(share))(DOUBTFUL) for share in (0.001, 0.9))
    assert public.shareable()
    assert public.audience is Audience.EVERYONE
    assert not own.shareable()
    assert public.p_unsafe < words.p_unsafe < own.p_unsafe
    assert "read: not for everybody with probability 0.90" in own.evidence


@table(
    "turn",
    [
        "What is my account balance?",
        "Do I need a visa?",
        "Cancel order 123",
        "Tell me another joke",
        "What is the weather today?",
        "restaurants near me",
        "How do I reset my password?",
        "wie hoch ist mein Kontostand",
        "???",
        "",
    ],
)
def test_what_the_words_say_plainly_is_not_read(turn: str) -> None:
    reader = Fixed(0.0)
    assert ReadingAudience(reader)(turn) == classify_audience(turn)
    assert not reader.asked


def test_of_a_chain_that_knows_nobody_the_words_decide() -> None:
    reader = Fixed(0.0)
    assert ReadingAudience(reader)(DOUBTFUL, opaque=False) == classify_audience(DOUBTFUL, opaque=False)
    assert not reader.asked


def test_a_question_is_read_once() -> None:
    reader = Fixed(0.01)
    audience = ReadingAudience(reader)
    assert audience(DOUBTFUL) == audience(DOUBTFUL)
    assert reader.asked == [DOUBTFUL]


def test_a_reader_that_fails_costs_only_the_second_opinion(caplog: pytest.LogCaptureFixture) -> None:
    reader = Broken(0.0)
    audience = ReadingAudience(reader)
    assert audience(DOUBTFUL) == audience(DOUBTFUL) == classify_audience(DOUBTFUL)
    assert reader.asked == [DOUBTFUL] * 2
    assert "OSError" in caplog.text


def test_a_smaller_risk_shares_less() -> None:
    shares = [share / 100 for share in range(0, 100, 2)]
    shared = [
        sum(ReadingAudience(Fixed(share), max_unsafe=risk)(DOUBTFUL).shareable() for share in shares)
        for risk in (0.0, 0.002, MAX_UNSAFE, 0.02)
    ]
    assert shared == sorted(shared)
    assert shared[0] == 0 < shared[2] < shared[-1]


def test_the_local_reader_shares_what_the_words_left_in_doubt_and_nothing_that_is_the_askers() -> None:
    audience = ReadingAudience(LocalReader())
    assert audience(DOUBTFUL).shareable()
    for turn in ("Which dentist treated Leo?", "Which seats are left?", "has the second opinion come"):
        assert not audience(turn).shareable()


def test_parts_are_checked() -> None:
    with pytest.raises(ConfigError, match="audience"):
        ReadingAudience(object())  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="max_unsafe"):
        ReadingAudience(Fixed(0.5), max_unsafe=1)
