"""A reply is lost, others write, the trip is sent again: it undoes nothing of theirs and stores nothing twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.base import empty_checkpoint

from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.history.transcript import REMOVE_ALL_MESSAGES
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.state.agent_state import RedisAgentState
from langchain_redis_memory.state.session_data import RedisSessionData
from langchain_redis_memory.state.user_profile import UserProfile
from langchain_redis_memory.store.byte_store import RedisByteStore
from langchain_redis_memory.store.record_manager import RedisRecordManager
from langchain_redis_memory.store.redis_store import RedisStore
from tests.conftest import Both
from tests.support.lossy import Lossy


@pytest.fixture
async def other(client: Client, url: str) -> AsyncIterator[Client]:
    """Another process's client."""
    made = Client.from_url(url, prefix=client.keys().prefix)
    yield made
    await made.aclose()


@pytest.fixture
def lossy(client: Client) -> Lossy:
    return Lossy(client)


def texts(messages: list[BaseMessage]) -> list[Any]:
    return [message.content for message in messages]


Pair = tuple[Any, Any]

HISTORY: dict[str, tuple[Callable[[Both, Any], Any], Callable[[Any], Any], list[str]]] = {
    "add over a clear": (
        lambda both, mine: both(mine.add_messages)([HumanMessage("x")]),
        lambda theirs: (theirs.clear(), theirs.add_messages([HumanMessage("new")])),
        ["new"],
    ),
    "add once, however many came since": (
        lambda both, mine: both(mine.add_messages)([HumanMessage("x")]),
        lambda theirs: theirs.add_messages([HumanMessage(str(i)) for i in range(300)]),
        ["a", "b", "x", *map(str, range(300))],
    ),
    "a known id over an edit": (
        lambda both, mine: both(mine.add_messages)([HumanMessage("mine", id="a")]),
        lambda theirs: theirs.edit("a", HumanMessage("theirs")),
        ["theirs", "b"],
    ),
    "a new id over a delete": (
        lambda both, mine: both(mine.add_messages)([HumanMessage("x", id="x")]),
        lambda theirs: theirs.delete(["x"]),
        ["a", "b"],
    ),
    "edit over an edit": (
        lambda both, mine: both(mine.edit)("a", HumanMessage("mine")),
        lambda theirs: theirs.edit("a", HumanMessage("theirs")),
        ["theirs", "b"],
    ),
    "remove all over an add": (
        lambda both, mine: both(mine.add_messages)([RemoveMessage(id=REMOVE_ALL_MESSAGES), HumanMessage("mine")]),
        lambda theirs: theirs.add_messages([HumanMessage("theirs")]),
        ["mine", "theirs"],
    ),
    "clear over an add": (
        lambda both, mine: both(mine.clear)(),
        lambda theirs: theirs.add_messages([HumanMessage("theirs")]),
        ["theirs"],
    ),
    "delete over an add": (
        lambda both, mine: both(mine.delete)(["a"]),
        lambda theirs: theirs.add_messages([HumanMessage("again", id="a")]),
        ["b", "again"],
    ),
}


@pytest.mark.parametrize("case", HISTORY)
async def test_of_a_history(client: Client, other: Client, both: Both, lossy: Lossy, case: str) -> None:
    write, between, expected = HISTORY[case]
    mine, theirs = RedisChatMessageHistory("s", client), RedisChatMessageHistory("s", other)
    theirs.add_messages([HumanMessage("a", id="a"), AIMessage("b", id="b")])
    lossy.between = lambda: between(theirs)
    await write(both, mine)
    assert lossy.between is None
    assert texts(theirs.messages) == expected
    assert [session.session_id for session in RedisSessions(other).list_sessions().sessions] == ["s"]


async def test_the_reply_is_that_of_the_first_time(client: Client, other: Client, both: Both, lossy: Lossy) -> None:
    mine, theirs = RedisChatMessageHistory("s", client), RedisChatMessageHistory("s", other)
    theirs.add_messages([HumanMessage("a", id="a")])
    lossy.between = theirs.clear
    await both(mine.edit)("a", HumanMessage("b"))  # does not raise: it was there
    theirs.add_messages([HumanMessage("a", id="a")])
    lossy.between = lambda: None
    assert await both(mine.delete)(["a"]) == 1
    assert (await both(mine.add_turn)("a", "b")).appended == 2
    lossy.between = lambda: None
    assert await both(RedisSessions(client).erase)("s") is True


