"""`RedisNodeCache`: LangGraph's cache of nodes, which a graph asks before it runs a node with a `CachePolicy`.

A namespace is one `expiring_hash`, so clearing it deletes two keys. Which namespaces a tenant has is noted
in an index, which may hold one that is gone, and is read when everything is cleared.

An entry is served only if it is whole and its type is allowed; what else is found there counts as absent and is logged.
A cache is no reason to fail a run: a server that is away or refuses a command is logged, and the node runs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from langgraph.cache.base import BaseCache, FullKey, Namespace, ValueT
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.event_hooks import SerdeEvent, register_serde_event_listener
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from typing_extensions import Unpack

from langchain_redis_memory.checks import check_method
from langchain_redis_memory.errors import (
    ConfigError,
    CorruptDataError,
    DecryptionError,
    InvalidInputError,
    ServerError,
    UnavailableError,
)
from langchain_redis_memory.ops import Flow, Now, Op, Reply, ask, merge
from langchain_redis_memory.redis import expiring_hash
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.codec.elements import check_elements
from langchain_redis_memory.redis.codec.envelope import seal, unseal
from langchain_redis_memory.redis.codec.nesting import check_nesting
from langchain_redis_memory.redis.expiring_hash import NewItem
from langchain_redis_memory.redis.keys import check_id, spell_namespace
from langchain_redis_memory.redis.scripts import command, script
from langchain_redis_memory.redis.ttl import milliseconds

T = TypeVar("T")
_log = logging.getLogger(__name__)

_CLEARED_AT_ONCE = 1000


class RedisNodeCache(ClientOwner, BaseCache[ValueT]):
    """Caches the results of LangGraph's nodes in Redis, for all processes.

    The serialiser is strict unless you pass another one: only the types that LangGraph lists as safe are built from
    what is stored. A value that holds another type is not cached, and that is logged; allow it by
    `serde=JsonPlusSerializer(allowed_msgpack_modules=[MyState])`.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        tenant: Whose cache it is; tenants never see each other's.
        ttl_s: Lifetime in seconds of items whose policy names none; None for no expiry.
        serde: Another serialiser, such as an `EncryptedSerializer`.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The tenant is not acceptable.
        InvalidInputError: The lifetime is not positive.
        ConfigError: The URL cannot work.

    Example:
        ```python
        builder.add_node("search", search, cache_policy=CachePolicy(ttl=3600))
        graph = builder.compile(cache=RedisNodeCache("redis://localhost:6379/0"))
        ```

    **Keys:** `nodes`, `node_expiries` of a namespace; `namespaces` of the tenant.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        client: ClientLike = None,
        *,
        tenant: str = "",
        ttl_s: float | None = None,
        serde: SerializerProtocol | None = None,
        **server: Unpack[ServerOptions],
    ) -> None:
        strict = JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)
        super().__init__(serde=strict if serde is None else serde)
        check_method(self.serde, "dumps_typed", "serde (a serializer of LangGraph)", ConfigError)
        self._client = connect(client, owner=type(self), **server)
        self._space = self._client.keys(tenant)
        self._ttl_ms = milliseconds(ttl_s)

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """Reads the cached results of nodes, so that LangGraph runs only the others.

        Args:
            keys: Namespaces with the keys of items.

        Returns:
            The values that are there; nothing for a key that has none, for a damaged entry, one of a type that is not
            allowed, and where the server is away.

        Raises:
            InvalidIdError: A namespace or a key is not acceptable.
            AuthenticationError: The server refused the credentials.

        **Keys:** `nodes` of each namespace.
        **Trips:** 1 for any number of keys, 0 for none.
        """
        return self._client.drive(self._get_flow(keys))

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """Reads the cached results of nodes; see `get`."""
        return await self._client.adrive(self._get_flow(keys))

    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Caches values.

        Args:
            pairs: Namespaces with the keys of items; for each its value and its lifetime in seconds, None for the
                cache's own.

        Raises:
            InvalidIdError: A namespace or a key is not acceptable; nothing was sent.
            InvalidInputError: A lifetime is not positive; nothing was sent.
            AuthenticationError: The server refused the credentials.

        **Keys:** `nodes`, `node_expiries` of each namespace; `namespaces`.
        **Trips:** 1 for any number of items, 0 for none.
        """
        self._client.drive(self._set_flow(pairs))

    async def aset(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Caches values; see `set`."""
        await self._client.adrive(self._set_flow(pairs))

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Deletes what is cached in some namespaces, or everything of the tenant.

        Args:
            namespaces: Exactly these, not those that begin with them; None for every namespace.

        Raises:
            InvalidIdError: A namespace is not acceptable; nothing was sent.
            UnavailableError: The server cannot be reached: what was to be deleted may still be served.
            ServerError: The server refused.

        **Keys:** `nodes`, `node_expiries` of each namespace; `namespaces`.
        **Trips:** 1 for named namespaces, 0 for none; without names 1, and 1 for each 1,000 namespaces.
        """
        self._client.drive(self._clear_flow(namespaces))

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Deletes what is cached in some namespaces, or everything of the tenant; see `clear`."""
        await self._client.adrive(self._clear_flow(namespaces))

    # --- reading ------------------------------------------------------------------------------------------------------

    def _get_flow(self, keys: Sequence[FullKey]) -> Flow[dict[FullKey, ValueT]]:
        wanted: dict[Namespace, dict[str, None]] = {}
        for namespace, key in keys:
            spell_namespace(namespace)
            wanted.setdefault(tuple(namespace), {})[check_id(key, "key")] = None
        reads = merge(*(self._read(namespace, list(items)) for namespace, items in wanted.items()))
        values = yield from self._best_effort_flow(reads)
        return {full: value for part in values or () for full, value in part.items()}

    def _best_effort_flow(self, op: Op[T]) -> Flow[T | None]:
        """Runs an op; gives None where the server is away, or has just been and rests behind its circuit breaker."""
        breaker = self._client.breaker
        began: float = yield Now()
        if op.commands and not breaker.allows(began):
            return None
        try:
            done = yield from ask(Op(op.commands, op.decode, op.tolerant, best_effort=True))
        except UnavailableError as error:
            ended: float = yield Now()
            if breaker.failed(began, ended):
                _log.warning("the cache of nodes is away: the nodes run, and nothing is cached: %s", error)
            return None
        if op.commands:
            breaker.worked()
        return done

    def _read(self, namespace: Namespace, items: list[str]) -> Op[dict[FullKey, ValueT]]:
        def read(replies: Sequence[Reply]) -> dict[FullKey, ValueT]:
            if isinstance(replies[0], ServerError):
                _log.warning("the cache of node %r is not read: %s", namespace, replies[0])
                return {}
            values: dict[FullKey, ValueT] = {}
            for item, kept in zip(items, get.read(replies), strict=True):
                if kept is None:
                    continue
                try:
                    values[namespace, item] = self._decode(kept.body)
                except Exception as error:  # noqa: BLE001 - a serialiser's errors are of any type
                    _log.warning("item %r of %r in the cache of nodes counts as absent: %s", item, namespace, error)
            return values

        get = expiring_hash.get(self._space.nodes(namespace), items)
        return Op(get.commands, read, tolerant=True)

    def _decode(self, body: bytes) -> ValueT:
        kind, _, data = unseal(body, "an item").partition(b":")
        value: ValueT = self._load(kind.decode(), data)
        return value

    def _load(self, kind: str, data: bytes) -> Any:
        """Decodes a value; raises where something in it had to be left out or taken apart."""
        if kind == "json" and isinstance(self.serde, JsonPlusSerializer | EncryptedSerializer):
            raise CorruptDataError("neither of LangGraph's serialisers writes JSON, and it can name constructors")
        if "+" not in kind and isinstance(self.serde, EncryptedSerializer):  # which would read it, whoever wrote it
            raise DecryptionError("it is not encrypted")
        if kind == "msgpack":
            check_elements(data)
            check_nesting(data)
        with _watched() as blocked:
            value = self.serde.loads_typed((kind, data))
        if blocked:
            msg = f"types that are not allowed: {', '.join(sorted(blocked))}; allow them with serde=..."
            raise CorruptDataError(msg)
        return value

    # --- writing ------------------------------------------------------------------------------------------------------

    def _set_flow(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> Flow[None]:
        lifetimes = {full: self._lifetime(ttl) for full, (_, ttl) in pairs.items()}
        for namespace, key in pairs:
            spell_namespace(namespace)
            check_id(key, "key")
        items: dict[Namespace, list[NewItem]] = {}
        for (namespace, key), (value, _) in pairs.items():
            body = self._encode(value, f"item {key!r} of {namespace!r}")
            items.setdefault(tuple(namespace), []).append(NewItem(key, lifetimes[namespace, key], body))
        yield from self._best_effort_flow(merge(*(self._write(namespace, some) for namespace, some in items.items())))

    def _lifetime(self, ttl: float | None) -> int:
        return self._ttl_ms if ttl is None else milliseconds(ttl, "ttl")

    def _encode(self, value: ValueT, what: str) -> bytes:
        """Encodes a value; no bytes where it could not be served as it is: then what it replaces is deleted as well."""
        try:
            kind, data = self.serde.dumps_typed(value)
            self._load(kind, data)
        except Exception as error:  # noqa: BLE001 - a serialiser's errors are of any type
            _log.warning("%s is not cached: %s", what, error)
            return b""
        return seal(kind.encode() + b":" + data)

    def _write(self, namespace: Namespace, items: list[NewItem]) -> Op[None]:
        keys, lifetimes = self._space.nodes(namespace), [ttl_ms for _, ttl_ms, body in items if body]
        longest = 0 if 0 in lifetimes else max(lifetimes, default=0)
        touch = script("cache/namespace_touch")((self._space.namespaces(),), spell_namespace(namespace), longest)
        store = expiring_hash.put(keys, items).commands

        def read(replies: Sequence[Reply]) -> None:
            for reply in replies:
                if isinstance(reply, ServerError):
                    _log.warning("the cache of node %r is not written: %s", namespace, reply)

        # The index lives under another hash tag. It is written before, so that a write that breaks off is listed, and
        # after, so that a clearing of everything that comes in between does not leave the namespace unlisted.
        return Op((touch, *store, touch) if lifetimes else store, read, tolerant=True)

    # --- clearing -----------------------------------------------------------------------------------------------------

    def _clear_flow(self, namespaces: Sequence[Namespace] | None) -> Flow[None]:
        names: Sequence[str | bytes]
        if namespaces is None:
            index = self._space.namespaces()
            names = yield from ask(Op((("ZRANGE", index, 0, -1),), lambda replies: list(replies[0])))
        elif isinstance(namespaces, str) or not all(isinstance(one, Sequence) for one in namespaces):
            raise InvalidInputError(f"namespaces must be tuples of strings, got {namespaces!r}")
        else:
            names = [spell_namespace(namespace) for namespace in namespaces]
        for start in range(0, len(names), _CLEARED_AT_ONCE):
            yield from ask(self._erase(names[start : start + _CLEARED_AT_ONCE]))

    def _erase(self, names: Sequence[str | bytes]) -> Op[None]:
        spelled = [name if isinstance(name, str) else name.decode("utf-8", "replace") for name in names]
        places = [self._space.nodes_of(name) for name in spelled]  # under a damaged name there is nothing
        unlinks = (command("UNLINK", (place.items, place.expiries)) for place in places)
        return Op((command("ZREM", (self._space.namespaces(),), *names), *unlinks), lambda _replies: None)


# LangGraph's serialiser puts plain data in the place of an object that it must not build; only listeners are told.
_blocked: ContextVar[set[str] | None] = ContextVar("blocked", default=None)


def _note(event: SerdeEvent) -> None:
    names = _blocked.get()
    if names is not None and event["kind"] != "msgpack_unregistered_allowed":
        names.add(f"{event['module']}.{event['name']}")


register_serde_event_listener(_note)


@contextmanager
def _watched() -> Iterator[set[str]]:
    """Collects the types that a serialiser refuses to build meanwhile."""
    names: set[str] = set()
    token = _blocked.set(names)
    try:
        yield names
    finally:
        _blocked.reset(token)
