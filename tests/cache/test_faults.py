"""The cache never fails a call: servers that are away, slow or full, foreign and damaged bytes, and the breaker."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation

from langchain_redis_memory import RedisCache
from langchain_redis_memory.cache.exact_flows import name_of
from langchain_redis_memory.errors import ServerError, UnavailableError
from langchain_redis_memory.redis.client.circuit_breaker import Breaker
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.codec.values import pack
from tests.conftest import Both, Watch
from tests.support.chains import PureModel, Switch
from tests.support.envelopes import envelope
from tests.support.full import full_server
from tests.support.raw import reply
from tests.support.servers import NEWEST, REAL_TABLE, Farm, wait_for

MODEL = "model-a"
TEXT = [Generation(text="an answer")]
LOGGER = "langchain_redis_memory"


@pytest.fixture
def cache(client: Client) -> RedisCache:
    return RedisCache(client)


def place_of(cache: RedisCache, prompt: str = "q") -> tuple[str, bytes]:
    """The key and the field of an entry."""
    name = name_of(prompt, MODEL)
    return cache._flows.entries.shard(name).items, name


# --- foreign and damaged bytes ------------------------------------------------------------------------


def sealed(body: bytes) -> bytes:
    """A record as the cache writes it, of any body."""
    return b"+inf:3 5;" + envelope(body)


RECORDS = [["chat", b"\x01a0|\x81\xa1c\xa1x", None, False]]
FOREIGN = {
    "empty": b"",
    "text": b"hello",
    "a colon": b":",
    "json": b'[{"lc": 1}]',
    "pickle": b"\x80\x04\x95\x0f\x00\x00\x00",
    "no check": b"+inf:3 5;|" + pack(RECORDS, "x"),
    "a wrong check": b"+inf:3 5;" + bytes(8) + b"|" + pack(RECORDS, "x"),
    "no tokens": sealed(b"|" + pack(RECORDS, "x")).replace(b"3 5;", b"x y"),
    "nothing": sealed(b""),
    "no generation": sealed(b"|" + pack([], "x")),
    "no list": sealed(b"|" + pack({"a": 1}, "x")),
    "a text": sealed(b"|" + pack(["text"], "x")),
    "an unknown kind": sealed(b"|" + pack([["tool", "a", None]], "x")),
    "a text that is none": sealed(b"|" + pack([["text", 7, None]], "x")),
    "a message that is none": sealed(b"|" + pack([["chat", b"hello", None, False]], "x")),
    "a chat that is a text": sealed(b"|" + pack([["chat", "hello", None, False]], "x")),
    "information that is none": sealed(b"|" + pack([["text", "a", 7]], "x")),
    "not deflated": sealed(b"~" + pack(RECORDS, "x")),
    "cut msgpack": sealed(b"|" + pack(RECORDS, "x")[:-1]),
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_foreign_entry_is_absent(
    cache: RedisCache, both: Both, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    key, field = place_of(cache)
    await both(cache.update)("q", MODEL, TEXT)
    reply(cache._client, "HSET", key, field, FOREIGN[name])
    assert await both(cache.lookup)("q", MODEL) is None
    assert "counts as absent" in caplog.text
    told = await both(cache.stats)()
    assert (told.hits, told.misses) == (0, 1)
    await both(cache.update)("q", MODEL, TEXT)
    assert await both(cache.lookup)("q", MODEL) == TEXT


async def test_a_foreign_record_is_known_by_its_place(cache: RedisCache, both: Both) -> None:
    """The records of the table above are read where nothing is wrong with them."""
    key, field = place_of(cache)
    await both(cache.update)("q", MODEL, TEXT)
    reply(cache._client, "HSET", key, field, sealed(b"|" + pack(RECORDS, "x")))
    assert await both(cache.lookup)("q", MODEL) == [ChatGeneration(message=AIMessage("x"))]


@pytest.mark.parametrize("text", ["short", "a longer answer that is deflated, because it is one " * 5])
def test_a_damaged_entry_is_absent(cache: RedisCache, text: str) -> None:
    key, field = place_of(cache)
    cache.update("q", MODEL, [ChatGeneration(message=AIMessage(text))])
    record = reply(cache._client, "HGET", key, field)
    for place in range(record.index(b";") + 1, len(record)):
        damaged = bytearray(record)
        damaged[place] ^= 1
        reply(cache._client, "HSET", key, field, bytes(damaged))
        assert cache.lookup("q", MODEL) is None
    for length in range(0, len(record), 7):
        reply(cache._client, "HSET", key, field, record[:length])
        assert cache.lookup("q", MODEL) is None


@pytest.mark.parametrize("which", ["items", "expiries"])
async def test_something_else_under_its_keys_is_a_miss(
    cache: RedisCache, both: Both, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = getattr(cache._flows.entries.shard(name_of("q", MODEL)), which)
    reply(cache._client, "SET", key, "mine", "PX", 100_000)
    await both(cache.update)("q", MODEL, TEXT)
    assert "bypassed" in caplog.text
    assert await both(cache.lookup)("q", MODEL) is None
    told = await both(cache.stats)()
    assert (told.total("dropped"), told.misses, told.total("errors")) == (1, 1, 1 + (which == "items"))
    assert reply(cache._client, "GET", key) == b"mine"


@pytest.mark.slow
async def test_something_else_under_the_tally_disturbs_nothing(cache: RedisCache, both: Both) -> None:
    reply(cache._client, "SET", cache._flows.best_effort.tally._key, "mine", "PX", 100_000)
    for number in range(100):
        await both(cache.update)(f"q{number % 3}", MODEL, TEXT)
        assert await both(cache.lookup)(f"q{number % 3}", MODEL) == TEXT
    with pytest.raises(ServerError):
        await both(cache.stats)()
    reply(cache._client, "DEL", cache._flows.best_effort.tally._key)
    assert (await both(cache.stats)()).hits == 100, "nothing that was counted meanwhile is lost"


# --- a server that is away ------------------------------------------------------------------------------


async def test_away_is_a_miss_and_updates_are_dropped_and_counted(
    cache: RedisCache, both: Both, trips: list[Trip], caplog: pytest.LogCaptureFixture
) -> None:
    switch = Switch(cache._client)
    await both(cache.update)("q", MODEL, TEXT)
    switch.off()
    caplog.set_level(logging.WARNING, LOGGER)
    for _ in range(10):
        assert await both(cache.lookup)("q", MODEL) is None
        await both(cache.update)("r", MODEL, TEXT)
        await both(cache.get_or_compute)("s", MODEL, lambda: "a")
    assert len([record for record in caplog.records if "is away and bypassed" in record.message]) == 1
    for call in (both(cache.clear), both(cache.count), both(cache.stats)):
        with pytest.raises(UnavailableError):
            await call()
    with pytest.raises(UnavailableError):
        await both(cache.warm)([("q", "a")], MODEL)
    with pytest.raises(UnavailableError):
        await both(cache.delete)(prompt="q", model=MODEL)
    switch.on()
    wait_for(lambda: cache.lookup("q", MODEL) == TEXT)
    told = await both(cache.stats)()
    assert told.total("dropped") == 20
    assert told.total("updates") == 21
    assert told.total("unavailable") + told.total("skipped") >= 40
    assert told.total("unavailable") < 10


async def test_nothing_listens(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    async with Client.from_url("redis://127.0.0.1:1", retries=0) as client:
        cache = RedisCache(client, single_flight_s=60, stale_s=5)
        model = PureModel(cache=cache)
        for number in range(3):
            await both(model.invoke)("q")
            assert model.calls == number + 1
    assert caplog.text.count("is away") == 1


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening.getsockname()[1]


async def test_slow_is_a_miss_within_the_timeout(deaf: int, both: Both, trips: list[Trip]) -> None:
    url = f"redis://127.0.0.1:{deaf}"
    async with Client.from_url(url, retries=0, timeout_s=0.05, connect_timeout_s=0.05, on_trip=trips.append) as client:
        client.breaker = Breaker(cool_s=3600)
        cache = RedisCache(client)
        assert await both(cache.lookup)("q", MODEL) is None
        assert [trip.failed for trip in trips] == [True]
        for _ in range(20):
            assert await both(cache.lookup)("q", MODEL) is None
            await both(cache.update)("q", MODEL, TEXT)
        assert len(trips) == 1, "after the first failure nothing is asked for a while"


async def test_wrong_credentials_fail_no_call(farm: Farm, both: Both, caplog: pytest.LogCaptureFixture) -> None:
    process = farm.start(NEWEST, password="secret")
    async with Client.from_url(f"redis://:wrong@127.0.0.1:{process.port}/0") as client:
        cache = RedisCache(client)
        assert await both(cache.lookup)("q", MODEL) is None
        await both(cache.update)("q", MODEL, TEXT)
    process.stop()
    assert {record.levelname for record in caplog.records if "bypassed" in record.message} == {"ERROR"}
    assert "wrong@" not in caplog.text


async def test_a_server_that_stops_and_starts(farm: Farm, prefix: str, both: Both) -> None:
    process = farm.start(NEWEST)
    async with Client.from_url(process.url, prefix=prefix, retries=0) as client:
        client.breaker = Breaker(cool_s=0.01, longest_s=0.05)
        cache = RedisCache(client, single_flight_s=60)
        assert await both(cache.lookup)("q", MODEL) is None
        await both(cache.update)("q", MODEL, TEXT)
        process.stop()
        for _ in range(5):
            assert await both(cache.lookup)("q", MODEL) is None
            await both(cache.update)("q", MODEL, TEXT)
        process = farm.start(NEWEST, port=process.port)

        def back() -> bool:
            cache.update("q", MODEL, TEXT)
            return cache.lookup("q", MODEL) == TEXT

        wait_for(back)
        assert (await both(cache.stats)()).total("dropped") >= 5
        process.stop()


@pytest.fixture(params=REAL_TABLE)
async def full(
    request: pytest.FixtureRequest, farm: Farm, prefix: str, watch: Watch
) -> AsyncIterator[tuple[Client, redis.Redis]]:
    """A client on a server of its own that can be filled up, and a plain one to fill it with."""
    async with full_server(request.param, farm, prefix, watch) as made:
        yield made


@pytest.mark.parametrize("single_flight_s", [None, 60])
async def test_a_full_server(full: tuple[Client, redis.Redis], both: Both, single_flight_s: float | None) -> None:
    client, plain = full
    cache = RedisCache(client, single_flight_s=single_flight_s)
    await both(cache.lookup)("q", MODEL)
    await both(cache.update)("q", MODEL, TEXT)
    plain.config_set("maxmemory", 1)
    for _ in range(3):
        assert await both(cache.lookup)("q", MODEL) == TEXT
        assert await both(cache.lookup)("r", MODEL) is None
        await both(cache.update)("r", MODEL, TEXT)
        await both(cache.update)("q", MODEL, [Generation(text="another")])
    assert await both(cache.lookup)("q", MODEL) == TEXT, "a refused write changes nothing"
    for _ in range(100):
        await both(cache.lookup)("q", MODEL)  # some take along what was counted, which is refused as well
    plain.config_set("maxmemory", 0)
    told = await both(cache.stats)()
    assert (told.total("dropped"), told.hits, told.misses) == (6, 104, 4)
    await both(cache.update)("r", MODEL, TEXT)
    assert await both(cache.lookup)("r", MODEL) == TEXT


async def test_a_cancelled_lookup_loses_no_counts(real: Client) -> None:
    cache = RedisCache(real)
    await cache.aupdate("q", MODEL, TEXT)
    for _ in range(70):
        await cache.alookup("q", MODEL)
    whole, started, forever = real.arun, asyncio.Event(), asyncio.Event()

    async def stuck(*_args: Any, **_kwargs: Any) -> Any:
        started.set()
        await forever.wait()

    real.arun = stuck  # type: ignore[method-assign]
    lookup = asyncio.create_task(cache.aupdate("q", MODEL, TEXT))
    await started.wait()
    lookup.cancel()
    with pytest.raises(asyncio.CancelledError):
        await lookup
    real.arun = whole  # type: ignore[method-assign]
    assert (await cache.astats()).hits == 70


# --- the breaker itself ---------------------------------------------------------------------------------


def test_the_breaker_opens_for_longer_and_longer_and_closes() -> None:
    breaker = Breaker(cool_s=1, longest_s=5)
    assert breaker.allows(0)
    assert breaker.failed(0, 0.25) is True
    assert not breaker.allows(1)
    now = 1.25
    for pause in (2, 4, 5, 5):
        assert breaker.allows(now)
        assert not breaker.allows(now), "one tries"
        assert breaker.failed(now, now + 0.5) is False
        assert not breaker.allows(now + 0.5 + pause - 0.25)
        now += 0.5 + pause
    assert breaker.allows(now)
    breaker.worked()
    assert breaker.allows(now)
    assert breaker.allows(now)
    assert breaker.failed(now, now) is True
    assert breaker.allows(now + 1)


def test_callers_of_one_outage_count_once() -> None:
    breaker = Breaker(cool_s=1, longest_s=60)
    assert [breaker.failed(began, 5 + began) for began in (0.0, 0.1, 0.2, 0.3)] == [True, False, False, False]
    assert not breaker.allows(5.5)
    assert breaker.allows(6)


def test_a_timeout_longer_than_the_pause_opens_it_all_the_same() -> None:
    breaker = Breaker(cool_s=0.5)
    breaker.failed(0, 5)
    assert not breaker.allows(5.1)


def test_a_try_that_never_comes_back_is_followed_by_another() -> None:
    breaker = Breaker(cool_s=1)
    breaker.failed(0, 0)
    assert breaker.allows(1)
    assert not breaker.allows(1.5)
    assert breaker.allows(2)
