"""Behind sentinels: a planned failover is followed before the old master is demoted, and sentinels may be away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import redis
from langchain_core.messages import HumanMessage

from langchain_redis_memory import RedisChatMessageHistory
from langchain_redis_memory.errors import DurabilityError, UnavailableError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.durability import Durability
from tests.conftest import Both
from tests.support.proxy import Proxy
from tests.support.servers import NEWEST, Farm, Process, wait_for

pytestmark = pytest.mark.clocked  # ten seconds after a failover the old master is demoted
TIMEOUT_S = 0.5


class Service(NamedTuple):
    """A master with a replica, and the sentinel that watches them as `main`."""

    master: Process
    replica: Process
    sentinel: Process

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/main/0"


@pytest.fixture
def service(farm: Farm) -> Iterator[Service]:
    master = farm.start(NEWEST, "--repl-diskless-sync-delay", "0")
    replica = farm.start(NEWEST, "--replicaof", "127.0.0.1", str(master.port))
    with redis.Redis(port=replica.port) as admin:
        wait_for(lambda: admin.info("replication")["master_link_status"] == "up")
    made = Service(master, replica, farm.sentinel(master, "main"))
    with redis.Redis(port=made.sentinel.port) as admin:
        wait_for(lambda: admin.sentinel_master("main")["num-slaves"] == 1)
    yield made
    for process in reversed(made):
        process.stop()


def count(number: int) -> Op[int]:
    return Op((("RPUSH", "seen", number), ("PEXPIRE", "seen", 60_000)), lambda replies: replies[0])


def fails_over(sentinel: redis.Redis) -> bool:
    """Begins a failover, once the sentinel knows enough of the replica to promote it."""
    try:
        sentinel.execute_command("SENTINEL", "FAILOVER", "main")
    except redis.ResponseError as error:
        if "NOGOODSLAVE" not in str(error):
            raise
        return False
    return True


async def test_a_planned_failover_is_followed_at_once(service: Service, both: Both) -> None:
    async with Client.from_url(service.url) as client:
        with redis.Redis(port=service.replica.port) as new, redis.Redis(port=service.master.port) as old:
            await both(client.run)(count(0))
            with redis.Redis(port=service.sentinel.port) as admin:
                wait_for(lambda: fails_over(admin))
            wait_for(lambda: new.info("replication")["role"] == "master")
            number = 0
            while number == 0 or b"%d" % number not in new.lrange("seen", -1, -1):
                number += 1
                await both(client.run)(count(number))
                await asyncio.sleep(0.01)
            assert old.info("replication")["role"] == "master", "it is followed long before the old one is demoted"


async def test_a_master_stays_in_use_while_no_sentinel_answers(service: Service, both: Both) -> None:
    with Proxy(service.sentinel.port) as proxy:
        url = f"redis+sentinel://127.0.0.1:{proxy.port}/main/0"
        async with Client.from_url(url, timeout_s=TIMEOUT_S) as client:
            assert await both(client.run)(count(0)) == 1
            proxy.silent = True
            held = await client._connections.of_loop()
            transport = held.transport if both.asynchronous else client._connections.of_threads()
            transport._look_at = 0.0
            assert await both(client.run)(count(1)) == 2
            assert transport._look_at > time.monotonic() + 5, "and is not asked for a while"


async def test_a_silent_sentinel_leaves_time_for_the_next(service: Service, both: Both) -> None:
    with Proxy() as hole:
        url = f"redis+sentinel://127.0.0.1:{hole.port},127.0.0.1:{service.sentinel.port}/main/0"
        async with Client.from_url(url, timeout_s=4 * TIMEOUT_S, retries=0) as client:
            assert await both(client.run)(count(0)) == 1
            assert client._topology.kind == "sentinel"


async def test_a_failover_under_load_loses_nothing_that_is_acknowledged(service: Service, both: Both) -> None:
    """Writers count up in a history each; what was acknowledged is there afterwards, once and in order."""
    acknowledged: dict[int, list[str]] = {name: [] for name in range(4)}
    refused: list[Exception] = []
    enough, ended = asyncio.Event(), asyncio.Event()
    async with Client.from_url(service.url, timeout_s=4 * TIMEOUT_S) as client:
        durable = client.durable(Durability("replicated", timeout_s=TIMEOUT_S / 5))

        def history(name: int) -> RedisChatMessageHistory:
            return RedisChatMessageHistory(f"s{name}", durable, ttl_s=60)

        async def write(name: int) -> None:
            mine, number = history(name), 0
            add: Any = (
                mine.aadd_messages if both.asynchronous else lambda some: asyncio.to_thread(mine.add_messages, some)
            )
            while not ended.is_set():
                number += 1
                try:
                    await add([HumanMessage(str(number))])
                except (UnavailableError, DurabilityError) as error:
                    refused.append(error)
                    await asyncio.sleep(0.01)
                else:
                    acknowledged[name].append(str(number))
                    if number == 20:
                        enough.set()

        writers = [asyncio.create_task(write(name)) for name in acknowledged]
        await enough.wait()
        with redis.Redis(port=service.sentinel.port) as admin:
            await asyncio.to_thread(wait_for, lambda: fails_over(admin))
            await asyncio.to_thread(wait_for, lambda: admin.sentinel_master("main")["port"] == service.replica.port)
        await asyncio.to_thread(wait_for, lambda: refused)
        ended.set()
        await asyncio.gather(*writers)
        for name, mine in acknowledged.items():
            found = [str(message.content) for message in await both.messages(history(name))]
            assert len(set(found)) == len(found), "stored twice"
            assert [number for number in found if number in set(mine)] == mine, "lost, or out of order"
