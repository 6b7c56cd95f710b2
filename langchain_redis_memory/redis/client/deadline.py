"""Deadlines: how long the caller of a round trip waits, whatever the trip turns out to need.

A sync call notes its deadline for its thread; each operation on a socket of `bounded_sockets` then takes what is left
of it: in a handshake, a health check, a cluster's redirection or a reply that drips in. An async call is cancelled.
"""

from __future__ import annotations

import sys
import threading
from math import inf
from time import monotonic

if sys.version_info >= (3, 11):
    from asyncio import timeout_at
else:
    from async_timeout import timeout_at

__all__ = ["CALL", "remaining_s", "timeout_at"]


class _Call(threading.local):
    """The call that this thread makes."""

    until: float = inf
    """When its caller stops waiting, as the process's monotonic time in seconds."""


CALL = _Call()


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
