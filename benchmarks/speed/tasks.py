"""Many tasks of one event loop: what one operation costs, ours and redis-py's own client with its pool.

python -m benchmarks.speed.tasks [--json FILE]
"""

from __future__ import annotations

import asyncio
from typing import Any

import redis.asyncio as aredis

from benchmarks.speed.harness import PATIENCE_S, AsyncWork, ainterleaved, at_once, connected, counted_trips, server
from benchmarks.speed.report import Report, command, installed
from langchain_redis_memory.ops import Op

OURS, REDIS_PY = "langchain-redis-memory", "redis-py"
EACH = 20
PLACES = 200
NOTES = [
    "One Redis 8.2.3 on the loopback; medians after a warm-up, the contenders taking turns. Each task makes 20 reads "
    "of one small value, one after the other; the time is divided by all of them.",
    "Both may open 200 connections. Pipelines: how often a connection was written to, for each read.",
]


def worker(get: AsyncWork) -> AsyncWork:
    """Makes the work of one task."""

    async def work() -> None:
        for _ in range(EACH):
            await get()

    return work


async def measure(port: int, report: Report) -> None:
    """All measures."""
    url = f"redis://127.0.0.1:{port}/0"
    async with connected(url, max_connections=PLACES) as client:
        patience: dict[str, Any] = {"socket_timeout": PATIENCE_S, "socket_connect_timeout": PATIENCE_S}
        bare = aredis.Redis.from_url(url, max_connections=PLACES, **patience)
        await bare.set("small", "x" * 100)
        read: Op[Any] = Op((("GET", "small"),), lambda replies: replies[0])
        gets: dict[str, AsyncWork] = {OURS: lambda: client.arun(read), REDIS_PY: lambda: bare.get("small")}
        for tasks in (1, 10, 50, 200):
            works = {name: [worker(get)] * tasks for name, get in gets.items()}
            together: dict[str, AsyncWork] = {name: (lambda each=each: at_once(each)) for name, each in works.items()}
            taken = await ainterleaved(together, 30 if tasks < 200 else 12, 3)
            costs = {name: ms * 1000 / tasks / EACH for name, ms in taken.items()}
            goal = 0.45 * costs[REDIS_PY] if tasks == 50 else costs[REDIS_PY] if tasks == 1 else None
            target = "0.45x of redis-py" if tasks == 50 else "no slower than redis-py" if tasks == 1 else ""
            label = f"{tasks} task{'s' * (tasks > 1)}"
            report.add(f"{label}: one read", "us", costs, goal, target)
            sent = {}
            for name, work in together.items():
                with counted_trips() as count:
                    await work()
                sent[name] = count[0] / tasks / EACH
            report.add(f"{label}: pipelines of one read", "", sent)
        await bare.aclose()


def measure_all() -> Report:
    """Measures everything."""
    report = Report("Tasks of one event loop", {OURS: installed(OURS), REDIS_PY: installed("redis")}, NOTES)
    with server(query_engine=False) as port:
        asyncio.run(measure(port, report))
    return report


if __name__ == "__main__":
    command("tasks", __doc__, measure_all)
