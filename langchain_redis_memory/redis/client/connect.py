"""Connects a public class with its server, in one way for all classes.

A class takes it as `client` (a `Client`, a URL, or a client of redis-py), by keyword (`redis_url=`, `url=`,
`redis_client=`), or, given none, from the environment (see `RedisMemorySettings`). Who opens connections closes them:
a `Client` or a client of redis-py that was passed in stays open. A URL names the process's shared client, so an object
built for each request costs no connection; it stays open as well, for the others that use it. Only what
`from_conn_string` opened belongs to one object, and is closed with it.
"""

from __future__ import annotations

import os
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import lru_cache
from inspect import signature
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypedDict
from weakref import WeakValueDictionary

from typing_extensions import Self, Unpack

from langchain_redis_memory.errors import ConfigError, UnknownKeywordError
from langchain_redis_memory.redis.client.client import Client, ClientLike
from langchain_redis_memory.redis.client.durability import DurabilityLike
from langchain_redis_memory.redis.client.outboxes import WaitingMessages

if TYPE_CHECKING:
    from langchain_redis_memory.redis.client.credentials import CredentialProvider

__all__ = ["ClientLike", "ClientOwner", "ServerOptions", "connect"]


class ServerOptions(TypedDict, total=False):
    """Other names for the argument `client`, as other packages spell it: at most one is given; and what is beside it.

    `durability` is how far writes have to be before they are done (see `Durability`); by default, as the client says.
    `credentials` is the provider that logs in at a URL (see `credentials.py`).
    """

    redis_url: str | None
    url: str | None
    redis_client: ClientLike
    durability: DurabilityLike | None
    credentials: CredentialProvider | None


_EXPECTED: Final = "a Client, a URL, a client of redis-py, or None for the environment's settings"
_LOCATION: Final = "redis_url='redis://user:password@host:6379/0'"
_HINTS: Final[dict[str, tuple[str, str]]] = {
    **dict.fromkeys(("ttl", "ttl_seconds", "expire", "expiry", "expiration"), ("ttl_s (seconds)", "ttl_s")),
    "ttl_ms": ("ttl_s (seconds, not milliseconds)", "ttl_s"),
    **dict.fromkeys(("key_prefix", "prefix"), ("client=Client(url, prefix=...)", "")),
    **dict.fromkeys(
        ("distance_threshold", "score_threshold", "similarity_threshold", "threshold"),
        (
            "max_error (a share of wrong hits), or search=SearchOptions(policy=ThresholdPolicy(...))",
            "search",
        ),
    ),
    "ttl_s": ("ttl={'default_ttl': ...} (minutes)", "index"),
    **dict.fromkeys(("embeddings", "embed", "dims"), ("index={'dims': ..., 'embed': ...}", "index")),
    **dict.fromkeys(("requests_per_second", "max_bucket_size"), ("limits=[Limit(60, '1m')]", "limits")),
    **dict.fromkeys(("k", "window"), ("selector=MemorySelector(base=...)", "selector")),
    "vectors": ("search=SearchOptions(...)", "search"),
    **dict.fromkeys(("embedding", "embedding_model", "vectorizer"), ("embeddings", "embeddings")),
    **dict.fromkeys(("session", "conversation_id", "thread_id"), ("session_id", "session_id")),
    **dict.fromkeys(("user_id", "username"), ("user", "user")),
    **dict.fromkeys(("redis_", "redis", "conn", "connection", "redis_async_client", "async_client"), ("client", "")),
    **dict.fromkeys(("uri", "redis_uri", "conn_string", "connection_string", "connection_url"), ("redis_url", "")),
    **{name: (f"client=Client(url, {name}=...)", "") for name in ("cipher", "on_trip", "read_from")},
    **dict.fromkeys(("host", "port", "db", "username", "password", "ssl"), (_LOCATION, "")),
    **dict.fromkeys(
        ("connection_args", "connection_kwargs", "max_connections", "timeout_s"),
        ("client=Client.from_url(url, max_connections=..., timeout_s=...)", ""),
    ),
}
"""A keyword of other packages -> what is meant here, and the parameter that the class must have for it to be meant."""


def connect(client: ClientLike = None, /, *, owner: type | None = None, **server: Unpack[ServerOptions]) -> Client:
    """Returns the client that a constructor's arguments name; `owner` is its class, to name its parameters in errors.

    It is the `Client` itself, the shared one of a URL or of the environment's settings, or one around a redis-py
    client. Raises `ConfigError`: two servers are given, it is something else, or the URL or a setting cannot work.
    Raises `UnknownKeywordError`: a keyword is unknown; the message says which is meant.
    """
    if (durability := server.pop("durability", None)) is not None:
        return connect(client, owner=owner, **server).durable(durability)
    credentials: Any = server.pop("credentials", None)
    if server:
        client = _named(client, dict(server), owner)
    if credentials is not None:
        if client is not None and not isinstance(client, str):
            msg = "credentials log in at a URL; a client has its own: Client.from_url(url, credentials=...)"
            raise ConfigError(msg)
        return _with_credentials(client, credentials)
    if isinstance(client, Client):
        return client
    if isinstance(client, str):
        if not client:
            raise ConfigError("the URL is empty: is the variable set that it is from? None stands for the settings'")
        if "://" not in client and (order := _order(owner)):
            raise ConfigError(f"expected {_EXPECTED}, got text that is not a URL{order}")
        return _of_url(client)
    if client is None:
        return _of_environment(
            frozenset((name, value) for name, value in os.environ.items() if name.upper().startswith("REDIS_"))
        )
    if hasattr(client, "execute_command"):
        return _of_redis(client)
    raise _no_server(client, owner)


