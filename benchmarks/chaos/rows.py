"""The rows of the table: a server of some topology, a fault that is repeated, and what is promised."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from benchmarks.chaos import places as at
from benchmarks.chaos.going_on import Caches, Denied, Limits, Refused, Turns, Waiting
from benchmarks.chaos.load import Calls, Load, Outcome
from benchmarks.chaos.places import TIMEOUT_S, Place
from langchain_redis_memory import Client, Outbox
from langchain_redis_memory.redis.client.durability import DurabilityLevel
from tests.support.servers import Farm, wait_for

WRITTEN: DurabilityLevel = "written"
ALWAYS, EVERYSEC, ONE = "one server, appendfsync always", "one server, appendfsync everysec", "one server"


class Row(NamedTuple):
    """One row.

    Args:
        name: What happens.
        where: To which topology.
        durability: How far writes have to be.
        promises: Whether nothing that is acknowledged may be lost.
        place: Sets it up; each fault of it is healed when it returns.
        again_s: After how long the fault is repeated; 0 for once.
        load: What is called.
        goes_on: Whether no call may be refused.
    """

    name: str
    where: str
    durability: DurabilityLevel
    promises: bool
    place: Callable[[Farm], Iterator[Place]]
    again_s: float = 0.0
    load: Callable[[Client, Outbox], Calls] = Load
    goes_on: bool = False


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
        load = place.load or row.load(client.durable(row.durability), outbox)
        with load.running():
            wait_for(lambda: load.outcome.raised or load.is_warm(), 60)
            load.outcome.slowest_s = 0.0
            until = time.monotonic() + seconds
            while time.monotonic() < until and not (faults and not row.again_s):
                load.faulty = True
                place.fault()
                load.faulty = False
                faults += 1
                time.sleep(min(row.again_s or seconds / 2, max(0.0, until - time.monotonic())))
            time.sleep(max(0.0, until - time.monotonic()))
        with Client.from_url(place.url, timeout_s=60) as plain:
            outcome = load.check(plain, 120)
        client.close()
    return Result(row, faults, outcome)


AWAY, FROZEN, REFUSES = "the server is away for 1.5 s", "the server is frozen for 1.5 s", "writes are refused for 0.5 s"
ENDS = "the process ends while they wait, and the server comes back"
ROWS = (
    Row("the server is killed and comes back", ALWAYS, WRITTEN, True, at.killed, 1.0),
    Row("the server is killed and comes back", EVERYSEC, "fsynced", True, at.killed_everysec, 1.0),
    Row(FROZEN, ONE, WRITTEN, True, at.frozen, 2.0),
    Row("connections are cut", ONE, WRITTEN, True, at.cut, 0.2),
    Row("replies of writes are lost", ONE, WRITTEN, True, at.replies_lost, 0.05),
    Row("packets are swallowed for 1.5 s, then connections cut", ONE, WRITTEN, True, at.parted, 2.0),
    Row(f"{REFUSES} (NOREPLICAS)", ONE, WRITTEN, True, at.read_only, 1.0),
    Row("the master is demoted, its name moves on", "one server and a replica", WRITTEN, True, at.demoted, 1.0),
    Row("a planned failover", "Sentinel", "replicated", True, at.planned),
    Row("a planned failover", "Sentinel", WRITTEN, False, at.planned),
    Row("the master is killed", "Sentinel", "replicated", True, at.master_killed),
    Row("a node is frozen for 1.5 s", "cluster", WRITTEN, True, at.node_frozen, 2.0),
    Row("slots move, ten keys at a time", "cluster", WRITTEN, True, at.slots_move, 0.2),
    Row("a master is killed", "cluster", "replicated", True, at.node_killed),
    Row(f"turns: {AWAY}", ALWAYS, WRITTEN, True, at.away, 2.0, Turns, True),
    Row(f"turns: {FROZEN}", ONE, WRITTEN, True, at.frozen, 2.0, Turns, True),
    Row(f"turns: {REFUSES} (NOREPLICAS)", ONE, WRITTEN, True, at.read_only, 1.0, Turns, True),
    Row("turns: the process is killed while they wait in a spool", ALWAYS, WRITTEN, True, at.process_spooled, 0.5),
    Row("turns: the process is killed while they wait", ALWAYS, WRITTEN, False, at.process_killed, 0.5),
    Row(f"turns: {ENDS}", ALWAYS, WRITTEN, True, at.process_ends, 0.5),
    Row(f"a history with `fallback=True`: {AWAY}", ALWAYS, WRITTEN, True, at.away, 2.0, Waiting, True),
    Row(f"a history with `fallback=True`: {FROZEN}", ONE, WRITTEN, True, at.frozen, 2.0, Waiting, True),
    Row(f"caches: {AWAY}", ALWAYS, WRITTEN, True, at.away, 2.0, Caches, True),
    Row(f"caches: {FROZEN}", ONE, WRITTEN, True, at.frozen, 2.0, Caches, True),
    Row(f'limits with `when_down="allow"`: {FROZEN}', ONE, WRITTEN, True, at.frozen, 2.0, Limits, True),
    Row(f'limits with `when_down="deny"`: {FROZEN}', ONE, WRITTEN, True, at.frozen, 2.0, Denied),
    Row(f"reads: {FROZEN}, and the breaker is open", ONE, WRITTEN, True, at.frozen, 2.0, Refused),
)
