"""Writes many copies of what the package stored once: the same bytes under other names, by scripts on the servers.

Keys that carry the id in their name are restored under the name with another id; in the hashes and sorted sets of all
(which thread, which answer there is) a member is added. Ids must be of one length.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from random import randbytes
from typing import Any, NamedTuple

import redis
from redis.crc import key_slot

AT_ONCE = 500
RESTORE = """
-- Restores keys under the names of other ids. ARGV: how many keys; of each what stands before the id, what behind it,
-- its lifetime in ms and its dump; then the ids.
local keys = tonumber(ARGV[1])
for id = 2 + 4 * keys, #ARGV do
  for key = 2, 1 + 4 * keys, 4 do
    redis.call('RESTORE', ARGV[key] .. ARGV[id] .. ARGV[key + 1], ARGV[key + 2], ARGV[key + 3], 'REPLACE')
  end
end
"""


class Member(NamedTuple):
    """What a key of all holds of the template.

    Args:
        node: The server that has the key.
        key: The key.
        name: A member of a sorted set or a field of a hash.
        kept: Its score, or the field's value.
    """

    node: int
    key: bytes
    name: bytes
    kept: Any


class Copier:
    """Copies one id's keys, as they are when it is made; make it while little else is there.

    Args:
        nodes: Bare clients of the servers: one, or the masters of a cluster in the order of their equal shares.
        template: The id that is there.
        spelled: How members and fields of common keys spell an id, if not as it is.

    Raises:
        ValueError: Nothing is stored of it.
    """

    def __init__(
        self, nodes: Sequence[redis.Redis], template: str, spelled: Callable[[bytes], bytes] = lambda name: name
    ) -> None:
        self._nodes, self._known, self._spelled = nodes, template.encode(), spelled
        self._parts: list[bytes | int] = []
        self._members: list[Member] = []
        keys = [(at, key) for at, node in enumerate(nodes) for key in node.scan_iter("*", count=1000)]
        for at, key in keys:
            before, found, after = key.partition(self._known)
            if b":trip:" in key:
                continue
            if found:
                self._slotted = before + b"%s" + after
                self._parts += [before, after, max(nodes[at].pttl(key), 0), nodes[at].dump(key) or b""]
            else:
                self._members += [
                    Member(at, key, *one) for one in _held(nodes[at], key) if spelled(self._known) in one[0]
                ]
        if not self._parts and not self._members:
            msg = f"nothing is stored of {template}"
            raise ValueError(msg)

    def copy(self, ids: Iterable[str]) -> int:
        """Writes a copy for each id.

        Returns:
            How many were made.
        """
        made, left = 0, iter(ids)
        while some := [name.encode() for name in islice(left, AT_ONCE * len(self._nodes))]:
            places: dict[int, list[bytes]] = defaultdict(list)
            for name in some if self._parts else ():
                places[self._place(name)].append(name)
            for at, names in places.items():
                self._nodes[at].eval(RESTORE, 0, len(self._parts) // 4, *self._parts, *names)
            for of in self._members:
                there = [of.name.replace(self._spelled(self._known), self._spelled(name)) for name in some]
                if isinstance(of.kept, float):
                    self._nodes[of.node].zadd(of.key, dict.fromkeys(there, of.kept))
                else:
                    self._nodes[of.node].hset(of.key, mapping=dict.fromkeys(there, of.kept))
            made += len(some)
        return made

    def _place(self, name: bytes) -> int:
        """The server that has an id's keys."""
        slot = key_slot(self._slotted.replace(b"%s", name))
        return ((slot + 1) * len(self._nodes) - 1) // 16384


def more_entries(admin: redis.Redis, many: int) -> None:
    """Adds entries to sharded ones, as copies of one of each shard under made-up digests."""
    shards = list(admin.scan_iter("*:entries", count=1000))
    for shard in shards:
        (name, kept), *_ = admin.hscan_iter(shard, count=1)
        until: Any = admin.zscore(shard.replace(b":entries", b":entry_expiries"), name)
        left = many // len(shards)
        while left > 0:
            digests = [randbytes(len(name)) for _ in range(min(left, AT_ONCE))]
            admin.hset(shard, mapping=dict.fromkeys(digests, kept))
            admin.zadd(shard.replace(b":entries", b":entry_expiries"), dict.fromkeys(digests, until))
            left -= len(digests)


def _held(node: redis.Redis, key: bytes) -> list[Any]:
    """What a key of all holds: members with scores, or fields with values."""
    kind = node.type(key)
    if kind == b"zset":
        return list(node.zrange(key, 0, -1, withscores=True))
    return list(node.hgetall(key).items()) if kind == b"hash" else []
