"""One async client for each event loop, closed when its loop ends.

Connections of redis-py belong to the event loop that opened them, so a client that outlives an `asyncio.run` would
fail in the next one. Here each loop gets a client of its own, and an async generator holds it: an event loop that shuts
down closes its generators (`shutdown_asyncgens`), which closes the connections inside the loop that owns them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary


class LoopClient(NamedTuple):
    """A loop's client, its gate, and the generator that closes it."""

    client: Any
    gate: asyncio.Semaphore
    life: AsyncGenerator[Any, None]


class LoopClients:
    """The async clients of one `Client`.

    Args:
        make: Makes an async client of redis-py.
        most: How many trips may be under way at once in one loop.
    """

    def __init__(self, make: Callable[[], Any], most: int) -> None:
        self._make = make
        self._most = most
        self._held: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopClient] = WeakKeyDictionary()

    async def get(self) -> LoopClient:
        """The running loop's client, made on first use."""
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        if held is None:
            for ended in [other for other in list(self._held) if other.is_closed()]:
                del self._held[ended]
            life = self._live(loop)
            held = LoopClient(await life.__anext__(), asyncio.Semaphore(self._most), life)
            self._held[loop] = held
        return held

    async def _live(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[Any, None]:
        client = self._make()
        try:
            yield client
        finally:
            held = self._held.get(loop)
            if held is not None and held.client is client:
                del self._held[loop]
            await client.aclose()

    async def aclose(self) -> None:
        """Closes the running loop's client, and asks the other running loops to close theirs."""
        held = self._held.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await held.life.aclose()
        self.close()

    def close(self) -> None:
        """Asks every loop that is running elsewhere to close its client; a loop that has ended already did."""
        here = asyncio._get_running_loop()
        for loop, held in list(self._held.items()):
            if loop is not here and loop.is_running():
                self._held.pop(loop, None)  # from now on that loop opens a new client, not connections of a closed one
                asyncio.run_coroutine_threadsafe(held.life.aclose(), loop)
