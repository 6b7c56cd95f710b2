"""A client one of whose replies never comes: what it asks for happens, and whoever waits for it can be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from types import MethodType
from typing import Any

from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client


async def cancelled_at_each_trip(client: Client, call: Callable[[int], Awaitable[Any]]) -> int:
    """Makes a call again and again, cancelled while it waits for its first reply, then its second; how many it has.

    `call` gets the number of the time.
    """
    whole = client.arun
    for number in count():
        trips, reached = count(), asyncio.Event()

        async def arun(_client: Client, op: Op[Any]) -> Any:
            reply = await whole(op)
            if op.commands and next(trips) == number:  # noqa: B023 - used within its time
                reached.set()  # noqa: B023
                await asyncio.Event().wait()
            return reply

        client.arun = MethodType(arun, client)  # type: ignore[method-assign]
        calling, held = asyncio.ensure_future(call(number)), asyncio.ensure_future(reached.wait())
        await asyncio.wait((calling, held), return_when=asyncio.FIRST_COMPLETED)
        held.cancel()
        calling.cancel()
        ended = await asyncio.gather(calling, return_exceptions=True)
        client.arun = whole  # type: ignore[method-assign]
        if not isinstance(ended[0], asyncio.CancelledError):
            return number
    raise AssertionError
