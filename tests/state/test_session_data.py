"""Values kept with a conversation: as they were, for as long as was asked, and never longer than the conversation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage

from langchain_redis_memory.errors import InvalidIdError, InvalidInputError, UnserialisableError, WrongKeyTypeError
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.state.session_data import RedisSessionData
from tests.conftest import Both
from tests.support.raw import reply
from tests.support.servers import wait_for

History = Callable[..., RedisChatMessageHistory]


@pytest.fixture
def data(client: Client) -> RedisSessionData:
    return RedisSessionData("s", client)


VALUES = {
    "text": "Łódź 😀",
    "bytes: with\nodd \0 name": b"\0\xff",
    "none": None,
    "list": [1, 2.5, {"a": (1, 2)}],
    "document": Document("x", id="d"),
    "message": HumanMessage("hi", id="m"),
    "*": "a glob",
}


async def test_values_come_back_as_they_were(both: Both, data: RedisSessionData) -> None:
    assert await both(data.all)() == {}
    for name, value in VALUES.items():
        await both(data.set)(name, value)
    assert await both(data.all)() == VALUES
    for name, value in VALUES.items():
        assert await both(data.get)(name, "default") == value
    assert await both(data.get)("other") is None
    assert await both(data.get)("other", 3) == 3


async def test_values_are_replaced_and_deleted(both: Both, data: RedisSessionData) -> None:
    await both(data.set)("a", 1)
    await both(data.set)("a", 2)
    await both(data.set)("b", 3)
    assert await both(data.all)() == {"a": 2, "b": 3}
    assert await both(data.delete)("a") is True
    assert await both(data.delete)("a") is False
    assert await both(data.all)() == {"b": 3}
    await both(data.clear)()
    assert await both(data.all)() == {}


async def test_a_value_expires_by_itself(client: Client, both: Both, data: RedisSessionData) -> None:
    keys = client.keys().session("s")
    await both(data.set)("later", "5678", ttl_s=100)
    await both(data.set)("cart", ["A"])
    await both(data.set)("code", "1234", ttl_s=0.02)
    wait_for(lambda: data.get("code") is None)
    assert await both(data.all)() == {"later": "5678", "cart": ["A"]}
    assert reply(client, "HLEN", keys.data) == 3, "it is still stored, but no longer given"
    await both(data.set)("more", 1)
    assert reply(client, "HLEN", keys.data) == 3, "a write removes it"
    assert reply(client, "ZCARD", keys.data_expiries) == 1


async def test_a_value_set_anew_has_the_new_lifetime(client: Client, both: Both, data: RedisSessionData) -> None:
    await both(data.set)("code", "old", ttl_s=0.001)
    await both(data.set)("code", "new")
    assert reply(client, "EXISTS", client.keys().session("s").data_expiries) == 0
    assert await both(data.get)("code") == "new"


async def test_alone_they_have_their_own_lifetime(client: Client, both: Both) -> None:
    keys = client.keys().session("s")
    await both(RedisSessionData("s", client, ttl_s=100).set)("a", 1, ttl_s=5)
    await both(RedisSessionData("s", client, ttl_s=1).set)("b", 1)
    for key in (keys.data, keys.data_expiries):
        assert 75_000 < reply(client, "PTTL", key) <= 100_000


async def test_they_live_and_go_with_the_conversation(
    client: Client, both: Both, history: History, data: RedisSessionData
) -> None:
    keys = client.keys().session("s")
    await both(history(ttl_s=100).add_messages)([HumanMessage("a")])
    await both(data.set)("a", 1, ttl_s=5)
    for lifetime in (100, 1000):
        await both(history(ttl_s=lifetime).add_messages)([HumanMessage("b")])
        for key in (keys.data, keys.data_expiries):
            assert lifetime * 750 < reply(client, "PTTL", key) <= lifetime * 1000
    await both(history().clear)()
    assert reply(client, "EXISTS", *keys.all()) == 0


@pytest.mark.pins
async def test_they_are_pinned_with_the_conversation(client: Client, both: Both, history: History) -> None:
    keys = client.keys().session("s")
    await both(history().add_messages)([HumanMessage("a")])
    await both(history().persist)()
    await both(RedisSessionData("s", client, ttl_s=1).set)("a", 1)
    assert reply(client, "PTTL", keys.data) == -1
    await both(RedisSessionData("t", client, ttl_s=None).set)("a", 1)
    assert reply(client, "PTTL", client.keys().session("t").data) == -1


@pytest.mark.parametrize("damage", [b"", b"hello", b"0:", b"0:hello", b"9999999999999:\xc1", b"x:" + b"\xc0"])
async def test_a_damaged_value_counts_as_absent(
    client: Client, both: Both, data: RedisSessionData, damage: bytes
) -> None:
    await both(data.set)("b", 1)
    reply(client, "HSET", client.keys().session("s").data, "a", damage)
    assert await both(data.get)("a", "none") == "none"
    assert await both(data.all)() == {"b": 1}
    await both(data.set)("a", 2)
    assert await both(data.all)() == {"a": 2, "b": 1}


@pytest.mark.parametrize("kind", ["data", "data_expiries"])
async def test_something_else_under_a_key_is_an_error_and_nothing_is_written(
    client: Client, both: Both, data: RedisSessionData, kind: str
) -> None:
    keys = client.keys().session("s")
    reply(client, "SET", getattr(keys, kind), "mine", "PX", 60_000)
    with pytest.raises(WrongKeyTypeError):
        await both(data.set)("a", 1, ttl_s=5)
    assert reply(client, "EXISTS", keys.data, keys.data_expiries) == 1


async def test_bad_input_is_refused_early(client: Client, both: Both, data: RedisSessionData) -> None:
    for name in ("", None, 3, "\ud800", "x" * 1025):
        for call in (data.get, data.delete):
            with pytest.raises(InvalidIdError):
                await both(call)(name)
        with pytest.raises(InvalidIdError):
            await both(data.set)(name, 1)
    for lifetime in (0, -1, True, float("nan"), "5"):
        with pytest.raises(InvalidInputError):
            await both(data.set)("a", 1, ttl_s=lifetime)
    with pytest.raises(UnserialisableError):
        await both(data.set)("a", object())
    with pytest.raises(InvalidIdError):
        RedisSessionData("", client)
    assert await both(data.all)() == {}


async def test_two_tenants_agents_and_sessions_never_meet(client: Client, both: Both) -> None:
    places: list[dict[str, Any]] = [{}, {"tenant": "acme"}, {"agent": "acme"}, {"tenant": "acme", "agent": "acme"}]
    made = [RedisSessionData(session, client, **place) for session in ("s", "t") for place in places]
    for number, data in enumerate(made):
        await both(data.set)("a", number)
    await both(made[0].clear)()
    assert [await both(data.get)("a") for data in made] == [None, *range(1, 8)]


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), st.binary()))
def test_any_names_and_bytes(prefix: str, values: dict[str, bytes]) -> None:
    data = RedisSessionData("s", f"memory://{prefix}")
    data.clear()
    for name, value in values.items():
        data.set(name, value)
    assert data.all() == values
