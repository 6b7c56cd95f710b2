"""How a value is loaded and kept: its lifetimes, when it is refreshed before it expires, and who waits for whom."""

from __future__ import annotations

import math
import random
from functools import lru_cache
from typing import NamedTuple

from langchain_redis_memory.cache.single_flight import SingleFlight
from langchain_redis_memory.cache.value.operations import StoredValue
from langchain_redis_memory.checks import check_number
from langchain_redis_memory.redis.ttl import milliseconds


class LoadOptions(NamedTuple):
    """How a value is loaded and kept; see `RedisValueCache.get_or_load`. Times in milliseconds."""

    ttl_ms: int
    stale_ms: int
    early: float
    negative_ms: int
    flight: SingleFlight
    jitter: float
    tags: tuple[str, ...] = ()


def checked_options(
    ttl_ms: int, stale_s: float, early: float, negative_ttl_s: float | None, single_flight_s: float, jitter: float
) -> LoadOptions:
    """Checks how a value is to be loaded and kept. Raises `InvalidInputError`: a number is out of range."""
    try:
        return _known(ttl_ms, stale_s, early, negative_ttl_s, single_flight_s, jitter)
    except TypeError:  # what cannot be hashed is not a number: the checks say so
        return _checked(ttl_ms, stale_s, early, negative_ttl_s, single_flight_s, jitter)


def _checked(
    ttl_ms: int, stale_s: float, early: float, negative_ttl_s: float | None, single_flight_s: float, jitter: float
) -> LoadOptions:
    return LoadOptions(
        ttl_ms,
        round(check_number(stale_s, "stale_s", 0, 1e9) * 1000),
        check_number(early, "early", 0, 100),
        0 if negative_ttl_s is None else milliseconds(negative_ttl_s, "negative_ttl_s"),
        SingleFlight(round(check_number(single_flight_s, "single_flight_s", 0, 86_400) * 1000)),
        check_number(jitter, "jitter"),
    )


_known = lru_cache(maxsize=256, typed=True)(_checked)


def is_due(found: StoredValue, early: float) -> bool:
    """Decides whether a value is to be refreshed: where it is stale, or before, the sooner the longer it takes.

    That is XFetch (Vattani, Chierichetti, Lowenstein: Optimal probabilistic cache stampede prevention, VLDB 2015).
    """
    if found.fresh_ms is None:
        return False
    if not early:
        return found.stale
    return found.fresh_ms <= -early * found.took_ms * math.log(1 - random.random())
