"""What the tiers have in common: entries on 64 shelves under a checksum, asked leniently, with statistics.

An entry is named by a digest, whose last byte says on which shelf it stands. So entries spread over the nodes of a
cluster, any number of them is read or written in one trip, and clearing deletes a fixed number of keys.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_redis_memory.cache.best_effort import BestEffort
from langchain_redis_memory.cache.stats import Tally
from langchain_redis_memory.ops import Op, merge
from langchain_redis_memory.redis import expiring_hash
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.expiring_hash import Item, NewItem
from langchain_redis_memory.redis.keys import EntryKeys

_SHELVES = 64


class Tier:
    """The entries of one tier.

    Args:
        client: Where they are.
        tenant: Whose they are.
        use: Which tier: one word of this package's.
        name: The tier's name within the tenant.
    """

    def __init__(self, client: Client, tenant: str, use: str, name: str) -> None:
        space = client.keys(tenant)
        self._shelves = [space.entries(use, f"{number}/{name}") for number in range(_SHELVES)]
        self.tally = Tally(space.tally(use, name))
        self.lenient = BestEffort(f"the tier {use!r} ({name})", self.tally, client.breaker)

    def get(self, names: Sequence[bytes]) -> Op[list[Item | None]]:
        """Reads entries.

        Args:
            names: Their digests, each once.

        Returns:
            An op of one trip: an entry for each name, None where there is none.
        """
        places: dict[EntryKeys, list[bytes]] = {}
        for name in names:
            places.setdefault(self._shelf(name), []).append(name)
        found = merge(*(expiring_hash.get(keys, some) for keys, some in places.items()))

        def read(records: tuple[list[Item | None], ...]) -> list[Item | None]:
            by_name = {
                name: kept
                for some, page in zip(places.values(), records, strict=True)
                for name, kept in zip(some, page, strict=True)
            }
            return [by_name[name] for name in names]

        return found.map(read)

    def put(self, puts: Sequence[NewItem]) -> Op[None]:
        """Stores entries.

        Args:
            puts: The entries, named by digests.

        Returns:
            An op of one trip.
        """
        places: dict[EntryKeys, list[NewItem]] = {}
        for put in puts:
            places.setdefault(self._shelf(put.name), []).append(put)
        return merge(*(expiring_hash.put(keys, some) for keys, some in places.items())).map(lambda _done: None)

    def lease(self, name: bytes) -> str:
        """The key of the lease of an entry that is being made."""
        return self._shelf(name).lease(name.hex())

    def clear(self) -> Op[int]:
        """Deletes every entry.

        Returns:
            An op of one trip: how many there were.
        """
        return expiring_hash.clear(self._shelves)

    def count(self) -> Op[int]:
        """How many entries there are.

        Returns:
            An op of one trip, with those that have expired and were not removed yet.
        """
        return expiring_hash.count(self._shelves)

    def _shelf(self, name: str | bytes) -> EntryKeys:
        return self._shelves[ord(name[-1:]) % _SHELVES]
