"""The conversations of one tenant: from a memory to its histories, data, states and profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_redis_memory.checks import check_type
from langchain_redis_memory.conversation.options import HistoryOptions
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.history.read_through import as_callback, check_scope
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.connect import ClientOwner

if TYPE_CHECKING:  # each is loaded when it is opened: a turn needs none of them
    from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
    from langchain_redis_memory.history.sessions import RedisSessions
    from langchain_redis_memory.state.agent_state import RedisAgentState
    from langchain_redis_memory.state.profile_extractors import Extractor
    from langchain_redis_memory.state.session_data import RedisSessionData
    from langchain_redis_memory.state.token_streams import RedisTokenStreams
    from langchain_redis_memory.state.user_profile import UserProfile


class Conversations(ClientOwner):
    """The conversations of a tenant, on one client and with one lifetime.

    Args:
        client: The client.
        ttl_s: Lifetime of a conversation in seconds.
        history: How they are kept.
        tenant: Whose they are.
        learn: Whether profiles of users are learned, or by which extractor.

    Raises:
        ConfigError: The loader or the writer cannot be called, or the options are something else.
        InvalidIdError: The tenant is not acceptable.
    """

    def __init__(
        self,
        client: Client,
        ttl_s: float | None,
        history: HistoryOptions,
        tenant: str,
        learn: bool | Extractor,
    ) -> None:
        check_type(history, HistoryOptions, "history", "HistoryOptions(...)", ConfigError)
        self._client = client
        self._client.keys(tenant)
        self._ttl_s = ttl_s
        self._max_messages = history.max_messages
        self._tenant = tenant
        self._loader = as_callback(history.loader, "load")
        self._writer = as_callback(history.writer, "write")
        self._learn = learn is not False
        self._extractor = None if isinstance(learn, bool) else learn

    @property
    def client(self) -> Client:
        """The client, which drives the flows and owns the background work."""
        return self._client

    def history(self, session_id: str, agent: str = "", tenant: str = "") -> RedisChatMessageHistory:
        """Opens the history of one conversation: its messages.

        Args:
            session_id: The conversation.
            agent: The agent.
            tenant: Whose conversation it is; "" for this memory's tenant.

        Returns:
            The history, on this memory's client.

        Raises:
            InvalidIdError: An id is not acceptable.
            ConfigError: The loader or the writer cannot tell the agent's or tenant's conversation from another's.
        """
        from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory

        check_scope(tenant, agent, self._loader, self._writer)
        return RedisChatMessageHistory(
            session_id,
            self.client,
            ttl_s=self._ttl_s,
            max_messages=self._max_messages,
            tenant=tenant or self._tenant,
            agent=agent,
            loader=self._loader,
            writer=self._writer,
        )

    def session(self, session_id: str, agent: str = "", tenant: str = "") -> RedisSessionData:
        """Opens the session data of one conversation: values that the application keeps with it.

        Args:
            session_id: The conversation.
            agent: The agent.
            tenant: Whose conversation it is; "" for this memory's tenant.

        Returns:
            The values, on this memory's client.

        Raises:
            InvalidIdError: An id is not acceptable.
        """
        from langchain_redis_memory.state.session_data import RedisSessionData

        whose = tenant or self._tenant
        return RedisSessionData(session_id, self.client, ttl_s=self._ttl_s, tenant=whose, agent=agent)

    def agent_state(self, agent: str = "", tenant: str = "") -> RedisAgentState[Any]:
        """Opens the state of an agent: a dict that all its conversations share.

        Args:
            agent: The agent.
            tenant: Whose agent it is; "" for this memory's tenant.

        Returns:
            The state, on this memory's client.

        Raises:
            InvalidIdError: An id is not acceptable.
        """
        from langchain_redis_memory.state.agent_state import RedisAgentState

        return RedisAgentState(agent, self.client, ttl_s=self._ttl_s, tenant=tenant or self._tenant)

    def profile(self, user: str, tenant: str = "") -> UserProfile:
        """Opens the profile of a user: what is known of them across conversations.

        Args:
            user: The user's id.
            tenant: Whose user it is; "" for this memory's tenant.

        Returns:
            The profile, on this memory's client.

        Raises:
            InvalidIdError: An id is not acceptable.
        """
        from langchain_redis_memory.state.user_profile import UserProfile

        return UserProfile(user, self.client, tenant=tenant or self._tenant, extractor=self._extractor)

    @property
    def streams(self) -> RedisTokenStreams:
        """The streams of tokens of this memory's tenant: a reader that was cut off goes on where it was."""
        from langchain_redis_memory.state.token_streams import RedisTokenStreams

        return RedisTokenStreams(self.client, tenant=self._tenant)

    def sessions(self, tenant: str = "") -> RedisSessions:
        """Opens the sessions of a tenant: its conversations, to list and to manage.

        Args:
            tenant: The tenant; "" for this memory's own.

        Returns:
            The sessions.

        Raises:
            InvalidIdError: The tenant is not acceptable.
        """
        from langchain_redis_memory.history.sessions import RedisSessions

        return RedisSessions(self.client, tenant=tenant or self._tenant)
