"""One deadline for a call: whatever a server does or does not, its caller waits no longer than `timeout_s`."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from langchain_core.messages import HumanMessage

from langchain_redis_memory import RedisChatMessageHistory, RedisNodeCache
from langchain_redis_memory.errors import UnavailableError
from langchain_redis_memory.history.outbox import Outbox
from langchain_redis_memory.ops import Flow, Op, ask
from langchain_redis_memory.redis.client.circuit_breaker import Breaker
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.deadline import Spent
from tests.conftest import Both
from tests.support.chains import Desk, Marked, Switch
from tests.support.lateness import Stopwatch
from tests.support.proxy import Proxy
from tests.support.servers import NEWEST, PATIENT_S, Farm, wait_for

pytestmark = pytest.mark.clocked
TIMEOUT_S = 0.4
MOST = 1.85
"""How many timeouts a call may take: less than two waits, and what a busy machine needs."""

GET = Op((("GET", "x"),), lambda replies: replies[0])


@pytest.fixture
def hole() -> Iterator[Proxy]:
    """A server that accepts connections and never answers."""
    with Proxy() as proxy:
        yield proxy


@pytest.fixture
def proxy(farm: Farm) -> Iterator[Proxy]:
    """A proxy before a server."""
    farm.url(NEWEST)
    with Proxy(farm.started[NEWEST].port) as made:
        yield made


class Watch(Stopwatch):
    """Measures how long a call takes."""

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        assert self.seconds < MOST * TIMEOUT_S, f"waited {self.seconds:.2f} s with timeout_s={TIMEOUT_S}"


def client_of(url: str, **options: Any) -> Client:
    return Client.from_url(url, timeout_s=TIMEOUT_S, **options)


async def test_a_fresh_connection_to_a_silent_server(hole: Proxy, both: Both) -> None:
    async with client_of(hole.url) as client:
        with Watch(), pytest.raises(UnavailableError, match="in time"):
            await both(client.run)(GET)


async def test_an_established_connection_that_falls_silent(proxy: Proxy, both: Both) -> None:
    async with client_of(proxy.url) as client:
        await both(client.run)(GET)
        proxy.silent = True
        with Watch(), pytest.raises(UnavailableError, match="in time"):
            await both(client.run)(GET)


async def test_a_reply_that_drips_in(proxy: Proxy, both: Both) -> None:
    async with client_of(proxy.url) as client:
        await both(client.run)(Op((("SET", "drip", "x" * 5000, "EX", 60),), len))
        proxy.drip_s = 0.05
        with Watch(), pytest.raises(UnavailableError, match="in time"):
            await both(client.run)(Op((("GET", "drip"),), len))


async def test_an_idle_connection_that_died_leaves_time_for_a_new_one(proxy: Proxy, both: Both) -> None:
    async with client_of(proxy.url, health_check_s=0) as client:
        await both(client.run)(GET)
        proxy.cut()
        assert await both(client.run)(GET) is None


def test_many_threads_on_few_connections_wait_no_longer(hole: Proxy) -> None:
    client, failed = client_of(hole.url, max_connections=4), []

    def work() -> None:
        with pytest.raises(UnavailableError):
            client.run(GET)
        failed.append(True)

    threads = [threading.Thread(target=work) for _ in range(16)]
    with Watch():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(failed) == 16
    assert client._connections.in_use() == 0
    client.close()


async def test_many_tasks_on_few_connections_wait_no_longer(hole: Proxy) -> None:
    async with client_of(hole.url, max_connections=4) as client:
        with Watch():
            found = await asyncio.gather(*(client.arun(GET) for _ in range(16)), return_exceptions=True)
        assert all(isinstance(one, UnavailableError) for one in found)
        assert client._connections.in_use() == 0


async def test_a_turn_waits_once_and_the_next_not_at_all(hole: Proxy, both: Both) -> None:
    async with client_of(hole.url) as client:
        desk = Desk(client, both, classifier=Marked(), outbox=Outbox(replay_s=None, close_s=0.01))
        with Watch():
            await desk.say("F: a")
        before = hole.accepted
        await desk.say("F: b")
        assert hole.accepted == before, "while it is silent the server is left alone"
        assert [m.type for m in desk.model.shown[-1]] == ["human", "ai", "human"], "the turn goes on from memory"
        assert desk.memory.unstored == 4


async def test_nodes_of_a_graph_wait_once_for_their_cache(hole: Proxy, both: Both) -> None:
    async with client_of(hole.url) as client:
        cache = RedisNodeCache[Any](client)
        client.breaker = Breaker(cool_s=3600)
        with Watch():
            assert await both(cache.get)([(("n",), "k")]) == {}
            await both(cache.set)({(("n",), "k"): (1, None)})
        assert client.breaker.rests(time.monotonic())
        assert hole.accepted == 1


async def test_a_server_that_is_back_is_found_again(proxy: Proxy, both: Both) -> None:
    async with client_of(proxy.url) as client:
        await both(client.run)(GET)
        proxy.silent = True
        with pytest.raises(UnavailableError):
            await both(client.run)(GET)
        proxy.silent = False
        with pytest.raises(UnavailableError, match="has just failed"):
            await both(client.run)(GET)
        wait_for(lambda: not client._trips.stall.rests(time.monotonic()))
        assert await both(client.run)(GET) is None
        assert client._trips.stall.closed


def test_one_slow_answer_stops_nobody_while_others_are_answered(farm: Farm) -> None:
    process = farm.start(NEWEST)
    with client_of(process.url) as client:
        slow = Op((("BLPOP", "never", 0),), len)
        failed = threading.Event()

        def work() -> None:
            with pytest.raises(UnavailableError):
                client.run(slow)
            failed.set()

        thread = threading.Thread(target=work)
        thread.start()
        while not failed.is_set():
            assert client.run(GET) is None
        thread.join()
        assert client.run(GET) is None
    process.stop()


@pytest.mark.parametrize("answer", [b"", b"-ERR Protocol error: unbalanced quotes in request\r\n"])
async def test_tls_to_a_plain_port_says_so(both: Both, answer: bytes) -> None:
    """A plain server waits for the end of what it takes for a command, or finds it in the noise and refuses it."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    came = listener.accept()[0]
                    held.append(came)
                    came.sendall(answer)

        held: list[socket.socket] = []
        thread = threading.Thread(target=serve)
        thread.start()
        url = f"rediss://127.0.0.1:{listener.getsockname()[1]}/0"
        async with client_of(url, ssl_cert_reqs="none") as client:
            with Watch(), pytest.raises(UnavailableError, match="speak TLS"):
                await both(client.run)(GET)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for one in held:
            one.close()


