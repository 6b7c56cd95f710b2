"""A call of somebody else's code that is not waited for without end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """Runs a call in a thread of its own and waits for it, but not for longer than some time.

    Args:
        seconds: How long to wait.
        call: What to run; it sees the caller's context variables.

    Returns:
        Its result. What it raises is raised.

    Raises:
        TimeoutError: It is not done yet; its result will be dropped.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(copied.run(call))
        except BaseException as error:  # noqa: BLE001 - handed over to the caller's thread
            errors.append(error)

    copied = copy_context()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        msg = f"not done within {seconds} s"
        raise TimeoutError(msg)
    return results[0]


async def awithin(seconds: float, call: Callable[[], Awaitable[T]]) -> T:
    """Runs an async call and cancels it after some time; see `within`."""
    try:
        return await asyncio.wait_for(call(), seconds)
    except asyncio.TimeoutError as error:  # another class than the builtin on Python 3.10
        msg = f"not done within {seconds} s"
        raise TimeoutError(msg) from error
