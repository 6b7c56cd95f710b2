"""A client's life: loops, threads, forks, closing, the end of the process; memory, cluster and sentinel."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import warnings
from typing import Any
from uuid import uuid4

import pytest
import redis
import redis.asyncio as aredis
from langchain_core.messages import HumanMessage

from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.ops import Op, merge
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.client.connect import connect
from tests.conftest import Both, Watch
from tests.support import programs, servers
from tests.support.servers import Farm, wait_for

COUNT = Op((("INCR", "p:n"), ("PEXPIRE", "p:n", 60_000)), lambda replies: replies[0])


@pytest.fixture(params=servers.TWO)
def either(request: pytest.FixtureRequest, farm: Farm) -> str:
    """A server of this test's own: its keys need no prefix."""
    if request.param == "memory":
        return f"memory://{uuid4().hex}"
    if "own" not in farm.started:
        farm.started["own"] = farm.start(servers.NEWEST)
    client = Client.from_url(farm.started["own"].url)
    client.run(Op((("FLUSHALL",),), len))
    client.close()
    return farm.started["own"].url


def test_one_client_in_one_event_loop_after_another(either: str) -> None:
    with Client.from_url(either) as client:
        assert client.run(COUNT) == 1
        for i in range(3):
            assert asyncio.run(client.arun(COUNT)) == 2 + 2 * i
            assert client.run(COUNT) == 3 + 2 * i


def test_event_loops_in_many_threads(either: str) -> None:
    with Client.from_url(either, max_connections=4) as client:
        found: list[int] = []

        async def work() -> None:
            found.extend(await asyncio.gather(*(client.arun(COUNT) for _ in range(10))))

        threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == list(range(1, 81))


async def test_closing_twice_and_using_again(either: str, both: Both) -> None:
    client = Client.from_url(either)
    await both(client.close)()
    for i in range(1, 4):
        assert await both(client.run)(COUNT) == i
        await both(client.close)()
        await both(client.close)()
    await client.aclose()


async def test_closing_from_the_other_colour_and_from_another_thread(either: str) -> None:
    client = Client.from_url(either)
    assert (client.run(COUNT), await client.arun(COUNT)) == (1, 2)
    client.close()
    assert (client.run(COUNT), await client.arun(COUNT)) == (3, 4)
    await asyncio.to_thread(client.close)
    assert (client.run(COUNT), await client.arun(COUNT)) == (5, 6)
    await client.aclose()


async def test_as_a_context(either: str) -> None:
    with Client.from_url(either) as client:
        assert client.run(COUNT) == 1
    async with Client.from_url(either) as client:
        assert await client.arun(COUNT) == 2


async def test_a_client_that_is_forgotten_closes_its_connections(farm: Farm) -> None:
    url = farm.url(servers.NEWEST)
    name = f"n{uuid4().hex}"
    watcher = Client.from_url(url)

    def connected() -> int:
        listed = watcher.run(Op((("CLIENT", "LIST"),), lambda replies: replies[0]))
        return listed.count(name.encode()) if isinstance(listed, bytes) else str(listed).count(name)

    client = Client.from_url(url, client_name=name)
    client.run(Op((("PING",),), len))
    assert connected() == 1
    del client
    wait_for(lambda: connected() == 0)
    watcher.close()


# --- the process ------------------------------------------------------------------------------------


def printed(done: subprocess.CompletedProcess[str]) -> str:
    """What a program printed that ended without a warning."""
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
    assert "never retrieved" not in done.stderr, done.stderr
    return done.stdout


NOT_CLOSED = """
import asyncio, sys
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.ops import Op
count = Op((("INCR", "p:n"), ("PEXPIRE", "p:n", 60000)), lambda replies: replies[0])
client = Client.from_url(sys.argv[1])
print(client.run(count), asyncio.run(client.arun(count)), asyncio.run(client.arun(count)))
"""

CLOSED = """
other = Client.from_url(sys.argv[1])
print(other.run(count), asyncio.run(other.arun(count)))
other.close(); asyncio.run(other.aclose())
"""

FORK = """
import os, sys, warnings
warnings.simplefilter("error")
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.ops import Op
count = Op((("INCR", "p:n"), ("PEXPIRE", "p:n", 60000)), lambda replies: replies[0])
client = Client.from_url(sys.argv[1], client_name="forks")
client.run(count)
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        import asyncio
        good = all(isinstance(client.run(count), int) for _ in range(20))
        good = good and isinstance(asyncio.run(client.arun(count)), int)
        os._exit(0 if good else 1)
    children.append(child)
for _ in range(20):
    client.run(count)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
print(client.run(count))
client.close()
"""


HELD = """
import os, signal, sys, threading
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.ops import Op
client = Client.from_url(sys.argv[1], timeout_s=60)
held, done = threading.Event(), threading.Event()

def opening():
    with client._connections._lock, client.breaker._lock, client._trips.stall._lock, client.outboxes._lock:
        held.set()
        done.wait()

threading.Thread(target=opening).start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(30)
    client.breaker.failed(0.0, 0.0)
    client._trips.stall.tries(0.0, 0.0)
    client.run(Op((("PING",),), len))
    client.close()
    os._exit(0)
print(os.waitpid(child, 0)[1])
done.set()
"""


