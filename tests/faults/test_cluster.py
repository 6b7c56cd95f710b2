"""A cluster with a node that falls silent, and slots that move: the deadline holds, and the other nodes go on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from langchain_core.messages import HumanMessage
from redis.crc import key_slot

from langchain_redis_memory import RedisChatMessageHistory
from langchain_redis_memory.errors import ServerError, UnavailableError
from langchain_redis_memory.history.outbox import Outbox
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.lateness import Stopwatch
from tests.support.servers import PATIENT_S, Farm, Process, of_cluster

pytestmark = pytest.mark.clocked
TIMEOUT_S = 0.6
MOST = 1.65
"""How many timeouts a call may take: less than two waits, and what a busy machine needs."""


def get(key: str) -> Op[Any]:
    return Op((("GET", key),), lambda replies: replies[0])


def told(replies: Any) -> Any:
    return list(replies)


def node_of(url: str, key: str, farm: Farm) -> Process:
    with of_cluster(url) as cluster:
        port = cluster.get_node_from_key(key).port
    return next(process for process in farm.processes if process.port == port and process.popen.poll() is None)


@contextmanager
def frozen(process: Process) -> Iterator[None]:
    os.kill(process.popen.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.popen.pid, signal.SIGCONT)


class Keys:
    """A key on each of two nodes, and the first one's node."""

    def __init__(self, url: str, farm: Farm) -> None:
        self.one = "a"
        self.node = node_of(url, "a", farm)
        self.other = next(key for key in map(str, range(100)) if node_of(url, key, farm) is not self.node)


@pytest.fixture(scope="module")
def keys(cluster_url: str, farm: Farm) -> Keys:
    return Keys(cluster_url, farm)


@pytest.mark.parametrize(("commands", "warm"), [(1, True), (2, False)])
async def test_a_silent_node(cluster_url: str, keys: Keys, both: Both, commands: int, warm: bool) -> None:
    ask = Op((("GET", keys.one),) * commands, list)
    async with Client.from_url(cluster_url, timeout_s=TIMEOUT_S) as client:

        async def answers(op: Op[Any]) -> None:
            """Asks until it is answered: on a busy machine a trip may take longer than this test's clients wait."""
            end = time.monotonic() + PATIENT_S
            while True:
                try:
                    await both(client.run)(op)
                except UnavailableError:
                    assert time.monotonic() < end
                else:
                    return

        if warm:
            for key in (keys.one, keys.other):
                await answers(get(key))
        with frozen(keys.node):
            with Stopwatch() as took, pytest.raises(UnavailableError):
                await both(client.run)(ask)
            assert took.seconds < MOST * TIMEOUT_S
            for _ in range(3):
                await answers(get(keys.other))
        await answers(ask)


async def test_a_node_that_was_silent_is_left_alone_for_a_moment(cluster_url: str, keys: Keys, both: Both) -> None:
    async with Client.from_url(cluster_url) as client:
        for key in (keys.one, keys.other):
            assert await both(client.run)(get(key)) is None
        nodes = client._topology.nodes
        assert nodes is not None
        assert not (await both(client.health)()).breaker_open
        nodes._guards["127.0.0.1", keys.node.port]._until = time.monotonic() + 60
        with pytest.raises(UnavailableError, match="not asked for a moment"):
            await both(client.run)(get(keys.one))
        assert await both(client.run)(get(keys.other)) is None
        assert (await both(client.health)()).breaker_open


async def test_what_a_silent_node_has_to_answer_fails_alone(cluster_url: str, keys: Keys, both: Both) -> None:
    async with Client.from_url(cluster_url, timeout_s=TIMEOUT_S) as client:
        ask = Op((("GET", keys.one), ("GET", keys.other)), told, tolerant=True)
        assert await both(client.run)(ask) == [None, None]
        with frozen(keys.node):
            for _ in range(2):
                one, other = await both(client.run)(ask)
                assert (isinstance(one, ServerError), isinstance(one, UnavailableError), other) == (True, True, None)


