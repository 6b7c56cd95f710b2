"""A cluster with a node that falls silent: the deadline holds, and the other nodes go on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from langchain_redis_memory.errors import UnavailableError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.servers import Farm, Process, wait_for

TIMEOUT_S = 0.6
SLACK_S = 0.4


def get(key: str) -> Op[Any]:
    return Op((("GET", key),), lambda replies: replies[0])


def node_of(client: Client, key: str, farm: Farm) -> Process:
    port = client._connections.of_threads().client.get_node_from_key(key).port
    return next(process for process in farm.processes if process.port == port and process.popen.poll() is None)


@contextmanager
def frozen(process: Process) -> Iterator[None]:
    os.kill(process.popen.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.popen.pid, signal.SIGCONT)


@pytest.mark.parametrize("commands", [1, 2])
async def test_a_silent_node(cluster_url: str, farm: Farm, both: Both, commands: int) -> None:
    async with Client.from_url(cluster_url, timeout_s=TIMEOUT_S) as client:
        one, other = (
            "a",
            next(key for key in map(str, range(100)) if node_of(client, key, farm) is not node_of(client, "a", farm)),
        )
        ask = Op((("GET", one),) * commands, list)
        for key in (one, other):
            assert await both(client.run)(get(key)) is None
        with frozen(node_of(client, one, farm)):
            began = time.monotonic()
            with pytest.raises(UnavailableError):
                await both(client.run)(ask)
            assert time.monotonic() - began < TIMEOUT_S + SLACK_S
            wait_for(lambda: not client._trips.stall.rests(time.monotonic()))
            began = time.monotonic()
            assert await both(client.run)(get(other)) is None
            assert time.monotonic() - began < TIMEOUT_S + SLACK_S

        async def answers() -> bool:
            try:
                return bool(await both(client.run)(ask) == [None] * commands)
            except UnavailableError:
                return False

        end = time.monotonic() + 10
        while not await answers():
            assert time.monotonic() < end
