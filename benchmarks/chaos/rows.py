"""The rows of the table: a server of some topology, a fault that is repeated, and what is promised."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import redis
from redis.crc import key_slot

from benchmarks.chaos.load import HISTORIES, Load, Outcome
from langchain_redis_memory import Client, Outbox
from langchain_redis_memory.redis.client.durability import DurabilityLevel
from tests.support.proxy import Proxy
from tests.support.servers import NEWEST, Farm, Process, of_cluster, start_cluster, wait_for

TIMEOUT_S = 1.0
DISK = ("--appendonly", "yes", "--appendfsync", "always")


class Place(NamedTuple):
    """Where the load goes, and what makes one fault there."""

    url: str
    fault: Callable[[], None]


class Row(NamedTuple):
    """One row.

    Args:
        name: What happens.
        where: To which topology.
        durability: How far writes have to be.
        promises: Whether nothing that is acknowledged may be lost.
        place: Sets it up; each fault of it is healed when it returns.
        again_s: After how long the fault is repeated; 0 for once.
    """

    name: str
    where: str
    durability: DurabilityLevel
    promises: bool
    place: Callable[[Farm], Iterator[Place]]
    again_s: float = 0.0


class Result(NamedTuple):
    """What a row gave."""

    row: Row
    faults: int
    outcome: Outcome


def play(row: Row, seconds: float, farm: Farm) -> Result:
    """Runs the load for some seconds while the fault is repeated, and checks what is stored.

    Args:
        row: The row.
        seconds: How long.
        farm: Starts servers.

    Returns:
        What came of it.
    """
    faults, outbox = 0, Outbox(replay_s=0.2, close_s=10)
    with ExitStack() as healing:
        place = healing.enter_context(contextmanager(row.place)(farm))
        client = Client.from_url(place.url, timeout_s=TIMEOUT_S)
        load = Load(client.durable(row.durability), outbox)
        with load.running():
            wait_for(load.is_warm, 30)
            load.outcome.slowest_s = 0.0
            until = time.monotonic() + seconds
            while time.monotonic() < until and not (faults and not row.again_s):
                place.fault()
                faults += 1
                time.sleep(min(row.again_s or seconds / 2, max(0.0, until - time.monotonic())))
            time.sleep(max(0.0, until - time.monotonic()))
        with Client.from_url(place.url, timeout_s=10) as plain:
            outcome = load.check(plain, 30)
        client.close()
    return Result(row, faults, outcome)


# --- one server -------------------------------------------------------------------------------------------------------


def restart(process: Process) -> None:
    """Starts a server again that was killed, with its folder and port."""
    process.popen = subprocess.Popen(process.popen.args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def _stopped(process: Process) -> Iterator[None]:
    os.kill(process.popen.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.popen.pid, signal.SIGCONT)


def _killed(farm: Farm) -> Iterator[Place]:
    process = farm.start(NEWEST, *DISK)

    def fault() -> None:
        process.popen.kill()
        process.popen.wait()
        time.sleep(0.2)
        restart(process)

    yield Place(process.url, fault)


def _frozen(farm: Farm) -> Iterator[Place]:
    process = farm.start(NEWEST)

    def fault() -> None:
        with _stopped(process):
            time.sleep(1.5 * TIMEOUT_S)

    yield Place(process.url, fault)


def _cut(farm: Farm) -> Iterator[Place]:
    with Proxy(farm.start(NEWEST).port) as proxy:
        yield Place(proxy.url, proxy.cut)


def _parted(farm: Farm) -> Iterator[Place]:
    with Proxy(farm.start(NEWEST).port) as proxy:

        def fault() -> None:
            proxy.silent = True
            time.sleep(1.5 * TIMEOUT_S)
            proxy.silent = False
            proxy.cut()

        yield Place(proxy.url, fault)


def _read_only(farm: Farm) -> Iterator[Place]:
    process = farm.start(NEWEST)
    admin = redis.Redis(port=process.port)

    def fault() -> None:
        admin.config_set("min-replicas-to-write", 1)
        time.sleep(0.5)
        admin.config_set("min-replicas-to-write", 0)

    yield Place(process.url, fault)
    admin.close()


# --- sentinels --------------------------------------------------------------------------------------------------------


class _Service:
    def __init__(self, farm: Farm) -> None:
        self.master = farm.start(NEWEST, "--repl-diskless-sync-delay", "0")
        self.replica = farm.start(NEWEST, "--replicaof", "127.0.0.1", str(self.master.port))
        self.sentinel = farm.sentinel(self.master, "main")
        self.admin: Any = redis.Redis(port=self.sentinel.port)
        self.admin.execute_command("SENTINEL", "SET", "main", "down-after-milliseconds", 1000)
        wait_for(lambda: self.admin.sentinel_master("main")["num-slaves"] == 1)
        self.url = f"redis+sentinel://127.0.0.1:{self.sentinel.port}/main/0"

    def follow(self) -> None:
        wait_for(lambda: self.admin.sentinel_master("main")["port"] == self.replica.port, 20)


def _planned(farm: Farm) -> Iterator[Place]:
    service = _Service(farm)

    def begins() -> bool:
        try:
            service.admin.execute_command("SENTINEL", "FAILOVER", "main")
        except redis.ResponseError:
            return False
        return True

    def fault() -> None:
        wait_for(begins)
        service.follow()

    yield Place(service.url, fault)
    service.admin.close()


def _master_killed(farm: Farm) -> Iterator[Place]:
    service = _Service(farm)

    def fault() -> None:
        service.master.popen.kill()
        service.master.popen.wait()
        service.follow()
        restart(service.master)

    yield Place(service.url, fault)
    service.admin.close()


# --- a cluster --------------------------------------------------------------------------------------------------------


def _ports(url: str) -> dict[int, list[int]]:
    """The ports of each history's master and its replicas, by the slot of its keys."""
    slots = {key_slot(Client(url).keys().session(name).messages.encode()) for name in HISTORIES}
    with of_cluster(url) as cluster:
        return {slot: [int(node.port) for node in cluster.nodes_manager.slots_cache[slot]] for slot in sorted(slots)}


