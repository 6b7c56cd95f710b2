"""The lifetime of a conversation: all of its keys expire together."""

from __future__ import annotations

from langchain_redis_memory.history.flows import HistoryFlows
from langchain_redis_memory.redis.client.connect import ClientOwner
from langchain_redis_memory.redis.ttl import Lifetime


class ConversationLifetime(ClientOwner):
    """The methods of a history that read and set when it expires.

    **Keys:** all keys of the conversation; `sessions`, `expiries`.
    **Trips:** each method says its own.
    """

    _flows: HistoryFlows

    def extend_ttl(self, ttl_s: Lifetime = None) -> bool:
        """Sets the lifetime of all of the conversation's keys from now; unpins a pinned one.

        Args:
            ttl_s: Seconds; None for the history's own `ttl_s`.

        Returns:
            Whether the conversation exists.

        Raises:
            InvalidInputError: The number is not positive, or there is none (use `persist` to pin).

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`; `session_users`, `user_data`.
        **Trips:** 1, and 1 where it is a user's that this history does not name.
        """
        return self._client.drive(self._flows.extend_ttl_flow(ttl_s))

    async def aextend_ttl(self, ttl_s: Lifetime = None) -> bool:
        """Sets the lifetime of all of the conversation's keys from now; see `extend_ttl`."""
        return await self._client.adrive(self._flows.extend_ttl_flow(ttl_s))

    def persist(self) -> bool:
        """Pins the conversation: it lives until it is cleared or `extend_ttl` gives it a lifetime.

        Returns:
            Whether the conversation exists.

        **Keys:** `messages`, `ids`, `meta`; `sessions`, `expiries`; `session_users`, `user_data`.
        **Trips:** 1, and 1 where it is a user's that this history does not name.
        """
        return self._client.drive(self._flows.persist_flow())

    async def apersist(self) -> bool:
        """Pins the conversation; see `persist`."""
        return await self._client.adrive(self._flows.persist_flow())

    def ttl(self) -> float | None:
        """Reads the remaining lifetime of the conversation.

        Returns:
            Seconds; None where it is pinned; 0.0 where nothing is stored.

        **Keys:** `messages`, `meta`.
        **Trips:** 1.
        """
        return self._client.run(self._flows.ttl())

    async def attl(self) -> float | None:
        """Reads the remaining lifetime of the conversation; see `ttl`."""
        return await self._client.arun(self._flows.ttl())
