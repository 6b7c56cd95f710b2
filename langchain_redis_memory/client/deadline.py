"""Calls out of Redis that are not waited for longer than they may take.

A synchronous call cannot be stopped from outside, so one with a deadline runs in a thread of its own, a daemon: a
model that hangs holds up neither the turn nor the end of the process. Calls without a deadline run where they are.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from typing import Any, cast


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """What a call gives, if it gives it in time.

    Args:
        seconds: How long it is waited for.
        call: The call; it sees the caller's context variables.

    Returns:
        Its result.

    Raises:
        TimeoutError: It takes longer. It goes on by itself, and what it gives is dropped.
    """
    outcome: list[tuple[bool, Any]] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            outcome.append((True, context.run(call)))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            outcome.append((False, error))

    thread = threading.Thread(target=run, name="langchain-redis-memory-call", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        msg = f"no answer within {seconds:g} s"
        raise TimeoutError(msg)
    succeeded, value = outcome[0]
    if succeeded:
        return value
    raise cast("BaseException", value)


async def awithin(seconds: float | None, call: Callable[[], Awaitable[Any]]) -> Any:
    """What an awaitable gives, if it gives it in time; see `within`.

    Args:
        seconds: How long it is waited for; None for as long as it takes.
        call: Makes the awaitable, which is cancelled when the time is over.

    Returns:
        Its result.

    Raises:
        TimeoutError: It takes longer.
    """
    if seconds is None:
        return await call()
    try:
        return await asyncio.wait_for(call(), seconds)
    except asyncio.TimeoutError as error:  # on Python 3.10 not the builtin
        msg = f"no answer within {seconds:g} s"
        raise TimeoutError(msg) from error
