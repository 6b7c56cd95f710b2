"""A call that may take only so long, in both colours.

An async call is cancelled. A sync call cannot be: it goes on in a thread of its own, whose result nobody takes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any


def within(seconds: float | None, call: Callable[[], Any]) -> Any:
    """Makes a call and waits for its result.

    Args:
        seconds: How long; None for as long as it takes.
        call: What to call; it sees the caller's context variables.

    Returns:
        Its result.

    Raises:
        TimeoutError: It took longer. What the call raises is passed on.
    """
    if seconds is None:
        return call()
    done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    context = copy_context()

    def work() -> None:
        try:
            done.put((context.run(call), None))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            done.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except Empty:
        raise TimeoutError(_late(seconds)) from None
    if error is not None:
        raise error
    return result


async def awithin(seconds: float | None, call: Callable[[], Awaitable[Any]]) -> Any:
    """Awaits a call that may take only so long; see `within`."""
    if seconds is None:
        return await call()
    try:
        return await asyncio.wait_for(call(), seconds)
    except asyncio.TimeoutError:  # not the builtin one on Python 3.10
        raise TimeoutError(_late(seconds)) from None


def _late(seconds: float) -> str:
    return f"no result within {seconds:g} s"
