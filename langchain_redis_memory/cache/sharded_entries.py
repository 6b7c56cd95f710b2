"""Cache entries spread over 64 hashes by their names, with the cache's statistics.

An entry is named by a digest, whose last byte chooses its shard. So entries spread over the nodes of a cluster, any
number of them is read or written in one round trip, and clearing deletes a fixed number of keys. Each shard is a hash
with per-field TTL (see `redis/expiring_hash.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from langchain_redis_memory.cache.best_effort import BestEffort
from langchain_redis_memory.cache.decision_log import DecisionLog
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.ops import Flow, Op, ask, merge
from langchain_redis_memory.redis import expiring_hash
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.expiring_hash import Item, ItemPage, Name, NewItem
from langchain_redis_memory.redis.keys import EntryKeys
from langchain_redis_memory.redis.ttl import milliseconds

SHARDS = 64
SWITCH = b"off"
"""Names the item that is in each shard while the cache is switched off, so that a look-up asks for it at no command."""
NameT = TypeVar("NameT", bound=Name)


class ShardedEntries:
    """The entries of one cache; `use` is what they are, one word of this package's.

    Those of an `owner` are one shard, which is erased with the owner; None for everybody's.
    """

    def __init__(
        self,
        client: Client,
        tenant: str,
        use: str,
        name: str,
        log: DecisionLog | None = None,
        owner: str | None = None,
    ) -> None:
        self._space = space = client.keys(tenant)
        everybodys = [f"{number}/{name}" for number in range(SHARDS)]
        named = everybodys if owner is None else [f"of {len(owner)}:{owner}{name}"]
        self._shards = [space.entries(use, one) for one in named]
        self._read = expiring_hash.get if client._topology.cluster else expiring_hash.glance
        self.tally: Tally = Tally(space.tally(use, name), (space.decisions(f"{use}/{name}"), log))
        self.best_effort: BestEffort = BestEffort(f"the cache {name!r} ({use})", self.tally, client.breaker)

    def name(self, digest: bytes) -> bytes:
        """Returns an entry's name for a digest of what it is found by: a keyed one, where there is a cipher."""
        return self._space.blind(digest)

    def shard(self, name: Name) -> EntryKeys:
        """Returns the keys of the shard that an entry is in."""
        return self._shards[ord(name[-1:]) % len(self._shards)]

    def all_keys(self) -> list[str]:
        """Lists the keys of all shards."""
        return [key for shard in self._shards for key in shard.all()]

    def get_one(self, name: Name) -> Op[Item | None]:
        """Reads one entry: what nearly every look-up does, so it does no more than that.

        An op of one trip: the entry, None where there is none.
        """
        return self._read(self.shard(name), [name]).map(lambda found: found[0])

    def look(self, name: Name) -> Op[list[Item | None]]:
        """Reads one entry, and whether the cache is switched off.

        An op of one trip: the entry, None where there is none; the switch, None where it is on.
        """
        return self._read(self.shard(name), [name, SWITCH])

    def switch(self, for_s: float, *, on: bool) -> Op[None]:
        """Switches the cache off for so many seconds, or on again, in every shard."""
        item = NewItem(SWITCH, milliseconds(for_s, "for_s"), b"" if on else SWITCH)
        return merge(*(expiring_hash.put(keys, [item]) for keys in self._shards)).map(lambda _done: None)

    def off_for(self) -> Op[float]:
        """Reads for how many seconds the cache is still off. An op of one trip: 0 where it is on."""
        read = self._read(self._shards[0], [SWITCH])
        return read.map(lambda found: found[0].left_ms / 1000 if found[0] and found[0].left_ms else 0.0)

    def get(self, names: Sequence[NameT]) -> Op[list[Item | None]]:
        """Reads entries by their digests, each once.

        An op of one trip: an entry for each name, None where there is none.
        """
        by_shard: dict[EntryKeys, list[NameT]] = {}
        for name in names:
            by_shard.setdefault(self.shard(name), []).append(name)
        reads = merge(*(self._read(keys, some) for keys, some in by_shard.items()))

        def in_order(pages: tuple[list[Item | None], ...]) -> list[Item | None]:
            read = [name for some in by_shard.values() for name in some]
            found = dict(zip(read, (item for page in pages for item in page), strict=True))
            return [found[name] for name in names]

        return reads.map(in_order)

    def put(self, items: Sequence[NewItem]) -> Op[None]:
        """Stores entries."""
        by_shard: dict[EntryKeys, list[NewItem]] = {}
        for item in items:
            by_shard.setdefault(self.shard(item.name), []).append(item)
        return merge(*(expiring_hash.put(keys, some) for keys, some in by_shard.items())).map(lambda _done: None)

    def delete(self, name: Name) -> Op[bool]:
        """Deletes one entry. An op of one trip: whether there was one."""
        return expiring_hash.remove(self.shard(name), [name]).map(bool)

    def clear(self) -> Op[int]:
        """Deletes every entry. An op of one trip: how many there were."""
        return expiring_hash.clear(self._shards)

    def count(self) -> Op[int]:
        """Counts the entries. An op of one trip, with those that have expired and were not removed yet."""
        switches = Op(tuple(("HEXISTS", keys.items, SWITCH) for keys in self._shards), sum)
        return merge(expiring_hash.count(self._shards), switches).map(lambda counted: counted[0] - counted[1])

    def lease(self, name: bytes) -> str:
        """Returns the key of the lease of an entry that is being made."""
        return self.shard(name).lease(name.hex())

    def start(self) -> dict[EntryKeys, int]:
        """Returns the cursors that read all shards from their start; see `pages_flow`."""
        return dict.fromkeys(self._shards, 0)

    def pages_flow(self, cursors: dict[EntryKeys, int]) -> Flow[list[tuple[EntryKeys, ItemPage]]]:
        """Reads a page of each shard that is not read to its end, and moves the cursors on; a finished shard goes.

        **Trips:** 1.
        """
        pages = yield from ask(merge(*(expiring_hash.page(keys, cursor) for keys, cursor in cursors.items())))
        read = list(zip(list(cursors), map(_entries, pages), strict=True))
        for keys, page in read:
            cursors[keys] = page.cursor
            if not page.cursor:
                del cursors[keys]
        return read


def _entries(page: ItemPage) -> ItemPage:
    return page._replace(items=[item for item in page.items if item[0] != SWITCH])
