"""What a word is, what it is made of, and when two forms are one word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from langchain_redis_memory.language.turn_tokens import PART, TOKEN, WORD, read
from langchain_redis_memory.language.words import lemma, singular, stem
from tests.support.table import table

SPELT = "don't John's C++ e-mail AT&T read_csv 10:30 1,000.50 and/or 5kg 3rd café x #1 ( ? , : . % naïve's 7,a".split()


@given(st.lists(st.sampled_from(SPELT), max_size=8), st.sampled_from([" ", "  ", "\n", ", "]))
def test_no_part_reaches_beyond_a_word(spelt: list[str], between: str) -> None:
    text = between.join(spelt)
    assert [part for token in TOKEN.findall(text) for part in PART.findall(token)] == PART.findall(text)


@table(
    ("text", "words", "parts"),
    [
        ("Isn't 5kg 1,000 g?", ["Isn't", "5kg", "1,000", "g"], ["Isn't", "5", "kg", "1,000", "g", "?"]),
        ("at 10:30, or 11", ["at", "10:30", "or", "11"], ["at", "10:30", ",", "or", "11"]),
        ("Anna's e-mail", ["Anna's", "e-mail"], ["Anna", "'s", "e", "-", "mail"]),
        ("2,a", ["2", "a"], ["2", ",", "a"]),
    ],
)
def test_words_and_their_parts(text: str, words: list[str], parts: list[str]) -> None:
    assert WORD.findall(text) == words
    assert PART.findall(text) == parts


@table(
    ("one", "other", "levels"),
    [
        ("recipes", "recipe", (singular, lemma, stem)),
        ("cities", "city", (singular, lemma, stem)),
        ("stopped", "stop", (lemma, stem)),
        ("went", "go", (lemma,)),
        ("cared", "car", (stem,)),
        ("bus", "bu", ()),
    ],
)
def test_each_level_merges_the_forms_that_it_names(one: str, other: str, levels: tuple[object, ...]) -> None:
    assert tuple(level for level in (singular, lemma, stem) if level(one) == level(other)) == levels


def test_a_turn_is_tokenised_once_and_its_signs_are_each_readers_own() -> None:
    one, other = read("Is it treatable?"), read("Is it treatable?")
    assert one.low is other.low
    one.sign("pronoun", 1, why="points back")
    assert (other.features, other.evidence, other.at) == ({}, [], {})
