"""A hash with per-field TTL on any server (emulates HEXPIRE before Redis 7.4).

Redis has lifetimes of single fields since 7.4 only. Here an item's expiry stands in the item and in a sorted
set beside the hash: a read passes over what has expired, every write removes some of it, and both keys live as long as
their last item. Deleting everything is deleting two keys: exact, whole, and in no need of a search.

Items in several hashes (`ExpiringHashKeys` with numbers) are spread over the nodes of a cluster.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from langchain_redis_memory.errors import DecryptionError
from langchain_redis_memory.ops import Arg, Op, Reply
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.key_groups import ExpiringHashKeys
from langchain_redis_memory.redis.replies import pairs
from langchain_redis_memory.redis.scripts import command, script

_log = logging.getLogger(__name__)

Name = str | bytes
"""An item's name within its hash."""

PAGE = 500
"""About how many items one trip of `page` reads."""


class Item(NamedTuple):
    """An item as it was read.

    Args:
        body: Its bytes.
        left_ms: What is left of its lifetime in milliseconds; None for no end.
    """

    body: bytes
    left_ms: int | None


class NewItem(NamedTuple):
    """An item to store.

    Args:
        name: Its name.
        ttl_ms: Its lifetime in milliseconds, 0 for none.
        body: Its bytes; none remove it.
    """

    name: Name
    ttl_ms: int
    body: bytes


class ItemPage(NamedTuple):
    """Some items, and the cursor to go on from: 0 after the last."""

    items: list[tuple[bytes, bytes]]
    cursor: int


def glance(keys: ExpiringHashKeys, names: Sequence[Name]) -> Op[list[Item | None]]:
    """Reads items without a script, which is faster; not on a cluster, where any node would tell the time.

    Returns:
        What `get` gives.
    """

    def read(replies: Sequence[Reply]) -> list[Item | None]:
        (seconds, micros), records = replies
        now = int(seconds) * 1000 + int(micros) // 1000
        return [
            None if record is None else _kept(keys.items, name, record, now)
            for name, record in zip(names, records, strict=True)
        ]

    return Op((_TIME, ("HMGET", keys.items, *names)), read)


_TIME = ("TIME",)


def get(keys: ExpiringHashKeys, names: Sequence[Name]) -> Op[list[Item | None]]:
    """Reads items. An op of one trip: each item, None where there is none or its lifetime is over."""

    def read(replies: Sequence[Reply]) -> list[Item | None]:
        now, *records = replies[0]
        return [
            None if record is None else _kept(keys.items, name, record, int(now))
            for name, record in zip(names, records, strict=True)
        ]

    return Op((script("redis/expiring_hash_get")((keys.items,), *names),), read)


def _kept(place: Key, name: Name, record: bytes, now: int) -> Item | None:
    """Reads an item; one that cannot be decrypted counts as absent, as a cache's whole content may be made anew."""
    expiry, _, body = record.partition(b":")
    left_ms = int(expiry) - now if expiry.isdigit() else None
    if left_ms is not None and left_ms <= 0:
        return None
    try:
        return Item(place.decrypt(body, name), left_ms)
    except DecryptionError as error:
        _log.warning("an entry counts as absent: %s", error)
        return None


def put(keys: ExpiringHashKeys, items: Sequence[NewItem]) -> Op[None]:
    """Stores and removes items."""
    args: list[Arg] = []
    for name, ttl_ms, body in items:
        args += [name, ttl_ms, keys.items.encrypt(body, name) if body else body]
    return Op((script("redis/expiring_hash_put")((keys.items, keys.expiries), *args),), lambda _replies: None)


def remove(keys: ExpiringHashKeys, names: Sequence[Name]) -> Op[int]:
    """Removes at least one item. An op of one trip: how many were there, expired ones included."""
    commands = (command("HDEL", (keys.items,), *names), command("ZREM", (keys.expiries,), *names))
    return Op(commands, lambda replies: int(replies[0]))


def page(keys: ExpiringHashKeys, cursor: int = 0) -> Op[ItemPage]:
    """Reads through a hash from a cursor on; what was there all the time is given at least once.

    An op of one trip: names and bodies of items whose lifetime is not over.
    """

    def read(replies: Sequence[Reply]) -> ItemPage:
        (now,), (further, found) = replies
        kept = [(name, _kept(keys.items, name, record, int(now))) for name, record in pairs(found)]
        return ItemPage([(name, one.body) for name, one in kept if one], int(further))

    # A look at no item gives the server's time, on a cluster that of the same node.
    return Op((script("redis/expiring_hash_get")((keys.items,)), ("HSCAN", keys.items, cursor, "COUNT", PAGE)), read)


def count(keys: Sequence[ExpiringHashKeys]) -> Op[int]:
    """Counts the items of some hashes. An op of one trip, with those that have expired and were not removed yet."""

    def read(replies: Sequence[Reply]) -> int:
        return sum(map(int, replies))

    return Op(tuple(("HLEN", one.items) for one in keys), read)


def clear(keys: Sequence[ExpiringHashKeys]) -> Op[int]:
    """Deletes hashes whole. An op of one trip: how many items they held."""
    commands = [call for one in keys for call in (("HLEN", one.items), command("UNLINK", (one.items, one.expiries)))]
    return Op(tuple(commands), lambda replies: sum(map(int, replies[::2])))
