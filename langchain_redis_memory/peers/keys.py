"""Finds keys of other packages: by a pattern, on every master."""

from __future__ import annotations

from langchain_redis_memory.ops import Flow, ask
from langchain_redis_memory.peers.records import Source
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.nodes import ask_node, masters_flow


def units_flow(space: KeySpace, source: Source) -> Flow[dict[bytes, list[bytes]]]:
    """Finds what a source holds. Returns unit -> its keys.

    **Trips:** 1, and 1 for about each 1,000 keys of the server.
    """
    units: dict[bytes, list[bytes]] = {}
    for pattern in source.patterns:
        for key in (yield from _keys_flow(space, pattern)):
            unit = source.unit(key)
            if unit is not None:
                units.setdefault(unit, []).append(key)
    return units


def _keys_flow(space: KeySpace, pattern: str) -> Flow[list[bytes]]:
    """Finds the keys that match a pattern, each once."""
    keys: set[bytes] = set()
    for beside in (yield from masters_flow(space)):
        cursor = 0
        while True:
            reply = yield from ask(ask_node(beside, "SCAN", cursor, "MATCH", pattern, "COUNT", 1000))
            keys.update(reply[1])
            if not (cursor := int(reply[0])):
                break
    return sorted(keys)
