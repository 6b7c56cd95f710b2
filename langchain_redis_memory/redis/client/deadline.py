"""Deadlines: how long the caller of a round trip waits, whatever the trip turns out to need.

A sync call notes its deadline for its thread; each operation on a socket of `bounded_sockets` then takes what is left
of it: in a handshake, a health check, a cluster's redirection or a reply that drips in. An async call is cancelled.
The round trips of a call that makes several share one deadline, each four of them where it makes many.
"""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar, Token
from math import inf
from time import monotonic

if sys.version_info >= (3, 11):
    from asyncio import timeout_at
else:
    from async_timeout import timeout_at

__all__ = ["CALL", "Spent", "remaining_s", "spent_s", "timeout_at"]


class _Call(threading.local):
    """The call that this thread makes."""

    until: float = inf
    """When its caller stops waiting, as the process's monotonic time in seconds."""


CALL = _Call()


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
    """Returns how long a socket may wait now.

    Args:
        most: The bound of one operation in seconds; None for no bound.

    Returns:
        The seconds; None for no bound.

    Raises:
        TimeoutError: The deadline of this thread's call has passed.
    """
    until = CALL.until
    if until == inf:
        return most
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    return left if most is None or left < most else most
