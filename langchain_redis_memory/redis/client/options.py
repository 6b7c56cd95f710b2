"""Options of connections, and what bounds a round trip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Any, NamedTuple

from langchain_redis_memory.redis.client.library_name import library_name
from langchain_redis_memory.redis.client.settings import RedisMemorySettings

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Bounds(NamedTuple):
    """What bounds a round trip: how long its caller waits at most in seconds, and how often it is made again."""

    timeout_s: float = inf
    retries: int = 0


UNBOUNDED = Bounds()


@dataclass(frozen=True)
class Options:
    """How connections are made.

    Args:
        max_connections: Most connections at once, for each process and event loop.
        connect_timeout_s: Longest wait for a connection, in seconds.
        timeout_s: Longest wait of a round trip's caller, in seconds, whatever it takes.
        retries: How often a trip is made again after a connection error.
        health_check_s: A connection idle for longer is checked before use.
        extra: Passed on to redis-py (`credential_provider`, `ssl_ca_certs`, `client_name`, ...).
    """

    max_connections: int = 50
    connect_timeout_s: float = 5.0
    timeout_s: float = 5.0
    retries: int = 3
    health_check_s: int = 30
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, settings: RedisMemorySettings, health_check_s: int = 30, extra: Mapping[str, Any] = _NOTHING
    ) -> Options:
        """Builds the options that settings name, with the settings' credentials."""
        bounds = (settings.max_connections, settings.connect_timeout_s, settings.timeout_s, settings.retries)
        return cls(*bounds, health_check_s, {**settings.credentials(), **extra})

    def connection(self, *, asynchronous: bool) -> dict[str, Any]:
        """Builds the keyword arguments of a redis-py connection, which fails once and leaves trying again to a trip."""
        from redis.asyncio.retry import Retry as AsyncRetry
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        retry: Any = (AsyncRetry if asynchronous else Retry)(NoBackoff(), 0)
        return {
            "socket_connect_timeout": self.connect_timeout_s,
            "socket_timeout": None if asynchronous else self.timeout_s,  # an async trip is cancelled at its deadline
            "health_check_interval": self.health_check_s,
            "retry": retry,
            **library_name(),
            **self.extra,
        }

    @property
    def bounds(self) -> Bounds:
        """What bounds the round trips."""
        return Bounds(self.timeout_s, self.retries)
