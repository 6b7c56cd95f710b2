"""Deadlines of async calls: as `asyncio.timeout` keeps each, with one timer for all of a loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import pytest

from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.deadline import Deadline, Deadlines

Bound = Callable[[float], AbstractAsyncContextManager[Any]]
SOON_S, NEVER_S = 0.001, 60.0


def bounds() -> Bound:
    deadlines = Deadlines(asyncio.get_running_loop())

    @asynccontextmanager
    async def bound(seconds: float) -> Any:
        with Deadline(deadlines, seconds):
            yield

    return bound


async def hang() -> None:
    await asyncio.Event().wait()


async def in_time(bound: Bound) -> str:
    async with bound(NEVER_S):
        await asyncio.sleep(0)
    return "done"


async def late(bound: Bound) -> None:
    async with bound(SOON_S):
        await hang()


async def swallowed(bound: Bound) -> str:
    async with bound(SOON_S):
        with suppress(asyncio.CancelledError):
            await hang()
    return "went on"


async def another_error(bound: Bound) -> None:
    async with bound(SOON_S):
        try:
            await hang()
        finally:
            raise LookupError


async def the_inner_one(bound: Bound) -> str:
    async with bound(NEVER_S):
        try:
            await late(bound)
        except asyncio.TimeoutError:
            await asyncio.sleep(0)
            return "inner"
    return "none"


async def the_outer_one(bound: Bound) -> str:
    try:
        async with bound(SOON_S):
            try:
                async with bound(NEVER_S):
                    await hang()
            except asyncio.TimeoutError:
                return "inner"
    except asyncio.TimeoutError:
        await asyncio.sleep(0)
        return "outer"
    return "none"


async def cancelled(bound: Bound) -> None:
    asyncio.get_running_loop().call_soon(_me().cancel)
    async with bound(NEVER_S):
        await hang()


async def cancelled_and_late(bound: Bound) -> None:
    async with bound(SOON_S):
        try:
            await hang()
        except asyncio.CancelledError:
            _me().cancel()
            raise


def _me() -> Any:
    return asyncio.current_task()


async def outcome(body: Callable[[Bound], Awaitable[object]], bound: Bound) -> object:
    async def run() -> tuple[object, int, bool]:
        try:
            result: object = await body(bound)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is the outcome
            result = type(error)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return result, _me().cancelling(), True
        return result, _me().cancelling(), False

    return await asyncio.wait_for(asyncio.ensure_future(run()), 10)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio has no timeout")
async def test_a_deadline_is_asyncios() -> None:
    bodies = (in_time, late, swallowed, another_error, the_inner_one, the_outer_one, cancelled, cancelled_and_late)
    found = {body.__name__: await outcome(body, bounds()) for body in bodies}
    assert found == {body.__name__: await outcome(body, vars(asyncio)["timeout"]) for body in bodies}
    assert found["late"] == (TimeoutError, 0, False)


@pytest.mark.clocked  # the calls begin at the same time, or nearly
async def test_each_is_late_at_its_own_time() -> None:
    bound, ended = bounds(), list[str]()

    async def work(name: str, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            async with bound(seconds):
                await hang()
        ended.append(name)

    await asyncio.gather(*(work(name, 0.1 * i) for name, i in (("c", 3), ("a", 1), ("d", 4), ("b", 2))))
    assert ended == ["a", "b", "c", "d"]


async def test_all_calls_of_a_loop_have_one_timer(real: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    say: Op[Any] = Op((("ECHO", "x"),), list)
    loop, armed = asyncio.get_running_loop(), list[float]()
    call_at = loop.call_at

    def counted(when: float, *args: Any, **more: Any) -> asyncio.TimerHandle:
        armed.append(when)
        return call_at(when, *args, **more)

    for _ in range(2):  # to connect takes timers as well
        armed.clear()
        monkeypatch.setattr(loop, "call_at", counted)
        await asyncio.gather(*(real.arun(say) for _ in range(40)))
        monkeypatch.undo()
    assert armed == []
