"""Health of a client and its server: measured at each call, never cached.

It sends what managed servers allow: a read of a key that does not exist, the probe of `capabilities`, and INFO, but
neither CONFIG nor PING (which redis-py cannot send undecoded to a cluster).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from langchain_redis_memory.errors import AuthenticationError, ServerError, UnavailableError
from langchain_redis_memory.ops import Flow, Now, Op, Reply, ask, merge
from langchain_redis_memory.redis.capabilities import EngineName, probe, refused_key
from langchain_redis_memory.redis.client.topology import TopologyKind
from langchain_redis_memory.redis.replies import info_fields

if TYPE_CHECKING:
    from langchain_redis_memory.redis.client.circuit_breaker import Breaker, StallGuard
    from langchain_redis_memory.redis.client.connections import Connections
    from langchain_redis_memory.redis.client.outboxes import Outboxes


@dataclass(frozen=True)
class Health:
    """Reports the health of a client and its server.

    Args:
        url: Where the data is, without credentials.
        topology: "memory", "single", "cluster" or "sentinel"; of a cluster one node is asked.
        reachable: Whether the server answers.
        error: Why it does not; else "".
        round_trip_s: How long a round trip takes, in seconds; None where there was none.
        flavour: "redis", "valkey", "fakeredis"; "" where it is not known.
        version: The server's version; "" where it is not known.
        engine: How vectors are searched: "vector_sets", "query_engine" or "exact"; None where it is not known.
        eviction: The server's maxmemory-policy; "" where it does not say.
        memory_used: Bytes that the server uses; None where it does not say.
        memory_limit: Its maxmemory in bytes, 0 for no limit; None where it does not say.
        breaker_open: Whether caches, or all calls, leave the server or a node of it alone, since it has just failed.
        connections: How many round trips of this process are under way.
        connection_limit: How many there may be at once, in all threads and in each event loop; None for no limit.
        unstored: How many messages wait in this process to be stored.
        warnings: What should be changed about the server, in sentences.
    """

    url: str
    topology: TopologyKind
    reachable: bool
    error: str = ""
    round_trip_s: float | None = None
    flavour: str = ""
    version: str = ""
    engine: EngineName | None = None
    eviction: str = ""
    memory_used: int | None = None
    memory_limit: int | None = None
    breaker_open: bool = False
    connections: int = 0
    connection_limit: int | None = None
    unstored: int = 0
    warnings: tuple[str, ...] = ()


def ping_flow(key: str) -> Flow[float]:
    """Makes a round trip and gives its seconds."""
    began: float = yield Now()
    yield from ask(Op((("EXISTS", key),), _answered, tolerant=True))
    ended: float = yield Now()
    return ended - began


def _answered(replies: Sequence[Reply]) -> None:
    """Raises a refusal, unless only the key is another tenant's."""
    if isinstance(replies[0], ServerError) and not refused_key(replies[0]):
        raise replies[0]


def health_flow(
    key: str, breakers: Sequence[Breaker | StallGuard], connections: Connections, outboxes: Outboxes
) -> Flow[Health]:
    """Measures the health of the client and its server; an unreachable server is no error.

    The `key` does not exist and has the hash tag that vector sets would have.
    """
    topology = connections.topology
    health = Health(topology.shown, topology.kind, reachable=False)
    try:
        health = yield from _server_flow(health, key, by_key=topology.cluster)
    except (UnavailableError, AuthenticationError, ServerError) as error:
        health = replace(health, error=str(error))
    now: float = yield Now()
    return replace(
        health,
        breaker_open=any(one.rests(now) for one in (*breakers, topology.nodes) if one is not None),
        connections=connections.in_use(),
        connection_limit=connections.limit,
        unstored=outboxes.waiting(),
    )


def _server_flow(health: Health, key: str, *, by_key: bool) -> Flow[Health]:
    server, info = yield from ask(merge(probe(key, by_key=by_key), _info()))
    seconds = yield from ping_flow(key)
    eviction, limit = info.get("maxmemory_policy", ""), _number(info.get("maxmemory"))
    return replace(
        health,
        reachable=True,
        round_trip_s=seconds,
        flavour=server.flavour or info.get("server_name", "redis" if "redis_version" in info else ""),
        version=server.version or info.get("valkey_version", info.get("redis_version", "")),
        engine=server.engines[0],
        eviction=eviction,
        memory_used=_number(info.get("used_memory")),
        memory_limit=limit,
        warnings=tuple(_warnings(eviction, limit, in_process=server.flavour == "fakeredis")),
    )


def _info() -> Op[Mapping[str, str]]:
    """Reads the permitted fields of INFO: one section a command, as Redis 6.2 takes no more."""

    def read(replies: Sequence[Reply]) -> Mapping[str, str]:
        return {name: value for reply in replies for name, value in info_fields(reply)}

    return Op((("INFO", "server"), ("INFO", "memory")), read, tolerant=True)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _warnings(eviction: str, limit: int | None, *, in_process: bool) -> list[str]:
    if not eviction:
        unknown = "the server does not tell its maxmemory-policy: see that it is noeviction"
        return [] if in_process else [unknown]
    if eviction == "noeviction" or limit == 0:
        return []
    what = "any key" if eviction.startswith("allkeys") else "keys with a lifetime"
    return [
        f"maxmemory-policy is {eviction}: when memory is full the server evicts {what}, parts of conversations and "
        "threads included; noeviction keeps them"
    ]
