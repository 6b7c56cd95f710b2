"""`RedisByteStore`: LangChain's store of bytes by name, for cached embeddings, parent documents and whatever else.

A store is one hash tag, so one script stores or deletes any number of values together with their names in the store's
index: the index never misses a value. It is a sorted set by name, so names are found by prefix without a search; a
second one knows when they expire, so that writes forget names whose values have expired. Values are keys of their own
with lifetimes of their own: a server that evicts takes single values.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from types import NoneType

from langchain_core.stores import ByteStore
from typing_extensions import Unpack

from langchain_redis_memory.checks import check_several, check_type
from langchain_redis_memory.ops import Flow, Invoke, Op, Reply, ask, merge, pure
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.key_groups import ByteKeys, Id, check_id
from langchain_redis_memory.redis.scripts import script
from langchain_redis_memory.redis.ttl import Lifetime, milliseconds

_PAGE = 1000


class RedisByteStore(ClientOwner, ByteStore):
    """Stores bytes by name in Redis: LangChain's `BaseStore` of bytes.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        namespace: Which store: stores never see each other's names. On a cluster a store lives on one node, so what is
            large is best spread over several namespaces.
        ttl_s: Lifetime in seconds (or a `timedelta`) of each value from its last write; None for no expiry.
        tenant: Whose data it is; tenants never see each other's.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The namespace or the tenant is not acceptable.
        InvalidInputError: The lifetime is not positive.
        ConfigError: The URL cannot work.

    Example:
        ```python
        store = RedisByteStore("redis://localhost:6379/0", namespace="embeddings")
        embeddings = CacheBackedEmbeddings.from_bytes_store(model, store, namespace="model-v1", key_encoder="sha256")
        ```

    **Keys:** `bytes` of each value, `byte_names`, `byte_expiries`.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        client: ClientLike = None,
        *,
        namespace: str = "",
        ttl_s: Lifetime = None,
        tenant: Id = "",
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._keys = self._client.keys(tenant).byte_values(namespace)
        self._ttl_ms = milliseconds(ttl_s)

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Reads the values under some names.

        Args:
            keys: Names.

        Returns:
            For each name its value, None where it has none.

        Raises:
            InvalidIdError: A name is not acceptable; nothing was sent.
            DecryptionError: The client has a cipher, and a value is not one that it encrypted.
            UnavailableError: The server cannot be reached.

        **Keys:** `bytes` of each.
        **Trips:** 1 for any number of names, 0 for none.
        """
        return self._client.run(_get(self._keys, keys))

    async def amget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Reads the values under some names; see `mget`."""
        return await self._client.arun(_get(self._keys, keys))

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Stores values under names: all of them or, where the server refuses, none.

        Args:
            key_value_pairs: Names and values.

        Raises:
            InvalidIdError: A name is not acceptable; nothing was sent.
            InvalidInputError: A value is not bytes; nothing was sent.
            OutOfMemoryError: The server refused the write; nothing was stored.
            UnavailableError: The server cannot be reached.

        **Keys:** `bytes` of each, `byte_names`, `byte_expiries`.
        **Trips:** 1 for any number of values, 0 for none.
        """
        self._client.run(_set(self._keys, key_value_pairs, self._ttl_ms))

    async def amset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Stores values under names; see `mset`."""
        await self._client.arun(_set(self._keys, key_value_pairs, self._ttl_ms))

    def mdelete(self, keys: Sequence[str]) -> None:
        """Deletes the values under some names.

        Args:
            keys: Names; those without a value are skipped.

        Raises:
            InvalidIdError: A name is not acceptable; nothing was sent.
            UnavailableError: The server cannot be reached.

        **Keys:** `bytes` of each, `byte_names`, `byte_expiries`.
        **Trips:** 1 for any number of names, 0 for none.
        """
        self._client.run(_delete(self._keys, keys))

    async def amdelete(self, keys: Sequence[str]) -> None:
        """Deletes the values under some names; see `mdelete`."""
        await self._client.arun(_delete(self._keys, keys))

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Reads the names that begin with a prefix and have a value, in the order of their bytes.

        Args:
            prefix: Any text, none of it with a special meaning; None for all names.

        Returns:
            An iterator that reads 1,000 names at a time. A name that is stored or deleted meanwhile may be given or
            not; any other is given once.

        Raises:
            InvalidInputError: The prefix is not text.
            UnavailableError: The server cannot be reached.

        **Keys:** `byte_names`, `byte_expiries`, `bytes` of each.
        **Trips:** 1, and 1 for each 1,000 names.
        """
        return self._client.stream(_walk_flow(self._keys, *_bounds(prefix)), chunks=True)

    async def ayield_keys(self, *, prefix: str | None = None) -> AsyncIterator[str]:
        """Reads the names that begin with a prefix and have a value; see `yield_keys`."""
        async for name in self._client.astream(_walk_flow(self._keys, *_bounds(prefix)), chunks=True):
            yield name


def _checked(names: Sequence[str]) -> list[str]:
    return [check_id(name, "key") for name in check_several(names, "keys")]


def _get(keys: ByteKeys, names: Sequence[str]) -> Op[list[bytes | None]]:
    names = _checked(names)
    if not names:
        return pure([])
    places = [keys.value(name) for name in names]

    def read(replies: Sequence[Reply]) -> list[bytes | None]:
        values: list[bytes | None] = list(replies[0])
        if not keys.values.encrypts:
            return values
        return [one if one is None else place.decrypt(one) for place, one in zip(places, values, strict=True)]

    return Op((("MGET", *places),), read)


def _set(keys: ByteKeys, pairs: Sequence[tuple[str, bytes]], ttl_ms: int) -> Op[None]:
    names: list[str] = []
    parts: list[str | bytes] = []
    for name, value in pairs:
        check_id(name, "key")
        check_type(value, (bytes, bytearray, memoryview), f"the value of {name!r}", "bytes")
        names.append(name)
        parts += [name, keys.value(name).encrypt(bytes(value))]
    if not names:
        return pure(None)
    call = script("store/bytes_set")((keys.names, keys.expiries, *map(keys.value, names)), ttl_ms, *parts)
    return Op((call,), lambda _replies: None)


def _delete(keys: ByteKeys, names: Sequence[str]) -> Op[None]:
    names = _checked(names)
    if not names:
        return pure(None)
    call = script("store/bytes_delete")((keys.names, keys.expiries, *map(keys.value, names)), *names)
    return Op((call,), lambda _replies: None)


def _bounds(prefix: str | None) -> tuple[bytes, bytes]:
    """The names with a prefix as a range of the index: from the prefix to the next text of its length, without that."""
    check_type(prefix, (str, NoneType), "prefix", "a string or None")
    if not prefix:
        return b"-", b"+"
    first = check_id(prefix, "prefix").encode()
    return b"[" + first, b"(" + first[:-1] + bytes([first[-1] + 1])  # no byte of UTF-8 is the last one


def _walk_flow(keys: ByteKeys, low: bytes, high: bytes) -> Flow[None]:
    """Gives the names of a range; each trip checks one page of them and reads the next one."""
    names = yield from ask(_page(keys, low, high))
    while names:
        following = pure([]) if len(names) < _PAGE else _page(keys, b"(" + names[-1].encode(), high)
        living, names = yield from ask(merge(_living(keys, names), following))
        yield _out(living)


def _page(keys: ByteKeys, low: bytes, high: bytes) -> Op[list[str]]:
    command = ("ZRANGEBYLEX", keys.names, low, high, "LIMIT", 0, _PAGE)
    return Op((command,), lambda replies: [name.decode() for name in replies[0]])


def _living(keys: ByteKeys, names: list[str]) -> Op[list[str]]:
    call = script("store/bytes_living")((keys.names, keys.expiries, *map(keys.value, names)), *names)
    return Op((call,), lambda replies: [name.decode() for name in replies[0]])


def _out(names: list[str]) -> Invoke:
    """A step that streams names to the caller."""

    async def anames() -> AsyncIterator[str]:
        for name in names:
            yield name

    async def nothing() -> None: ...

    return Invoke(lambda: None, nothing, lambda: iter(names), anames)
