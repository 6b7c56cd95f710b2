"""`RedisSessions`: lists and deletes the conversations of each agent of a tenant.

Listing reads the agent's index and checks every entry against its conversation, so a session that has expired is never
reported; its entry is removed in passing. No key is ever searched for by pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import Unpack

from langchain_redis_memory.checks import check_whole
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.history import session_index
from langchain_redis_memory.history.outbox import deleting_flow
from langchain_redis_memory.history.session_index import Session
from langchain_redis_memory.ops import Flow, ask, merge
from langchain_redis_memory.redis.client.connect import ClientLike, ClientOwner, ServerOptions, connect
from langchain_redis_memory.redis.client.outboxes import Outboxes
from langchain_redis_memory.redis.key_groups import Id
from langchain_redis_memory.redis.keys import KeySpace


@dataclass(frozen=True)
class SessionPage:
    """A page of sessions.

    Args:
        sessions: Most recently active first.
        cursor: What to pass on for the next page; None after the last.
    """

    sessions: list[Session]
    cursor: str | None


class RedisSessions(ClientOwner):
    """The sessions of a tenant.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        tenant: Whose sessions.
        **server: `redis_url`, `url` or `redis_client` instead of `client`.

    Raises:
        InvalidIdError: The tenant is not acceptable.
        ConfigError: The URL cannot work.

    **Keys:** `sessions`, `expiries` of an agent; `messages`, `ids`, `meta` of its conversations.
    **Trips:** none to construct; each method says its own.
    """

    def __init__(self, client: ClientLike = None, *, tenant: Id = "", **server: Unpack[ServerOptions]) -> None:
        self._client = connect(client, owner=type(self), **server)
        self._space = self._client.keys(tenant)

    def list_sessions(self, agent: str = "", *, limit: int = 100, cursor: str | None = None) -> SessionPage:
        """Reads one page of an agent's sessions, most recently active first.

        Args:
            agent: The agent.
            limit: Most entries of the index looked at, 1 to 1000; a page is shorter where some have expired.
            cursor: The previous page's; None for the first page.

        Returns:
            The page.

        Raises:
            InvalidInputError: The limit or the cursor is not acceptable.

        **Keys:** `sessions`, `expiries`; `messages`, `meta` of each session.
        **Trips:** 2, 1 for an agent without sessions, 3 where some had expired.
        """
        return self._client.drive(list_flow(self._space, agent, limit, cursor))

    async def alist_sessions(self, agent: str = "", *, limit: int = 100, cursor: str | None = None) -> SessionPage:
        """Reads one page of an agent's sessions; see `list_sessions`."""
        return await self._client.adrive(list_flow(self._space, agent, limit, cursor))

    def get(self, session_id: str, agent: str = "") -> Session | None:
        """Reads what is known of one session.

        Args:
            session_id: The session.
            agent: The agent.

        Returns:
            The session, None where it does not exist.

        **Keys:** `messages`, `meta`.
        **Trips:** 1.
        """
        return self._client.run(session_index.info(self._space, agent, session_id))

    async def aget(self, session_id: str, agent: str = "") -> Session | None:
        """Reads what is known of one session; see `get`."""
        return await self._client.arun(session_index.info(self._space, agent, session_id))

    def erase(self, session_id: str, agent: str = "") -> bool:
        """Deletes everything that is stored of a session, and what the log of turns says of conversations of its name.

        Args:
            session_id: The session.
            agent: The agent.

        Returns:
            Whether there was anything.

        **Keys:** `messages`, `ids`, `meta`, `state`, `data`, `data_expiries`, `tokens`, `stopped_runs`; `sessions`,
            `expiries`; `decisions`.
        **Trips:** 1.
        """
        return bool(self._client.drive(erase_flow(self._client.outboxes, self._space, agent, [session_id])))

    async def aerase(self, session_id: str, agent: str = "") -> bool:
        """Deletes everything that is stored of a session; see `erase`."""
        return bool(await self._client.adrive(erase_flow(self._client.outboxes, self._space, agent, [session_id])))

    def clear_agent(self, agent: str = "") -> int:
        """Deletes all sessions of an agent; its own state stays, which `RedisUsers.erase_agent` removes as well.

        Args:
            agent: The agent.

        Returns:
            How many sessions were deleted.

        **Keys:** `sessions`, `expiries`; `messages`, `ids`, `meta` of each session; `decisions`.
        **Trips:** 2 for each 500 sessions, and 1.
        """
        return self._client.drive(_clear_flow(self._client.outboxes, self._space, agent))

    async def aclear_agent(self, agent: str = "") -> int:
        """Deletes all sessions of an agent; see `clear_agent`."""
        return await self._client.adrive(_clear_flow(self._client.outboxes, self._space, agent))


def list_flow(space: KeySpace, agent: str, limit: int, cursor: str | None) -> Flow[SessionPage]:
    """Lists a page of an agent's sessions; see `RedisSessions.list_sessions`."""
    check_whole(limit, "limit", 1, 1000)
    highest, skip = _parse_cursor(cursor)
    entries = yield from ask(session_index.page(space, agent, limit, highest, skip))
    if not entries:
        return SessionPage([], None)
    # A conversation that something else has written over cannot be shown; it must not hide the others.
    infos = yield from ask(merge(*(session_index.info(space, agent, e.session_id).optional(False) for e in entries)))
    expired = [entry.session_id for entry, session in zip(entries, infos, strict=True) if session is None]
    if expired:
        yield from ask(session_index.forget(space, agent, expired))
    sessions = [session for session in infos if isinstance(session, Session)]
    if len(entries) < limit:
        return SessionPage(sessions, None)
    # Entries of one millisecond share a score, so the next page starts at that score and skips those already given.
    last = entries[-1].active_ms
    given = sum(entry.active_ms == last and entry.session_id not in expired for entry in entries)
    return SessionPage(sessions, f"{last}-{given + (skip if highest == str(last) else 0)}")


def _parse_cursor(cursor: str | None) -> tuple[str, int]:
    if cursor is None:
        return "+inf", 0
    highest, dash, skip = cursor.partition("-") if isinstance(cursor, str) else ("", "", "")
    if not (dash and highest.isdigit() and skip.isdigit()):
        raise InvalidInputError(f"cursor must be the one that list_sessions gave, got {cursor!r}")
    return highest, int(skip)


def erase_flow(outboxes: Outboxes, space: KeySpace, agent: str, session_ids: Sequence[str]) -> Flow[int]:
    """Deletes everything that is stored of sessions, and what waits of them; the result is how many there were."""
    keys = [space.session(session_id, agent).messages for session_id in session_ids]
    return deleting_flow(outboxes, keys, session_index.erase(space, agent, session_ids))


def _clear_flow(outboxes: Outboxes, space: KeySpace, agent: str) -> Flow[int]:
    cleared = 0
    while True:
        entries = yield from ask(session_index.page(space, agent, 500, "+inf", 0))
        if not entries:
            return cleared
        cleared += yield from erase_flow(outboxes, space, agent, [entry.session_id for entry in entries])