async def test_slots_that_move_are_followed(cluster_url: str, keys: Keys, both: Both, prefix: str) -> None:
    slot, to = key_slot(prefix.encode()), redis.Redis(port=keys.node.port, decode_responses=True)
    with of_cluster(cluster_url) as cluster, to:
        source = cluster.get_node_from_key(prefix)
        if source.port == keys.node.port:
            target = next(node for node in cluster.get_primaries() if node.port != source.port)
            to.close()
            to = redis.Redis(port=target.port, decode_responses=True)
        old = redis.Redis(port=source.port, decode_responses=True)
        here, there = (one.execute_command("CLUSTER", "MYID") for one in (old, to))
        history = f"{{{prefix}}}"
        async with Client.from_url(cluster_url) as client:

            async def count(expected: int) -> None:
                op = Op((("RPUSH", history, "x"), ("PEXPIRE", history, 60_000), ("GET", "elsewhere")), told)
                assert await both(client.run)(op) == [expected, 1, None]

            await count(1)
            to.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", here)
            old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", there)
            await count(2)
            old.execute_command("MIGRATE", "127.0.0.1", to.connection_pool.connection_kwargs["port"], history, 0, 5000)
            await count(3)  # by ASK
            for one in (to, old):
                one.execute_command("CLUSTER", "SETSLOT", slot, "NODE", there)
            await count(4)  # by MOVED
            await count(5)
        to.delete(history)
        to.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", here)
        old.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", there)
        for one in (old, to):
            one.execute_command("CLUSTER", "SETSLOT", slot, "NODE", here)
        to.close()
        old.close()


async def test_a_conversation_whose_keys_are_on_two_nodes_goes_on(cluster_url: str, both: Both, prefix: str) -> None:
    """TRYAGAIN: no node can run a script on keys of which some have been moved."""
    async with Client.from_url(cluster_url, prefix=prefix, timeout_s=TIMEOUT_S) as client:
        sure = RedisChatMessageHistory("s", client, ttl_s=60)
        history = RedisChatMessageHistory("s", client, ttl_s=60, fallback=Outbox(replay_s=None))
        await both(history.add_messages)([HumanMessage("1")])
        first = client.keys().session("s").all()[0]
        slot = key_slot(first.encode())
        with of_cluster(cluster_url) as cluster:
            source = cluster.get_node_from_key(first)
            target, *rest = (node for node in cluster.get_primaries() if node.port != source.port)
            old, new, *_ = nodes = [
                redis.Redis(port=one.port, decode_responses=True) for one in (source, target, *rest)
            ]
        here, there = (one.execute_command("CLUSTER", "MYID") for one in (old, new))
        try:
            new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", here)
            old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", there)
            old.migrate("127.0.0.1", target.port, first, 0, 5000)
            with Stopwatch() as took, pytest.raises(UnavailableError, match="not possible for now: Multiple keys"):
                await both(sure.add_messages)([HumanMessage("never")])
            assert took.seconds < MOST * TIMEOUT_S
            await both(history.add_messages)([HumanMessage("2")])
            assert history.unstored == 1
        finally:  # a slot that is left between two nodes would fail whoever comes next
            if left := old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
                old.migrate("127.0.0.1", target.port, left, 0, 5000)
            for one in (new, old, *nodes[2:]):
                one.execute_command("CLUSTER", "SETSLOT", slot, "NODE", there)
        await both(history.add_messages)([HumanMessage("3")])
        assert [one.content for one in await both.messages(history)] == ["1", "2", "3"]
        assert history.unstored == 0
        for one in nodes:
            one.close()


async def test_a_cluster_of_which_nobody_answers(both: Both) -> None:
    client = Client.from_url("redis+cluster://127.0.0.1:1,127.0.0.1:2", timeout_s=TIMEOUT_S, retries=1)
    with Stopwatch() as took, pytest.raises(UnavailableError, match="cannot be reached"):
        await both(RedisChatMessageHistory("s", client).add_messages)([HumanMessage("a")])
    assert took.seconds < MOST * TIMEOUT_S
    await client.aclose()
