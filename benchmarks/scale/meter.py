"""Measures what a call costs: trips, commands, bytes, time of the server's processor and of this one, wall time.

Other work on the machine makes a processor's time longer as well, by half or more, since caches and cores are shared.
So calls and bare GETs take turns, a few hundredths of a second each, and what counts is the time of the one in that of
the other: the median of some rounds, and of more where they differ. This process and the servers keep to processors of
their own: where both share one, a bare GET takes half the time and what works longer does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

import redis

from benchmarks.speed.harness import apart, counted_trips
from langchain_redis_memory import Client
from langchain_redis_memory.ops import Op

WARM_UP, COUNTED, GETS = 20, 10, 100
"""Calls before anything is measured, calls of which trips, commands and bytes are counted, and bare GETs of a round."""
LEAST, MOST, CALM = 5, 21, 0.1
"""Rounds: at least, at most, and the spread up to which there are no more."""
ROUND_S, POINT_S = 0.04, 5.0
"""How long the calls of a round take, and how long rounds go on at one size."""
IDLE_S, SLOW_S = 0.4, 2.0
"""How long the servers are watched at rest, and how long a call takes that is measured once."""

Work = Callable[[int], Any]


def spread(measured: Sequence[float]) -> float:
    """How far the middle half of what was measured lies from its median, as a share of it."""
    if len(measured) < 4:
        return 0.0
    low, middle, high = quantiles(measured, n=4)
    return (high - low) / 2 / middle


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
    admins: list[redis.Redis] = field(default_factory=list)
    _idle: float = 0

    def __post_init__(self) -> None:
        self.client = Client.from_url(self.url, prefix=self.prefix, timeout_s=120, max_connections=200)
        self.admins = [redis.Redis(port=port, socket_timeout=300) for port in self.ports]

    def next(self) -> int:
        """A number that was not given yet."""
        self._at += 1
        return self._at

    @property
    def admin(self) -> redis.Redis:
        """A bare client of the first server, which a bulk loader writes through."""
        return self.admins[0]

    def rest(self, works: Sequence[Work] = ()) -> None:
        """Warms up, then measures what the servers use while nobody asks them anything, which is no call's cost."""
        for work in works:
            self._called(work, WARM_UP, POINT_S / 10)
        used, begun = self._used(), time.perf_counter()
        time.sleep(IDLE_S)
        self._idle = max(self._used() - used, 0) / (time.perf_counter() - begun)

    def costs(self, work: Work, operations: int = 1, rounds: int = LEAST) -> dict[str, float]:
        """What one operation costs.

        Args:
            work: Called with a number that is new each time.
            operations: How many operations a call is.
            rounds: How often it is measured at least; what takes long is measured once.

        Returns:
            Its costs by name: times of processors in those of a bare GET, and the larger spread of both.
        """
        begun = time.perf_counter()
        counted = self._counted(work, 1)
        if time.perf_counter() - begun > SLOW_S:
            rounds = 1
        else:
            self._called(work, WARM_UP, POINT_S / 10)
            fewest = [self._counted(work, COUNTED) for _ in range(3)]  # some open connections
            counted = {what: min(one[what] for one in fewest) for what in counted}
        found: list[tuple[float, float]] = []
        walls: list[float] = []
        end = time.perf_counter() + POINT_S
        while len(found) < rounds or (rounds > 1 and len(found) < MOST and time.perf_counter() < end):
            if len(found) >= rounds and _spread(found) <= CALM:
                break
            (server, client), wall = self._in_gets(work)
            found.append((server / operations, client / operations))
            walls.append(wall / operations)
        servers, clients = zip(*found, strict=True)
        costs = {what: cost / operations for what, cost in counted.items()}
        costs |= {"server": median(servers), "client": median(clients), "wall_us": median(walls) * 1e6}
        return costs | {"spread": round(_spread(found), 3)}

    def _in_gets(self, work: Work) -> tuple[tuple[float, float], float]:
        """The processors' times of a call, the server's and the client's, in those of a GET, and its wall time."""
        first = self._timed(self._get, GETS)
        one, wall = self._timed(work)
        second = self._timed(self._get, GETS)
        gets = [(before + after) / 2 for before, after in zip(first[0], second[0], strict=True)]
        return (one[0] / gets[0], one[1] / gets[1]), wall

    def _timed(self, work: Work, most: int = 10_000) -> tuple[tuple[float, float], float]:
        """Seconds of a call: of the servers' processors, of this one, and of the clock."""
        begun, used, worked = time.perf_counter(), self._used(), time.process_time()
        many = self._called(work, most, ROUND_S)
        worked = time.process_time() - worked
        used, passed = self._used() - used, time.perf_counter() - begun
        return (max(used - passed * self._idle, 1e-6) / many, max(worked, 1e-6) / many), passed / many

    def _called(self, work: Work, most: int, seconds: float) -> int:
        """Calls until so many are made or so long has passed, and settles what was put off; how many were made."""
        made, end = 0, time.perf_counter() + seconds
        while not made or (made < most and time.perf_counter() < end):
            work(self.next())
            made += 1
        self.client.settle()
        return made

    def _counted(self, work: Work, calls: int) -> dict[str, float]:
        """Trips, commands (those of scripts included) and bytes of a call, without those of asking for them."""
        idle, before = self._done(), self._done()
        with counted_trips() as trips:
            made = self._called(work, calls, POINT_S / 10)
        after = self._done()
        found = {what: (after[what] - 2 * before[what] + idle[what]) / made for what in after}
        return {"trips": trips[0] / made, **found}

    def _get(self, _: int) -> None:
        self.client.run(Op((("GET", f"{self.prefix}:nothing"),), lambda replies: replies[0]))

    def _used(self) -> float:
        """Seconds of their processors that the servers have used so far."""
        told = [admin.info("cpu") for admin in self.admins]
        return sum(float(one["used_cpu_user"] + one["used_cpu_sys"]) for one in told)

    def _done(self) -> dict[str, float]:
        """What the servers have done so far."""
        done = {"commands": 0.0, "bytes": 0.0}
        for admin in self.admins:
            info = admin.info("everything")
            done["bytes"] += info["total_net_input_bytes"] + info["total_net_output_bytes"]
            done["commands"] += sum(of["calls"] for name, of in info.items() if name.startswith("cmdstat_"))
        return done

    def close(self) -> None:
        """Closes the connections."""
        self.client.close()
        for admin in self.admins:
            admin.close()


def _spread(found: Sequence[tuple[float, float]]) -> float:
    """The larger spread of the two times of some rounds."""
    return max(map(spread, zip(*found, strict=True)))


@contextmanager
def metered(url: str, ports: Sequence[int], prefix: str = "scale") -> Iterator[Meter]:
    """A meter that is closed in the end."""
    meter = Meter(url, ports, prefix)
    try:
        with apart([int(admin.info("server")["process_id"]) for admin in meter.admins]):
            yield meter
    finally:
        meter.close()
