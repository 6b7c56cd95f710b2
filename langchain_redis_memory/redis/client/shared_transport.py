"""Trips that share a trip: what the tasks of an event loop ask for in the same turn travels as one pipeline.

Writing to a socket, waking up for its replies and taking a connection from a pool cost more than a command does; many
tasks share them here. A lone task pays nothing for it: whoever finds nobody on the way goes by himself, at once. Who
comes meanwhile waits for the end of the loop's turn and goes with all others that came by then, on another connection.

The order of one task's operations is kept, since it awaits each. Replies are handed out as they come. A task that is
cancelled leaves its replies unread to the others; when all are, the connection is closed. An error of the connection
reaches everybody whose replies had not come. What is large, or waits for replicas, goes by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from typing import Any

from langchain_redis_memory.ops import Command, Reply
from langchain_redis_memory.redis.client.transport import AsyncDirectTransport, pack

LANES = 8
"""Most connections on which pipelines are under way at once; who comes later waits for one of them."""
LARGE = 64 * 1024
"""Bytes from which a trip goes by itself, so that nobody waits behind it."""
_MANY = 100
"""Commands from which it does so."""
_BLOCKING = frozenset(("WAIT", "WAITAOF", "BLPOP", "BRPOP", "BLMOVE", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP"))


class SharedReplies(list[Reply]):
    """Replies to the commands of one operation.

    `shared` is the number of operations in its pipeline.
    """

    shared: int = 1


class _QueuedOperation:
    """An operation that waits for the loop's turn to end, or for its replies."""

    __slots__ = ("count", "done", "packed", "pipeline", "shared")

    def __init__(self, packed: bytes, count: int, done: asyncio.Future[SharedReplies]) -> None:
        self.packed, self.count, self.done = packed, count, done
        self.pipeline: _Pipeline | None = None
        self.shared = 1

    def take(self, replies: list[Reply]) -> None:
        if self.done.done():  # cancelled
            return
        mine = SharedReplies(replies)
        mine.shared = self.shared
        self.done.set_result(mine)
        if self.pipeline is not None and self is not self.pipeline.waiting[-1]:
            self.pipeline.leave()


class _Pipeline:
    """The operations of one pipeline; it is given up when nobody waits for it any more."""

    def __init__(self, waiting: list[_QueuedOperation]) -> None:
        self.waiting, self.left = waiting, len(waiting)
        self.task: asyncio.Task[None] | None = None
        for one in waiting:
            one.pipeline, one.shared = self, len(waiting)

    def leave(self) -> None:
        """Notes that one of those who waited does so no longer."""
        self.left -= 1
        if self.left == 0 and self.task is not None:
            self.task.cancel()


class AsyncSharedTransport(AsyncDirectTransport):
    """Sends what tasks ask for in the same turn of the event loop as one pipeline; see the module.

    Args:
        client: An async client of redis-py for one server; ours to close.
        keeps: Whether idle connections are kept here; see `DirectTransport`.
    """

    def __init__(self, client: Any, *, keeps: bool = True) -> None:
        super().__init__(client, keeps=keeps)
        self._alone = False
        self._called = False
        self._pending: deque[_QueuedOperation] = deque()
        self._under_way: set[_Pipeline] = set()

    async def send(self, commands: Sequence[Command], *, by_digest: bool) -> list[Reply]:
        """Sends commands and gives their replies; see `DirectTransport.send`."""
        packed = pack(commands, by_digest=by_digest)
        if len(packed) >= LARGE or len(commands) > _MANY or _blocks(commands[-1]):
            return await self.exchange_one(packed, len(commands))
        if not self._alone and not self._pending:
            self._alone = True
            try:
                return await self.exchange_one(packed, len(commands))
            finally:
                self._alone = False
        loop = asyncio.get_running_loop()
        one = _QueuedOperation(packed, len(commands), loop.create_future())
        self._pending.append(one)
        self._call(loop)
        try:
            return await one.done
        except asyncio.CancelledError:
            if one.pipeline is not None and one.done.cancelled():
                one.pipeline.leave()
            raise

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        """Lets a pipeline start at the end of this turn, if there is a lane for it."""
        if not self._called and self._pending and len(self._under_way) < LANES:
            self._called = True
            loop.call_soon(self._start, loop, context=Context())

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._called = False
        waiting = [one for one in self._pending if not one.done.done()]
        self._pending.clear()
        if waiting:
            pipeline = _Pipeline(waiting)
            self._under_way.add(pipeline)
            pipeline.task = loop.create_task(self._go(pipeline))

    async def _go(self, pipeline: _Pipeline) -> None:
        failure: BaseException = ConnectionError("the connection was closed")
        try:
            packed = b"".join([one.packed for one in pipeline.waiting])
            await self.exchange(packed, [(one.count, one.take) for one in pipeline.waiting])
        except Exception as error:  # noqa: BLE001 - it is everybody's whose replies had not come
            failure = error
        finally:
            self._under_way.discard(pipeline)
            for one in pipeline.waiting:
                if not one.done.done():
                    one.done.set_exception(_own(failure))
            self._call(asyncio.get_running_loop())


def _blocks(command: Command) -> bool:
    return isinstance(command[0], str) and command[0] in _BLOCKING


def _own(error: BaseException) -> BaseException:
    """Copies an error for one of those who share it: each adds its own traceback and cause."""
    copy = error.__class__.__new__(error.__class__, *error.args)
    copy.args = error.args
    copy.__dict__.update(error.__dict__)
    copy.__cause__ = error
    return copy
