"""Which messages the model gets to see: windows by type, a token budget, pairs of tool calls and answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_redis_memory.conversation.policy import DEFAULT_POLICY, Rule
from langchain_redis_memory.conversation.select.window import WindowSelector
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.classify.standalone import leaning_from
from langchain_redis_memory.language.contextualise.contextualiser import standalone

NEW, RECALL = QuestionType.NEW_TOPIC, QuestionType.HISTORY_RECALL
MORE, SEARCH = QuestionType.CONTEXTUAL_FOLLOW_UP, QuestionType.CONTEXTUAL_WITH_SEARCH
CALL: Any = {"name": "look", "args": {}, "id": "1"}
ALONE, LEANS = "What is throat cancer?", "Is it treatable?"


def each_one(messages: Sequence[BaseMessage]) -> int:
    """A counter for which a message has as many tokens as characters."""
    return sum(len(str(message.text)) for message in messages)


def talk(turns: int) -> list[BaseMessage]:
    return [kind(f"{name}{i}") for i in range(turns) for kind, name in ((HumanMessage, "h"), (AIMessage, "a"))]


def select(selector: WindowSelector, kind: QuestionType, history: Sequence[BaseMessage], window: int = 1) -> list[str]:
    rule = Rule(True, False, False, window)
    chosen = selector.select("x", Verdict(kind, 1.0), history, rule)
    places = [next(i for i, message in enumerate(history) if message is one) for one in chosen]
    assert places == sorted(set(places)), "messages of the history, in order, once"
    return [str(message.text) for message in chosen]


@pytest.mark.parametrize("kind", list(QuestionType))
@pytest.mark.parametrize("window", [0, 1, 2, 5])
def test_windows(kind: QuestionType, window: int) -> None:
    selector, history = WindowSelector(base=3), talk(20)
    assert selector.reach(Rule(True, False, False, window)) == 3 * window
    chosen = select(selector, kind, history, window)
    if kind is SEARCH:
        assert len(chosen) <= 3 * window
    else:
        assert chosen == [str(message.text) for message in history][40 - 3 * window :]


def test_the_default_windows() -> None:
    selector = WindowSelector()
    assert {kind: selector.reach(rule) for kind, rule in DEFAULT_POLICY.items()} == {
        NEW: 10,
        MORE: 20,
        RECALL: 30,
        SEARCH: 10,
    }


@pytest.mark.parametrize("kind", list(QuestionType))
def test_of_nothing_comes_nothing(kind: QuestionType) -> None:
    assert select(WindowSelector(), kind, []) == []
    assert select(WindowSelector(), kind, [SystemMessage("s")]) == ["s"]
    assert select(WindowSelector(), kind, [SystemMessage("s")], 0) == []


def test_a_leading_system_message_stays_and_does_not_count() -> None:
    history = [SystemMessage("s"), *talk(5)]
    assert select(WindowSelector(base=2), MORE, history) == ["s", "h4", "a4"]
    assert select(WindowSelector(base=2, max_tokens=5, token_counter=each_one), MORE, history) == ["s", "h4", "a4"]
    assert select(WindowSelector(base=2, max_tokens=4, token_counter=each_one), MORE, history) == ["s", "a4"]


@pytest.mark.parametrize(("budget", "count"), [(1, 0), (2, 1), (3, 1), (4, 2), (7, 3), (8, 4), (100, 10)])
def test_a_token_budget(budget: int, count: int) -> None:
    history = talk(10)
    chosen = select(WindowSelector(max_tokens=budget, token_counter=each_one), MORE, history)
    assert chosen == [str(message.text) for message in history[20 - count :]]


def test_a_budget_stops_at_the_first_message_that_does_not_fit() -> None:
    history = [HumanMessage("h"), AIMessage("a" * 50), HumanMessage("hh"), AIMessage("aa")]
    assert select(WindowSelector(max_tokens=10, token_counter=each_one), MORE, history) == ["hh", "aa"]


def test_a_tools_answer_never_stands_without_its_call() -> None:
    history = [
        HumanMessage("h"),
        AIMessage("c", tool_calls=[CALL, {**CALL, "id": "2"}]),
        ToolMessage("t1", tool_call_id="1"),
        ToolMessage("t2", tool_call_id="2"),
        AIMessage("a"),
    ]
    found = {base: select(WindowSelector(base=base), MORE, history) for base in range(1, 6)}
    assert found == {
        1: ["a"],
        2: ["a"],
        3: ["a"],
        4: ["c", "t1", "t2", "a"],
        5: ["h", "c", "t1", "t2", "a"],
    }
    small = WindowSelector(max_tokens=5, token_counter=each_one)
    assert select(small, MORE, history) == ["a"]


@pytest.mark.parametrize(
    ("texts", "place"),
    [
        ([], 0),
        ([ALONE], 0),
        ([LEANS], 0),
        ([LEANS, LEANS], 0),
        ([ALONE, LEANS], 0),
        ([LEANS, ALONE], 2),
        ([ALONE, ALONE], 2),
        ([ALONE, ALONE, LEANS, "Why?"], 2),
    ],
)
def test_where_the_question_leans_on(texts: list[str], place: int) -> None:
    history = [message for text in texts for message in (HumanMessage(text), AIMessage("What is throat cancer?"))]
    assert leaning_from(history) == place


def test_what_the_retriever_is_asked() -> None:
    def ask(*said: str) -> str:
        return standalone("And in dogs?", [HumanMessage(text) for text in said])

    assert ask() == "And in dogs?"
    assert ask("a") == "a And in dogs?"
    assert ask("a", "b", "c") == "a b c And in dogs?"
    assert ask("a", "b", "c", "d") == "a c d And in dogs?"
    assert standalone("x", [SystemMessage("s"), AIMessage("a"), HumanMessage([{"type": "text", "text": "q"}])]) == "q x"


@pytest.mark.parametrize("option", ["base", "max_tokens"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "3", True])
def test_wrong_numbers(option: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=option):
        WindowSelector(**{option: value})


def test_a_base_is_needed() -> None:
    assert WindowSelector(max_tokens=None).max_tokens is None


ONE = st.one_of(
    st.builds(HumanMessage, st.sampled_from([ALONE, LEANS, "x"])),
    st.builds(AIMessage, st.just("a")),
    st.just(None).map(lambda _: AIMessage("c", tool_calls=[CALL])),
    st.just(None).map(lambda _: ToolMessage("t", tool_call_id="1")),
)


@given(
    st.lists(ONE, max_size=12),
    st.booleans(),
    st.sampled_from(list(QuestionType)),
    st.integers(1, 5),
    st.integers(0, 3),
    st.one_of(st.none(), st.integers(1, 60)),
)
def test_whatever_the_history(
    messages: list[BaseMessage], system: bool, kind: QuestionType, base: int, window: int, budget: int | None
) -> None:
    history = [SystemMessage("s"), *messages] if system else messages
    selector = WindowSelector(base, budget, each_one)
    chosen = selector.select("x", Verdict(kind, 1.0), history, Rule(True, False, False, window))
    rest = chosen[1:] if system and chosen else chosen
    assert len(rest) <= base * window
    assert rest == messages[len(messages) - len(rest) :], "the newest ones, without a gap"
    assert not rest or not isinstance(rest[0], ToolMessage)
    if budget is not None and rest:
        assert each_one(chosen) <= budget
