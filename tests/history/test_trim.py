"""Trimming, against a model of it in Python that is written another way, and against its promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, Watch, url_of
from tests.support import servers
from tests.support.servers import Farm

History = Callable[..., RedisChatMessageHistory]


def words(messages: Any) -> int:
    return sum(len(message.text) for message in messages)


def calls(*names: str, text: str = "", bad: tuple[str, ...] = ()) -> AIMessage:
    return AIMessage(
        text,
        tool_calls=[{"name": "f", "args": {}, "id": name} for name in names],
        invalid_tool_calls=[{"name": "f", "args": "{", "id": name, "error": "e"} for name in bad],
    )


def answer(name: str, text: str = "") -> ToolMessage:
    return ToolMessage(text, tool_call_id=name)


def short(messages: list[BaseMessage]) -> list[str]:
    """`h` for a user message, `a:x,y` for calls, `t:x` for an answer."""
    shown = []
    for message in messages:
        tail = ""
        if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
            both = [*message.tool_calls, *message.invalid_tool_calls]
            tail = ":" + ",".join(str(call["id"]) for call in both)
        elif isinstance(message, ToolMessage):
            tail = f":{message.tool_call_id}"
        shown.append(message.type[0] + tail + (message.text and f"={message.text}"))
    return shown


CASES: dict[str, tuple[list[BaseMessage], dict[str, int], list[str]]] = {
    "the oldest go": (
        [HumanMessage("1"), AIMessage("2"), HumanMessage("3")],
        {"max_messages": 2},
        ["a=2", "h=3"],
    ),
    "within the bounds": ([HumanMessage("1"), AIMessage("2")], {"max_messages": 2}, ["h=1", "a=2"]),
    "a leading system message stays": (
        [SystemMessage("s"), HumanMessage("1"), AIMessage("2"), HumanMessage("3")],
        {"max_messages": 2},
        ["s=s", "h=3"],
    ),
    "a system message that comes to lead stays": (
        [HumanMessage("1"), SystemMessage("s"), HumanMessage("2"), HumanMessage("3")],
        {"max_messages": 2},
        ["s=s", "h=3"],
    ),
    "a later system message goes": (
        [SystemMessage("s"), SystemMessage("2"), HumanMessage("3")],
        {"max_messages": 2},
        ["s=s", "h=3"],
    ),
    "the newest stays beside the system message": (
        [SystemMessage("s"), HumanMessage("1"), HumanMessage("2")],
        {"max_messages": 1},
        ["s=s", "h=2"],
    ),
    "calls go with their answers": (
        [calls("x", "y"), answer("x"), answer("y"), HumanMessage("1"), HumanMessage("2")],
        {"max_messages": 4},
        ["h=1", "h=2"],
    ),
    "answers that are not beside their calls": (
        [calls("x", "y"), HumanMessage("1"), answer("y"), AIMessage("2"), answer("x"), HumanMessage("3")],
        {"max_messages": 5},
        ["h=1", "a=2", "h=3"],
    ),
    "two calls interleaved": (
        [calls("x"), calls("y"), answer("x"), answer("y"), HumanMessage("1")],
        {"max_messages": 4},
        ["a:y", "t:y", "h=1"],
    ),
    "an invalid call with its answer": (
        [calls(bad=("x",)), answer("x"), HumanMessage("1")],
        {"max_messages": 2},
        ["h=1"],
    ),
    "an answer without its call goes": (
        [HumanMessage("1"), answer("z"), answer("z"), HumanMessage("2")],
        {"max_messages": 3},
        ["h=2"],
    ),
    "calls whose answer is the newest stay": (
        [HumanMessage("1"), calls("x"), answer("x")],
        {"max_messages": 1},
        ["a:x", "t:x"],
    ),
    "an unanswered call goes alone": (
        [calls("x"), HumanMessage("1"), HumanMessage("2")],
        {"max_messages": 2},
        ["h=1", "h=2"],
    ),
    "tokens": (
        [HumanMessage("12345"), AIMessage("123"), HumanMessage("12")],
        {"max_tokens": 5},
        ["a=123", "h=12"],
    ),
    "the newest stays though it is over the budget": (
        [HumanMessage("1"), HumanMessage("12345")],
        {"max_tokens": 2},
        ["h=12345"],
    ),
    "both bounds": (
        [HumanMessage("1"), HumanMessage("12345"), HumanMessage("1"), HumanMessage("2")],
        {"max_messages": 3, "max_tokens": 6},
        ["h=1", "h=2"],
    ),
    "the system message counts": (
        [SystemMessage("123"), HumanMessage("1"), HumanMessage("2")],
        {"max_tokens": 4},
        ["s=123", "h=2"],
    ),
}


@pytest.mark.parametrize(("messages", "bounds", "left"), CASES.values(), ids=CASES.keys())
async def test_what_is_left(
    history: History, both: Both, messages: list[BaseMessage], bounds: dict[str, int], left: list[str]
) -> None:
    kept = history(token_counter=words, **bounds)
    await both(kept.add_messages)(messages)
    assert short(await both.messages(kept)) == left
    one_by_one = history("other", token_counter=words, **bounds)
    for message in messages:
        await both(one_by_one.add_messages)([message])
    assert short(await both.messages(one_by_one)) == left


async def test_the_write_tells_what_it_trimmed(history: History, both: Both) -> None:
    kept = history(max_messages=3)
    assert (await both(kept.add_turn)("1", "2")).trimmed == 0
    added = await both(kept.add_turn)("3", "4")
    assert (added.stored, added.appended, added.trimmed) == (3, 2, 1)


async def test_a_replacement_that_grows_trims(history: History, both: Both) -> None:
    kept = history(max_tokens=6, token_counter=words)
    await both(kept.add_messages)([HumanMessage("12", id="a"), HumanMessage("12", id="b"), HumanMessage("12", id="c")])
    await both(kept.edit)("b", HumanMessage("1234"))
    assert short(await both.messages(kept)) == ["h=1234", "h=12"]
    await both(kept.add_messages)([HumanMessage("x", id="b")])
    await both(kept.add_messages)([HumanMessage("123", id="d")])
    assert short(await both.messages(kept)) == ["h=x", "h=12", "h=123"], "a smaller one gives room back"


# --- against a model --------------------------------------------------------------------------------

NAMES = "uvwxyz"
MESSAGES = st.one_of(
    st.builds(HumanMessage, st.text("w", max_size=6)),
    st.builds(AIMessage, st.text("w", max_size=6)),
    st.builds(SystemMessage, st.text("w", max_size=3)),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).map(lambda names: calls(*names, text="w")),
    st.builds(answer, st.sampled_from(NAMES), st.text("w", max_size=3)),
)


def trimmed(messages: list[BaseMessage], most: int, budget: int) -> list[BaseMessage]:
    """The model: groups of messages that leave together, oldest first, until the rest fits."""
    kept = list(messages)
    while (most and len(kept) > most) or (budget and words(kept) > budget):
        first = int(isinstance(kept[0], SystemMessage))
        if first >= len(kept) - 1:
            break
        group = {first}
        head = kept[first]
        waiting = [call["id"] for call in head.tool_calls] if isinstance(head, AIMessage) else []
        left = len(waiting)
        for place in range(first + 1, len(kept)):
            message = kept[place]
            if not isinstance(message, ToolMessage):
                if left <= 0:
                    break
            elif message.tool_call_id in waiting:
                group.add(place)
                left -= 1
            elif group == set(range(first, place)):
                group.add(place)
            elif left <= 0:
                break
        if len(kept) - 1 in group:
            break
        kept = [message for place, message in enumerate(kept) if place not in group]
    return kept


def tidy(messages: list[BaseMessage]) -> bool:
    """Whether each call is made and answered at most once, as every model and agent does it."""
    made = [str(call["id"]) for message in messages if isinstance(message, AIMessage) for call in message.tool_calls]
    answered = [message.tool_call_id for message in messages if isinstance(message, ToolMessage)]
    return len(set(made)) == len(made) and len(set(answered)) == len(answered)


def orphans(messages: list[BaseMessage]) -> int:
    """Answers that no earlier message asked for."""
    asked: set[str] = set()
    alone = 0
    for message in messages:
        if isinstance(message, AIMessage):
            asked |= {str(call["id"]) for call in message.tool_calls}
        elif isinstance(message, ToolMessage):
            alone += message.tool_call_id not in asked
    return alone


@pytest.mark.parametrize("name", servers.TWO)
@given(
    batches=st.lists(st.lists(MESSAGES, min_size=1, max_size=6), min_size=1, max_size=5),
    most=st.sampled_from([0, 1, 2, 3, 5, 8]),
    budget=st.sampled_from([0, 1, 4, 9, 20]),
)
def test_trimming_is_what_the_model_says(
    farm: Farm, watch: Watch, prefix: str, name: str, batches: list[list[BaseMessage]], most: int, budget: int
) -> None:
    url = url_of(name, farm)
    watch(url, prefix)
    with Client.from_url(url, prefix=prefix) as client:
        kept = RedisChatMessageHistory(
            uuid4().hex, client, max_messages=most or None, max_tokens=budget or None, token_counter=words
        )
        model: list[BaseMessage] = []
        for batch in batches:
            kept.add_messages(batch)
            untrimmed = [*model, *batch]
            model = trimmed(untrimmed, most, budget)
            found = kept.messages
            assert short(found) == short(model)
            assert found[-1] == batch[-1], "the newest stays"
            if isinstance(untrimmed[0], SystemMessage):
                assert found[0] == untrimmed[0], "a leading system message stays"
            if tidy(untrimmed):
                assert orphans(found) <= orphans(untrimmed), "trimming makes no orphans"
        marks = client.run(Op((("ZCARD", client.keys().session(kept.session_id).ids),), lambda replies: replies[0]))
        assert marks == len(model)
        session = client.run(kept._flows.transcript.info())
        assert session is not None
        assert session.tokens == words(model)
