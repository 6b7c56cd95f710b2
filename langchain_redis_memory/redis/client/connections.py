"""The connections of one `Client`: one transport for all threads, and one for each event loop.

Connections of redis-py belong to the event loop that opened them, so a client that outlives an `asyncio.run` would
fail in the next one. Here each loop gets a transport of its own, and an async generator holds it: an event loop that
shuts down closes its generators (`shutdown_asyncgens`), which closes the connections inside the loop that owns them.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from langchain_redis_memory.locks import new_lock
from langchain_redis_memory.redis.client.background import by_loop
from langchain_redis_memory.redis.client.deadline import Deadlines
from langchain_redis_memory.redis.client.gate import Gate
from langchain_redis_memory.redis.client.topology import Topology

_UNBOUNDED = 1_000_000
_KEPT = 8
"""One of so many connections is kept from best-effort calls."""


class LoopTransport(NamedTuple):
    """An event loop's transport, its gates, its calls' deadlines, and the generator that closes it."""

    transport: Any
    gate: asyncio.Semaphore
    spare: asyncio.Semaphore
    deadlines: Deadlines
    lifetime: AsyncGenerator[Any, None]


class Connections:
    """The transports of one `Client`, opened at their first use and again after they were closed.

    At most `limit` round trips are under way at once, in all threads and in each event loop; None for no bound.
    """

    def __init__(self, topology: Topology, limit: int | None) -> None:
        self.topology = topology
        self.limit: int | None = limit
        self._places = limit or _UNBOUNDED
        # Best-effort calls enter here as well, so that caches never take the last connections from all else.
        self._spare = self._places - min(self._places - 1, max(1, self._places // _KEPT))
        self._lock = new_lock()
        self._transport: Any = None
        self._closer: Any = None
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopTransport] = WeakKeyDictionary()
        self.gate: Gate = Gate(self._places)
        self.spare: Gate = Gate(self._spare)

    def in_use(self) -> int:
        """Counts the round trips that are under way, in all threads and event loops."""
        return len(self.gate.inside) + sum(self._places - held.gate._value for _, held in by_loop(self._loops))

    def of_threads(self) -> Any:
        """Returns the transport of the threads."""
        transport = self._transport
        if transport is None:
            with self._lock:
                if self._transport is None:
                    opened = self.topology.open()
                    self._transport, self._closer = opened, weakref.finalize(self, opened.close)
                transport = self._transport
        return transport

    async def of_loop(self) -> LoopTransport:
        """Returns the transport of the running event loop."""
        loop = asyncio.get_running_loop()
        held = self._loops.get(loop)
        if held is None:
            for other, _ in by_loop(self._loops):
                if other.is_closed():
                    self._loops.pop(other, None)
            lifetime = self._live(loop)
            gate, spare = asyncio.Semaphore(self._places), asyncio.Semaphore(self._spare)
            held = LoopTransport(await lifetime.__anext__(), gate, spare, Deadlines(loop), lifetime)
            self._loops[loop] = held
        return held

    async def _live(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[Any, None]:
        transport = self.topology.aopen()
        try:
            yield transport
        finally:
            held = self._loops.get(loop)
            if held is not None and held.transport is transport:
                self._loops.pop(loop, None)
            await transport.aclose()

    def close(self) -> None:
        """Closes the threads' transport, and asks every loop that runs elsewhere to close its own."""
        with self._lock:
            closer, self._closer, self._transport = self._closer, None, None
        if closer is not None:
            closer()
        here = asyncio._get_running_loop()
        for loop, held in by_loop(self._loops):
            if loop is not here and loop.is_running():
                self._loops.pop(loop, None)  # from now on that loop opens new connections, not those of a closed one
                asyncio.run_coroutine_threadsafe(held.lifetime.aclose(), loop)

    async def aclose(self) -> None:
        """Closes the running event loop's transport before it returns, and the others as `close` does."""
        held = self._loops.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await held.lifetime.aclose()
        self.close()
