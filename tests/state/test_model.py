"""How a turn moves a conversation's state: pure, bounded, and the same in whatever order the answers arrive."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.phrases import key_of, language_of, phrases, phrases_in
from langchain_redis_memory.redis.codec.values import pack, unpack_raw
from langchain_redis_memory.state.model import (
    MOST_ENTITIES,
    MOST_TOPICS,
    ConversationState,
    Search,
    StateDelta,
    advance,
    apply_delta,
    delta_from_plain,
    delta_of,
    from_plain,
    plain,
    plain_delta,
)

NEW = Verdict(QuestionType.NEW_TOPIC, 1.0)
MORE = Verdict(QuestionType.CONTEXTUAL_FOLLOW_UP, 1.0)
SEARCH = Verdict(QuestionType.CONTEXTUAL_WITH_SEARCH, 1.0)
RECALL = Verdict(QuestionType.HISTORY_RECALL, 1.0)


def talk(*turns: tuple[str, Verdict | None], state: ConversationState | None = None) -> ConversationState:
    return reduce(lambda known, turn: advance(known, turn[0], "", turn[1]), turns, state or ConversationState())


def test_a_topic_goes_on_and_changes() -> None:
    state = talk(("What is throat cancer?", NEW))
    assert (state.topic, state.depth, state.topics) == ("throat cancer", 1, ())
    state = talk(("Is it treatable?", MORE), ("And what does that cost in Norway?", SEARCH), state=state)
    assert (state.topic, state.depth) == ("throat cancer", 3)
    state = talk(("Who was Marie Curie?", NEW), state=state)
    assert (state.topic, state.depth, state.topics) == ("Marie Curie", 1, ("throat cancer",))
    state = talk(("What did I ask first?", RECALL), state=state)
    assert (state.topic, state.depth) == ("Marie Curie", 1), "to recall is not to go on"
    state = talk(("What are the symptoms of throat cancer?", NEW), state=state)
    assert (state.topic, state.depth, state.topics) == ("throat cancer", 1, ("Marie Curie",)), "back again"
    state = talk(("How common is throat cancer in Europe?", NEW), state=state)
    assert (state.topic, state.depth) == ("throat cancer", 2), "it stands alone and is about the same"


def test_the_stack_of_topics_is_bounded() -> None:
    state = talk(*((f"Who was Person{number} Name{number}?", NEW) for number in range(50)))
    assert len(state.topics) == MOST_TOPICS
    assert state.topics[-1] == "Person48 Name48"


def test_salience_grows_with_mentions_and_fades() -> None:
    state = talk(("Who was Marie Curie?", NEW))
    first = state.entities[0]
    assert (first.name, first.mentions, first.last_turn) == ("Marie Curie", 1, 1)
    state = talk(("Where did marie curie and her husband go?", MORE), state=state)
    assert state.entities[0].mentions == 2
    assert state.entities[0].salience > first.salience
    for _ in range(6):
        state = talk(("Why?", MORE), state=state)
    assert 0 < state.entities[0].salience < first.salience
    assert state.entities[0].last_turn == 2
    assert talk(*[("Why?", MORE)] * 40, state=state).entities == ()


def test_the_user_counts_more_than_the_answer() -> None:
    state = advance(ConversationState(), "Who was Marie Curie?", "She worked with Pierre Curie in Paris.", NEW)
    assert [entity.name for entity in state.entities][:3] == ["Marie Curie", "Paris", "Pierre Curie"]


def test_counts_language_and_search() -> None:
    state = talk(("What is the capital of Norway?", NEW), ("Und wie groß ist die Stadt?", SEARCH), ("Warum?", MORE))
    assert state.counts == {"NEW_TOPIC": 1, "CONTEXTUAL_WITH_SEARCH": 1, "CONTEXTUAL_FOLLOW_UP": 1}
    assert state.language == "de"
    state = advance(state, "x", "", SEARCH, Search("q" * 9999, tuple(str(n) for n in range(99)), 3))
    assert state.search is not None
    assert (len(state.search.query), len(state.search.document_ids), state.search.epoch) == (500, 20, 3)
    assert advance(state, "y", "", MORE).search == state.search


def test_a_turn_of_an_unknown_type_moves_it_too() -> None:
    state = talk(("What is throat cancer?", None), ("Why?", None), ("Who was Marie Curie?", None))
    assert (state.turns, state.topic, state.depth, state.counts) == (3, "Marie Curie", 1, {})


def test_what_is_not_concerned_stays() -> None:
    state = ConversationState(fields={"tier": "gold"}, topic="x")
    assert advance(state, "Why?", "Because.", MORE).fields == {"tier": "gold"}
    assert state == ConversationState(fields={"tier": "gold"}, topic="x"), "nothing is changed in place"


@pytest.mark.slow
def test_it_is_cheap_to_store() -> None:
    words = " ".join(f"Name{n} and the thing{n} of Place{n}." for n in range(5000))
    state = ConversationState()
    for number in range(30):
        state = advance(state, f"Turn{number} {words}", words, NEW)
    assert 40 <= len(state.entities) <= MOST_ENTITIES
    assert len(pack(plain(state))) < 10_000
    assert len(pack(plain_delta(delta_of(words, words)))) < 5_000


anything = st.text(max_size=400)
turns = st.lists(st.tuples(anything, anything, st.sampled_from([NEW, MORE, SEARCH, RECALL, None])), max_size=6)


@given(turns)
def test_any_conversation_has_a_state_that_can_be_stored(said: list[tuple[str, str, Any]]) -> None:
    state = ConversationState()
    for turn, answer, verdict in said:
        move = delta_of(turn, answer, verdict, Search(turn))
        assert delta_from_plain(unpack_raw(pack(plain_delta(move)))) == move
        state = apply_delta(state, move)
    assert state.turns == len(said)
    assert state.depth <= state.turns
    assert len(state.entities) <= MOST_ENTITIES
    assert from_plain(unpack_raw(pack(plain(state)))) == state
    saliences = [entity.salience for entity in state.entities]
    assert saliences == sorted(saliences, reverse=True)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5) | st.floats(), lambda s: st.lists(s, max_size=4)))
def test_anything_else_is_no_state(value: Any) -> None:
    for read in (from_plain, delta_from_plain):
        try:
            found = read(value)
        except ValueError:
            continue
        assert isinstance(found, StateDelta | ConversationState), "a list may happen to be one"
    for key in plain(ConversationState()):
        wrong = {**plain(ConversationState()), key: value}
        try:
            found = from_plain(wrong)
        except ValueError:
            continue
        assert isinstance(found, ConversationState)


# --- phrases and languages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names", "nouns"),
    [
        ("What is throat cancer?", [], ["throat cancer"]),
        ("Who was Marie Curie?", ["Marie Curie"], []),
        ("I need a flight from Oslo to Rome on Friday.", ["Oslo", "Rome", "Friday"], ["flight"]),
        ("Tell me about the Bank of Norway", ["Bank of Norway"], []),
        ("Explain GPT-4 and LangChain", ["GPT-4", "LangChain"], []),
        ('Who wrote "the old man and the sea"?', ["the old man and the sea"], []),
        ("Marie Curie's discoveries", ["Marie Curie"], ["discoveries"]),
        ("Is throat cancer treatable?", [], ["throat cancer"]),
        ("Why?", [], []),
        ("", [], []),
        ("???", [], []),
    ],
)
def test_what_a_text_speaks_of(text: str, names: list[str], nouns: list[str]) -> None:
    found = phrases(text)
    assert [phrase.text for phrase in found if phrase.named] == names
    assert set(nouns) <= {phrase.text for phrase in found if not phrase.named}
    if not names + nouns:
        assert found == []


def test_spellings_of_one_thing_are_one() -> None:
    for one, two in (("Marie Curie's", "marie curie"), ("diesel engines", "Diesel Engine"), ("Łódź", "łódź")):
        assert key_of(one) == key_of(two)
    for one, two in (("bus", "bu"), ("glass", "glas"), ("Oslo", "Rome")):
        assert key_of(one) != key_of(two)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the capital of Norway?", "en"),
        ("Was ist die Hauptstadt von Norwegen?", "de"),
        ("Quelle est la capitale de la Norvège et où est-elle ?", "fr"),
        ("¿Cuál es la capital de Noruega y por qué?", "es"),
        ("Hva er hovedstaden i Norge, og hvorfor?", "no"),
        ("Что такое Redis?", "ru"),
        ("これは何ですか", "ja"),
        ("노르웨이의 수도는?", "ko"),
        ("A short list of throat cancer drugs", "en"),
        ("Tell me about Norway", "en"),
        ("Redis", None),
        ("", None),
        ("12345 ???", None),
    ],
)
def test_the_language_of_a_text(text: str, language: str | None) -> None:
    assert language_of(text) == language


@given(st.text(max_size=3000))
def test_any_text_has_phrases_that_are_bounded(text: str) -> None:
    assert phrases_in(text, language_of(text), 2) == phrases(text)[:2]
    for phrase in phrases(text):
        assert 1 < len(phrase.text) <= 80
    assert language_of(text) is None or len(str(language_of(text))) == 2
