"""A reply is lost, others write, the trip is sent again: it undoes nothing of theirs and stores nothing twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import pytest
import redis
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.base import empty_checkpoint

from langchain_redis_memory import Limit, RedisConversationState, RedisRateLimiter, RedisTokenStreams, RedisValueCache
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
from tests.support.proxy import Proxy
from tests.support.saves import place
from tests.support.servers import NEWEST, Farm


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


# --- over the wire: the server applies the write, its reply is cut, others write, and the trip is sent again ----------


class Cut(NamedTuple):
    """A write, what another client does before it is sent again, and what has to stand in the end.

    Args:
        make: Builds the object, the same for both clients.
        write: The write whose reply is lost.
        between: What the other client does.
        read: What stands.
        expected: What has to stand.
        before: What stands before.
    """

    make: Callable[[Client], Any]
    write: Callable[[Both, Any], Any]
    between: Callable[[Any], object]
    read: Callable[[Any], object]
    expected: object
    before: Callable[[Any], object] = lambda _theirs: None


THREAD: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "c"}}


def _history(client: Client) -> Any:
    return RedisChatMessageHistory("s", client, ttl_s=60)


def _values(client: Client) -> Any:
    return RedisValueCache(client, "n", ttl_s=60)


def _limiter(client: Client) -> Any:
    return RedisRateLimiter(client, [Limit(1000, "1h", unit="tokens")])


def _saver(client: Client) -> Any:
    return RedisSaver(client, ttl_s=60)


def _writes(theirs: Any) -> list[Any]:
    found = theirs.get_tuple(THREAD)
    return [] if found is None else [value for _, _, value in found.pending_writes]


def _checkpoint(saver: Any) -> object:
    return saver.put(place(), {**empty_checkpoint(), "id": "c"}, {}, {})


async def _reserved(both: Both, mine: Any) -> None:
    async with await both(mine.reserve)("ana", 100) as lease:
        await both(lease.settle)({"total_tokens": 300})


CUTS: dict[str, Cut] = {
    **{
        name: Cut(
            _history,
            write,
            between,
            lambda theirs: texts(theirs.messages),
            expected,
            lambda theirs: theirs.add_messages([HumanMessage("a", id="a"), AIMessage("b", id="b")]),
        )
        for name, (write, between, expected) in HISTORY.items()
    },
    "store put": Cut(
        lambda client: RedisStore(client, ttl={"default_ttl": 1}),
        lambda both, mine: both(mine.put)(("a",), "k", {"by": "me"}),
        lambda theirs: theirs.put(("a",), "k", {"by": "them"}),
        lambda theirs: theirs.get(("a",), "k").value,
        {"by": "them"},
    ),
    "store delete": Cut(
        lambda client: RedisStore(client, ttl={"default_ttl": 1}),
        lambda both, mine: both(mine.delete)(("a",), "k"),
        lambda theirs: theirs.put(("a",), "k", {"by": "them"}),
        lambda theirs: theirs.get(("a",), "k").value,
        {"by": "them"},
    ),
    "checkpoint put": Cut(
        _saver,
        lambda both, mine: both(mine.put)(place(), {**empty_checkpoint(), "id": "c"}, {}, {}),
        lambda theirs: theirs.delete_thread("t"),
        lambda theirs: theirs.get_tuple(THREAD),
        None,
    ),
    "checkpoint writes": Cut(
        _saver,
        lambda both, mine: both(mine.put_writes)(THREAD, [("__error__", "mine")], "task"),
        lambda theirs: theirs.put_writes(THREAD, [("__error__", "theirs")], "task"),
        _writes,
        ["theirs"],
        _checkpoint,
    ),
    "value set": Cut(
        _values,
        lambda both, mine: both(mine.set)("k", "mine"),
        lambda theirs: theirs.set("k", "theirs"),
        lambda theirs: theirs.get("k"),
        "theirs",
    ),
    "value incr": Cut(
        _values,
        lambda both, mine: both(mine.incr)("k", 1),
        lambda theirs: theirs.incr("k", 10),
        lambda theirs: theirs.get("k"),
        16,
        lambda theirs: theirs.set("k", 5),
    ),
    "value delete": Cut(
        _values,
        lambda both, mine: both(mine.delete)("k"),
        lambda theirs: theirs.set("k", "theirs"),
        lambda theirs: theirs.get("k"),
        "theirs",
        lambda theirs: theirs.set("k", "old"),
    ),
    "value switch": Cut(
        _values,
        lambda both, mine: both(mine.switch)(on=False),
        lambda theirs: (theirs.switch(on=True), theirs.set("k", "theirs")),
        lambda theirs: theirs.get("k"),
        "theirs",
    ),
    "limit settle": Cut(
        _limiter,
        _reserved,
        lambda theirs: None,
        lambda theirs: 690 < theirs.status("ana")[0].remaining <= 701,
        True,
    ),
    "agent state": Cut(
        lambda client: RedisAgentState[Any]("planner", client, ttl_s=60),
        lambda both, mine: both(mine.save)({"by": "me"}),
        lambda theirs: theirs.save({"by": "them"}),
        lambda theirs: theirs.load(),
        {"by": "them"},
    ),
    "conversation state": Cut(
        lambda client: RedisConversationState("s", client, ttl_s=60),
        lambda both, mine: both(mine.set)(note="mine"),
        lambda theirs: theirs.set(note="theirs"),
        lambda theirs: theirs.load().fields["note"],
        "theirs",
    ),
    "session data": Cut(
        lambda client: RedisSessionData("s", client, ttl_s=60),
        lambda both, mine: both(mine.set)("k", "mine"),
        lambda theirs: theirs.set("k", "theirs"),
        lambda theirs: theirs.get("k"),
        "theirs",
    ),
    "tokens": Cut(
        RedisTokenStreams,
        lambda both, mine: both(mine.stop)("s", "r"),
        lambda theirs: list(theirs.publish("s", "q", ["a"])),
        lambda theirs: [one.kind for one in theirs.resume("s", run_id="r", idle_s=0.01)],
        ["stopped"],
    ),
}
"""A rate that is taken is taken twice where its reply is lost: the safe side, as `RateLimiter` says."""


@pytest.mark.parametrize("name", CUTS)
async def test_over_the_wire(farm: Farm, prefix: str, both: Both, name: str) -> None:
    case, url = CUTS[name], farm.url(NEWEST)
    with Proxy(farm.started[NEWEST].port) as proxy:
        async with Client.from_url(proxy.url, prefix=prefix) as mine, Client.from_url(url, prefix=prefix) as theirs:
            other = case.make(theirs)
            case.before(other)
            proxy.lose = lambda: case.between(other)
            await case.write(both, case.make(mine))
            assert proxy.lose is None, "a write went through whose reply was to be lost"
            assert case.read(other) == case.expected