def _process(farm: Farm, port: int) -> Process:
    return next(one for one in farm.processes if one.port == port and one.popen.poll() is None)


def _node_frozen(farm: Farm) -> Iterator[Place]:
    url = start_cluster(farm)
    process = _process(farm, next(iter(_ports(url).values()))[0])

    def fault() -> None:
        with _stopped(process):
            time.sleep(1.5 * TIMEOUT_S)

    yield Place(url, fault)


def _slots_move(farm: Farm) -> Iterator[Place]:
    url = start_cluster(farm)
    admins = {port: redis.Redis(port=port, decode_responses=True) for port in map(int, _all_ports(url))}
    ids = {port: admin.execute_command("CLUSTER", "MYID") for port, admin in admins.items()}
    owners = {slot: ports[0] for slot, ports in _ports(url).items()}

    def fault() -> None:
        for slot, source in list(owners.items()):
            target = next(port for port in admins if port != source)
            admins[target].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
            admins[source].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
            while keys := admins[source].execute_command("CLUSTER", "GETKEYSINSLOT", slot, 10):
                admins[source].execute_command("MIGRATE", "127.0.0.1", target, "", 0, 5000, "KEYS", *keys)
                time.sleep(0.005)
            for port in (target, source, *admins):
                admins[port].execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])
            owners[slot] = target

    yield Place(url, fault)
    for admin in admins.values():
        admin.close()


def _all_ports(url: str) -> list[str]:
    return [host.rpartition(":")[2] for host in url.partition("://")[2].split(",")]


def _node_killed(farm: Farm) -> Iterator[Place]:
    url = start_cluster(farm, 3, 3)
    port, replica = next(iter(_ports(url).values()))
    process = _process(farm, port)

    def fault() -> None:
        process.popen.kill()
        process.popen.wait()
        with redis.Redis(port=replica) as admin:
            wait_for(lambda: admin.info("replication")["role"] == "master", 20)
        restart(process)

    yield Place(url, fault)


ROWS = (
    Row("the server is killed and comes back", "one server, appendfsync always", "written", True, _killed, 1.0),
    Row("the server is frozen for 1.5 s", "one server", "written", True, _frozen, 2.0),
    Row("connections are cut", "one server", "written", True, _cut, 0.2),
    Row("packets are swallowed for 1.5 s, then connections cut", "one server", "written", True, _parted, 2.0),
    Row("writes are refused for 0.5 s (NOREPLICAS)", "one server", "written", True, _read_only, 1.0),
    Row("a planned failover", "Sentinel", "replicated", True, _planned),
    Row("a planned failover", "Sentinel", "written", False, _planned),
    Row("the master is killed", "Sentinel", "replicated", True, _master_killed),
    Row("a node is frozen for 1.5 s", "cluster", "written", True, _node_frozen, 2.0),
    Row("slots move, ten keys at a time", "cluster", "written", True, _slots_move, 0.2),
    Row("a master is killed", "cluster", "replicated", True, _node_killed),
)
