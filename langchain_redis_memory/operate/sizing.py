"""How large a server a deployment needs: arithmetic on measured bytes and times, and what drives the result.

The bytes were measured on Redis 8.2 with real conversations (CANARD) as they are, 113 characters a turn, and with their
answers joined to 460 and 1,660, so they are a constant and a share of the text; the time of the server was measured on
two slow processors. A test compares the bytes with a real server, `python -m benchmarks.scale.sizing` with a cluster.
Logs have a bound and are left out. Measure your own with `RedisOperations.memory_stats` as soon as there is something
to measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from langchain_redis_memory.checks import check_number, check_positive

DAY_S = 86_400
TRIPS_OF_A_TURN = 2
SERVER_S_OF_A_TURN = 0.0009
"""Time of the server's one thread that a turn takes."""
DENSE_TURNS = 64
"""Turns up to which a conversation's index is a packed list: two messages each, at Redis' own bound of 128."""
DENSE_INDEX = 128
"""Conversations, or cached answers, up to which their own index is a packed list."""
BUSY = 0.5
"""How busy a node may be at the peak."""
FULL = 0.6
"""How full a node may be: the rest is for copies at a save, fragmentation and growth."""


@dataclass(frozen=True)
class Load:
    """The load of a deployment.

    Args:
        users: How many people use it.
        turns_per_day: Turns of one of them in a day.
        retention_s: How long conversations are kept, in seconds.
        characters: Question and answer of a turn together.
        turns_per_conversation: How long a conversation gets: with more than 64 turns (of two messages) the server keeps
            it less densely.
        answers_ttl_s: How long answers are cached, in seconds.
        cacheable: Share of the turns whose answer is cached, 0 to 1.
        hit_rate: Share of these that is served from the cache, 0 to 1.
        semantic: Whether answers are also found by meaning: a vector of 384 numbers each.
        threads: Whether each turn is also a turn of a LangGraph thread.
        profiles: Whether each user has a profile.
        peak: How many times the mean the busiest minute has.
        processes: Processes of the application.
        node_bytes: Memory of a node.
        replicas: Replicas of each node.

    Raises:
        InvalidInputError: A number is not positive, or a share not between 0 and 1.
    """

    users: float
    turns_per_day: float
    retention_s: float
    characters: float = 460
    turns_per_conversation: float = 20
    answers_ttl_s: float = DAY_S / 2
    cacheable: float = 0.4
    hit_rate: float = 0.3
    semantic: bool = False
    threads: bool = False
    profiles: bool = True
    peak: float = 4
    processes: int = 4
    node_bytes: float = 16 * 2**30
    replicas: int = 1

    def __post_init__(self) -> None:
        numbers = (
            "users",
            "turns_per_day",
            "retention_s",
            "characters",
            "turns_per_conversation",
            "answers_ttl_s",
            "peak",
            "processes",
            "node_bytes",
        )
        for name in numbers:
            check_positive(getattr(self, name), name)
        for name in ("cacheable", "hit_rate"):
            check_number(getattr(self, name), name)
        check_number(self.replicas, "replicas", high=5)


@dataclass(frozen=True)
class Part:
    """What one kind of data takes: how many of it there are, and the bytes of each."""

    name: str
    count: float
    each: float

    @property
    def bytes(self) -> float:
        """What all of it takes."""
        return self.count * self.each


@dataclass(frozen=True)
class Sizing:
    """What a deployment needs.

    Args:
        parts: What the data takes by kind, the largest first: what drives the costs.
        turns_per_s: Turns at the peak.
        trips_per_s: Round trips at the peak.
        nodes_for_memory: Masters that hold the data, `FULL` full.
        nodes_for_work: Masters that do the work, `BUSY` busy.
        nodes: Masters that do both, and their replicas.
        connections: Connections of all processes to one node at the peak, at least one each.
    """

    parts: tuple[Part, ...]
    turns_per_s: float
    trips_per_s: float
    nodes_for_memory: int
    nodes_for_work: int
    nodes: int
    connections: int

    @property
    def bytes(self) -> float:
        """What the data takes in all, on masters."""
        return sum(part.bytes for part in self.parts)


def size(load: Load) -> Sizing:
    """Works out what a deployment needs."""
    text, turns = load.characters, load.users * load.turns_per_day
    kept = turns * load.retention_s / DAY_S
    dense = load.turns_per_conversation <= DENSE_TURNS
    parts = [Part("turns of conversations", kept, (225 if dense else 350) + 0.57 * text)]
    conversations = kept / load.turns_per_conversation
    parts.append(Part("conversations", conversations, 450 if conversations <= DENSE_INDEX else 600))
    stored = turns * load.cacheable * (1 - load.hit_rate) * load.answers_ttl_s / DAY_S
    parts.append(Part("cached answers", stored, (330 if stored <= DENSE_INDEX else 430) + 0.69 * text))
    if load.semantic:
        parts.append(Part("vectors of cached answers", stored, 1_600 + 0.3 * text))
    if load.threads:
        parts.append(Part("turns of LangGraph threads", kept, 3_600 + 1.1 * text))
    if load.profiles:
        parts.append(Part("profiles", load.users, 310))
    peak = turns / DAY_S * load.peak
    memory = ceil(sum(part.bytes for part in parts) / (load.node_bytes * FULL))
    work = ceil(peak * SERVER_S_OF_A_TURN / BUSY)
    masters = max(memory, work, 1)
    under_way = peak * TRIPS_OF_A_TURN * SERVER_S_OF_A_TURN * 2
    return Sizing(
        parts=tuple(sorted(parts, key=lambda part: -part.bytes)),
        turns_per_s=peak,
        trips_per_s=peak * TRIPS_OF_A_TURN,
        nodes_for_memory=memory,
        nodes_for_work=work,
        nodes=masters * (1 + load.replicas),
        connections=max(load.processes, ceil(under_way)),
    )
