"""The metrics callback of a client: it never disturbs a round trip, and a coroutine function is awaited."""

from __future__ import annotations

import asyncio

import pytest

from langchain_redis_memory.operate.metrics import RedisStatsCollector
from langchain_redis_memory.operate.tracing import OTelTracing
from langchain_redis_memory.ops import Flow, Op, ask
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.client.deadline import _spent
from tests.conftest import Both, Watch

PING: Op[bytes] = Op((("ECHO", "a"),), lambda replies: replies[0])


@pytest.mark.parametrize("awaited", [False, True])
async def test_what_it_raises_is_logged(
    url: str, prefix: str, both: Both, watch: Watch, caplog: pytest.LogCaptureFixture, awaited: bool
) -> None:
    def broken(trip: Trip) -> None:
        msg = f"the dashboard is full after {trip.commands}"
        raise ValueError(msg)

    async def abroken(trip: Trip) -> None:
        await asyncio.sleep(0)
        broken(trip)

    client = Client.from_url(url, prefix=prefix, on_trip=abroken if awaited else broken)
    assert await both(client.run)(PING) == b"a"
    assert "the dashboard is full after 1" in caplog.text
    await client.aclose()


async def test_a_coroutine_function_is_awaited_also_behind_what_listens_before_it(
    url: str, prefix: str, both: Both, watch: Watch
) -> None:
    told = list[str]()

    async def later(trip: Trip) -> None:
        await asyncio.sleep(0)
        told.append(trip.operation)

    client = Client.from_url(url, prefix=prefix, on_trip=later)
    RedisStatsCollector(client)
    OTelTracing(client)
    await both(client.run)(PING)
    client.run(PING)  # in an event loop as well, such as a notebook's
    assert len(told) == 2
    await client.aclose()


async def test_one_that_is_awaited_holds_no_connection(url: str, prefix: str, watch: Watch) -> None:
    both_told = asyncio.Event()
    told = list[Trip]()

    async def slow(trip: Trip) -> None:
        told.append(trip)
        if len(told) == 2:
            both_told.set()
        await both_told.wait()

    client = Client.from_url(url, prefix=prefix, on_trip=slow, max_connections=1)
    assert set(await asyncio.gather(client.arun(PING), client.arun(PING))) == {b"a"}
    await client.aclose()


async def test_a_call_that_it_starts_has_its_whole_time(url: str, prefix: str, both: Both, watch: Watch) -> None:
    tasks: list[asyncio.Task[bytes]] = []
    found: list[bytes] = []

    def flow() -> Flow[bytes]:
        yield from ask(PING)
        return (yield from ask(PING))

    def start(_trip: Trip) -> None:
        spent = _spent.get()
        if spent is None or found or tasks:
            return
        spent.seconds = 3600.0  # the other call's, which was slow
        if both.asynchronous:
            tasks.append(asyncio.create_task(client.adrive(flow())))
        else:
            client.on_trip = None
            found.append(client.drive(flow()))

    client = Client.from_url(url, prefix=prefix, on_trip=start)
    await both(client.drive)(flow())
    assert [*found, *(await asyncio.gather(*tasks))] == [b"a"]
    await client.aclose()