def _no_server(client: Any, owner: type | None) -> ConfigError:
    return ConfigError(f"expected {_EXPECTED}, got {type(client).__name__}{_order(owner)}")


def _named(client: ClientLike, server: dict[str, Any], owner: type | None) -> ClientLike:
    for name in server:
        if name not in ServerOptions.__annotations__:
            raise UnknownKeywordError(_unknown(name, owner))
    given = {name: value for name, value in (("client", client), *server.items()) if value is not None}
    if len(given) > 1 and not (isinstance(client, Client | str | None) or hasattr(client, "execute_command")):
        raise _no_server(client, owner)
    if len(given) > 1:
        raise ConfigError(f"one server is needed, but {' and '.join(given)} are given; keep one of them")
    for name in ("redis_url", "url"):
        if not isinstance(given.get(name, ""), str):
            raise ConfigError(f"{name} must be a URL, got {type(given[name]).__name__}; pass a client as client=...")
    return next(iter(given.values()), None)


def _unknown(name: str, owner: type | None) -> str:
    own = () if owner is None else tuple(signature(owner).parameters)
    known = [*(parameter for parameter in own if parameter not in {"self", "server"}), *ServerOptions.__annotations__]
    meant, needs = _HINTS.get(name, ("", ""))
    if not meant or (needs and needs not in known):
        ends = tuple(f"_{end}" for end in (name, needs) if end)
        close = [one for one in known if one.endswith(ends)] or get_close_matches(name, known, 1)
        meant = _in_group(name, owner) or " or ".join(close)
    where = "connect" if owner is None else owner.__name__
    return f"{where}() has no keyword {name!r}; " + (
        f"use {meant}" if meant else f"the keywords are {', '.join(known)}"
    )


def _order(owner: type | None) -> str:
    """Says what stands where in a constructor that takes more than a server by position."""
    parameters = () if owner is None else signature(owner).parameters.values()
    first = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    return f"; as in {owner.__name__}({', '.join(first)})" if owner is not None and len(first) > 1 else ""


def _in_group(name: str, owner: type | None) -> str:
    """Returns the option group of a class that has the field, as it is written; "" where none has."""
    made: Any = getattr(owner, "__init__", None)
    for parameter, kind in getattr(made, "__annotations__", {}).items():
        group = made.__globals__.get(str(kind).removesuffix(" | None"))
        if isinstance(group, type) and is_dataclass(group) and name in (field.name for field in fields(group)):
            return f"{parameter}={group.__name__}({name}=...)"
    return ""


@lru_cache(maxsize=32)
def _of_url(url: str) -> Client:
    return Client.from_url(url)


@lru_cache(maxsize=32)
def _with_credentials(url: str | None, credentials: Any) -> Client:
    return Client.from_url(url, credentials=credentials)


@lru_cache(maxsize=4)
def _of_environment(variables: frozenset[tuple[str, str]]) -> Client:
    return Client.from_settings()


_wrapped: WeakValueDictionary[int, Client] = WeakValueDictionary()
"""By the id of a client of redis-py, which its `Client` keeps alive: what was learned of the server is learned once."""


def _of_redis(client: Any) -> Client:
    wrapped = _wrapped.get(id(client))
    if wrapped is None:
        wrapped = _wrapped[id(client)] = Client(client)
    return wrapped


class ClientOwner:
    """A context manager for an object with a client: leaving it closes what it opened itself, see the module."""

    _client: Client
    _owns_client = False
    _outbox: WaitingMessages | None = None
    """Where its messages wait while the server is away; they are stored when it is closed."""

    @classmethod
    def from_conn_string(cls, conn_string: str | None = None, **options: Any) -> Self:
        """Opens a client of its own for a URL, which is closed with the object.

        Args:
            conn_string: The URL, see `Client.from_url`; also as `redis_url` or `url`. None: the environment's server.
            **options: Arguments of the class; `credentials` for the URL.

        Returns:
            The object: usable as it is, in a `with` block, and in an `async with` block.

        Raises:
            ConfigError: The URL or an option cannot work.
        """
        named = (options.pop(name) for name in ("redis_url", "url") if conn_string is None and name in options)
        client = Client.from_url(next(named, conn_string), credentials=options.pop("credentials", None))
        made = cls(client=client, **options)  # type: ignore[call-arg]
        made._owns_client = True
        return made

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client!r})"

    def close(self) -> None:
        """Closes the client if this object opened it, and stores what waits in its outbox. Safe to call twice.

        **Keys:** those of the messages that wait.
        **Trips:** none where nothing waits.
        """
        if self._owns_client:
            self._client.settle()
            self._client.close()
        elif self._outbox is not None:
            self._client.outboxes.finish(self._outbox)

    async def aclose(self) -> None:
        """Closes the client if this object opened it; see `close`."""
        if self._owns_client:
            await self._client.asettle()
            await self._client.aclose()
        elif self._outbox is not None:
            await self._client.outboxes.finish_in_loop(self._client.adrive, self._outbox)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
