"""Options of connections, and what bounds a round trip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from langchain_redis_memory.checks import check_method, check_type, check_word
from langchain_redis_memory.errors import ConfigError, UnknownKeywordError
from langchain_redis_memory.frozen import Frozen
from langchain_redis_memory.redis.client.handshake import handshake
from langchain_redis_memory.redis.client.settings import RedisMemorySettings

Address = tuple[str, int]
ReadFrom: TypeAlias = Literal["master", "prefer_replica"]
_STREAMED_S = 600.0
"""Lifetime of a connection whose provider streams tokens: redis-py logs in anew only in pools that it makes itself."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Bounds(NamedTuple):
    """The bounds of a round trip.

    Args:
        timeout_s: How long its caller waits at most, in seconds.
        retries: How often it is made again.
        asks_again: Whether a login that was refused is tried once more, as credentials may have been replaced.
        lifetime_s: How old a connection may be, in seconds.
    """

    timeout_s: float = inf
    retries: int = 0
    asks_again: bool = False
    lifetime_s: float = inf


UNBOUNDED = Bounds()


class Options(Frozen):
    """The options of connections.

    Args:
        max_connections: Most connections at once, for each process and event loop.
        connect_timeout_s: Longest wait for a connection, in seconds.
        timeout_s: Longest wait of a round trip's caller, in seconds, whatever it takes.
        retries: How often a trip is made again after a connection error.
        health_check_s: A connection idle for longer is checked before use.
        extra: Passed on to redis-py (`ssl_ca_certs`, `client_name`, ...).
        address_remap: From a node's or a master's address to the one by which it is reached from here.
        read_from: Who answers what may be stale.
    """

    max_connections: int = 50
    connect_timeout_s: float = 5.0
    timeout_s: float = 5.0
    retries: int = 3
    health_check_s: int = 30
    extra: Mapping[str, Any] = _NOTHING
    address_remap: Callable[[Address], Address] | None = None
    read_from: ReadFrom = "master"

    @classmethod
    def of(
        cls, settings: RedisMemorySettings, health_check_s: int = 30, extra: Mapping[str, Any] = _NOTHING
    ) -> Options:
        """Builds the options that settings name, with the settings' credentials where no provider is given.

        Raises `ConfigError`: the provider, the map of addresses or `read_from` cannot be used.
        """
        check_type(settings, RedisMemorySettings, "settings", "RedisMemorySettings(...) or None", ConfigError)
        bounds = (settings.max_connections, settings.connect_timeout_s, settings.timeout_s, settings.retries)
        given = dict(extra)
        remap = _remap(given.pop("address_remap", None))
        read_from: Any = given.pop("read_from", "master")
        check_word(read_from, "read_from", get_args(ReadFrom), ConfigError)
        provider = given.pop("credentials", given.get("credential_provider"))
        if provider is None:
            return cls(*bounds, health_check_s, {**settings.credentials(), **given}, remap, read_from)
        check_method(provider, "get_credentials", "credentials", ConfigError)
        return cls(*bounds, health_check_s, {**given, "credential_provider": provider}, remap, read_from)

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
            **handshake(asynchronous=asynchronous),
            **self.extra,
        }

    @property
    def bounds(self) -> Bounds:
        """What bounds the round trips."""
        provider = self.extra.get("credential_provider")
        if provider is None:
            return Bounds(self.timeout_s, self.retries)
        streams = (
            _STREAMED_S if hasattr(provider, "on_next") else inf
        )  # redis-py would renew these, but not in our pools
        return Bounds(self.timeout_s, self.retries, True, getattr(provider, "lifetime_s", None) or streams)


def _remap(given: Any) -> Callable[[Address], Address] | None:
    if given is None or callable(given):
        return given  # type: ignore[no-any-return]
    if not isinstance(given, Mapping):
        raise ConfigError("address_remap must be a function from (host, port) to (host, port), or a dict of these")
    known = dict(given)
    return lambda address: known.get(tuple(address), address)


def refuse_options(unknown: Mapping[str, Any]) -> None:
    """Refuses what a `Client` is given that is for `Client.from_url`, or for nothing.

    Raises `UnknownKeywordError`: there is something.
    """
    if unknown:
        options = ", ".join(f"{name}=..." for name in unknown)
        msg = f"Client() has no keyword {min(unknown)!r}; use Client.from_url(url, {options}), which takes all options"
        raise UnknownKeywordError(msg)


def check_parts(on_trip: Any, cipher: Any) -> None:
    """Checks what a client calls; raises `ConfigError`: it is something else."""
    if on_trip is not None:
        check_method(on_trip, "__call__", "on_trip", ConfigError)
    if cipher is not None:
        check_method(cipher, "of", "cipher (as in Cipher(KeyRing({...})))", ConfigError)
