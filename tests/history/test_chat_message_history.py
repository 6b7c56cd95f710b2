"""`RedisChatMessageHistory`: every method, on every server, in both colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_redis_memory.errors import (
    ConfigError,
    InvalidIdError,
    InvalidInputError,
    MessageNotFoundError,
    NotAMessageError,
    UnserialisableError,
)
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.transcript import Transcript, WriteResult
from langchain_redis_memory.history.turns import Turn
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support.raw import raw

History = Callable[..., RedisChatMessageHistory]

ODD_IDS = {
    "comma": "a,b",
    "colon": "a:b:messages",
    "glob": "*[a-z]?",
    "braces": "}{x}",
    "slash": "a/b/../c",
    "newline": "a\nb\r\n",
    "nul": "\0",
    "emoji": "🦊👩‍👩‍👧",
    "percent": "%2F",
    "space": " ",
    "longest": "x" * 1024,
    "long emoji": "🦊" * 256,
}


def numbered(count: int, start: int = 0) -> list[BaseMessage]:
    return [HumanMessage(str(i), id=f"m{i}") for i in range(start, start + count)]


def texts(messages: list[BaseMessage]) -> list[Any]:
    return [message.content for message in messages]


async def test_a_new_conversation_is_empty(history: History, both: Both) -> None:
    empty = history()
    assert await both.messages(empty) == []
    assert await both.len(empty) == 0
    assert await both(empty.recent)(3) == []
    assert await both(empty.recent_tokens)(100) == []
    assert await both(empty.turns)(3) == []
    assert await both(empty.ttl)() == 0.0
    assert await both(empty.clear)() is None
    assert bool(empty)


async def test_messages_come_back_in_order(history: History, both: Both) -> None:
    kept = history()
    first, second = numbered(3), [AIMessage("x"), SystemMessage("y"), ToolMessage("z", tool_call_id="t")]
    await both(kept.add_messages)(first)
    await both(kept.add_messages)(second)
    assert await both.messages(kept) == [*first, *second]
    assert await both(kept.count)() == await both.len(kept) == 6
    other = history()
    assert await both.messages(other) == [*first, *second]


async def test_one_message_and_the_shorthands_of_the_base_class(history: History, both: Both) -> None:
    kept = history()
    kept.add_message(HumanMessage("one"))
    kept.add_user_message("two")
    kept.add_ai_message("three")
    await both(kept.add_messages)((HumanMessage("four"),))
    found = await both.messages(kept)
    assert texts(found) == ["one", "two", "three", "four"]
    assert [message.type for message in found] == ["human", "human", "ai", "human"]
    assert "Human: one" in str(kept)


async def test_nothing_to_add_sends_nothing(history: History, both: Both, trips: list[Trip]) -> None:
    await both(history().add_messages)([])
    assert await both(history().delete)([]) == 0
    assert trips == []


async def test_a_message_with_a_known_id_is_replaced_in_its_place(history: History, both: Both) -> None:
    kept = history()
    await both(kept.add_messages)(numbered(3))
    await both(kept.add_messages)([AIMessage("new", id="m1"), HumanMessage("3", id="m3")])
    found = await both.messages(kept)
    assert texts(found) == ["0", "new", "2", "3"]
    assert found[1] == AIMessage("new", id="m1")


async def test_the_same_id_twice_in_one_call_keeps_the_last(history: History, both: Both) -> None:
    kept = history()
    await both(kept.add_messages)([HumanMessage("a", id="x"), AIMessage("b"), HumanMessage("c", id="x")])
    assert texts(await both.messages(kept)) == ["c", "b"]


@pytest.mark.parametrize("named", [True, False])
async def test_the_same_write_sent_again_changes_nothing(client: Client, both: Both, named: bool) -> None:
    op = Transcript(client.keys(), "s").add(
        [HumanMessage("a", id="1" if named else None), AIMessage("b", id="2" if named else None)]
    )
    assert await both(client.run)(op) == WriteResult(2, 2, 0, 0, 0)
    assert await both(client.run)(op) == WriteResult(2, 2, 0, 0, 0), "the reply is that of the first time"
    kept = RedisChatMessageHistory("s", client)
    assert texts(await both.messages(kept)) == ["a", "b"]
    info = await both(client.run)(Transcript(client.keys(), "s").info())
    assert info.turns == 1


async def test_remove_messages(history: History, both: Both) -> None:
    kept = history()
    await both(kept.add_messages)(numbered(4))
    await both(kept.add_messages)([RemoveMessage(id="m1"), RemoveMessage(id="unknown"), HumanMessage("5")])
    assert texts(await both.messages(kept)) == ["0", "2", "3", "5"]


async def test_remove_all_keeps_what_follows_it(history: History, both: Both) -> None:
    kept = history()
    await both(kept.add_messages)(numbered(4))
    await both(kept.add_messages)([HumanMessage("x"), RemoveMessage(id="__remove_all__"), *numbered(2, 7)])
    assert texts(await both.messages(kept)) == ["7", "8"]
    await both(kept.add_messages)([RemoveMessage(id="__remove_all__")])
    assert await both.messages(kept) == []
    assert await both(kept.add_turn)("a", "b") == WriteResult(2, 2, 0, 0, 0)


async def test_clear_deletes_this_conversation_only(history: History, both: Both) -> None:
    kept, other = history("kept"), history("other")
    await both(kept.add_messages)(numbered(1))
    await both(other.add_messages)(numbered(1))
    await both(other.clear)()
    assert await both.messages(other) == []
    assert await both.messages(kept) == numbered(1)


async def test_recent_gives_exactly_the_newest(history: History, both: Both) -> None:
    kept = history()
    await both(kept.add_messages)(numbered(5))
    assert texts(await both(kept.recent)(2)) == ["3", "4"]
    assert texts(await both(kept.recent)(5)) == texts(await both(kept.recent)(99)) == list("01234")


async def test_recent_tokens_fit_the_budget(history: History, both: Both) -> None:
    kept = history(token_counter=lambda messages: sum(len(m.text) for m in messages))
    await both(kept.add_messages)([HumanMessage("x" * size) for size in (50, 3, 4, 5)])
    for budget, sizes in {
        4: [],
        5: [5],
        8: [5],
        9: [4, 5],
        12: [3, 4, 5],
        61: [3, 4, 5],
        62: [50, 3, 4, 5],
    }.items():
        assert [len(text) for text in texts(await both(kept.recent_tokens)(budget))] == sizes, budget


async def test_before_pages_backwards(history: History, both: Both) -> None:
    kept = history()
    await both(kept.add_messages)(numbered(5))
    assert texts(await both(kept.before)("m4", 2)) == ["2", "3"]
    assert texts(await both(kept.before)("m2", 9)) == ["0", "1"]
    assert await both(kept.before)("m0", 3) == []
    with pytest.raises(MessageNotFoundError, match="'no'"):
        await both(kept.before)("no", 3)


async def test_edit_keeps_the_place_and_the_id(history: History, both: Both) -> None:
    kept = history()
    await both(kept.add_messages)(numbered(3))
    await both(kept.edit)("m1", AIMessage("edited"))
    await both(kept.edit)("m2", AIMessage("also", id="m2"))
    assert await both.messages(kept) == [
        HumanMessage("0", id="m0"),
        AIMessage("edited", id="m1"),
        AIMessage("also", id="m2"),
    ]


async def test_edit_of_an_unknown_message_changes_nothing(client: Client, history: History, both: Both) -> None:
    kept = history()
    with pytest.raises(MessageNotFoundError, match="'m1'"):
        await both(kept.edit)("m1", HumanMessage("x"))
    assert await both(kept.ttl)() == 0.0, "no conversation came into being"
    await both(kept.add_messages)(numbered(1))
    with pytest.raises(MessageNotFoundError, match="'m1'"):
        await both(kept.edit)("m1", HumanMessage("x"))
    assert await both.messages(kept) == numbered(1)


async def test_edit_refuses_what_cannot_be_meant(history: History, both: Both, trips: list[Trip]) -> None:
    kept = history()
    for bad in (RemoveMessage(id="m1"), "text", None):
        with pytest.raises(NotAMessageError):
            await both(kept.edit)("m1", bad)
    with pytest.raises(InvalidInputError, match="'m2'"):
        await both(kept.edit)("m1", HumanMessage("x", id="m2"))
    with pytest.raises(InvalidInputError):
        await both(kept.edit)("", HumanMessage("x"))
    assert trips == []


async def test_delete_counts_what_it_removed(history: History, both: Both) -> None:
    kept = history()
    await both(kept.add_messages)(numbered(5))
    assert await both(kept.delete)(["m1", "unknown", "m3", "m1"]) == 2
    assert await both(kept.delete)("m0") == 1
    assert texts(await both.messages(kept)) == ["2", "4"]
    for bad in (["m2", ""], [None], [3]):
        with pytest.raises(InvalidInputError):
            await both(kept.delete)(bad)
    assert await both.len(kept) == 2


async def test_delete_in_an_unknown_conversation_makes_none(history: History, both: Both) -> None:
    kept = history()
    assert await both(kept.delete)(["m1"]) == 0
    assert await both(kept.ttl)() == 0.0


async def test_turns_are_plain_text(history: History, both: Both) -> None:
    kept = history()
    await both(kept.add_messages)([SystemMessage("rules"), AIMessage("Welcome")])
    await both(kept.add_turn)("one", "uno")
    await both(kept.add_messages)(
        [
            HumanMessage([{"type": "text", "text": "two"}, {"type": "image", "url": "http://x"}]),
            AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "c"}]),
            ToolMessage("2", tool_call_id="c"),
            AIMessage("dos"),
            HumanMessage("three"),
        ]
    )
    assert await both(kept.turns)(9) == [Turn("one", "uno"), Turn("two", "dos"), Turn("three", "")]
    assert await both(kept.turns)(2) == [Turn("two", "dos"), Turn("three", "")]


async def test_add_turn_takes_text_only(history: History, both: Both, trips: list[Trip]) -> None:
    for user, answer in ((None, "x"), ("x", None), (b"x", "y"), (HumanMessage("x"), "y")):
        with pytest.raises(InvalidInputError):
            await both(history().add_turn)(user, answer)
    assert trips == []


async def test_sessions_tenants_agents_and_prefixes_are_apart(
    client: Client, url: str, prefix: str, both: Both, watch: Callable[[str, str], None]
) -> None:
    watch(url, f"{prefix}x")
    elsewhere = Client.from_url(url, prefix=f"{prefix}x")
    places = [
        RedisChatMessageHistory("a", client),
        RedisChatMessageHistory("b", client),
        RedisChatMessageHistory("a", client, tenant="t"),
        RedisChatMessageHistory("a", client, agent="t"),
        RedisChatMessageHistory("a", client, tenant="t", agent="t"),
        RedisChatMessageHistory("a", elsewhere),
    ]
    for i, place in enumerate(places):
        await both(place.add_messages)([HumanMessage(str(i))])
    await both(places[0].clear)()
    assert [texts(await both.messages(place)) for place in places] == [[], ["1"], ["2"], ["3"], ["4"], ["5"]]
    await elsewhere.aclose()


@pytest.mark.parametrize("odd", ODD_IDS.values(), ids=ODD_IDS.keys())
async def test_any_text_names_a_conversation(history: History, odd: str) -> None:
    kept, beside = history(odd, tenant=odd, agent=odd), history(odd)
    kept.add_messages([HumanMessage(odd, id=odd, name="n")])
    assert await kept.aget_messages() == [HumanMessage(odd, id=odd, name="n")]
    assert kept.session_id == odd
    assert raw(kept._client, ("TYPE", kept.key), ("TYPE", beside.key)) == [b"list", b"none"]
    assert kept.delete([odd]) == 1
    assert beside.messages == []
    kept.clear()


@pytest.mark.parametrize("bad", ["", "x" * 1025, "🦊" * 257, "\ud800", None, 7, b"x"])
def test_ids_that_cannot_be_keys_are_refused_when_made(bad: Any) -> None:
    with pytest.raises(InvalidIdError):
        RedisChatMessageHistory(bad, "memory://ids")
    for name in ("tenant", "agent"):
        if bad != "":
            with pytest.raises(InvalidIdError):
                RedisChatMessageHistory("s", "memory://ids", **{name: bad})


@pytest.mark.parametrize("name", ["max_messages", "max_tokens"])
@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "3"])
def test_bounds_are_positive_whole_numbers(name: str, bad: Any) -> None:
    with pytest.raises(InvalidInputError, match=name):
        RedisChatMessageHistory("s", "memory://bounds", **{name: bad})


@pytest.mark.parametrize("bad", [0, -1, 0.0001, float("nan"), float("inf"), True, "60"])
async def test_a_lifetime_is_a_positive_number(both: Both, bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="ttl_s"):
        RedisChatMessageHistory("s", "memory://bounds", ttl_s=bad)
    with pytest.raises(InvalidInputError, match="ttl_s"):
        await both(RedisChatMessageHistory("s", "memory://bounds").extend_ttl)(bad)


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "3", None])
async def test_counts_are_positive_whole_numbers(history: History, both: Both, bad: Any, trips: list[Trip]) -> None:
    kept = history()
    for method in (kept.recent, kept.recent_tokens, kept.turns):
        with pytest.raises(InvalidInputError):
            await both(method)(bad)
    with pytest.raises(InvalidInputError):
        await both(kept.before)("m", bad)
    assert trips == []


@pytest.mark.parametrize("bad", ["text", None, {"type": "human"}, 3, ("human", "x"), b"x"])
async def test_what_is_no_message_is_refused_before_anything_is_sent(
    history: History, both: Both, trips: list[Trip], bad: Any
) -> None:
    with pytest.raises(NotAMessageError):
        await both(history().add_messages)([HumanMessage("fine"), bad])
    assert trips == []


async def test_a_string_is_not_a_list_of_messages(history: History, both: Both) -> None:
    with pytest.raises(NotAMessageError):
        await both(history().add_messages)("hello")
    with pytest.raises(NotAMessageError, match=r"got one HumanMessage: add_message\(\) stores one"):
        await both(history().add_messages)(HumanMessage("hello"))


async def test_a_message_class_of_ones_own_is_refused(history: History, both: Both, trips: list[Trip]) -> None:
    class Mine(HumanMessage):
        pass

    with pytest.raises(NotAMessageError, match="Mine"):
        await both(history().add_messages)([Mine(content="x")])
    assert trips == []


async def test_a_value_that_would_lose_its_type_is_refused_before_anything_is_sent(
    history: History, both: Both, trips: list[Trip]
) -> None:
    for bad in (object(), lambda: 1, {"deep": [object()]}):
        with pytest.raises(UnserialisableError, match="cannot be stored"):
            await both(history().add_messages)(
                [HumanMessage("fine"), HumanMessage("x", additional_kwargs={"bad": bad})]
            )
    assert trips == []


def test_a_client_of_another_library_is_refused() -> None:
    with pytest.raises(ConfigError, match="a client of redis-py"):
        RedisChatMessageHistory("s", object())  # type: ignore[arg-type]


async def test_round_trips_are_as_the_docstrings_say(history: History, both: Both, trips: list[Trip]) -> None:
    kept = history(touch_on_read=True)
    calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (kept.add_messages, (numbered(30),)),
        (kept.add_turn, ("a", "b")),
        (kept.edit, ("m1", HumanMessage("x"))),
        (kept.delete, (["m2"],)),
        (kept.recent, (3,)),
        (kept.recent_tokens, (30,)),
        (kept.before, ("m3", 2)),
        (kept.turns, (3,)),
        (kept.count, ()),
        (kept.ttl, ()),
        (kept.extend_ttl, (60,)),
        (kept.clear, ()),
    ]
    for method, arguments in [*calls, *calls]:
        trips.clear()
        await both(method)(*arguments)
        sent = len(trips)
    for method, arguments in calls:
        trips.clear()
        await both(method)(*arguments)
        assert len(trips) == 1, method.__name__
        assert trips[0].seconds >= 0
        assert trips[0].failed is False
    assert sent == 1
    trips.clear()
    await both.messages(kept)
    assert len(trips) == 1
