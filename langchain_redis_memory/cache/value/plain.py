"""Reading and writing values by name: the plain half of `RedisValueCache`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from langchain_redis_memory.cache.switchable import Switchable
from langchain_redis_memory.cache.value.flows import ValueFlows
from langchain_redis_memory.cache.value.operations import Mode, ValueLookup, tags_of
from langchain_redis_memory.errors import InvalidInputError, RedisMemoryError
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.connect import ClientOwner
from langchain_redis_memory.redis.codec.values import unpack
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.ttl import Lifetime, milliseconds

OwnTtl: TypeAlias = "Lifetime | Literal['own']"
"""A lifetime; the cache's own by default."""


class VersionedValue(NamedTuple):
    """Holds a value and its version, for `RedisValueCache.set_if`; version 0 where there is none."""

    value: Any
    version: int


class PlainValues(ClientOwner, Switchable):
    """Values by name. See `RedisValueCache`, which makes it.

    **Keys:** `values`, `value_expiries` of 16 shards.
    **Trips:** each method says its own.
    """

    _flows: ValueFlows
    _ttl_ms: int

    def get(self, key: str, default: Any = None) -> Any:
        """Reads a value.

        Args:
            key: Its name.
            default: What to give where there is none, its fresh time is over, or the server is away.

        Returns:
            The value, a new object each time.

        **Keys:** `values`.
        **Trips:** 1; 0 for one that this process may serve; 2 where this process meets its first value with tags.
        """
        if hit := self._flows.near_hit(key):
            return hit[0]
        if quick := self._flows.quick(key):
            op, failed = quick
            try:
                seen = self._client.run(op)
            except RedisMemoryError as error:
                seen = failed(error)
            if seen is not None:
                return seen[0] if seen.__class__ is tuple else self._flows.missed(default)
        return self._client.drive(self._flows.get_flow(key, default))

    async def aget(self, key: str, default: Any = None) -> Any:
        """Reads a value; see `get`."""
        if hit := self._flows.near_hit(key):
            return hit[0]
        if quick := self._flows.quick(key):
            op, failed = quick
            try:
                seen = await self._client.arun(op)
            except RedisMemoryError as error:
                seen = failed(error)
            if seen is not None:
                return seen[0] if seen.__class__ is tuple else self._flows.missed(default)
        return await self._client.adrive(self._flows.get_flow(key, default))

    def set(
        self,
        key: str,
        value: Any,
        ttl_s: OwnTtl = "own",
        *,
        nx: bool = False,
        xx: bool = False,
        tags: Sequence[str] = (),
        user: Id | None = None,
    ) -> bool:
        """Stores a value.

        Args:
            key: Its name.
            value: The value.
            ttl_s: Its lifetime in seconds, None for no expiry; the cache's own where none is given.
            nx: Only if there is none.
            xx: Only if there is one.
            tags: Tags, by which it can be made stale.
            user: The user it is about, for `clear_user`.

        Returns:
            Whether it was stored; not where the server is away.

        Raises:
            UnserialisableError: It holds something that cannot be stored.
            InvalidIdError: A name is not acceptable.
            InvalidInputError: The lifetime is not positive, or both nx and xx are asked for.

        **Keys:** `values`, `value_expiries`.
        **Trips:** 1.
        """
        how = self._ttl(ttl_s), _mode(nx, xx), tags_of(tags, user)
        return self._client.drive(self._flows.put_flow(key, value, *how))

    async def aset(
        self,
        key: str,
        value: Any,
        ttl_s: OwnTtl = "own",
        *,
        nx: bool = False,
        xx: bool = False,
        tags: Sequence[str] = (),
        user: Id | None = None,
    ) -> bool:
        """Stores a value; see `set`."""
        how = self._ttl(ttl_s), _mode(nx, xx), tags_of(tags, user)
        return await self._client.adrive(self._flows.put_flow(key, value, *how))

    def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """Reads values.

        Args:
            keys: Their names.

        Returns:
            Name -> value of those that are there.

        **Keys:** `values`.
        **Trips:** 1; 2 where some of them have tags.
        """
        return self._client.drive(self._flows.get_many_flow(keys))

    async def aget_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """Reads values; see `get_many`."""
        return await self._client.adrive(self._flows.get_many_flow(keys))

    def set_many(self, values: Mapping[str, Any], ttl_s: OwnTtl = "own") -> int:
        """Stores values.

        Args:
            values: Name -> value.
            ttl_s: Their lifetime in seconds.

        Returns:
            How many were stored; none where the server is away.

        **Keys:** `values`, `value_expiries`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.put_many_flow(values, self._ttl(ttl_s)))

    async def aset_many(self, values: Mapping[str, Any], ttl_s: OwnTtl = "own") -> int:
        """Stores values; see `set_many`."""
        return await self._client.adrive(self._flows.put_many_flow(values, self._ttl(ttl_s)))

    def delete(self, *keys: str) -> int:
        """Deletes values; what is being made of them at this moment is not stored any more.

        Args:
            *keys: Their names.

        Returns:
            How many there were.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `values`, `value_expiries`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.delete_flow(keys))

    async def adelete(self, *keys: str) -> int:
        """Deletes values; see `delete`."""
        return await self._client.adrive(self._flows.delete_flow(keys))

    def exists(self, key: str) -> bool:
        """Returns whether there is a value.

        Args:
            key: Its name.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `values`.
        **Trips:** 1.
        """
        return self._client.run(self._flows.ops.look(key).map(lambda look: look.found is not None))

    async def aexists(self, key: str) -> bool:
        """Returns whether there is a value; see `exists`."""
        return await self._client.arun(self._flows.ops.look(key).map(lambda look: look.found is not None))

    def ttl(self, key: str) -> float | None:
        """Reads what is left of a value's lifetime.

        Args:
            key: Its name.

        Returns:
            Seconds, `inf` for no end; None where there is no value.

        **Keys:** `values`.
        **Trips:** 1.
        """
        return self._client.run(self._flows.ops.left_s(key))

    async def attl(self, key: str) -> float | None:
        """Reads what is left of a value's lifetime; see `ttl`."""
        return await self._client.arun(self._flows.ops.left_s(key))

    def expire(self, key: str, ttl_s: Lifetime) -> bool:
        """Gives a value another lifetime, from now.

        Args:
            key: Its name.
            ttl_s: Seconds; None for no expiry.

        Returns:
            Whether there is such a value.

        **Keys:** `values`, `value_expiries`.
        **Trips:** 1.
        """
        return self._client.run(self._flows.ops.expire(key, milliseconds(ttl_s)))

    async def aexpire(self, key: str, ttl_s: Lifetime) -> bool:
        """Gives a value another lifetime, from now; see `expire`."""
        return await self._client.arun(self._flows.ops.expire(key, milliseconds(ttl_s)))

    def incr(self, key: str, by: float = 1, ttl_s: OwnTtl = "own") -> Any:
        """Adds to a number by compare-and-set, as what is stored may be encrypted; no count of another is lost.

        Args:
            key: Its name; where there is none it counts as 0.
            by: What is added.
            ttl_s: The lifetime of a new one; one that is there keeps its own.

        Returns:
            The sum.

        Raises:
            InvalidInputError: What is stored is not a number.
            ConflictError: Others were faster again and again; nothing was changed.

        **Keys:** `values`, `value_expiries`.
        **Trips:** 2, and 2 for each time that somebody else was faster.
        """
        return self._client.drive(self._flows.update_flow(key, _add(key, by), 0, self._ttl(ttl_s)))

    async def aincr(self, key: str, by: float = 1, ttl_s: OwnTtl = "own") -> Any:
        """Adds to a number; see `incr`."""
        return await self._client.adrive(self._flows.update_flow(key, _add(key, by), 0, self._ttl(ttl_s)))

    def versioned(self, key: str) -> VersionedValue:
        """Reads a value with its version, for `set_if`.

        Args:
            key: Its name.

        Returns:
            The value and its version; None and 0 where there is none.

        Raises:
            UnavailableError: The server cannot be reached.

        **Keys:** `values`.
        **Trips:** 1.
        """
        return self._client.run(self._flows.ops.look(key).map(lambda look: _versioned(key, look)))

    async def aversioned(self, key: str) -> VersionedValue:
        """Reads a value with its version; see `versioned`."""
        return await self._client.arun(self._flows.ops.look(key).map(lambda look: _versioned(key, look)))

    def set_if(self, key: str, value: Any, version: int, ttl_s: OwnTtl = "own") -> bool:
        """Stores a value if nobody has changed it since it was read.

        Args:
            key: Its name.
            value: The value.
            version: What `versioned` gave; 0 if there is to be none.
            ttl_s: Its lifetime.

        Returns:
            Whether it was stored.

        Raises:
            UnavailableError: The server cannot be reached.
            UnserialisableError: It holds something that cannot be stored.

        **Keys:** `values`, `value_expiries`.
        **Trips:** 1.
        """
        return self._client.drive(self._flows.set_if_flow(key, value, version, self._ttl(ttl_s)))

    async def aset_if(self, key: str, value: Any, version: int, ttl_s: OwnTtl = "own") -> bool:
        """Stores a value if nobody has changed it since it was read; see `set_if`."""
        return await self._client.adrive(self._flows.set_if_flow(key, value, version, self._ttl(ttl_s)))

    def _ttl(self, ttl_s: OwnTtl) -> int:
        return self._ttl_ms if ttl_s == "own" else milliseconds(ttl_s)

    def _switch(self, for_s: float, *, on: bool) -> Op[None]:
        self._flows.forget()
        return self._flows.ops.switch(0 if on else milliseconds(for_s, "for_s"))

    def _off_for(self) -> Op[float]:
        return self._flows.ops.off_for()


def _mode(nx: bool, xx: bool) -> Mode:
    if nx and xx:
        msg = "nx stores only where there is no value, xx only where there is one: choose one of them"
        raise InvalidInputError(msg)
    return "nx" if nx else "xx" if xx else "any"


def _add(key: str, by: float) -> Callable[[Any], Any]:
    def add(number: Any) -> Any:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise InvalidInputError(f"{key!r} holds no number, but {type(number).__name__}")
        return number + by

    return add


def _versioned(key: str, look: ValueLookup) -> VersionedValue:
    return (
        VersionedValue(None, 0)
        if look.found is None
        else VersionedValue(unpack(look.found.body, key), look.found.version)
    )
