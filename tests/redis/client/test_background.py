"""Flows beside turns: a burst of them waits for its turn, each in the context that it was started in."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from langchain_redis_memory.ops import Background, Flow, Invoke
from langchain_redis_memory.redis.client.background import by_loop
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both

turn: ContextVar[int] = ContextVar("turn", default=-1)


class Burst:
    """Many turns at once, each of which starts a flow beside itself."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []
        self.running = self.most = 0

    def beside(self, number: int) -> Flow[None]:
        def call() -> None:
            self.seen.append((number, turn.get()))

        async def acall() -> None:
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(0)
            self.running -= 1
            call()

        yield Invoke(call, acall)

    def turn(self, number: int) -> Flow[None]:
        yield Background(self.beside(number))


async def test_a_burst_waits_for_its_turn(both: Both) -> None:
    client, burst = Client.from_url("memory://burst"), Burst()
    for number in range(60):
        token = turn.set(number)
        await both(client.drive)(burst.turn(number))
        turn.reset(token)
    await both(client.settle)()
    if both.asynchronous:
        assert burst.seen == [(number, number) for number in range(60)]
        assert burst.most <= 16
    else:  # a thread knows nothing of who started it
        assert sorted(burst.seen) == [(number, -1) for number in range(60)]
    await client.aclose()


async def test_more_than_may_wait_are_not_started(caplog: pytest.LogCaptureFixture) -> None:
    client, burst, held = Client.from_url("memory://burst"), Burst(), asyncio.Event()
    client._background._most, client._background._most_waiting = 1, 1

    def waits() -> Flow[Any]:
        yield Invoke(lambda: None, held.wait)

    def turns() -> Flow[None]:
        yield Background(waits())
        yield Background(burst.beside(1))
        yield Background(burst.beside(2))

    await client.adrive(turns())
    held.set()
    await client.asettle()
    assert burst.seen == [(1, -1)]
    assert "one more was not started" in caplog.text
    await client.aclose()


def test_a_loop_that_another_thread_begins_disturbs_no_list_of_loops() -> None:
    loops = [asyncio.new_event_loop() for _ in range(4)]

    class Busy(WeakKeyDictionary[asyncio.AbstractEventLoop, int]):
        def get(self, key: asyncio.AbstractEventLoop, default: Any = None) -> Any:
            if len(self) < len(loops):
                self[loops[len(self)]] = len(self)  # as other threads do between any two lines
            return super().get(key, default)

    table = Busy({loops[0]: 0, loops[1]: 1})
    assert by_loop(table) == [(loops[0], 0), (loops[1], 1)]
    assert len(table) == 4
    for loop in loops:
        loop.close()
