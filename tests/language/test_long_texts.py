"""Whoever writes a question chooses what patterns search: what reads it takes time in proportion, not by the square."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.cache.sharing import asks_for_anybody, asks_to_know, unrepeatable
from langchain_redis_memory.language.audience.linguistic import classify_audience
from langchain_redis_memory.language.bm25 import search
from langchain_redis_memory.language.classify.linguistic import LinguisticClassifier
from langchain_redis_memory.language.contextualise.local import LocalContextualiser
from langchain_redis_memory.language.equivalence.normalise import deciding_marks, key_of, normalise
from langchain_redis_memory.language.need.need import need_of
from tests.support.lateness import in_proportion

CHARACTERS = 20_000
MOST_S = 1.5
"""Processor time; in proportion it takes 0.3 s at most, by the square 3 s at least, on a machine that is not slow."""


def said(text: str) -> list[BaseMessage]:
    return [HumanMessage(text), AIMessage(text)]


READERS: dict[str, Callable[[str], Any]] = {
    "classify": lambda text: LinguisticClassifier().classify(text, said("hi")),
    "history": lambda text: LinguisticClassifier().classify("What about it?", said(text)),
    "contextualise": lambda text: LocalContextualiser().contextualise("How old is it?", said(text)),
    "audience": classify_audience,
    "key": key_of,
    "normalise": normalise,
    "marks": deciding_marks,
    "need": lambda text: need_of([*said(text), HumanMessage("What is it?")]),
    "share": lambda text: (unrepeatable(text), asks_for_anybody(text), asks_to_know(text)),
    "search": lambda text: search(text, [text]),
}
PIECES = (".", "1 ", " please.", "thanks. ", "please" + "." * 200)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_a_long_question_takes_no_longer_than_its_length(reader: str) -> None:
    for piece in PIECES:

        def read(characters: int, piece: str = piece) -> None:
            READERS[reader](piece * (characters // len(piece)) + "x")

        assert in_proportion(read, CHARACTERS, MOST_S), piece


@pytest.mark.parametrize(
    ("text", "key"), [("What is it ?!…", "what is it"), ("...", "..."), ("Go on;: ", "go on"), ("a . b", "a . b")]
)
def test_what_ends_a_question_is_no_part_of_its_key(text: str, key: str) -> None:
    assert key_of(text) == key
