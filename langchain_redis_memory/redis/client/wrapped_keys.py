"""Data keys that a key management service wraps: one for each owner, drawn at random, and shredded by deleting it.

What is stored of a data key is what `wrap` made of it. It is fetched and unwrapped once for each owner and process, and
forgotten after `cache_s`. So whoever deletes the wrapped key has made unreadable, within that time, whatever the owner
stored, in backups and replicas too. Where the keeper of wrapped keys cannot be reached when that time is over, a key is
used on for at most `outage_s`: an application that answers must not end with it.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, Protocol

from langchain_redis_memory.checks import check_function, check_method, check_number, check_positive, check_type
from langchain_redis_memory.errors import ConfigError, UnavailableError, UnknownKeyError
from langchain_redis_memory.locks import new_lock
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.codec.cipher.key_ring import SECRET_BYTES, DataKey
from langchain_redis_memory.redis.scripts import command

_ID_BYTES = 8
_MOST_OWNERS = 4096
_TRY_AGAIN_S = 5.0
_MOST_OUTAGE_S = 30 * 86_400


class WrappedKeys(Protocol):
    """Keeps wrapped keys by owner: in Redis (`RedisWrappedKeys`), or in a database of your own."""

    def get(self, owner: str) -> bytes | None:
        """Returns what is kept for an owner; None for nothing. Raises `UnavailableError`: it cannot be reached now."""
        ...

    def add(self, owner: str, wrapped: bytes) -> bytes:
        """Keeps a wrapped key for an owner that has none; returns what is kept then, whoever was first."""
        ...

    def delete(self, owner: str) -> bool:
        """Deletes what is kept for an owner; returns whether there was something."""
        ...


class RedisWrappedKeys:
    """Keeps wrapped keys in Redis, best on another server than the data: a backup must not hold both.

    It is sync alone: a value is encrypted while an operation is built, between awaits. See `WrappedKeyRing.prepare`.

    Args:
        client: The server's client; it needs no cipher.

    **Keys:** `wrapped_key` of each owner.
    **Trips:** 1 for each call.
    """

    def __init__(self, client: Client) -> None:
        self._server = check_type(
            client, Client, "client", "a Client, as in RedisWrappedKeys(Client(url))", ConfigError
        )

    def get(self, owner: str) -> bytes | None:
        """Returns what is kept for an owner; None for nothing. See `WrappedKeys`."""
        wrapped: bytes | None = self._server.run(Op((("GET", self._key(owner)),), lambda replies: replies[0]))
        return wrapped

    def add(self, owner: str, wrapped: bytes) -> bytes:
        """Keeps a wrapped key for an owner that has none; see `WrappedKeys`."""
        key = self._key(owner)
        kept = self._server.run(Op((("SET", key, wrapped, "NX"), ("GET", key)), lambda replies: replies[1]))
        return bytes(kept)

    def delete(self, owner: str) -> bool:
        """Deletes what is kept for an owner; see `WrappedKeys`."""
        return self._server.run(Op((command("DEL", (self._key(owner),)),), lambda replies: bool(replies[0])))

    def _key(self, owner: str) -> str:
        return self._server.keys().wrapped_key(owner)


class _CachedKey(NamedTuple):
    key: DataKey
    until: float
    read: float


class WrappedKeyRing:
    """Keeps a data key for each owner, wrapped by a key management service; for `Cipher(WrappedKeyRing(...))`.

    `wrap`, `unwrap` and the keeper of wrapped keys are plain functions, called once for each owner and process and
    again after `cache_s`. In an event loop, call `prepare` in a thread first: `asyncio.to_thread(ring.prepare, owner)`.

    Args:
        wrapped: Where wrapped keys are kept.
        wrap: Encrypts a data key, as `kms.encrypt` does.
        unwrap: Decrypts it.
        cache_s: How long an unwrapped key is remembered, in seconds.
        outage_s: How much longer at most, in seconds, while the keeper raises `UnavailableError`. A key that is
            shredded meanwhile can be read here that long; 0 for a process that would rather stop.

    Raises:
        ConfigError: An argument cannot work.

    Example:
        ```python
        ring = WrappedKeyRing(RedisWrappedKeys(Client(keys_url)), wrap=kms_encrypt, unwrap=kms_decrypt)
        client = Client("redis://localhost:6379/0", cipher=Cipher(ring, owner=lambda tenant, user: user or tenant))
        ring.shred("user-42")
        ```
    """

    def __init__(
        self,
        wrapped: WrappedKeys,
        *,
        wrap: Callable[[bytes], bytes],
        unwrap: Callable[[bytes], bytes],
        cache_s: float = 300.0,
        outage_s: float = 3600.0,
    ) -> None:
        check_method(wrapped, "add", "wrapped (where wrapped keys are kept)", ConfigError)
        for name, function in {"wrap": wrap, "unwrap": unwrap}.items():
            check_function(function, f"{name} (from bytes to bytes)", ConfigError)
        self._wrapped, self._wrap, self._unwrap = wrapped, wrap, unwrap
        self._cache_s = check_positive(cache_s, "cache_s", "number of seconds", ConfigError)
        self._outage_s = check_number(outage_s, "outage_s", 0, _MOST_OUTAGE_S, error=ConfigError)
        self._lock = new_lock()
        self._held: OrderedDict[str, _CachedKey] = OrderedDict()
        self._shreds = 0

    def __repr__(self) -> str:
        return f"WrappedKeyRing({self._wrapped!r})"

    def current(self, owner: str) -> DataKey:
        """Returns an owner's key; draws and keeps one for an owner that has none.

        Args:
            owner: The owner.

        Returns:
            The key.

        Raises:
            UnknownKeyError: It cannot be unwrapped.
            UnavailableError: The keeper cannot be reached, and the owner's key is not remembered.
        """
        held, shreds = self._remembered(owner), self._shreds
        if held is None:
            try:
                wrapped = self._wrapped.get(owner)
            except UnavailableError as error:
                return self._held_over(owner, error)
            if wrapped is None:
                secret = os.urandom(SECRET_BYTES)
                wrapped = self._wrapped.add(owner, os.urandom(_ID_BYTES) + self._wrap(secret))
            held = self._remember(owner, wrapped, shreds)
        return held

    def named(self, owner: str, key_id: str) -> DataKey:
        """Returns the key that a stored value names.

        Args:
            owner: The owner.
            key_id: The id.

        Returns:
            The key.

        Raises:
            UnknownKeyError: The owner's key was shredded, is another one now, or cannot be unwrapped.
            UnavailableError: The keeper cannot be reached, and the key is not remembered.
        """
        held, shreds = self._remembered(owner), self._shreds
        if held is None or held.id != key_id:
            try:
                wrapped = self._wrapped.get(owner)
            except UnavailableError as error:
                if (held := self._held_over(owner, error)).id != key_id:
                    raise
                return held
            held = None if wrapped is None else self._remember(owner, wrapped, shreds)
        if held is None or held.id != key_id:
            msg = f"the key {key_id!r} of {owner!r} was shredded; what was encrypted with it cannot be read any more"
            raise UnknownKeyError(msg)
        return held

    def prepare(self, owner: str) -> None:
        """Fetches an owner's key, so that the next calls need not wait for it."""
        self.current(owner)

    def shred(self, owner: str) -> bool:
        """Deletes an owner's key: nothing that was encrypted with it can ever be read again.

        Args:
            owner: The owner.

        Returns:
            Whether there was one. Other processes forget it within `cache_s`.
        """
        deleted = self._wrapped.delete(owner)
        with self._lock:
            self._held.pop(owner, None)
            self._shreds += 1  # who has just read the key remembers it no more
        return deleted

    def _remembered(self, owner: str) -> DataKey | None:
        with self._lock:
            held = self._held.get(owner)
        return held.key if held is not None and held.until > monotonic() else None

    def _held_over(self, owner: str, error: UnavailableError) -> DataKey:
        """Returns a key whose time is over, as its keeper is away; raises the error where that lasts too long."""
        with self._lock:
            held, now = self._held.get(owner), monotonic()
            if held is None or held.read + self._cache_s + self._outage_s <= now:
                raise error
            self._held[owner] = held._replace(until=now + _TRY_AGAIN_S)  # not every call waits for the keeper
        return held.key

    def _remember(self, owner: str, wrapped: bytes, shreds: int) -> DataKey:
        """Unwraps a key and remembers it, unless one was shredded since it was read."""
        try:
            secret = self._unwrap(wrapped[_ID_BYTES:])
        except Exception as error:
            reason = f"({type(error).__name__}): it is damaged, or the key management service is away"
            raise UnknownKeyError(f"the wrapped key of {owner!r} cannot be unwrapped {reason}") from error
        if not isinstance(secret, bytes) or len(secret) != SECRET_BYTES:
            raise ConfigError(f"unwrap did not give the {SECRET_BYTES} bytes that wrap was given")
        key = DataKey(wrapped[:_ID_BYTES].hex(), secret)
        with self._lock:
            if shreds == self._shreds:
                now = monotonic()
                self._held[owner] = _CachedKey(key, now + self._cache_s, now)
            if len(self._held) > _MOST_OWNERS:
                self._held.popitem(last=False)
        return key
