"""A soak: the load without faults, and how much memory the process has, tenth by tenth of the time."""

from __future__ import annotations

import gc
import time
from pathlib import Path

from benchmarks.chaos.load import Load
from langchain_redis_memory import Client, Outbox
from tests.support.servers import NEWEST, Farm

PARTS = 10


def resident_mb() -> float:
    """The resident memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * 4096 / 1e6


def soak(seconds: float, farm: Farm) -> str:
    """Runs the load.

    Args:
        seconds: How long.
        farm: Starts the server.

    Returns:
        The memory after each tenth; the load's own notes of what was acknowledged are forgotten as it goes.
    """
    client = Client.from_url(farm.start(NEWEST).url)
    load = Load(client, Outbox())
    seen: list[float] = []
    calls = 0
    with load.running():
        for _ in range(PARTS):
            time.sleep(seconds / PARTS)
            calls += load.forget()
            gc.collect()
            seen.append(resident_mb())
    client.close()
    half = seen[PARTS // 2 :]
    told = ", ".join(f"{one:.1f}" for one in seen)
    return f"{seconds:g} s, {calls} writes: {told} MB; second half within {100 * (max(half) / min(half) - 1):.1f} %"
