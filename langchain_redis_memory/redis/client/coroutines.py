"""Runs a coroutine function of the user's from sync code, and tells whether an event loop runs here."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_coroutine(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end in a loop of its own. Returns its result.

    Where this thread has a running loop already (a notebook), a thread of its own runs it meanwhile.
    """
    if not in_event_loop():
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def in_event_loop() -> bool:
    """Returns whether this thread has a running event loop, so that blocking here would hold up others."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
