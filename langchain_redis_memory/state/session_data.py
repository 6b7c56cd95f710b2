"""`RedisSessionData`: values that an application keeps with a conversation, each with a lifetime of its own if need be.

They are one hash under the conversation's hash tag, with the time of each value's expire in the value itself and in a
sorted set, by which writes remove what is over. They live as long as the conversation and are deleted with it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from typing_extensions import Unpack

from langchain_redis_memory.errors import CorruptDataError, UnknownKeyError
from langchain_redis_memory.ops import Op, Reply
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.codec.values import pack, unpack
from langchain_redis_memory.redis.key_groups import Id, check_id
from langchain_redis_memory.redis.scripts import command, script
from langchain_redis_memory.redis.ttl import FromSettings, Lifetime, lifetime, milliseconds

_log = logging.getLogger(__name__)


class RedisSessionData(ClientOwner):
    """Keeps values by name with one conversation.

    Args:
        session_id: The conversation.
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        ttl_s: Lifetime in seconds (or a `timedelta`) while the conversation has no messages; then it lives as long as
            they do. None for no expiry. By default the settings' `history_ttl_s`.
        tenant: Whose data it is.
        agent: Which agent's conversation it is.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: An id is not acceptable.
        InvalidInputError: The lifetime is not positive.
        ConfigError: The URL cannot work.

    Example:
        ```python
        data = RedisSessionData("user-42", client)
        data.set("cart", ["A-17"])
        data.set("code", "1234", ttl_s=300)
        data.all()
        ```

    **Keys:** `data`, `data_expiries` of the conversation (`meta` is read).
    **Trips:** none to construct; each method says its own.
    """

    def __init__(
        self,
        session_id: Id,
        client: ClientLike = None,
        *,
        ttl_s: Lifetime | FromSettings = "settings",
        tenant: Id = "",
        agent: Id = "",
        **server: Unpack[ServerOptions],
    ) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._keys = self._client.keys(tenant).session(session_id, agent)
        self._ttl_ms = milliseconds(lifetime(ttl_s, self._client.settings.history_ttl_s))

    def set(self, key: str, value: Any, ttl_s: Lifetime = None) -> None:
        """Stores a value in the place of whatever is there under its name.

        Args:
            key: Its name: 1 to 1024 bytes of any text.
            value: Plain data (what `codec` takes): dicts, lists, texts, numbers, bytes, times, documents, messages.
            ttl_s: Its own lifetime in seconds; None for as long as the conversation.

        Raises:
            InvalidIdError: The name is not acceptable; nothing was sent.
            InvalidInputError: The lifetime is not positive; nothing was sent.
            UnserialisableError: The value cannot be stored; nothing was sent.

        **Keys:** `data`, `data_expiries`, `meta`.
        **Trips:** 1.
        """
        self._client.run(self._set(key, value, ttl_s))

    async def aset(self, key: str, value: Any, ttl_s: Lifetime = None) -> None:
        """Stores a value; see `set`."""
        await self._client.arun(self._set(key, value, ttl_s))

    def get(self, key: str, default: Any = None) -> Any:
        """Reads one value.

        Args:
            key: Its name.
            default: What to give where there is none, or where what is stored cannot be read (that is logged).

        Returns:
            The value.

        Raises:
            InvalidIdError: The name is not acceptable; nothing was sent.

        **Keys:** `data`.
        **Trips:** 1.
        """
        return self._client.run(self._get(key, default))

    async def aget(self, key: str, default: Any = None) -> Any:
        """Reads one value; see `get`."""
        return await self._client.arun(self._get(key, default))

    def op(self, key: str, default: Any = None) -> Op[Any]:
        """Returns what reads one value, to be sent along with other things in one round trip.

        Args:
            key: Its name.
            default: What is read where there is none.

        Returns:
            An op of one trip.

        Raises:
            InvalidIdError: The name is not acceptable.

        **Keys:** `data`.
        **Trips:** none.
        """
        return self._get(key, default)

    def all(self) -> dict[str, Any]:
        """Reads all values.

        Returns:
            Name -> value; what cannot be read is left out and logged.

        **Keys:** `data`.
        **Trips:** 1.
        """
        return self._client.run(self._read())

    async def aall(self) -> dict[str, Any]:
        """Reads all values; see `all`."""
        return await self._client.arun(self._read())

    def delete(self, key: str) -> bool:
        """Deletes a value.

        Args:
            key: Its name.

        Returns:
            Whether there was one.

        Raises:
            InvalidIdError: The name is not acceptable; nothing was sent.

        **Keys:** `data`, `data_expiries`.
        **Trips:** 1.
        """
        return self._client.run(self._delete(key))

    async def adelete(self, key: str) -> bool:
        """Deletes a value; see `delete`."""
        return await self._client.arun(self._delete(key))

    def clear(self) -> None:
        """Deletes all values; the conversation stays.

        **Keys:** `data`, `data_expiries`.
        **Trips:** 1.
        """
        self._client.run(self._clear())

    async def aclear(self) -> None:
        """Deletes all values; see `clear`."""
        await self._client.arun(self._clear())

    # --- ops ----------------------------------------------------------------------------------------------------------

    def _set(self, key: str, value: Any, ttl_s: Lifetime) -> Op[None]:
        keys = self._keys
        body = keys.data.encrypt(pack(value, "the value"), check_id(key, "key"))
        call = script("state/data_set")(
            (keys.data, keys.data_expiries, keys.meta), key, body, milliseconds(ttl_s), self._ttl_ms
        )
        return Op((call,), lambda _replies: None)

    def _read(self, *names: str) -> Op[dict[str, Any]]:
        place = self._keys.data

        def decode(replies: Sequence[Reply]) -> dict[str, Any]:
            values: dict[str, Any] = {}
            for name, body in zip(replies[0][::2], replies[0][1::2], strict=True):
                try:
                    values[name.decode()] = unpack(place.decrypt(body, name), place)
                except UnknownKeyError:
                    raise
                except (CorruptDataError, UnicodeDecodeError) as error:
                    _log.warning("a value of a session counts as absent: %s", error)
            return values

        return Op((script("state/data_read")((place,), *names),), decode)

    def _get(self, key: str, default: Any) -> Op[Any]:
        return self._read(check_id(key, "key")).map(lambda found: found.get(key, default))

    def _delete(self, key: str) -> Op[bool]:
        keys, name = self._keys, check_id(key, "key")
        commands = (command("HDEL", (keys.data,), name), command("ZREM", (keys.data_expiries,), name))
        return Op(commands, lambda replies: bool(replies[0]))

    def _clear(self) -> Op[None]:
        return Op((command("UNLINK", (self._keys.data, self._keys.data_expiries)),), lambda _replies: None)
