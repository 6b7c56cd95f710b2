"""Lifetimes: users write seconds, the wire speaks milliseconds, 0 is no expiry."""

from __future__ import annotations

import math

from langchain_redis_memory.errors import InvalidInputError

WEEK_S = 604_800


def milliseconds(ttl_s: float | None, what: str = "ttl_s") -> int:
    """A lifetime in seconds as milliseconds.

    Args:
        ttl_s: Positive seconds, or None for no expiry.
        what: Its name, for the error.

    Returns:
        Milliseconds, 0 for no expiry.

    Raises:
        InvalidInputError: It is not a positive finite number.
    """
    if ttl_s is None:
        return 0
    if isinstance(ttl_s, bool) or not isinstance(ttl_s, int | float) or not math.isfinite(ttl_s) or ttl_s < 0.001:
        msg = f"{what} must be a positive number of seconds or None for no expiry, got {ttl_s!r}"
        raise InvalidInputError(msg)
    return round(ttl_s * 1000)
