"""A question's name: whoever takes it over has the name that the question would be given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from langchain_redis_memory.cache.answers.answer_cache import CacheQuestion
from langchain_redis_memory.redis.keys import KeySpace

MEMORY = [HumanMessage("hello")]
ASKED = CacheQuestion(KeySpace(), "agent", "scope", "How do refunds work?", given={"n": 1}, memory=MEMORY)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"ttl_s": 5.0, "later": True, "session": "other"}, True),
        ({"question": " How do refunds work? "}, True),
        ({"memory": [HumanMessage("hello")]}, True),
        ({"audience": "user:ann"}, False),
        ({"question": "How do returns work?"}, False),
        ({"given": {"n": True}}, False),
        ({"memory": [HumanMessage("bye")]}, False),
        ({"query": "refunds"}, False),
    ],
)
def test_a_question_takes_over_the_name_of_an_equal_one_only(change: dict[str, Any], same: bool) -> None:
    ASKED.entry  # noqa: B018 - it is made here, and may be taken over
    other = replace(ASKED, **change)
    assert other.is_named_as(ASKED) is same
    assert other.entry == replace(ASKED, **change).entry


def test_a_question_for_the_same_audience_is_the_same() -> None:
    assert ASKED.asked_for("") is ASKED
    assert ASKED.asked_for("user:ann", 5.0) == replace(ASKED, audience="user:ann")
