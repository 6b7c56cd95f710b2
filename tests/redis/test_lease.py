"""Leases: one holder at a time, for a bounded time, and nobody gives back what another holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from langchain_redis_memory.errors import InvalidIdError, InvalidInputError, WrongKeyTypeError
from langchain_redis_memory.redis import lease
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.raw import reply
from tests.support.servers import wait_for


@pytest.fixture
def key(client: Client) -> str:
    return client.keys("acme").lease("work", "s", "bot")


async def test_one_holds_it_until_it_gives_it_back(client: Client, both: Both, key: str) -> None:
    run = both(client.run)
    assert await run(lease.acquire(key, "a", 60_000)) is True
    assert await run(lease.acquire(key, "b", 60_000)) is False
    assert await run(lease.release(key, "b")) is False
    assert await run(lease.acquire(key, "b", 60_000)) is False, "another's release changes nothing"
    assert await run(lease.release(key, "a")) is True
    assert await run(lease.release(key, "a")) is False
    assert await run(lease.acquire(key, "b", 60_000)) is True


async def test_taking_it_again_after_a_lost_reply_does_no_harm(client: Client, both: Both, key: str) -> None:
    op = lease.acquire(key, "a", 60_000)
    assert [await both(client.run)(op) for _ in range(2)] == [True, True]


async def test_it_expires_and_its_late_holder_changes_nothing(client: Client, both: Both, key: str) -> None:
    run = both(client.run)
    await run(lease.acquire(key, "slow", 1))
    wait_for(lambda: reply(client, "EXISTS", key) == 0)
    assert await run(lease.renew(key, "slow", 60_000)) is False
    assert await run(lease.acquire(key, "next", 60_000)) is True
    assert await run(lease.renew(key, "slow", 1)) is False
    assert await run(lease.release(key, "slow")) is False
    assert reply(client, "GET", key) == b"next"


async def test_it_has_the_lifetime_that_was_asked_for(client: Client, both: Both, key: str) -> None:
    await both(client.run)(lease.acquire(key, "a", 60_000))
    assert 10_000 < reply(client, "PTTL", key) <= 60_000
    assert await both(client.run)(lease.renew(key, "a", 600_000)) is True
    assert 500_000 < reply(client, "PTTL", key) <= 600_000


async def test_of_many_threads_or_tasks_one_gets_it(client: Client, both: Both, key: str) -> None:
    tokens = [lease.new_token() for _ in range(16)]
    assert len(set(tokens)) == 16
    ops = [lease.acquire(key, token, 60_000) for token in tokens]
    if both.asynchronous:
        got = await asyncio.gather(*map(client.arun, ops))
    else:
        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(client.run, ops))
    assert sum(got) == 1
    assert reply(client, "GET", key).decode() == tokens[got.index(True)]


async def test_leases_of_two_tenants_agents_uses_and_names_are_apart(client: Client, both: Both) -> None:
    places = [("work", "s"), ("work", "t"), ("rest", "s")]
    keys = [client.keys(t).lease(*place, a) for t in ("", "acme") for a in ("", "bot") for place in places]
    assert len(set(keys)) == 12
    assert all([await both(client.run)(lease.acquire(one, "a", 60_000)) for one in keys])


async def test_something_else_under_its_key_is_an_error(client: Client, both: Both, key: str) -> None:
    reply(client, "RPUSH", key, "foreign")
    reply(client, "PEXPIRE", key, 60_000)
    for op in (lease.acquire(key, "a", 1000), lease.renew(key, "a", 1000), lease.release(key, "a")):
        with pytest.raises(WrongKeyTypeError):
            await both(client.run)(op)


@pytest.mark.parametrize("ttl_ms", [0, -1, 1.5, True, None, "5"])
@pytest.mark.parametrize("make", [lease.acquire, lease.renew])
def test_a_lifetime_that_is_none_is_refused(make: Callable[..., Any], ttl_ms: Any) -> None:
    with pytest.raises(InvalidInputError, match="ttl_ms"):
        make("k", "a", ttl_ms)


@pytest.mark.parametrize("token", ["", None, 3, "\ud800", "x" * 1025])
def test_a_token_that_is_none_is_refused(token: Any) -> None:
    for make in (lambda: lease.acquire("k", token, 1), lambda: lease.renew("k", token, 1)):
        with pytest.raises(InvalidIdError, match="token"):
            make()
    with pytest.raises(InvalidIdError, match="token"):
        lease.release("k", token)