def test_a_process_ends_without_a_warning(either: str) -> None:
    """One of its clients is closed, and one is not; a warning of an unclosed resource ends it as an error."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", NOT_CLOSED + CLOSED, either]
    environment = {**os.environ, "PYTHONPATH": "", "LANGCHAIN_TRACING_V2": "false"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert printed(done).split() == ["1", "2", "3", "4", "5"]


def test_a_client_works_on_both_sides_of_a_fork(farm: Farm) -> None:
    url = farm.start(servers.NEWEST).url
    assert printed(programs.run(FORK, url)).split() == [str(1 + 4 * 21 + 20 + 1)]


def test_a_child_waits_for_no_lock_that_a_thread_of_its_parent_holds(real_url: str) -> None:
    assert printed(programs.run(HELD, real_url)).split() == ["0"]


# --- memory -----------------------------------------------------------------------------------------


async def test_memory_is_shared_by_name(both: Both) -> None:
    name = uuid4().hex
    one, same, other = (Client.from_url(f"memory://{name}{tail}") for tail in ("", "", "x"))
    assert await both(one.run)(COUNT) == 1
    assert same.run(COUNT) == 2
    assert await same.arun(COUNT) == 3
    assert await both(other.run)(COUNT) == 1
    for client in (one, same, other):
        await client.aclose()
    assert await both(one.run)(COUNT) == 4, "what is in memory outlives the client"
    await one.aclose()


async def test_memory_expires(both: Both) -> None:
    async with Client.from_url(f"memory://{uuid4().hex}") as client:
        kept = RedisChatMessageHistory("s", client, ttl_s=60)
        await both(kept.add_turn)("a", "b")
        assert await both(kept.ttl)() > 0
        await both(client.run)(Op(tuple(("PEXPIRE", key, 1) for key in client.keys().session("s").all()), list))
        wait_for(lambda: kept.count() == 0)
        assert await both.messages(kept) == []


# --- cluster and sentinel ---------------------------------------------------------------------------


async def a_whole_life(client: Client, both: Both) -> None:
    """A conversation from its first message to its last, and the listing of many."""
    for i in range(12):
        kept = RedisChatMessageHistory(f"s{i}", client, agent="a", max_messages=4, touch_on_read=True)
        await both(kept.add_turn)("1", "2")
        await both(kept.add_messages)([HumanMessage(text, id=text) for text in "abc"])
        assert [m.content for m in await both.messages(kept)] == ["2", "a", "b", "c"]
        assert [m.content for m in await both(kept.before)("c", 2)] == ["a", "b"]
        await both(kept.edit)("c", HumanMessage("C"))
        assert await both(kept.delete)(["a"]) == 1
        assert len(await both(kept.recent_tokens)(9999)) == 3
        assert await both(kept.extend_ttl)(50) is True
        assert 0 < await both(kept.ttl)() <= 50
    sessions = RedisSessions(client)
    page = await both(sessions.list_sessions)("a", limit=10)
    rest = await both(sessions.list_sessions)("a", limit=10, cursor=page.cursor)
    assert [s.session_id for s in (*page.sessions, *rest.sessions)] == [f"s{i}" for i in range(11, -1, -1)]
    assert await both(sessions.erase)("s3", "a") is True
    assert await both(sessions.clear_agent)("a") == 11


async def test_a_history_on_a_cluster(cluster: Client, both: Both, trips: list[Trip]) -> None:
    await a_whole_life(cluster, both)
    trips.clear()
    kept = RedisChatMessageHistory("s", cluster)
    await both(kept.add_turn)("1", "2")
    assert len(trips) == 1


async def test_a_cluster_that_forgot_its_scripts(cluster: Client, cluster_url: str, both: Both) -> None:
    kept = [RedisChatMessageHistory(f"s{i}", cluster) for i in range(8)]

    def adds() -> Op[Any]:
        return merge(*(one._flows.transcript.add([HumanMessage("x", id="x")]) for one in kept))

    assert [added.appended for added in await both(cluster.run)(adds())] == [1] * 8
    with servers.of_cluster(cluster_url) as plain:
        plain.script_flush()
    assert [added.replaced for added in await both(cluster.run)(adds())] == [1] * 8


async def test_what_a_cluster_is(cluster: Client, both: Both) -> None:
    found = await both(cluster.server)()
    assert found.query_engine is False
    assert found.vector_sets is (servers.NEWEST == "redis82")


async def test_closing_a_cluster(cluster_url: str, both: Both, watch: Watch, prefix: str) -> None:
    watch(cluster_url, prefix)
    client = Client.from_url(cluster_url, prefix=prefix)
    for _ in range(2):
        assert await both.len(RedisChatMessageHistory("s", client)) == 0
        await both(client.close)()
    await client.aclose()


async def test_a_cluster_client_of_ones_own(cluster_url: str, prefix: str, watch: Watch, both: Both) -> None:
    watch(cluster_url, prefix)
    host, _, port = cluster_url.rpartition("/")[2].partition(",")[0].partition(":")
    with redis.RedisCluster(host=host, port=int(port)) as mine:
        async with aredis.RedisCluster(host=host, port=int(port)) as amine:
            client = Client(redis=mine, aredis=amine, prefix=prefix)
            await a_whole_life(client, both)
            assert (await both(client.server)()).query_engine is False


async def test_a_history_behind_a_sentinel(sentinel: Client, both: Both) -> None:
    await a_whole_life(sentinel, both)
    assert (await both(sentinel.server)()).flavour == "redis"


async def test_closing_behind_a_sentinel_leaves_no_connection(sentinel_url: str, both: Both) -> None:
    client = Client.from_url(sentinel_url)
    await both(client.run)(Op((("PING",),), len))
    await client.aclose()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        del client
        gc.collect()
    assert [str(warning.message) for warning in seen] == [], "a connection left open warns when it is collected"


def test_a_shared_client_survives_being_closed(farm: Farm) -> None:
    url = farm.url(servers.NEWEST)
    connect(url).run(Op((("PING",),), len))
    connect(url).close()
    connect(url).run(Op((("PING",),), len))
    connect(url).close()
