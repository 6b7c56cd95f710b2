"""Questions that are about a node, not about a key: its INFO, its clock, the names of its keys.

A cluster's client sends each command to the node of its key. So each master is asked by a script whose key has a hash
tag of one of its slots, which works alike on one server, on a cluster, and through a client that somebody else made.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Mapping, Sequence
from itertools import count

from langchain_redis_memory.errors import ServerError
from langchain_redis_memory.ops import Arg, Flow, Op, Reply, ask, merge
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.replies import info_fields
from langchain_redis_memory.redis.scripts import script

_SCAN_COUNT = 1_000
_SLOTS = 16_384


def ask_node(beside: str, *words: Arg) -> Op[Reply]:
    """Asks the node of a key, which need not exist, by a command that reads and names no key."""
    return Op((script("redis/ask_node")((beside,), *words),), lambda replies: replies[0])


def masters_flow(space: KeySpace) -> Flow[tuple[str, ...]]:
    """Finds the masters: a key on each, which is never written. A server that is not a cluster, or does not say,
    has one.

    **Keys:** none.
    **Trips:** 1.
    """
    nowhere = space.key("probe", "", "")
    slots = yield from ask(ask_node(nowhere, "CLUSTER", "SLOTS").optional(()))
    first = {_node(row): int(row[0]) for row in reversed(slots) if isinstance(row, list)}
    wanted = {slot: range(slot, int(row[1]) + 1) for row in slots for slot in [int(row[0])] if slot in first.values()}
    return tuple(_key_in(space, slots) for slots in wanted.values()) or (nowhere,)


def _node(row: list[Reply]) -> tuple[bytes, int]:
    return bytes(row[2][2]), int(row[2][1])


def _key_in(space: KeySpace, slots: range) -> str:
    """Finds a name whose hash tag belongs to some slots."""
    for number in count():
        key = space.key("probe", "", str(number))
        if crc_hqx(key[key.index("{") + 1 : key.index("}")].encode(), 0) % _SLOTS in slots:
            return key
    raise AssertionError  # `count` never ends


def node_info(beside: str, *sections: str) -> Op[Mapping[str, str]]:
    """Reads some sections of a node's INFO, such as "memory"; those that it refuses are left out."""
    asked = merge(*(ask_node(beside, "INFO", section).optional(b"") for section in sections))
    return asked.map(lambda replies: {name: value for reply in replies for name, value in info_fields(reply)})


class KeyScan:
    """Finds keys by SCAN's pattern, on every master, a bounded number in a round trip; a key may be found twice."""

    def __init__(self, space: KeySpace, pattern: str) -> None:
        self._space, self._pattern = space, pattern
        self._left: list[str] | None = None
        self._cursor: Arg = 0
        self.ended: bool = False
        """Whether all has been looked at."""

    def page_flow(self) -> Flow[list[str]]:
        """Reads the next page. Returns names of keys, which may be none though there are more: see `ended`."""
        if self._left is None:
            self._left = list((yield from masters_flow(self._space)))
        words: Sequence[Arg] = ("SCAN", self._cursor, "MATCH", self._pattern, "COUNT", _SCAN_COUNT)
        reply = yield from ask(ask_node(self._left[0], *words))
        if isinstance(reply, ServerError):
            raise reply
        self._cursor, names = int(reply[0]), reply[1]
        if not self._cursor:
            self._left.pop(0)
        self.ended = not self._left
        return [name.decode("utf-8", "replace") for name in names]
