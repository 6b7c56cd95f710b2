"""Session index: sorted sets of an agent's conversations, updated with every write.

The index lives under another hash tag than the conversation, so its update is a command of its own in the same trip.
It is sent first: the index may hold a session that does not exist (any more), never miss one that does, so every
reader checks each entry against the conversation itself.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from langchain_redis_memory.errors import ServerError
from langchain_redis_memory.ops import Op, Reply, merge
from langchain_redis_memory.redis.codec.version import VERSION, check_version
from langchain_redis_memory.redis.key_groups import check_id, mark_of
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.replies import pairs
from langchain_redis_memory.redis.scripts import command, script

_log = logging.getLogger(__name__)


class Session(NamedTuple):
    """Describes one conversation, as the index lists it.

    Args:
        session_id: Its id.
        agent: The agent it belongs to.
        created: When its first message was stored (UTC, the server's clock).
        last_active: When it was last written to (UTC, the server's clock).
        messages: How many messages are stored.
        turns: How many user messages it has had, trimmed ones included.
        tokens: Approximate tokens of the stored messages.
        ttl_s: Seconds that it still lives, None where it is pinned.
    """

    session_id: str
    agent: str
    created: datetime
    last_active: datetime
    messages: int
    turns: int
    tokens: int
    ttl_s: float | None


class IndexEntry(NamedTuple):
    """A session id of the index with its place, not yet checked."""

    session_id: str
    active_ms: int


def _member(session_id: str) -> bytes:
    return VERSION + check_id(session_id, "session_id").encode()


def touch(space: KeySpace, agent: str, session_id: str, ttl_ms: int, how: str) -> Op[None]:
    """Notes that a session is alive; `how` is "write", "read", "set" or "pin", see `session_touch.lua`.

    An op of one trip. An index that the server refuses to update is logged: it is no reason to call a conversation that
    has been stored unstored.
    """
    keys = space.index(agent)
    call = script("history/session_touch")((keys.sessions, keys.expiries), _member(session_id), ttl_ms, how)

    def read(replies: Sequence[Reply]) -> None:
        if isinstance(replies[0], ServerError):
            _log.warning("session %r is not noted in its agent's index: %s", session_id, replies[0])

    return Op((call,), read, tolerant=True)


def forget(space: KeySpace, agent: str, session_ids: Sequence[str]) -> Op[None]:
    """Takes sessions out of the index. An op of one trip, of none for no sessions."""
    if not session_ids:
        return Op((), lambda _replies: None)
    keys = space.index(agent)
    members = [_member(session_id) for session_id in session_ids]
    commands = (command("ZREM", (keys.sessions,), *members), command("ZREM", (keys.expiries,), *members))
    return Op(commands, lambda _replies: None)


def page(space: KeySpace, agent: str, limit: int, highest: str, skip: int) -> Op[list[IndexEntry]]:
    """Reads a page of the index, most recently active first, from the activity `highest` (ms or "+inf") on."""
    key = space.index(agent).sessions

    def read(replies: Sequence[Reply]) -> list[IndexEntry]:
        return [IndexEntry(check_version(member, key).decode(), int(at)) for member, at in pairs(replies[0])]

    return Op((script("history/session_page")((key,), highest, skip, limit),), read)


def info(space: KeySpace, agent: str, session_id: str) -> Op[Session | None]:
    """Reads what is known of a conversation. An op of one trip: the session, or None where it has expired."""
    keys = space.session(session_id, agent)

    def read(replies: Sequence[Reply]) -> Session | None:
        found = replies[0]
        if found is None:
            return None
        created, active, turns, tokens, messages, ttl_ms = (int(value) for value in found)
        return Session(
            session_id=session_id,
            agent=agent,
            created=datetime.fromtimestamp(created / 1000, timezone.utc),
            last_active=datetime.fromtimestamp(active / 1000, timezone.utc),
            messages=messages,
            turns=turns,
            tokens=tokens,
            ttl_s=None if ttl_ms < 0 else ttl_ms / 1000,
        )

    return Op((script("history/session_info")((keys.messages, keys.meta)),), read)


def keys_of(space: KeySpace, agent: str, session_id: str) -> tuple[str, ...]:
    """Lists all keys of a conversation."""
    session, stream = space.session(session_id, agent), space.stream(session_id, agent)
    return (*session.all(), *stream.all(), space.session_users(session_id, agent))


def erase(space: KeySpace, agent: str, session_ids: Sequence[str]) -> Op[int]:
    """Deletes conversations, every kind of key they have, and their lines in the index and in the log of turns.

    An op of one trip: how many of them existed.
    """
    if not session_ids:
        return Op((), lambda _replies: 0)
    gone = forget(space, agent, session_ids)
    unlinks = tuple(command("UNLINK", keys_of(space, agent, session_id)) for session_id in session_ids)
    erased = Op((*unlinks, *gone.commands), lambda replies: sum(bool(reply) for reply in replies[: len(unlinks)]))
    log = space.decisions()
    call = script("history/log_forget")((log,), *(log.blind(mark_of(session_id)) for session_id in session_ids))
    logged = Op((call,), lambda _replies: None).optional(None)  # what something else wrote there stops no erasing
    return merge(erased, logged).map(lambda done: done[0])
