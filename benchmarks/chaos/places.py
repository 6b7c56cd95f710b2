"""Where a load goes, and what makes a fault there: each place sets it up, and heals each fault of it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis
from redis.crc import key_slot

from benchmarks.chaos.load import HISTORIES, Calls
from benchmarks.chaos.processes import talkers
from langchain_redis_memory import Client
from tests.support.proxy import Proxy
from tests.support.servers import NEWEST, Farm, Process, of_cluster, start_cluster, wait_for

TIMEOUT_S = 1.0
DISK = ("--appendonly", "yes", "--appendfsync", "always")


class Place(NamedTuple):
    """Where the load goes, and what makes one fault there; a load of its own where it is no calls of this process."""

    url: str
    fault: Callable[[], None]
    load: Calls | None = None


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


def killed(farm: Farm) -> Iterator[Place]:
    yield from _killed_with(farm, "always")


def _killed_with(farm: Farm, fsync: str) -> Iterator[Place]:
    process = farm.start(NEWEST, "--appendonly", "yes", "--appendfsync", fsync)

    def fault() -> None:
        process.popen.kill()
        process.popen.wait()
        time.sleep(0.2)
        restart(process)

    yield Place(process.url, fault)


def away(farm: Farm) -> Iterator[Place]:
    process = farm.start(NEWEST, *DISK)

    def fault() -> None:
        process.popen.kill()
        process.popen.wait()
        time.sleep(1.5 * TIMEOUT_S)
        restart(process)

    yield Place(process.url, fault)


def killed_everysec(farm: Farm) -> Iterator[Place]:
    yield from _killed_with(farm, "everysec")


def frozen(farm: Farm) -> Iterator[Place]:
    process = farm.start(NEWEST)

    def fault() -> None:
        with _stopped(process):
            time.sleep(1.5 * TIMEOUT_S)

    yield Place(process.url, fault)


def cut(farm: Farm) -> Iterator[Place]:
    with Proxy(farm.start(NEWEST).port) as proxy:
        yield Place(proxy.url, proxy.cut)


def replies_lost(farm: Farm) -> Iterator[Place]:
    with Proxy(farm.start(NEWEST).port) as proxy:

        def fault() -> None:
            proxy.lose = proxy.cut
            until = time.monotonic() + 1
            while proxy.lose is not None and time.monotonic() < until:
                time.sleep(0.001)

        yield Place(proxy.url, fault)


def demoted(farm: Farm) -> Iterator[Place]:
    """A name that leads to the master, as managed services have it; the old one stays, as a replica of the new one."""
    old, new = (farm.start(NEWEST, "--repl-diskless-sync-delay", "0") for _ in range(2))
    admins = {one.port: redis.Redis(port=one.port) for one in (old, new)}
    admins[new.port].replicaof("127.0.0.1", str(old.port))
    with Proxy(old.port) as proxy:

        def is_level(master: redis.Redis, replica: redis.Redis) -> bool:
            told = replica.info("replication")
            here = master.info("replication")["master_repl_offset"]
            return told["master_link_status"] == "up" and told["slave_repl_offset"] == here

        def fault() -> None:
            ports = (old.port, new.port) if proxy.to == old.port else (new.port, old.port)
            master, replica = (admins[port] for port in ports)
            wait_for(lambda: replica.info("replication")["master_link_status"] == "up", 20)
            master.execute_command("CLIENT", "PAUSE", 5000, "WRITE")
            wait_for(lambda: is_level(master, replica))
            proxy.to = ports[1]
            replica.replicaof("NO", "ONE")
            master.replicaof("127.0.0.1", str(ports[1]))
            master.execute_command("CLIENT", "UNPAUSE")

        yield Place(proxy.url, fault)
    for admin in admins.values():
        admin.close()


def _process(farm: Farm, *, spool: bool = False, ends: bool = False) -> Iterator[Place]:
    process = farm.start(NEWEST, *DISK)
    for load, fault in talkers(process, restart, spool=spool, ends=ends):
        yield Place(process.url, fault, load)


def process_killed(farm: Farm) -> Iterator[Place]:
    yield from _process(farm)


def process_spooled(farm: Farm) -> Iterator[Place]:
    yield from _process(farm, spool=True)


def process_ends(farm: Farm) -> Iterator[Place]:
    yield from _process(farm, ends=True)


def parted(farm: Farm) -> Iterator[Place]:
    with Proxy(farm.start(NEWEST).port) as proxy:

        def fault() -> None:
            proxy.silent = True
            time.sleep(1.5 * TIMEOUT_S)
            proxy.silent = False
            proxy.cut()

        yield Place(proxy.url, fault)


def read_only(farm: Farm) -> Iterator[Place]:
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


def planned(farm: Farm) -> Iterator[Place]:
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


def master_killed(farm: Farm) -> Iterator[Place]:
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


def _node(farm: Farm, port: int) -> Process:
    return next(one for one in farm.processes if one.port == port and one.popen.poll() is None)


def node_frozen(farm: Farm) -> Iterator[Place]:
    url = start_cluster(farm)
    process = _node(farm, next(iter(_ports(url).values()))[0])

    def fault() -> None:
        with _stopped(process):
            time.sleep(1.5 * TIMEOUT_S)

    yield Place(url, fault)


def slots_move(farm: Farm) -> Iterator[Place]:
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


def node_killed(farm: Farm) -> Iterator[Place]:
    url = start_cluster(farm, 3, 3)
    port, replica = next(iter(_ports(url).values()))
    process = _node(farm, port)
    for each in map(int, _all_ports(url)):  # the tests' nodes are patient: here they are to miss each other soon
        with redis.Redis(port=each) as admin:
            admin.config_set("cluster-node-timeout", 2000)

    def fault() -> None:
        process.popen.kill()
        process.popen.wait()
        with redis.Redis(port=replica) as admin:
            wait_for(lambda: admin.info("replication")["role"] == "master", 20)
        restart(process)

    yield Place(url, fault)
