"""What the keys of a deployment take: how many of which kind, whose they are, and which never expire.

Keys are found by SCAN, a bounded number in all. All lifetimes are read; memory is measured of a sample of each kind, as
the server takes time to measure it: SCAN gives keys in the order of their hashes, so the first ones are a fair sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from langchain_redis_memory.ops import Flow, Op, Reply, ask, merge
from langchain_redis_memory.redis.key_parts import PERMANENT, KeyParts, parse_key
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.nodes import KeyScan

UNKNOWN = "unknown"
"""What keys count as that no kind of this package spells."""
_MOST_NAMED = 20


@dataclass(frozen=True)
class KindStats:
    """The keys of one kind.

    Args:
        keys: How many there are.
        bytes: Memory that they take, extrapolated from those that were measured; 0 where the server does not say.
        measured: How many were measured.
        immortal: How many have no lifetime.
    """

    keys: int = 0
    bytes: int = 0
    measured: int = 0
    immortal: int = 0


@dataclass(frozen=True)
class MemoryStats:
    """Reports how much is stored under a prefix, or of a tenant.

    Args:
        kinds: Kind of key -> its keys, what takes most memory first; "unknown" are keys that this package does not
            spell.
        tenants: Tenant -> how many keys it has, the largest first; "" is the default tenant.
        sessions: How many conversations have messages.
        threads: How many LangGraph threads there are.
        immortal: Names of some keys without a lifetime whose kind has one.
        largest: Names of the largest keys that were measured, with their bytes, largest first.
        complete: Whether all keys were looked at; else the counts are of those that were.
    """

    kinds: Mapping[str, KindStats]
    tenants: Mapping[str, int]
    sessions: int
    threads: int
    immortal: Sequence[str] = ()
    largest: Sequence[tuple[str, int]] = ()
    complete: bool = True

    @property
    def keys(self) -> int:
        """How many keys there are in all."""
        return sum(kind.keys for kind in self.kinds.values())

    @property
    def bytes(self) -> int:
        """What all keys take, extrapolated."""
        return sum(kind.bytes for kind in self.kinds.values())


@dataclass
class _Counts:
    """What has been counted so far."""

    keys: Counter[str] = field(default_factory=Counter)
    sizes: dict[str, list[int]] = field(default_factory=dict)
    tried: Counter[str] = field(default_factory=Counter)
    immortal: Counter[str] = field(default_factory=Counter)
    tenants: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)
    largest: list[tuple[str, int]] = field(default_factory=list)

    def add(self, name: str, kind: str, parts: KeyParts | None, ttl_ms: int, size: int | None) -> None:
        self.keys[kind] += 1
        if parts is not None:
            self.tenants[parts.tenant] += 1
        if ttl_ms == -1:
            self.immortal[kind] += 1
            if kind not in PERMANENT and len(self.named) < _MOST_NAMED:
                self.named.append(name)
        if size is not None:
            self.sizes.setdefault(kind, []).append(size)
            self.largest = sorted([*self.largest, (name, size)], key=lambda one: -one[1])[:_MOST_NAMED]

    def result(self, *, complete: bool) -> MemoryStats:
        kinds = {}
        for kind, count in self.keys.items():
            sizes = self.sizes.get(kind, [])
            size = round(count * sum(sizes) / len(sizes)) if sizes else 0
            kinds[kind] = KindStats(count, size, len(sizes), self.immortal[kind])
        ordered = dict(sorted(kinds.items(), key=lambda one: (-one[1].bytes, -one[1].keys, one[0])))
        sessions, threads = self.keys["messages"], self.keys["checkpoints"]
        tenants = dict(self.tenants.most_common())
        return MemoryStats(ordered, tenants, sessions, threads, tuple(self.named), tuple(self.largest), complete)


def memory_stats_flow(space: KeySpace, pattern: str, sample: int, most: int) -> Flow[MemoryStats]:
    """Counts and measures keys. **Keys:** those of the pattern.

    **Trips:** 1, and 2 for each 1,000 keys of the server.
    """
    scan, counts, seen, left = KeyScan(space, pattern), _Counts(), set[int](), 0
    while not scan.ended and len(seen) < most:
        new = [name for name in dict.fromkeys((yield from scan.page_flow())) if hash(name) not in seen]
        new, left = new[: most - len(seen)], len(new) - (most - len(seen))
        seen.update(map(hash, new))
        names = [(name, parse_key(name, space.prefix)) for name in new]
        asked = []
        for name, parts in names:
            kind = UNKNOWN if parts is None else parts.kind
            counts.tried[kind] += 1
            asked.append(_measured(name, measure=counts.tried[kind] <= sample))
        facts = yield from ask(merge(*asked))
        for (name, parts), (ttl_ms, size) in zip(names, facts, strict=True):
            if ttl_ms != -2:  # else it has expired meanwhile
                counts.add(name, UNKNOWN if parts is None else parts.kind, parts, ttl_ms, size)
    return counts.result(complete=scan.ended and left <= 0)


def _measured(name: str, *, measure: bool) -> Op[tuple[int, int | None]]:
    """Reads a key's lifetime, and its size where it is asked for and the server says it."""

    def read(replies: Sequence[Reply]) -> tuple[int, int | None]:
        size = replies[1] if measure else None
        return (replies[0] if isinstance(replies[0], int) else 0), size if isinstance(size, int) else None

    commands: list[tuple[str, ...]] = [("PTTL", name)]
    if measure:
        commands.append(("MEMORY", "USAGE", name))
    return Op(tuple(commands), read, tolerant=True)
