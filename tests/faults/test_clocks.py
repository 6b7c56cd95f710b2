"""Clocks that jump: a client's is hours from its server's, and a new master's is behind the one before it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from langchain_core.messages import HumanMessage

from langchain_redis_memory import Limit, RedisRateLimiter, RedisSessions, RedisValueCache
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.redis.client import clock, in_process
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.scenario import SCENARIOS, SECRET
from tests.support.servers import PATIENT_S

HOURS = 5 * 3600

Shift = Callable[[float], None]


@pytest.fixture
def shift(monkeypatch: pytest.MonkeyPatch) -> Shift:
    """Sets this process's wall clock forward or back; of `memory://` it is the server's too."""
    true = time.time

    def by(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: true() + seconds)
        monkeypatch.setattr(clock, "wall", lambda: true() + seconds)
        monkeypatch.setattr(in_process, "time", lambda: true() + seconds)

    return by


NAMED = ("history", "store", "states", "value_cache", "rate_limiter", "token_streams", "saver")
"""Those that ask for the time in different ways: indexes, lifetimes, versions, rates, ids."""


async def told(both: Both, client: Client, name: str, tenant: str) -> list[str]:
    return [repr(await read()) for read in await SCENARIOS[name].run(both, client, tenant)]


@pytest.mark.pins
async def test_a_client_s_clock_counts_for_nothing(real: Client, both: Both, shift: Shift) -> None:
    for number, name in enumerate(NAMED):
        shift(HOURS if number % 2 else -HOURS)
        assert name == "rate_limiter" or any(SECRET in one for one in await told(both, real, name, name)), name


@pytest.mark.pins
async def test_a_new_master_s_clock_may_be_behind(client_in_process: Client, both: Both, shift: Shift) -> None:
    client, before = client_in_process, dict[str, list[bool]]()
    reads = {name: await SCENARIOS[name].run(both, client, name) for name in NAMED}
    for late in (False, True):
        shift(-HOURS if late else 0)
        for name in NAMED:
            tells = [SECRET in repr(await read()) for read in reads[name]]
            assert tells == before.setdefault(name, tells), name
    for name in NAMED:
        await told(both, client, name, f"{name} later")


async def test_what_is_written_then_counts_as_newer(client_in_process: Client, both: Both, shift: Shift) -> None:
    client = client_in_process
    values, history = RedisValueCache(client, "n", ttl_s=60), RedisChatMessageHistory("old", client, ttl_s=60)
    await both(values.set)("k", "old")
    await both(history.add_messages)([HumanMessage("a")])
    before = await both(values.versioned)("k")
    shift(-HOURS)
    await both(values.set)("k", "new")
    after = await both(values.versioned)("k")
    assert (after.value, after.version > before.version) == ("new", True)
    await both(history.add_messages)([HumanMessage("b")])
    assert [message.content for message in await both.messages(history)] == ["a", "b"]
    assert [one.session_id for one in (await both(RedisSessions(client).list_sessions)()).sessions] == ["old"]


async def test_a_rate_begins_anew_and_keeps_nobody_out(client_in_process: Client, both: Both, shift: Shift) -> None:
    for limits in ([Limit(2, "1m")], [Limit(2, "1m"), Limit(5, unit="concurrent")]):  # decided at once, and in whole
        shift(0)
        limiter = RedisRateLimiter(client_in_process, limits, scope=str(len(limits)))
        assert [(await both(limiter.check)("ana")).allowed for _ in range(3)] == [True, True, False]
        shift(-HOURS)
        assert [(await both(limiter.check)("ana")).allowed for _ in range(3)] == [True, True, False]


@pytest.fixture
def client_in_process(prefix: str) -> Iterator[Client]:
    with Client.from_url(f"memory://{prefix}", prefix=prefix, timeout_s=PATIENT_S) as made:
        yield made
