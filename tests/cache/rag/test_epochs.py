"""Epochs: a token that was ended never comes back, whatever is sent again, expires or is lost."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_redis_memory.cache import epochs
from langchain_redis_memory.errors import InvalidIdError, OutOfMemoryError, WrongKeyTypeError
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.keys import KeySpace
from tests.conftest import Both
from tests.support.raw import raw
from tests.support.servers import NEWEST, Farm, wait_for


@pytest.fixture
def key(client: Client) -> str:
    return client.keys("acme").epoch("search", "docs")


async def test_it_stays_until_it_is_ended(client: Client, both: Both, key: str, trips: list[Trip]) -> None:
    run = both(client.run)
    await run(epochs.bump(key))  # the server knows the script
    first = await run(epochs.current(key, 60_000))
    trips.clear()
    assert await run(epochs.current(key, 60_000)) == first
    await run(epochs.bump(key))
    assert len(trips) == 2
    second = await run(epochs.current(key, 60_000))
    assert second != first
    assert await run(epochs.current(key, 60_000)) == second


async def test_an_op_that_is_sent_again_never_brings_a_token_back(client: Client, both: Both, key: str) -> None:
    op, seen = epochs.current(key, 60_000), []
    for _ in range(20):
        seen.append(await both(client.run)(op))
        await both(client.run)(epochs.bump(key))
    assert len(set(seen)) == 20


async def test_a_token_that_expired_or_was_evicted_is_followed_by_another(client: Client, both: Both, key: str) -> None:
    first = await both(client.run)(epochs.current(key, 1))
    wait_for(lambda: raw(client, ("EXISTS", key)) == [0])
    assert await both(client.run)(epochs.current(key, 60_000)) != first


async def test_it_outlives_what_is_stored_under_it(client: Client, both: Both, key: str) -> None:
    left = lambda: raw(client, ("PTTL", key))[0]  # noqa: E731
    await both(client.run)(epochs.current(key, 60_000))
    assert 60_000 < left() <= 120_000
    raw(client, ("PEXPIRE", key, 70_000))
    await both(client.run)(epochs.current(key, 60_000))
    assert left() <= 70_000, "it is written seldom"
    raw(client, ("PEXPIRE", key, 50_000))
    await both(client.run)(epochs.current(key, 60_000))
    assert left() > 110_000
    await both(client.run)(epochs.current(key, 1_000))
    assert left() > 110_000, "never shortened"


@pytest.mark.pins
async def test_it_has_no_end_where_what_is_stored_has_none(client: Client, both: Both, key: str) -> None:
    token = await both(client.run)(epochs.current(key, 60_000))
    for ttl_ms in (0, 60_000):
        assert await both(client.run)(epochs.current(key, ttl_ms)) == token
        assert raw(client, ("PTTL", key)) == [-1]


async def test_all_who_look_at_once_see_one_token(client: Client, both: Both, key: str) -> None:
    ops = [epochs.current(key, 60_000) for _ in range(16)]
    if both.asynchronous:
        seen = await asyncio.gather(*map(client.arun, ops))
    else:
        with ThreadPoolExecutor(8) as pool:
            seen = list(pool.map(client.run, ops))
    assert len(set(seen)) == 1


async def test_corpora_uses_and_tenants_are_apart(client: Client, both: Both) -> None:
    keys = [
        client.keys(tenant).epoch(use, corpus)
        for tenant in ("", "a", "*")
        for use in ("search", "responses")
        for corpus in ("docs", "do:cs", "*", "{docs}")
    ]
    before = [await both(client.run)(epochs.current(key, 60_000)) for key in keys]
    assert len(set(before)) == len(keys)
    await both(client.run)(epochs.bump(keys[-1]))
    after = [await both(client.run)(epochs.current(key, 60_000)) for key in keys]
    assert after[:-1] == before[:-1]
    assert after[-1] != before[-1]


async def test_a_full_server_still_ends_an_epoch(farm: Farm, prefix: str, both: Both) -> None:
    process = farm.start(NEWEST, "--maxmemory-policy", "noeviction")
    async with Client.from_url(process.url, prefix=prefix) as client:
        key = client.keys().epoch("search", "docs")
        token = await both(client.run)(epochs.current(key, 60_000))
        raw(client, ("CONFIG", "SET", "maxmemory", 1))
        assert await both(client.run)(epochs.current(key, 60_000)) == token
        await both(client.run)(epochs.bump(key))
        with pytest.raises(OutOfMemoryError):
            await both(client.run)(epochs.current(key, 60_000))
    process.stop()


async def test_something_else_under_its_key_is_an_error(client: Client, both: Both, key: str) -> None:
    raw(client, ("RPUSH", key, "foreign"), ("PEXPIRE", key, 60_000))
    with pytest.raises(WrongKeyTypeError):
        await both(client.run)(epochs.current(key, 1000))
    assert raw(client, ("LRANGE", key, 0, -1)) == [[b"foreign"]]


@pytest.mark.parametrize("corpus", ["", None, "\ud800", "x" * 1025])
def test_a_corpus_that_is_none_is_refused(corpus: Any) -> None:
    with pytest.raises(InvalidIdError, match="corpus"):
        KeySpace("p").epoch("search", corpus)


@given(st.binary(), st.binary())
def test_what_is_signed_is_read_under_its_token_only(body: bytes, other: bytes) -> None:
    token = b"0123456789abcdef1700000000.1"
    assert epochs.signed(token, epochs.sign(token, body)) == body
    assert epochs.signed(token + b"2", epochs.sign(token, body)) is None
    assert epochs.signed(token, body) is None or body.startswith(token + b";")
    assert epochs.signed(token, other) is None or other.startswith(token + b";")
    assert epochs.signed(token, token) is None
