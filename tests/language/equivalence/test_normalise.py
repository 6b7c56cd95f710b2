"""Normalising a question: what a phrasing needs is in every text that it fits, so to leave the others out is sound."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_redis_memory.language.english import Replacement, replacements
from langchain_redis_memory.language.equivalence.contrasts import MORE_PHRASES
from langchain_redis_memory.language.equivalence.normalise import normalise

NEEDING = [each for each in [*replacements("questions", "phrases"), *MORE_PHRASES] if each.needs]


@pytest.mark.parametrize("each", NEEDING, ids=lambda each: each.needs[0].strip())
@given(data=st.data())
def test_what_a_phrasing_needs_is_in_every_text_that_it_fits(each: Replacement, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(re.compile(each.pattern, re.ASCII)))
    assert any(needed in text for needed in each.needs)


def test_every_phrasing_that_is_searched_everywhere_needs_something() -> None:
    everywhere = [each for each in [*replacements("questions", "phrases"), *MORE_PHRASES] if each.pattern[0] != "^"]
    assert everywhere == NEEDING


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("How would I go about it, please?", "how do i it,"),
        ("Is it possible for us to rent a bike in New York?", "can i rent a bike in nyc"),
    ],
)
def test_phrasings_are_replaced_where_they_fit(text: str, plain: str) -> None:
    assert normalise(text).text == plain
