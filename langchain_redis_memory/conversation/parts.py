"""The conversations of one tenant: the way from a `ConversationMemory` to the parts that it keeps."""

from __future__ import annotations

from typing import Any

from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.read_through import as_callback, check_scope
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.redis.client.client import Client, as_client
from langchain_redis_memory.state.agent_state import RedisAgentState
from langchain_redis_memory.state.profile_extractors import Extractor
from langchain_redis_memory.state.session_data import RedisSessionData
from langchain_redis_memory.state.user_profile import UserProfile


class Conversations:
    """The conversations of a tenant, on one client and with one lifetime.

    Args:
        client: A `Client`, a URL, or None.
        ttl_s: Lifetime of a conversation in seconds.
        max_messages: Most messages kept of one.
        tenant: Whose they are.
        loader: Where conversations come from that Redis does not have.
        writer: Where messages are mirrored to.
        learn: Whether something is learned of users, or by which extractor.

    Raises:
        ConfigError: The URL cannot work, or the loader or the writer cannot be called.
        InvalidIdError: The tenant is not acceptable.
    """

    def __init__(
        self,
        client: Client | str | None,
        ttl_s: float | None,
        max_messages: int | None,
        tenant: str,
        loader: Any,
        writer: Any,
        learn: bool | Extractor,
    ) -> None:
        self.client = as_client(client)
        self.client.keys(tenant)
        self._ttl_s = ttl_s
        self._max_messages = max_messages
        self._tenant = tenant
        self._loader = as_callback(loader, "load")
        self._writer = as_callback(writer, "write")
        self._learn = learn is not False
        self._extractor = None if isinstance(learn, bool) else learn

    def history(self, session_id: str, agent: str = "") -> RedisChatMessageHistory:
        """The messages of one conversation.

        Args:
            session_id: The conversation.
            agent: The agent.

        Returns:
            The history, on this memory's client and tenant.

        Raises:
            InvalidIdError: An id is not acceptable.
            ConfigError: The loader or the writer cannot tell the agent's conversation from another's.

        **Keys:** none.
        **Trips:** none.
        """
        check_scope("", agent, self._loader, self._writer)
        return RedisChatMessageHistory(
            session_id,
            self.client,
            ttl_s=self._ttl_s,
            max_messages=self._max_messages,
            tenant=self._tenant,
            agent=agent,
            loader=self._loader,
            writer=self._writer,
        )

    def session(self, session_id: str, agent: str = "") -> RedisSessionData:
        """The values that the application keeps with one conversation.

        Args:
            session_id: The conversation.
            agent: The agent.

        Returns:
            The values, on this memory's client and tenant.

        **Keys:** none.
        **Trips:** none.
        """
        return RedisSessionData(session_id, self.client, ttl_s=self._ttl_s, tenant=self._tenant, agent=agent)

    def agent_state(self, agent: str = "") -> RedisAgentState[Any]:
        """What an agent knows across its conversations, as a dict.

        Args:
            agent: The agent.

        Returns:
            The state, on this memory's client and tenant.

        **Keys:** none.
        **Trips:** none.
        """
        return RedisAgentState(agent, self.client, ttl_s=self._ttl_s, tenant=self._tenant)

    def profile(self, user: str, tenant: str = "") -> UserProfile:
        """What is known of a user across conversations.

        Args:
            user: The user's id.
            tenant: Whose user it is; "" for this memory's tenant.

        Returns:
            The profile, on this memory's client.

        Raises:
            InvalidIdError: An id is not acceptable.

        **Keys:** none.
        **Trips:** none.
        """
        return UserProfile(user, self.client, tenant=tenant or self._tenant, extractor=self._extractor)

    def sessions(self) -> RedisSessions:
        """The conversations of this memory's tenant.

        Returns:
            The sessions.

        **Keys:** none.
        **Trips:** none.
        """
        return RedisSessions(self.client, tenant=self._tenant)
