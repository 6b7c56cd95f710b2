"""Calls with a timeout, in both colours.

An async call is cancelled. A sync one cannot be: it goes on in its thread, and its result is dropped. So that a model
that hangs costs a bounded number of threads, at most `MAX_CALLS` calls are under way at once in a process; while all of
them are, a further one fails at once, as if its time had passed.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue
from typing import Any

MAX_CALLS = 64
MAX_LOOK_UPS = 16
_IDLE_S = 10.0


class _Call:
    """A call, the context that it sees, and where its outcome goes."""

    def __init__(self, call: Callable[[], Any], context: Context) -> None:
        self.call = call
        self.context = context
        self.outcome: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def run(self) -> tuple[Any, BaseException | None]:
        try:
            return self.context.run(self.call), None
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            return None, error


class Executor:
    """Daemon threads that are started as they are needed and end when nothing has come for `idle_s`.

    At most `limit` calls are under way at once, those that nobody waits for any more included.
    """

    def __init__(self, limit: int = MAX_CALLS, idle_s: float = _IDLE_S) -> None:
        self.limit = limit
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        # Sets, as a signal handler's exception may come between any two lines: a number would stay too large for ever.
        self._threads: set[threading.Thread] = set()
        self._busy: set[_Call] = set()

    def run(self, seconds: float, call: Callable[[], Any]) -> Any:
        """Makes a call in one of the threads and waits for its result; see `within`."""
        task, queued = _Call(call, copy_context()), False
        try:
            with self._lock:
                if len(self._busy) >= self.limit:
                    msg = f"{_late(seconds)}: {self.limit} calls that may take only so long are under way already"
                    raise TimeoutError(msg)
                self._busy.add(task)
            self._calls.put(task)
            queued = True
            self._start()
            result, error = task.outcome.get(timeout=seconds)
        except Empty:
            raise TimeoutError(_late(seconds)) from None
        except BaseException:
            if queued:
                self._start()
            else:
                self._busy.discard(task)
            raise
        if error is not None:
            raise error
        return result

    def _start(self) -> None:
        """Starts a thread for each call that has none, one whose caller was interrupted here included."""
        if len(self._threads) >= len(self._busy):
            return
        with self._lock:
            while len(self._threads) < len(self._busy):
                thread = threading.Thread(target=self._work, name="langchain-redis-memory-call", daemon=True)
                thread.start()
                self._threads.add(thread)

    def _work(self) -> None:
        me = threading.current_thread()
        with self._lock:
            self._threads.add(me)
        while True:
            try:
                task = self._calls.get(timeout=self._idle_s)
            except Empty:
                with self._lock:
                    if len(self._busy) >= len(self._threads):  # a call was noted and is just being queued
                        continue
                    self._threads.discard(me)
                return
            outcome = task.run()
            with self._lock:
                self._busy.discard(task)  # before its caller knows, who may make the next call at once
            task.outcome.put(outcome)
            del task, outcome


_executor = Executor()
_resolver = Executor(MAX_LOOK_UPS)
"""Looks up names, apart: a resolver that hangs takes no place from models that do."""


def _renew() -> None:
    """Starts new executors in a child process, which has none of its parent's threads."""
    global _executor, _resolver
    _executor, _resolver = Executor(), Executor(MAX_LOOK_UPS)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def within(seconds: float | None, call: Callable[[], Any]) -> Any:
    """Makes a call in the caller's context and waits so many seconds for its result; None for no bound.

    Raises `TimeoutError`: it took longer, or too many calls are under way. What the call raises is passed on.
    """
    return call() if seconds is None else _executor.run(seconds, call)


def look_up(seconds: float | None, call: Callable[[], Any]) -> Any:
    """Looks up a name, which takes as long as the resolver likes and knows no timeout; see `within`."""
    return call() if seconds is None else _resolver.run(seconds, call)


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
