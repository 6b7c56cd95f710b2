"""Finds keys by a pattern on every master: SCAN, which is of no use inside one script or one node of a cluster.

Nothing that this package stores is ever found so (its indexes name it); what other packages stored is.
"""

from __future__ import annotations

from typing import Any

from langchain_redis_memory.ops import Flow, Invoke, Op, ask
from langchain_redis_memory.redis.client.client import Client

_COUNT = 1000


def scan_flow(client: Client, pattern: str) -> Flow[list[bytes]]:
    """Finds the keys that match a pattern.

    Args:
        client: The client that drives the flow.
        pattern: A glob as Redis knows it.

    Returns:
        The keys, each once, in byte order.

    **Trips:** 1 for about each 1,000 keys of the server.
    """
    if client._topology.cluster:
        return sorted(set((yield _on_masters(client, pattern))))
    found: set[bytes] = set()
    cursor = 0
    while True:
        scan = ("SCAN", cursor, "MATCH", pattern, "COUNT", _COUNT)
        reply = yield from ask(Op((scan,), lambda replies: replies[0]))
        found.update(map(_bytes, reply[1]))
        if not (cursor := int(reply[0])):
            return sorted(found)


def _on_masters(client: Client, pattern: str) -> Invoke:
    """Redis-py asks each master in turn: a cursor is of one node, and a pipeline's commands are routed by their key."""

    def keys() -> list[bytes]:
        cluster = client._connections.of_threads().client
        return [_bytes(key) for key in cluster.scan_iter(match=pattern, count=_COUNT)]

    async def akeys() -> list[bytes]:
        cluster = (await client._connections.of_loop()).transport.client
        return [_bytes(key) async for key in cluster.scan_iter(match=pattern, count=_COUNT)]

    return Invoke(keys, akeys)


def _bytes(key: Any) -> bytes:
    return key.encode("utf-8", "surrogateescape") if isinstance(key, str) else bytes(key)
