"""Deadlines: how long the caller of a round trip waits, whatever the trip turns out to need.

A sync call notes its deadline for its thread; each operation on a socket of `bounded_sockets` then takes what is left
of it: in a handshake, a health check, a cluster's redirection or a reply that drips in. An async call is cancelled,
by one timer for all calls of its event loop: a timer each would take a tenth of the time of an operation.
The round trips of a call that makes several share one deadline, each four of them where it makes many.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from contextvars import Context, ContextVar, Token
from math import inf
from time import monotonic
from types import TracebackType
from typing import Any, cast

if sys.version_info >= (3, 11):
    from asyncio import timeout_at
else:
    from async_timeout import timeout_at

__all__ = ["CALL", "Deadline", "Deadlines", "Spent", "remaining_s", "spent_s", "timeout_at"]


class _Call(threading.local):
    """The call that this thread makes."""

    until: float = inf
    """When its caller stops waiting, as the process's monotonic time in seconds."""


CALL = _Call()


class Deadlines:
    """The deadlines of the calls that one event loop makes.

    Args:
        loop: The loop, in which all of this is used.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: dict[Deadline, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._at: float = inf

    def add(self, call: Deadline, seconds: float) -> None:
        """Adds a call that may take so many seconds from now on."""
        call.until = until = self._loop.time() + seconds
        self._calls[call] = None
        if until < self._at:
            self._arm(until)

    def remove(self, call: Deadline) -> None:
        """Removes a call that has come to its end; the timer, which others will need, stays."""
        self._calls.pop(call, None)

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at, self._timer = at, self._loop.call_at(at, self._expire, context=Context())

    def _expire(self) -> None:
        now, self._timer, self._at = self._loop.time(), None, inf
        late = [call for call in self._calls if call.until <= now]
        for call in sorted(late, key=lambda call: call.until):
            del self._calls[call]
            call.expire()
        if self._calls:
            self._arm(min(call.until for call in self._calls))


class Deadline:
    """Cancels the task that is inside of it (`with`) when its time is up, and turns that into a `TimeoutError`.

    It does what `asyncio.timeout` does.

    Args:
        deadlines: Those of the running event loop.
        seconds: How long; infinite for no bound.
    """

    __slots__ = ("_before", "_deadlines", "_expired", "_seconds", "_task", "until")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self.until: float = inf
        self._deadlines, self._seconds, self._expired = deadlines, seconds, False

    def __enter__(self) -> None:
        if self._seconds == inf:
            return
        self._task = task = cast("Any", asyncio.current_task())
        self._before: int = task.cancelling() if _COUNTS else 0
        self._deadlines.add(self, self._seconds)

    def expire(self) -> None:
        """Cancels the task."""
        self._expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if not self._expired:
            self._deadlines.remove(self)
        elif (not _COUNTS or self._task.uncancel() <= self._before) and kind is asyncio.CancelledError:
            raise asyncio.TimeoutError from error


_COUNTS = sys.version_info >= (3, 11)
"""Whether a task counts who cancels it."""


class Spent:
    """The time that a call has spent on its round trips: each is made inside of it (`with`); all else does not count.

    Calls of a few trips, which somebody waits for, make at most four. Those that make more go through much that is
    stored, and are bounded by their progress.
    """

    TRIPS = 4
    """So many trips share one deadline."""

    seconds: float = 0.0
    trips: int = 0
    """How many there were."""
    whole: bool = False
    """Whether all trips share one deadline, however many they are."""
    _began = 0.0
    _outer: Token[Spent | None] | None = None

    def __enter__(self) -> None:
        self._began = monotonic()
        self._outer = _spent.set(self)

    def __exit__(self, *_: object) -> None:
        if self._outer is not None:
            _spent.reset(self._outer)
        self.add(monotonic() - self._began)

    def add(self, seconds: float) -> None:
        """Counts a trip."""
        self.trips += 1
        self.seconds = self.seconds + seconds if self.whole or self.trips % self.TRIPS else 0.0


_spent: ContextVar[Spent | None] = ContextVar("langchain_redis_memory_spent", default=None)


def spent_s() -> float:
    """Returns how long the call whose next trip this is has waited for trips before, in seconds."""
    spent = _spent.get()
    return 0.0 if spent is None else spent.seconds


def remaining_s(most: float | None) -> float | None:
    """Returns how many seconds a socket may wait now, at `most` so many; None for no bound.

    Raises `TimeoutError`: the deadline of this thread's call has passed.
    """
    until = CALL.until
    if until == inf:
        return most
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    return left if most is None or left < most else most
