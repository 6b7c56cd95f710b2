"""Rate limits: our limiter, limits', pyrate-limiter's and throttled-py's, one decision at a time.

python -m benchmarks.speed.limits [--json FILE]
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import redis

from benchmarks.speed.harness import ainterleaved, connected, interleaved, processor_time, server, trips
from benchmarks.speed.report import Report, command, installed
from langchain_redis_memory import Limit, RedisRateLimiter

OURS, LIMITS, PYRATE, THROTTLED = "langchain-redis-memory", "limits", "pyrate-limiter", "throttled-py"
RATE = 1_000_000
NOTES = [
    "One Redis 8.2.3 on the loopback, no persistence; medians after a warm-up, the contenders taking turns.",
    f"A decision that allows one of {RATE:,} requests a minute. limits: sliding window counter. pyrate-limiter: GCRA. "
    "throttled-py: GCRA on the server's clock. Ours: GCRA on the server's clock, with what is left of each limit.",
    "Two limits: limits and throttled-py decide one at a time, so what the second refuses has used the first.",
    "Trips: calls of redis-py's send_packed_command, of which every command or pipeline makes one.",
    "First come, first served: of 40 tasks that wait at once, how many start in the order of their booking.",
]


def contenders(port: int, rates: list[int]) -> dict[str, Callable[[], bool]]:
    """A decision by contender, over rates for one, two, ... minutes; ours is the first."""
    url, name = f"redis://127.0.0.1:{port}/0", f"bench-{len(rates)}"
    ours = RedisRateLimiter(connected(url), [Limit(n, 60 * (i + 1)) for i, n in enumerate(rates)], scope=name)
    found: dict[str, Callable[[], bool]] = {OURS: lambda: ours.check("ana").allowed}
    if installed(LIMITS):
        from limits import RateLimitItemPerMinute
        from limits.storage import RedisStorage
        from limits.strategies import SlidingWindowCounterRateLimiter

        strategy = SlidingWindowCounterRateLimiter(RedisStorage(url))
        items = [RateLimitItemPerMinute(n, i + 1, name) for i, n in enumerate(rates)]
        found[LIMITS] = lambda: all(strategy.hit(item, "ana") for item in items)
    if installed(PYRATE):
        from pyrate_limiter import Limiter, Rate, RedisBucket

        wanted = [Rate(n, 60_000 * (i + 1)) for i, n in enumerate(rates)]
        bucket = RedisBucket.init(wanted, redis.Redis(port=port), f"pyrate-{name}")
        limiter = Limiter(bucket)
        found[PYRATE] = lambda: bool(limiter.try_acquire("ana", blocking=False))
    if installed(THROTTLED):
        from datetime import timedelta

        from throttled import Throttled
        from throttled.rate_limiter import per_duration
        from throttled.store import RedisStore

        store = RedisStore(server=url)
        several = [
            Throttled(
                using="gcra", quota=per_duration(timedelta(minutes=i + 1), n), store=store, key_prefix=f"{name}-{i}"
            )
            for i, n in enumerate(rates)
        ]
        found[THROTTLED] = lambda: not any(one.limit("ana").limited for one in several)
    return found


def measure(port: int, report: Report) -> None:
    """All measures."""
    for name, rates in (("a decision", [RATE]), ("a decision over two limits", [RATE, 2 * RATE])):
        works = contenders(port, rates)
        assert all(work() for work in works.values())
        report.add(name, "ms", interleaved(works, 400, 20))
        used = processor_time(works, 200)
        fastest = min(us for each, us in used.items() if each != OURS) if len(used) > 1 else None
        report.add(f"{name}: client's processor time", "us", used, fastest, "the fastest's")
        report.add(f"{name}: trips", "trips", {each: trips(work) for each, work in works.items()}, 1, "one trip")
    tokens = RedisRateLimiter(
        connected(f"redis://127.0.0.1:{port}/0"),
        [Limit(RATE, "1m"), Limit(RATE, "1m", unit="tokens"), Limit(50, unit="concurrent")],
    )
    reserve = {OURS: lambda: tokens.reserve("ana", 10).settle({"total_tokens": 5})}
    report.add("reserve and settle: requests, tokens and a place", "ms", interleaved(reserve, 200, 20))
    report.add("reserve and settle: trips", "trips", {OURS: trips(reserve[OURS])}, 2, "two trips")
    asyncio.run(asynchronous(port, report))


async def asynchronous(port: int, report: Report) -> None:
    """A decision with await, and who comes first."""
    client = connected(f"redis://127.0.0.1:{port}/0")
    limiter = RedisRateLimiter(client, [Limit(RATE, "1m")], scope="async")
    report.add("async: a decision", "ms", await ainterleaved({OURS: lambda: limiter.acheck("ana")}, 300))
    waiting, order = RedisRateLimiter(client, [Limit(1, "10ms")], scope="fifo"), list[float]()

    async def ask() -> None:
        lease = await waiting.areserve("ana")
        order.append(float(lease._taken.marks[0][1]))

    began = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(40)))
    report.add(
        "40 wait at once: until the last has started (due: 390)", "ms", {OURS: (time.perf_counter() - began) * 1e3}
    )
    share = sum(a < b for a, b in pairwise(order)) / (len(order) - 1)
    report.add("40 wait at once: first come, first served", "share of 1", {OURS: share})
    await client.aclose()


def measure_all() -> Report:
    """Measures everything."""
    versions: dict[str, Any] = {name: installed(name) for name in (OURS, LIMITS, PYRATE, THROTTLED)}
    report = Report("Rate limits", versions, NOTES)
    with server(query_engine=False) as port:
        measure(port, report)
    return report


if __name__ == "__main__":
    command("limits", __doc__, measure_all)
