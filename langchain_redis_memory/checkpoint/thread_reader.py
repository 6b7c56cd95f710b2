"""What a saver offers to the application around a graph: a user's threads, their messages and lifetime."""

from __future__ import annotations

from langchain_core.messages import BaseMessage

from langchain_redis_memory.checkpoint.adoption import ThreadAdoption
from langchain_redis_memory.checkpoint.flows import SaverFlows
from langchain_redis_memory.checkpoint.thread_list import ThreadPage
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.key_groups import Id


class ThreadReader:
    """Reads and keeps threads for people; a part of `RedisSaver`.

    **Keys:** those of `RedisSaver`.
    **Trips:** each method says its own.
    """

    _client: Client
    _flows: SaverFlows
    _adoption: ThreadAdoption

    def threads(self, user: Id, limit: int = 20, cursor: str | None = None) -> ThreadPage:
        """Lists a user's threads, for the sidebar of a chat application.

        Args:
            user: The user that the graph's config named when the threads were written (`configurable.user_id`,
                `metadata.user_id` or LangGraph's authenticated user).
            limit: Most threads of a page, at most 200.
            cursor: The cursor of the page before; None for the first.

        Returns:
            The page. A thread that cannot be read is left out.

        Raises:
            InvalidIdError: The user is not acceptable.
            InvalidInputError: The limit or the cursor is none.

        **Keys:** `user_data`; `checkpoints`, `order`, `blobs`, `writes` of the threads.
        **Trips:** 2.
        """
        return self._client.drive(self._flows.threads_flow(user, limit, cursor))

    async def athreads(self, user: Id, limit: int = 20, cursor: str | None = None) -> ThreadPage:
        """Lists a user's threads; see `threads`."""
        return await self._client.adrive(self._flows.threads_flow(user, limit, cursor))

    def messages(self, thread_id: Id, user: Id = "") -> list[BaseMessage]:
        """Reads the messages of a thread's newest state (its channel `messages`), without a graph.

        Args:
            thread_id: The thread.
            user: Who asks, where the saver's threads have owners.

        Returns:
            The messages; none where the thread does not exist or has no such channel.

        Raises:
            InvalidInputError: The id is not acceptable.
            NotOwnerError: The thread is another user's.
            EvictedError: The server lost a part of the thread.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes`.
        **Trips:** 1.
        """
        return self._client.drive(self._adoption.messages_flow(self._flows, str(thread_id), user))

    async def amessages(self, thread_id: Id, user: Id = "") -> list[BaseMessage]:
        """Reads the messages of a thread's newest state; see `messages`."""
        return await self._client.adrive(self._adoption.messages_flow(self._flows, str(thread_id), user))

    def persist(self, thread_id: str, *, user: Id = "") -> bool:
        """Pins a thread: it lives until it is deleted, and its users' index as long.

        Args:
            thread_id: The thread.
            user: Who asks, where the saver's threads have owners; "" for the operator of the application.

        Returns:
            Whether it exists.

        Raises:
            NotOwnerError: The thread is another user's.

        **Keys:** `checkpoints`, `order`, `blobs`, `writes`; `threads`, `thread_expiries`; `thread_users`, `user_data`.
        **Trips:** 1, and 1 where it is a user's; 1 where a user asks.
        """
        return self._client.drive(self._flows.owned_flow(user, [thread_id], self._flows.persist_flow(thread_id)))

    async def apersist(self, thread_id: str, *, user: Id = "") -> bool:
        """Pins a thread; see `persist`."""
        return await self._client.adrive(self._flows.owned_flow(user, [thread_id], self._flows.persist_flow(thread_id)))