# --- calls of several trips ---------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+cluster", "redis+sentinel"])
async def test_a_resolver_that_hangs(scheme: str, both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    release, look_up = threading.Event(), socket.getaddrinfo

    def hang(host: Any, *args: Any, **options: Any) -> Any:
        if host == "redis.example":
            release.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "nobody answers")
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        async with client_of(f"{scheme}://redis.example:6379/{'service/0' if 'sentinel' in scheme else ''}") as client:
            for _ in range(2):
                with Watch(), pytest.raises(UnavailableError):
                    await both(client.run)(GET)
    finally:
        release.set()


async def test_a_name_is_looked_up_and_each_of_its_addresses_tried(
    farm: Farm, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.url(NEWEST)
    port, look_up = farm.started[NEWEST].port, socket.getaddrinfo

    def several(host: Any, asked: Any, *args: Any, **options: Any) -> Any:
        hosts = ["127.0.0.9", "127.0.0.1"] if host == "redis.example" else [host]
        return [found for one in hosts for found in look_up(one, asked, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    async with client_of(f"redis://redis.example:{port}/0") as client:
        assert await both(client.run)(GET) is None


async def test_the_trips_of_a_call_share_its_deadline(proxy: Proxy, both: Both) -> None:
    def slow_flow() -> Flow[None]:
        for _ in range(Spent.TRIPS):
            yield from ask(GET)

    async with client_of(proxy.url, retries=0) as client:
        await both(client.run)(GET)
        proxy.late_s = TIMEOUT_S * 0.6
        await both(client.run)(GET)
        with Watch(), pytest.raises(UnavailableError):
            await both(client.drive)(slow_flow())


def test_a_call_of_many_trips_is_bounded_by_its_progress() -> None:
    spent = Spent()
    seen = []
    for _ in range(2 * Spent.TRIPS):
        spent.add(1.0)
        seen.append(spent.seconds)
    assert seen == [1, 2, 3, 0] * 2


async def test_what_waits_is_stored_within_the_deadline_of_the_call_that_stores_it(proxy: Proxy, both: Both) -> None:
    async with client_of(proxy.url, retries=0) as client:
        session = f"waits-{both.asynchronous}"
        history = RedisChatMessageHistory(session, client, ttl_s=60, fallback=Outbox(replay_s=None))
        await both(history.add_messages)([HumanMessage("0")])
        switch = Switch(client)
        switch.off()
        for number in range(1, 9):
            await both(history.add_messages)([HumanMessage(str(number))])
        assert history.unstored == 8
        switch.on()
        proxy.late_s = TIMEOUT_S / 5
        with Watch():
            await both(history.add_messages)([HumanMessage("9")])
        assert 0 < history.unstored < 9, "the call has stored some, and leaves the rest"
        proxy.late_s = 0.0
        said = [str(number) for number in range(10)]
        assert [one.content for one in await both.messages(history)] == said, "also from what the process remembers"
        wait_for(lambda: not client._trips.stall.rests(time.monotonic()))
        assert [one.content for one in await both.messages(history)] == said
        assert history.unstored == 0


async def test_a_call_goes_on_without_a_server_that_has_taken_its_time(hole: Proxy, both: Both) -> None:
    def flow() -> Flow[int]:
        failed = 0
        for _ in range(3):
            try:
                yield from ask(GET)
            except UnavailableError:
                failed += 1
        return failed

    async with client_of(hole.url, retries=0) as client:
        with Watch():
            assert await both(client.drive)(flow()) == 3


# --- caches leave room --------------------------------------------------------------------------------


def test_caches_never_take_the_last_connection(farm: Farm) -> None:
    process = farm.start(NEWEST)
    with (
        Client.from_url(process.url, timeout_s=PATIENT_S, max_connections=4) as client,
        redis.Redis(port=process.port) as own,
    ):
        held = Op((("BLPOP", "free", 0),), lambda replies: replies[0], best_effort=True)
        threads = [threading.Thread(target=client.run, args=(held,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_for(lambda: own.info("clients")["blocked_clients"] == 3)
        assert client.run(GET) is None
        assert own.info("clients")["blocked_clients"] == 3
        own.rpush("free", *range(8))
        for thread in threads:
            thread.join()
        assert client._connections.in_use() == 0
    process.stop()


async def test_caches_never_take_the_last_connection_of_a_loop(farm: Farm) -> None:
    process = farm.start(NEWEST)
    async with Client.from_url(process.url, timeout_s=PATIENT_S, max_connections=4) as client:
        held = Op((("BLPOP", "free", 0),), lambda replies: replies[0], best_effort=True)
        with redis.Redis(port=process.port) as own:
            tasks = [asyncio.create_task(client.arun(held)) for _ in range(8)]
            await asyncio.to_thread(wait_for, lambda: own.info("clients")["blocked_clients"] == 3)
            assert await client.arun(GET) is None
            assert own.info("clients")["blocked_clients"] == 3
            own.rpush("free", *range(8))
            await asyncio.gather(*tasks)
    process.stop()
