"""`RedisSessions`: order, paging, expired and pinned sessions, tenants and agents apart, erasing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from langchain_redis_memory.errors import ConfigError, InvalidIdError, InvalidInputError
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.session_index import Session
from langchain_redis_memory.history.sessions import RedisSessions, SessionPage
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.ops import merge
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support.raw import raw
from tests.support.servers import wait_for

History = Callable[..., RedisChatMessageHistory]


@pytest.fixture
def sessions(client: Client) -> RedisSessions:
    return RedisSessions(client)


def ids(page: SessionPage) -> list[str]:
    return [session.session_id for session in page.sessions]


def active_at(client: Client, times: dict[str, int], agent: str = "") -> None:
    """Moves sessions to given times of activity in the index."""
    key = client.keys().index(agent).sessions
    raw(client, *(("ZADD", key, time_ms, f"\x01{name}") for name, time_ms in times.items()))


async def paged(both: Both, sessions: RedisSessions, limit: int, agent: str = "") -> list[list[str]]:
    pages, cursor = [], None
    while True:
        page = await both(sessions.list_sessions)(agent, limit=limit, cursor=cursor)
        pages.append(ids(page))
        cursor = page.cursor
        if cursor is None:
            return pages


async def test_no_sessions(sessions: RedisSessions, both: Both) -> None:
    assert await both(sessions.list_sessions)() == SessionPage([], None)
    assert await both(sessions.get)("s") is None
    assert await both(sessions.erase)("s") is False
    assert await both(sessions.clear_agent)() == 0


async def test_what_is_known_of_a_session(
    client: Client, history: History, sessions: RedisSessions, both: Both
) -> None:
    kept = history("s", agent="a", ttl_s=100, max_messages=3, token_counter=lambda _: 7)
    seconds, micros = raw(client, ("TIME",))[0]
    start = datetime.fromtimestamp(int(seconds) + int(micros) // 1000 / 1000, timezone.utc)
    await both(kept.add_turn)("one", "uno")
    first = await both(sessions.get)("s", "a")
    await both(kept.add_turn)("two", "dos")
    found = await both(sessions.get)("s", "a")
    assert isinstance(found, Session)
    assert (found.session_id, found.agent) == ("s", "a")
    assert (found.messages, found.turns, found.tokens) == (3, 2, 21)
    assert found.created == first.created == first.last_active
    assert found.created.tzinfo is timezone.utc
    assert start <= found.created <= found.last_active <= start + timedelta(minutes=5)
    assert found.ttl_s is not None
    assert 75 < found.ttl_s <= 100
    assert (await both(sessions.list_sessions)("a")).sessions[0].created == found.created


async def test_most_recently_active_first(
    client: Client, history: History, sessions: RedisSessions, both: Both
) -> None:
    for name in ("a", "b", "c"):
        await both(history(name).add_turn)("x", "y")
    active_at(client, {"a": 1000, "b": 3000, "c": 2000})
    assert ids(await both(sessions.list_sessions)()) == ["b", "c", "a"]
    await both(history("a").add_turn)("x", "y")
    assert ids(await both(sessions.list_sessions)()) == ["a", "b", "c"]


async def test_reading_is_no_activity(client: Client, history: History, sessions: RedisSessions, both: Both) -> None:
    for name in ("a", "b"):
        await both(history(name).add_turn)("x", "y")
    active_at(client, {"a": 1000, "b": 2000})
    await both.messages(history("a", touch_on_read=True))
    await both(history("a").extend_ttl)(1000)
    assert ids(await both(sessions.list_sessions)()) == ["b", "a"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 11, 12, 1000])
async def test_pages_give_every_session_once(
    client: Client, history: History, sessions: RedisSessions, both: Both, limit: int
) -> None:
    names = [f"s{i:02}" for i in range(11)]
    client.run(merge(*(Transcript(client.keys(), name).add([HumanMessage("x")]) for name in names)))
    active_at(client, {name: 5000 if i in range(2, 9) else 1000 + i for i, name in enumerate(names)})
    pages = await paged(both, sessions, limit)
    assert sorted(name for page in pages for name in page) == names
    assert max(map(len, pages)) <= limit
    assert [name for page in pages for name in page][:7] == [f"s{i:02}" for i in range(8, 1, -1)]


async def test_paging_over_expired_sessions_of_one_millisecond(
    client: Client, history: History, sessions: RedisSessions, both: Both
) -> None:
    names = [f"s{i}" for i in range(9)]
    client.run(merge(*(Transcript(client.keys(), name).add([HumanMessage("x")]) for name in names)))
    active_at(client, dict.fromkeys(names, 5000))
    for name in ("s8", "s6", "s5", "s0"):
        raw(client, ("UNLINK", *client.keys().session(name).all()))
    for limit in (2, 3):
        assert [name for page in await paged(both, sessions, limit) for name in page] == ["s7", "s4", "s3", "s2", "s1"]


async def test_a_session_that_is_new_between_two_pages_disturbs_nothing(
    client: Client, history: History, sessions: RedisSessions, both: Both
) -> None:
    for name in "abcd":
        await both(history(name).add_turn)("x", "y")
    active_at(client, {"a": 1, "b": 2, "c": 3, "d": 4})
    page = await both(sessions.list_sessions)(limit=2)
    assert ids(page) == ["d", "c"]
    await both(history("e").add_turn)("x", "y")
    assert ids(await both(sessions.list_sessions)(limit=2, cursor=page.cursor)) == ["b", "a"]


@pytest.mark.parametrize("bad", ["", "x", "-", "1-", "-1", "1-x", "1-2-3", "1.5-0", 5, b"1-0"])
async def test_a_cursor_of_ones_own_is_refused(
    sessions: RedisSessions, both: Both, bad: Any, trips: list[Trip]
) -> None:
    with pytest.raises(InvalidInputError, match="cursor"):
        await both(sessions.list_sessions)(cursor=bad)
    assert trips == []


@pytest.mark.parametrize("bad", [0, -1, 1001, 1.0, True, "5", None])
async def test_the_limit_is_bounded(sessions: RedisSessions, both: Both, bad: Any, trips: list[Trip]) -> None:
    with pytest.raises(InvalidInputError, match="limit"):
        await both(sessions.list_sessions)(limit=bad)
    assert trips == []


async def test_expired_sessions_are_never_reported_and_are_removed(
    client: Client, history: History, sessions: RedisSessions, both: Both
) -> None:
    await both(history("long", ttl_s=100).add_turn)("x", "y")
    await both(history("short", ttl_s=0.03).add_turn)("x", "y")
    key = client.keys().index()
    wait_for(lambda: client.run(Transcript(client.keys(), "short").length()) == 0)
    assert ids(await both(sessions.list_sessions)()) == ["long"]
    assert await both(sessions.get)("short") is None
    assert raw(client, ("ZRANGE", key.sessions, 0, -1), ("ZRANGE", key.expiries, 0, -1)) == [[b"\x01long"]] * 2


async def test_a_write_sweeps_expired_entries(client: Client, history: History, both: Both) -> None:
    key = client.keys().index()
    await both(history("long", ttl_s=100).add_turn)("x", "y")
    for i in range(20):
        raw(client, ("ZADD", key.sessions, 1, f"\x01gone{i}"), ("ZADD", key.expiries, 1, f"\x01gone{i}"))
    await both(history("long", ttl_s=100).add_turn)("x", "y")
    assert raw(client, ("ZCARD", key.sessions), ("ZCARD", key.expiries)) == [5, 5]
    await both(history("long", ttl_s=100).add_turn)("x", "y")
    assert raw(client, ("ZRANGE", key.sessions, 0, -1), ("ZRANGE", key.expiries, 0, -1)) == [[b"\x01long"]] * 2


@pytest.mark.pins
async def test_pinned_sessions_are_never_lost(
    client: Client, history: History, sessions: RedisSessions, both: Both
) -> None:
    await both(history("pinned", ttl_s=100).add_turn)("x", "y")
    await both(history("pinned").persist)()
    await both(history("pinned", ttl_s=0.01).add_turn)("x", "y")
    await both(history("none", ttl_s=None).add_turn)("x", "y")
    await both(history("short", ttl_s=0.03).add_turn)("x", "y")
    wait_for(lambda: client.run(Transcript(client.keys(), "short").length()) == 0)
    await both(history("other", ttl_s=100).add_turn)("x", "y")
    page = await both(sessions.list_sessions)()
    assert sorted(ids(page)) == ["none", "other", "pinned"]
    lifetimes = {session.session_id: session.ttl_s for session in page.sessions}
    assert lifetimes["pinned"] is None
    assert lifetimes["none"] is None
    assert lifetimes["other"] is not None


async def test_tenants_and_agents_are_apart(client: Client, both: Both) -> None:
    for tenant in ("", "t", "t/a"):
        for agent in ("", "a", "a/b"):
            kept = RedisChatMessageHistory(f"{tenant}|{agent}", client, tenant=tenant, agent=agent)
            await both(kept.add_turn)("x", "y")
    for tenant in ("", "t", "t/a"):
        seen = RedisSessions(client, tenant=tenant)
        for agent in ("", "a", "a/b"):
            assert ids(await both(seen.list_sessions)(agent)) == [f"{tenant}|{agent}"]
    assert await both(RedisSessions(client, tenant="t").clear_agent)("a") == 1
    left = [
        ids(await both(RedisSessions(client, tenant=tenant).list_sessions)(agent))
        for tenant in ("", "t", "t/a")
        for agent in ("", "a", "a/b")
    ]
    assert left == [["|"], ["|a"], ["|a/b"], ["t|"], [], ["t|a/b"], ["t/a|"], ["t/a|a"], ["t/a|a/b"]]


async def test_odd_ids_are_listed_as_given(history: History, sessions: RedisSessions, both: Both) -> None:
    odd = ["*", "a:b", "{x}", "a\nb", "🦊", "x" * 1024, "1e9", " ", "+inf"]
    for name in odd:
        await both(history(name, agent="*").add_turn)("x", "y")
    assert sorted(ids(await both(sessions.list_sessions)("*"))) == sorted(odd)
    assert (await both(sessions.get)("x" * 1024, "*")).messages == 2
    assert await both(sessions.clear_agent)("*") == len(odd)


async def test_erase_deletes_one_session(client: Client, history: History, sessions: RedisSessions, both: Both) -> None:
    for name in ("a", "b"):
        await both(history(name).add_turn)("x", "y")
    assert await both(sessions.erase)("a") is True
    assert await both(sessions.erase)("a") is False
    assert ids(await both(sessions.list_sessions)()) == ["b"]
    assert await both.messages(history("a")) == []
    assert len(await both.messages(history("b"))) == 2
    assert raw(client, ("EXISTS", *client.keys().session("a").all())) == [0]


@pytest.mark.slow
async def test_clear_agent_deletes_all_of_its_sessions(
    client: Client, history: History, sessions: RedisSessions, both: Both, trips: list[Trip]
) -> None:
    adds = [Transcript(client.keys(), f"s{i}").add([HumanMessage("x"), AIMessage("y")]) for i in range(501)]
    client.run(merge(*adds))
    await both(history("other", agent="b").add_turn)("x", "y")
    await both(sessions.list_sessions)()
    await both(sessions.erase)("of nobody")  # the script may be new to the server
    trips.clear()
    assert await both(sessions.clear_agent)() == 501
    assert len(trips) <= 6, "2 for 500, 1 more, and 1 for a script that may be new"
    assert await both(sessions.list_sessions)() == SessionPage([], None)
    assert raw(client, ("EXISTS", *client.keys().session("s500").all())) == [0]
    index = client.keys().index()
    assert raw(client, ("EXISTS", index.sessions, index.expiries)) == [0]
    assert ids(await both(sessions.list_sessions)("b")) == ["other"]


async def test_round_trips_are_as_the_docstrings_say(
    client: Client, history: History, sessions: RedisSessions, both: Both, trips: list[Trip]
) -> None:
    async def spent(method: Callable[..., Any], *arguments: Any) -> int:
        trips.clear()
        await both(method)(*arguments)
        return len(trips)

    assert await spent(sessions.list_sessions) <= 2  # the script may be new to the server
    assert await spent(sessions.erase, "of nobody") <= 2
    for name in ("a", "b"):
        await both(history(name).add_turn)("x", "y")
    await both(sessions.list_sessions)()
    assert await spent(sessions.list_sessions) == 2
    raw(client, ("UNLINK", *client.keys().session("a").all()))
    assert await spent(sessions.list_sessions) == 3
    assert await spent(sessions.get, "b") == 1
    await both(sessions.erase)("a")  # the script may be new to the server
    assert await spent(sessions.erase, "b") == 1
    assert await spent(sessions.list_sessions) == 1
    await both(history("c").add_turn)("x", "y")
    assert await spent(sessions.clear_agent) == 3


def test_a_tenant_that_cannot_be_a_key_is_refused() -> None:
    with pytest.raises(InvalidIdError):
        RedisSessions("memory://x", tenant="x" * 1025)
    with pytest.raises(ConfigError):
        RedisSessions("nowhere://x")


@pytest.mark.parametrize("bad", ["", "x" * 1025, None, "\ud800"])
async def test_ids_that_cannot_be_keys_are_refused(
    sessions: RedisSessions, both: Both, bad: Any, trips: list[Trip]
) -> None:
    for method in (sessions.get, sessions.erase):
        with pytest.raises(InvalidIdError):
            await both(method)(bad)
    if bad != "":
        for of_agent in (sessions.list_sessions, sessions.clear_agent):
            with pytest.raises(InvalidIdError):
                await both(of_agent)(bad)
    assert trips == []
