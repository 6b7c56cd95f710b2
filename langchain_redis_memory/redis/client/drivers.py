"""Drivers of flows: each sends a flow the result of every step that it yields, or throws in what the step raised.

`step` is the client's runner of one step. `stream` and `astream` also pass through what a flow emits, and the chunks of
steps that can stream. A flow is closed whichever way it ends, and what it leaves to be done is done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing
from time import monotonic
from typing import Any, TypeVar, cast

from langchain_redis_memory.errors import RedisMemoryError
from langchain_redis_memory.ops import LEFT, Background, Emit, Flow, Invoke, Now, Step, StreamResult
from langchain_redis_memory.redis.client.deadline import timeout_at

T = TypeVar("T")

_log = logging.getLogger(__name__)

_LEFT_S = 0.25
"""How long a task that was cancelled waits for what it left to be done, at most."""


async def _end_left(run: Callable[[Step], Awaitable[Any]]) -> None:
    """Runs what flows of this task left to be done: the event loop may end with it, so nobody else could."""
    mine, LEFT.flows = LEFT.flows, []  # at once: tasks of other clients may be cancelled meanwhile
    while mine:
        try:
            async with timeout_at(asyncio.get_running_loop().time() + _LEFT_S):
                await adrive(run, mine.pop())
        except (RedisMemoryError, asyncio.TimeoutError) as error:
            _log.debug("what a cancelled call left to be done was not done: %r", error)


def drive(run: Callable[[Step], Any], flow: Flow[T]) -> T:
    """Runs a flow; see `Client.drive`."""
    go_on: Callable[[Any], Step] = flow.send
    result: Any = None
    try:
        while True:
            step = go_on(result)
            if step.__class__ is Now:
                go_on, result = flow.send, monotonic()
                continue
            try:
                go_on, result = flow.send, run(step)
            except Exception as error:  # noqa: BLE001 - the flow decides
                go_on, result = flow.throw, error
    except StopIteration as done:
        return cast("T", done.value)
    finally:
        flow.close()
        while LEFT.flows:
            run(Background(LEFT.flows.pop()))


async def adrive(run: Callable[[Step], Awaitable[Any]], flow: Flow[T]) -> T:
    """Runs a flow; see `Client.adrive`."""
    go_on: Callable[[Any], Step] = flow.send
    result: Any = None
    try:
        while True:
            step = go_on(result)
            if step.__class__ is Now:
                go_on, result = flow.send, monotonic()
                continue
            try:
                go_on, result = flow.send, await run(step)
            except Exception as error:  # noqa: BLE001 - the flow decides
                go_on, result = flow.throw, error
    except StopIteration as done:
        return cast("T", done.value)
    except GeneratorExit:  # of the coroutine, which awaits nothing more
        flow.close()
        LEFT.flows.clear()
        raise
    finally:
        flow.close()
        if LEFT.flows:
            await _end_left(run)


def stream(run: Callable[[Step], Any], flow: Flow[T], *, chunks: bool) -> Generator[Any, None, T]:
    """Runs a flow and yields what it emits; see `Client.stream`."""
    go_on: Callable[[Any], Step] = flow.send
    result: Any = None
    try:
        while True:
            try:
                step = go_on(result)
            except StopIteration as done:
                return cast("T", done.value)
            try:
                if isinstance(step, Emit):
                    yield from step.values
                    value: Any = None
                elif isinstance(step, Invoke) and chunks and step.stream is not None:
                    seen, began, first_s = list[Any](), monotonic(), None
                    for chunk in step.stream():
                        first_s = monotonic() - began if first_s is None else first_s
                        seen.append(chunk)
                        yield chunk
                    value = StreamResult(seen, first_s)
                else:
                    value = run(step)
                go_on, result = flow.send, value
            except Exception as error:  # noqa: BLE001 - the flow decides
                go_on, result = flow.throw, error
    finally:
        flow.close()
        while LEFT.flows:
            run(Background(LEFT.flows.pop()))


async def astream(
    run: Callable[[Step], Awaitable[Any]], flow: Flow[T], *, chunks: bool, result: list[T] | None
) -> AsyncGenerator[Any, None]:
    """Runs a flow and yields what it emits; see `Client.astream`."""
    go_on: Callable[[Any], Step] = flow.send
    value: Any = None
    try:
        while True:
            try:
                step = go_on(value)
            except StopIteration as done:
                if result is not None:
                    result.append(done.value)
                return
            try:
                if isinstance(step, Emit):
                    for emitted in step.values:
                        yield emitted
                    value = None
                elif isinstance(step, Invoke) and chunks and step.astream is not None:
                    seen, began, first_s = list[Any](), monotonic(), None
                    async with aclosing(step.astream()) as steps:
                        async for chunk in steps:
                            first_s = monotonic() - began if first_s is None else first_s
                            seen.append(chunk)
                            yield chunk
                    value = StreamResult(seen, first_s)
                else:
                    value = await run(step)
                go_on = flow.send
            except Exception as error:  # noqa: BLE001 - the flow decides
                go_on, value = flow.throw, error
    finally:
        flow.close()
        if LEFT.flows:
            await _end_left(run)
