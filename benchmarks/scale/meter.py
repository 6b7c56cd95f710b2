"""Measures what a call costs: trips, commands, bytes, time of the server's processor and of this one, wall time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import redis

from benchmarks.speed.harness import counted_trips
from langchain_redis_memory import Client
from langchain_redis_memory.ops import Op

ROUNDS, CALLS, MOST_S = 3, 30, 0.3
"""Rounds of so many calls, each over after so many seconds at the latest."""

Work = Callable[[int], Any]


@dataclass
class Spent:
    """What servers have used and done.

    Args:
        seconds: Time of the processor.
        sent: Bytes sent and received.
        commands: Commands, those of scripts included.
    """

    seconds: float = 0
    sent: float = 0
    commands: float = 0

    def without(self, before: Spent, idle: Spent) -> Spent:
        """What came after `before`, without what asking takes (as from `idle` to `before`)."""
        return Spent(
            self.seconds - 2 * before.seconds + idle.seconds,
            self.sent - 2 * before.sent + idle.sent,
            self.commands - 2 * before.commands + idle.commands,
        )


@dataclass
class Meter:
    """The servers of a benchmark and a client of them.

    Args:
        url: Where the client connects.
        ports: The servers, for what they say of themselves.
        prefix: Of its keys.
    """

    url: str
    ports: Sequence[int]
    prefix: str = "scale"
    client: Client = field(init=False)
    _at: int = 0
    _admins: list[redis.Redis] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = Client.from_url(self.url, prefix=self.prefix, timeout_s=120, max_connections=200)
        self._admins = [redis.Redis(port=port, socket_timeout=300) for port in self.ports]

    def next(self) -> int:
        """A number that was not given yet."""
        self._at += 1
        return self._at

    @property
    def admin(self) -> redis.Redis:
        """A bare client of the first server, which a bulk loader writes through."""
        return self._admins[0]

    def spent(self) -> Spent:
        """What the servers have used, sent and done so far."""
        told = Spent()
        for admin in self._admins:
            info = admin.info("everything")
            told.seconds += info["used_cpu_user"] + info["used_cpu_sys"]
            told.sent += info["total_net_input_bytes"] + info["total_net_output_bytes"]
            told.commands += sum(of["calls"] for name, of in info.items() if name.startswith("cmdstat_"))
        return told

    def costs(self, work: Work, operations: int = 1, calls: int = CALLS, rounds: int = ROUNDS) -> dict[str, float]:
        """What one operation costs, in the best of some rounds.

        Args:
            work: Called with a number that is new each time.
            operations: How many operations a call is.
            calls: Most calls of a round.
            rounds: How often it is measured.

        Returns:
            Its costs by name. Times of processors are in those of a bare GET, measured before and after: what else the
            machine does slows both.
        """
        for _ in range(rounds):
            work(self.next())
        self.client.settle()
        found: list[dict[str, float]] = []
        for _ in range(rounds):
            gets = [self._round(self._get, CALLS)]
            one = self._round(work, calls)
            gets.append(self._round(self._get, CALLS))
            for what in ("server", "client"):
                one[what] /= sum(get[what] for get in gets) / 2
            found.append({what: cost / operations for what, cost in one.items()})
        return {what: min(one[what] for one in found) for what in found[0]}

    def _get(self, _: int) -> None:
        self.client.run(Op((("GET", f"{self.prefix}:nothing"),), lambda replies: replies[0]))

    def _round(self, work: Work, calls: int) -> dict[str, float]:
        idle = self.spent()
        before = self.spent()
        walls: list[float] = []
        begun, used = time.perf_counter(), time.process_time()
        with counted_trips() as trips:
            while not walls or (len(walls) < calls and time.perf_counter() - begun < MOST_S):
                started = time.perf_counter()
                work(self.next())
                walls.append(time.perf_counter() - started)
            self.client.settle()
        used = time.process_time() - used
        spent, many = self.spent().without(before, idle), len(walls)
        return {
            "trips": trips[0] / many,
            "commands": spent.commands / many,
            "bytes": spent.sent / many,
            "server": max(spent.seconds / many, 1e-6),
            "client": max(used / many, 1e-6),
            "wall_us": median(walls) * 1e6,
        }

    def close(self) -> None:
        """Closes the connections."""
        self.client.close()
        for admin in self._admins:
            admin.close()


@contextmanager
def metered(url: str, ports: Sequence[int], prefix: str = "scale") -> Iterator[Meter]:
    """A meter that is closed in the end."""
    meter = Meter(url, ports, prefix)
    try:
        yield meter
    finally:
        meter.close()
