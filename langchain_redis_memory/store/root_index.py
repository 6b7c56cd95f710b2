"""The index of roots: which first labels a tenant's store has, noted with every write.

It lives under another hash tag than the items, so its update is a command of its own in the same trip, sent first: the
index may hold a root without items, never miss one that has some. Whoever finds a root empty takes it out, unless it
was written to in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from langchain_redis_memory.ops import Arg, Op, Reply, pure
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.replies import pairs
from langchain_redis_memory.redis.scripts import script


def note(space: KeySpace, root: str, ttl_ms: int, how: str) -> Op[None]:
    """Notes that a root is in use; `how` is "write" or "read", see `store_root.lua`."""
    return Op((script("store/store_root")(space.roots().all(), root, ttl_ms, how),), lambda _replies: None)


def known(space: KeySpace) -> Op[dict[str, bytes]]:
    """Reads all roots. An op of one trip: each root, in order, with what `forget` needs."""

    def read(replies: Sequence[Reply]) -> dict[str, bytes]:
        return dict(sorted((root.decode(), span) for root, span in pairs(replies[0])))

    return Op((("HGETALL", space.roots().root_spans),), read)


def forget(space: KeySpace, empty: Mapping[str, bytes]) -> Op[None]:
    """Takes roots out of the index that have no items. An op of one trip, of none for no roots."""
    if not empty:
        return pure(None)
    args: list[Arg] = [part for pair in empty.items() for part in pair]
    return Op((script("store/store_forget")(space.roots().all(), *args),), lambda _replies: None)
