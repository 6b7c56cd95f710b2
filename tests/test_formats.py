"""A format that a newer version of this package wrote is refused: nothing is read wrong, nothing is written over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from langchain_redis_memory.checkpoint.layout import record_of
from langchain_redis_memory.errors import CorruptDataError, FormatVersionError
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.envelope import seal, unseal
from langchain_redis_memory.redis.codec.version import VERSION, check_version
from langchain_redis_memory.state.agent_state import RedisAgentState
from langchain_redis_memory.state.session_data import RedisSessionData
from langchain_redis_memory.store.redis_store import RedisStore
from tests.conftest import Both
from tests.support.raw import raw
from tests.support.saves import hashed

NEWER = b"\x02"


async def refused(*calls: Callable[[], Awaitable[Any]]) -> None:
    for call in calls:
        with pytest.raises(FormatVersionError, match="update langchain-redis-memory"):
            await call()


def renew(client: Client, key: str, field: bytes) -> dict[bytes, bytes]:
    """Makes a field of a hash one that a newer version wrote; returns the hash."""
    record = hashed(client, key)[field]
    assert record[:1] == VERSION
    raw(client, ("HSET", key, field, NEWER + record[1:]))
    return hashed(client, key)


async def test_messages(client: Client, both: Both) -> None:
    history = RedisChatMessageHistory("s", client, ttl_s=60)
    await both(history.add_messages)([HumanMessage("a"), HumanMessage("b")])
    key = client.keys().session("s").messages
    record = raw(client, ("LINDEX", key, -1))[0]
    raw(client, ("LSET", key, -1, NEWER + record[1:]))
    await refused(
        lambda: both.messages(history),
        lambda: both(history.recent)(1),
        lambda: both(history.add_messages)([HumanMessage("c")]),
    )
    assert raw(client, ("LLEN", key)) == [2]


async def test_the_index_of_sessions(client: Client, both: Both) -> None:
    await both(RedisChatMessageHistory("s", client, ttl_s=60).add_messages)([HumanMessage("a")])
    raw(client, ("ZADD", client.keys().index().sessions, 1, NEWER + b"t"))
    await refused(both(RedisSessions(client).list_sessions))


async def test_items_of_the_store(client: Client, both: Both) -> None:
    store = RedisStore(client)
    await both(store.put)(("a", "b"), "k", {"x": 1}, ttl=5)
    keys = client.keys().items("a")
    kept = renew(client, keys.items, b"b\x00\x00k")
    await refused(
        lambda: both(store.get)(("a", "b"), "k"),
        lambda: both(store.search)(("a",)),
        lambda: both(store.search)(("a",), filter={"x": 2}),
        lambda: both(store.list_namespaces)(prefix=("a",)),
        lambda: both(store.put)(("a", "b"), "k", {"x": 2}, ttl=5),
        lambda: both(store.delete)(("a", "b"), "k"),
    )
    assert hashed(client, keys.items) == kept


async def test_records_that_are_compared_and_set(client: Client, both: Both) -> None:
    state: RedisAgentState[Any] = RedisAgentState("a", client, ttl_s=60)
    await both(state.save)({"x": 1})
    key = client.keys().agent_state("a")
    kept = renew(client, key, b"state")
    await refused(both(state.load), lambda: both(state.save)({"x": 2}))
    assert hashed(client, key) == kept


async def test_data_of_a_session(client: Client, both: Both) -> None:
    data = RedisSessionData("s", client, ttl_s=60)
    await both(data.set)("k", 1)
    renew(client, client.keys().session("s").data, b"k")
    await refused(lambda: both(data.get)("k"))


async def test_envelopes_and_checkpoints() -> None:
    envelope = seal(b"x")
    await refused(_raising(lambda: unseal(NEWER + envelope[1:], "k")), _raising(lambda: record_of(b"\x001", NEWER)))
    for damaged in (b"", b"x", b"\xff"):
        with pytest.raises(CorruptDataError) as caught:
            check_version(damaged, "k")
        assert not isinstance(caught.value, FormatVersionError)


def _raising(call: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    async def made() -> Any:
        return call()

    return made
