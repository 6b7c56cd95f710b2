"""Tasks of one event loop share pipelines: everyone gets his own replies, whatever happens to the others."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from redis._parsers.hiredis import _HiredisParser
from redis.exceptions import BusyLoadingError, ResponseError

from langchain_redis_memory.errors import UnavailableError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.client.shared_transport import LANES, LARGE, AsyncSharedTransport
from tests.support.proxy import Proxy
from tests.support.servers import PATIENT_S, Farm, admin, wait_for

pytestmark = pytest.mark.clocked
TIMEOUT_S = 0.5


def say(text: str) -> Op[str]:
    return Op((("ECHO", text),), lambda replies: replies[0].decode())


async def transport_of(client: Client) -> AsyncSharedTransport:
    transport = (await client._connections.of_loop()).transport
    assert isinstance(transport, AsyncSharedTransport)
    return transport


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENT_S
    while not condition():
        assert time.monotonic() < end, "it does not come true"
        await asyncio.sleep(0)


@pytest.fixture
async def proxied(farm: Farm, real_url: str) -> AsyncIterator[tuple[Client, Proxy]]:
    with Proxy(int(real_url.rpartition(":")[2].partition("/")[0])) as proxy:
        async with Client.from_url(proxy.url, timeout_s=TIMEOUT_S, retries=0, max_connections=200) as client:
            yield client, proxy


async def test_tasks_share_pipelines(real: Client, trips: list[Trip]) -> None:
    said = await asyncio.gather(*(real.arun(say(str(i))) for i in range(40)))
    assert said == [str(i) for i in range(40)]
    assert sorted({trip.shared for trip in trips}) == [1, 39]
    assert [trip.commands for trip in trips] == [1] * 40


async def test_a_lone_task_goes_by_itself(real: Client, trips: list[Trip], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(AsyncSharedTransport, "_start")
    for i in range(5):
        assert await real.arun(say(str(i))) == str(i)
    assert {trip.shared for trip in trips} == {1}


async def test_the_order_of_a_task_is_kept(real: Client, prefix: str) -> None:
    key = real.keys().key("answer", "", "order")

    def append(i: int) -> Op[Any]:
        return Op((("APPEND", key, f"{i},"), ("PEXPIRE", key, 60000)), list)

    async def work(i: int) -> None:
        for j in range(5):
            await real.arun(append(10 * i + j))

    await asyncio.gather(*(work(i) for i in range(10)))
    kept = (await real.arun(Op((("GET", key),), lambda replies: replies[0]))).decode().split(",")[:-1]
    for i in range(10):
        assert [int(n) for n in kept if int(n) // 10 == i] == [10 * i + j for j in range(5)]


async def test_who_is_cancelled_harms_nobody(real: Client) -> None:
    dice = random.Random(7)

    async def work(i: int) -> int:
        right = 0
        for j in range(40):
            text = f"{i}-{j}"
            asked = asyncio.ensure_future(real.arun(say(text)))
            if dice.random() < 0.3:
                for _ in range(dice.randrange(4)):
                    await asyncio.sleep(0)
                asked.cancel()
            with suppress(asyncio.CancelledError):
                assert await asked == text
                right += 1
        return right

    assert sum(await asyncio.gather(*(work(i) for i in range(20)))) > 400
    transport = await transport_of(real)
    assert (transport._under_way, transport._pending, transport._alone) == (set(), type(transport._pending)(), False)


async def test_a_pipeline_that_nobody_waits_for_is_given_up(proxied: tuple[Client, Proxy]) -> None:
    client, proxy = proxied
    await client.arun(say("open"))
    proxy.silent = True
    asked = [asyncio.ensure_future(client.arun(say(str(i)))) for i in range(10)]
    transport = await transport_of(client)
    await until(lambda: bool(transport._under_way))
    for each in asked:
        each.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    await until(lambda: not transport._under_way)
    proxy.silent = False
    assert await asyncio.gather(*(client.arun(say(str(i))) for i in range(10))) == [str(i) for i in range(10)]


async def test_a_cut_is_everybodys_error_and_heals(proxied: tuple[Client, Proxy]) -> None:
    client, proxy = proxied
    await client.arun(say("open"))
    proxy.silent = True
    asked = [asyncio.ensure_future(client.arun(say(str(i)))) for i in range(10)]
    transport = await transport_of(client)
    await until(lambda: bool(transport._under_way))
    await asyncio.sleep(0.02)
    proxy.cut()
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(each) for each in told} == {UnavailableError}
    assert len({id(each) for each in told}) == 10
    assert len({id(each.__cause__) for each in told if isinstance(each, BaseException)}) == 10
    proxy.silent = False

    async def answers() -> bool:
        with suppress(UnavailableError):
            return await asyncio.gather(*(client.arun(say(str(i))) for i in range(10))) == [str(i) for i in range(10)]
        return False

    end = time.monotonic() + PATIENT_S
    while not await answers():
        assert time.monotonic() < end, "it does not heal"
        await asyncio.sleep(0.02)


async def test_a_silent_server_keeps_nobody_longer_than_the_deadline(proxied: tuple[Client, Proxy]) -> None:
    client, proxy = proxied
    await client.arun(say("open"))
    proxy.silent = True
    told = await asyncio.gather(*(client.arun(say(str(i))) for i in range(60)), return_exceptions=True)
    assert {type(each) for each in told} == {UnavailableError}
    transport = await transport_of(client)
    await until(lambda: not transport._under_way)
    assert len(transport._under_way) <= LANES
    assert not transport._pending


async def test_what_cannot_be_sent_is_its_callers_alone(real: Client) -> None:
    words: Any = ("ECHO", {"no": "text"})
    told = await asyncio.gather(
        *(real.arun(op) for op in (say("a"), say("b"), Op((words,), list), say("c"))), return_exceptions=True
    )
    assert (told[0], told[1], told[3]) == ("a", "b", "c")
    assert isinstance(told[2], Exception)
    assert not isinstance(told[2], UnavailableError)


async def test_what_is_refused_is_its_callers_alone(real: Client) -> None:
    refused: Any = Op((("NOSUCHCOMMAND",),), list)
    told = await asyncio.gather(
        real.arun(say("a")), real.arun(say("b")), real.arun(refused), real.arun(say("c")), return_exceptions=True
    )
    assert (told[0], told[1], told[3]) == ("a", "b", "c")
    assert "NOSUCHCOMMAND" in str(told[2])


async def test_what_is_large_or_waits_goes_by_itself(real: Client, trips: list[Trip]) -> None:
    wait: Op[Any] = Op((("ECHO", "w"), ("WAIT", 0, 10)), list)
    asked = [say("a"), say("b"), say("x" * LARGE), wait, say("c")]
    await asyncio.gather(*(real.arun(op) for op in asked))
    assert sorted(trip.shared for trip in trips) == [1, 1, 1, 2, 2]


async def test_a_loop_that_ends_leaves_nothing_open(real_url: str) -> None:
    client = Client.from_url(real_url)

    async def some() -> list[str]:
        return list(await asyncio.gather(*(client.arun(say(str(i))) for i in range(20))))

    for _ in range(2):
        assert await asyncio.to_thread(asyncio.run, some()) == [str(i) for i in range(20)]
    await client.aclose()
    wait_for(lambda: client._connections.in_use() == 0)


@pytest.fixture
async def told(real: Client, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], AsyncSharedTransport]:
    """Gives a transport to which the server says certain bytes, whatever is sent to it, all at once."""
    await real.arun(say("open"))
    transport = await transport_of(real)

    def telling(said: bytes) -> AsyncSharedTransport:
        take = transport._take

        async def taken() -> Any:
            connection = await take()

            async def send(_packed: Any) -> None:
                connection._parser._reader.feed(said)

            monkeypatch.setattr(connection, "send_packed_command", send)
            return connection

        monkeypatch.setattr(transport, "_take", taken)
        return transport

    return telling


@pytest.mark.skipif(not hasattr(_HiredisParser, "handle_push_response"), reason="this redis-py knows of no pushes")
async def test_replies_that_have_come_are_told_apart(told: Callable[[bytes], AsyncSharedTransport]) -> None:
    found: list[Any] = []
    pushed = b">2\r\n+invalidate\r\n*1\r\n+x\r\n"
    replies = b"+a\r\n" + pushed + b"-ERR no\r\n$-1\r\n" + pushed + b"*2\r\n:1\r\n-WRONGTYPE no\r\n+e\r\n"
    await told(replies).exchange(b"", [(2, found.append), (3, found.append)])
    (first, refused), (nothing, inner, last) = found
    assert (first, str(refused), nothing, inner[0], last) == (b"a", "no", None, 1, b"e")
    assert isinstance(refused, ResponseError)


async def test_who_had_his_replies_before_the_server_gave_up_keeps_them(
    told: Callable[[bytes], AsyncSharedTransport],
) -> None:
    found: list[Any] = []
    transport = told(b"+a\r\n-LOADING the data\r\n+c\r\n")
    with pytest.raises(BusyLoadingError):
        await transport.exchange(b"", [(1, found.append), (1, found.append), (1, found.append)])
    assert found == [[b"a"]]
    assert not any(connection.is_connected for connection in transport._pool._available_connections)


async def test_idle_connections_are_used_again_unless_the_server_closed_them(real: Client, real_url: str) -> None:
    who: Any = Op((("CLIENT", "ID"),), lambda replies: replies[0])
    number = await real.arun(who)
    assert await real.arun(who) == number
    with admin(real_url) as other:
        assert other.client_kill_filter(_id=number) == 1
    transport = await transport_of(real)
    if transport._idle:  # else redis-py looks at each
        await until(transport._idle[0]._reader.at_eof)
    assert await real.arun(who) != number