@pytest.mark.pins
async def test_of_a_store(client: Client, other: Client, both: Both, lossy: Lossy) -> None:
    mine, theirs = RedisStore(client), RedisStore(other)
    lossy.between = lambda: theirs.put(("a",), "k", {"by": "them"})
    await both(mine.put)(("a",), "k", {"by": "me"})
    assert theirs.get(("a",), "k").value == {"by": "them"}  # type: ignore[union-attr]
    lossy.between = lambda: theirs.put(("a",), "k", {"by": "them again"})
    await both(mine.delete)(("a",), "k")
    assert theirs.get(("a",), "k").value == {"by": "them again"}  # type: ignore[union-attr]
    lossy.between = lambda: theirs.delete(("a",), "new")
    await both(mine.put)(("a",), "new", {"by": "me"})
    assert theirs.get(("a",), "new") is None


@pytest.mark.pins
async def test_of_an_agent_s_state(client: Client, other: Client, both: Both, lossy: Lossy) -> None:
    mine, theirs = RedisAgentState[Any]("planner", client), RedisAgentState[Any]("planner", other)
    lossy.between = lambda: theirs.save({"by": "them"})
    await both(mine.save)({"by": "me"})
    assert theirs.load() == {"by": "them"}
    lossy.between = lambda: theirs.save({"by": "them again"})
    assert await both(mine.delete)() is True
    assert theirs.load() == {"by": "them again"}


@pytest.mark.pins
async def test_of_session_data_and_profiles(client: Client, other: Client, both: Both, lossy: Lossy) -> None:
    mine, theirs = RedisSessionData("s", client), RedisSessionData("s", other)
    lossy.between = lambda: theirs.set("k", "theirs")
    await both(mine.set)("k", "mine")
    assert theirs.get("k") == "theirs"
    for remove in (lambda: both(mine.delete)("k"), both(mine.clear)):
        lossy.between = lambda: theirs.set("k", "new")
        await remove()
        assert theirs.get("k") == "new"
    profile = UserProfile("ana", client)
    await both(profile.set)("city", "Bern")
    lossy.between = lambda: UserProfile("ana", other).set("city", "Basel")
    assert await both(profile.erase)() is True
    assert UserProfile("ana", other).get("city") is not None


async def test_of_bytes_and_records(client: Client, other: Client, both: Both, lossy: Lossy) -> None:
    mine, theirs = RedisByteStore(client, ttl_s=60), RedisByteStore(other, ttl_s=60)
    lossy.between = lambda: theirs.mset([("k", b"theirs")])
    await both(mine.mset)([("k", b"mine")])
    lossy.between = lambda: theirs.mset([("l", b"theirs")])
    await both(mine.mdelete)(["l"])
    assert theirs.mget(["k", "l"]) == [b"theirs", b"theirs"]


@pytest.mark.pins
async def test_of_records(client: Client, other: Client, both: Both, lossy: Lossy) -> None:
    mine, theirs = RedisRecordManager(client, namespace="docs"), RedisRecordManager(other, namespace="docs")
    lossy.between = lambda: theirs.delete_keys(["k"])
    await both(mine.update)(["k"])
    assert theirs.exists(["k"]) == [False]
    lossy.between = lambda: theirs.update(["k"])
    await both(mine.delete_keys)(["k"])
    assert theirs.exists(["k"]) == [True]


async def test_of_a_thread(client: Client, other: Client, both: Both, lossy: Lossy) -> None:
    mine, theirs = RedisSaver(client, ttl_s=60), RedisSaver(other, ttl_s=60)
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    lossy.between = lambda: theirs.delete_thread("t")
    await both(mine.put)(config, empty_checkpoint(), {}, {})
    assert theirs.get_tuple(config) is None
    checkpoint = empty_checkpoint()
    lossy.between = lambda: theirs.put(config, checkpoint, {}, {})
    await both(mine.delete_thread)("t")
    assert theirs.get_tuple(config) is not None


async def test_a_trip_is_forgotten_after_a_minute(real: Client, real_url: str) -> None:
    RedisChatMessageHistory("s", real).add_messages([HumanMessage("a")])
    with redis.Redis.from_url(real_url) as plain:
        (key,) = plain.keys(f"{real.keys().prefix}:*:trip:*")
        assert 50_000 < plain.pttl(key) <= 60_000
        assert plain.memory_usage(key) <= 200
