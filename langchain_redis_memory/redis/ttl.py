"""Lifetimes: users write seconds, the wire speaks milliseconds, 0 is no expiry; "settings" is the deployment's."""

from __future__ import annotations

import math
from datetime import timedelta
from random import uniform
from typing import Literal, TypeAlias, overload

from langchain_redis_memory.errors import InvalidInputError

WEEK_S = 604_800


Lifetime: TypeAlias = "float | timedelta | None"
"""How a user gives a lifetime: seconds or a `timedelta`, both positive; None for no expiry."""

FromSettings: TypeAlias = Literal["settings"]
"""The default of a lifetime that a deployment sets: what `Client.settings` says."""


@overload
def lifetime(ttl_s: float | FromSettings | None, settings_ttl_s: int | None) -> float | None: ...
@overload
def lifetime(ttl_s: Lifetime | FromSettings, settings_ttl_s: int | None) -> Lifetime: ...
def lifetime(ttl_s: Lifetime | FromSettings, settings_ttl_s: int | None) -> Lifetime:
    """Returns the given lifetime, the settings' for "settings"."""
    return settings_ttl_s if ttl_s == "settings" else ttl_s


def milliseconds(ttl_s: Lifetime, what: str = "ttl_s") -> int:
    """Converts a lifetime, positive seconds or a positive `timedelta`, to milliseconds: 0 for None, which is no expiry.

    Raises `InvalidInputError`: it is not a positive finite number; `what` names it.
    """
    if ttl_s is None:
        return 0
    if isinstance(ttl_s, timedelta):
        ttl_s = ttl_s.total_seconds()
    if isinstance(ttl_s, bool) or not isinstance(ttl_s, int | float) or not math.isfinite(ttl_s) or ttl_s < 0.001:
        msg = f"{what} must be a positive number of seconds, a positive timedelta, or None for no expiry, got {ttl_s!r}"
        raise InvalidInputError(msg)
    return round(ttl_s * 1000)


def jittered(ttl_ms: int, jitter: float) -> int:
    """Shortens a lifetime by a random share, at most `jitter`, so that entries stored together do not expire together.

    Returns at least 1 millisecond; 0, which is no expiry, stays 0.
    """
    return max(1, round(ttl_ms * (1 - uniform(0, jitter)))) if ttl_ms else 0
