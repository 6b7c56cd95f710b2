"""The conversations of a tenant, of all its agents or of a user, with search; without a look at what was said unless
that is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from langchain_core.messages import BaseMessage

from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.history import session_index
from langchain_redis_memory.history.session_index import Session
from langchain_redis_memory.history.sessions import list_flow
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.ops import Flow, Op, ask, merge
from langchain_redis_memory.redis import user_index
from langchain_redis_memory.redis.key_parts import parse_key
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.nodes import KeyScan

_LONGEST_TITLE = 80


@dataclass(frozen=True)
class SessionMatch:
    """A conversation that was found.

    Args:
        session: What is known of it.
        title: The first words of its first user message; "" where content was not asked for.
    """

    session: Session
    title: str = ""


@dataclass(frozen=True)
class SessionMatches:
    """A page of what a search found.

    Args:
        matches: Agent by agent, most recently active first. There may be few or none though more pages follow.
        cursor: What to pass on for the next page; None after the last.
    """

    matches: Sequence[SessionMatch]
    cursor: str | None


def agents_flow(space: KeySpace) -> Flow[list[str]]:
    """Finds the agents of a tenant that have conversations. Returns their names, in order; "" is the default agent.

    **Keys:** `sessions` of each agent.
    **Trips:** 1, and 1 for each 1,000 keys of the server.
    """
    scan, agents = KeyScan(space, f"{space.tenant_prefix()}*/}}:sessions"), set[str]()
    while not scan.ended:
        parts = [parse_key(name, space.prefix) for name in (yield from scan.page_flow())]
        agents |= {one.agent for one in parts if one is not None}
    return sorted(agents)


def sessions_flow(
    space: KeySpace, agent: str | None, user: str | None, search: str, content: bool, limit: int, cursor: str | None
) -> Flow[SessionMatches]:
    """Lists conversations; see `RedisOperations.sessions`."""
    if user is not None:
        sessions, following = yield from _of_user_flow(space, user, limit, cursor)
    else:
        sessions, following = yield from _of_agents_flow(space, agent, limit, cursor)
    if agent is not None:
        sessions = [session for session in sessions if session.agent == agent]
    wanted = search.casefold()
    if not content:
        named = [SessionMatch(one) for one in sessions if wanted in f"{one.agent} {one.session_id}".casefold()]
        return SessionMatches(tuple(named), following)
    said = yield from ask(merge(*(_said(space, one) for one in sessions)))
    matches = [
        SessionMatch(one, title_of(messages))
        for one, messages in zip(sessions, said, strict=True)
        if wanted in "\n".join([one.agent, one.session_id, *(str(message.text) for message in messages)]).casefold()
    ]
    return SessionMatches(tuple(matches), following)


def _said(space: KeySpace, session: Session) -> Op[list[BaseMessage]]:
    return Transcript(space, session.session_id, session.agent).read()


def title_of(messages: Sequence[BaseMessage]) -> str:
    """Returns the first words of the first user message, "" where there is none."""
    words = next((" ".join(str(one.text).split()) for one in messages if one.type == "human"), "")
    return words if len(words) <= _LONGEST_TITLE else words[: _LONGEST_TITLE - 1].rstrip() + "\u2026"


def _of_user_flow(space: KeySpace, user: str, limit: int, cursor: str | None) -> Flow[tuple[list[Session], str | None]]:
    if not (cursor is None or cursor.isdigit()):
        raise _wrong(cursor)
    start = int(cursor or 0)
    page = yield from ask(user_index.newest(space, user, start, limit))
    infos = [session_index.info(space, one.agent, one.name) for one in page if one.kind == "session"]
    known = yield from ask(merge(*(one.optional(None) for one in infos)))
    sessions = [one for one in known if one is not None]
    return sessions, str(start + limit) if len(page) == limit else None


def _of_agents_flow(
    space: KeySpace, agent: str | None, limit: int, cursor: str | None
) -> Flow[tuple[list[Session], str | None]]:
    """Reads a page of the agent that the cursor names; the other agents are looked for when it has no more."""
    name, slash, at = (cursor or "").partition("/")
    if cursor is not None and not slash:
        raise _wrong(cursor)
    current = unquote(name) if agent is None else agent
    page = yield from list_flow(space, current, limit, at or None)
    left = [] if agent is not None or page.cursor else [one for one in (yield from agents_flow(space)) if one > current]
    while left and not page.sessions:
        current = left.pop(0)
        page = yield from list_flow(space, current, limit, None)
    if page.cursor is not None:
        return page.sessions, f"{quote(current, safe='')}/{page.cursor}"
    return page.sessions, f"{quote(left[0], safe='')}/" if left else None


def _wrong(cursor: str) -> InvalidInputError:
    return InvalidInputError(f"cursor must be the one that the page before gave, got {cursor!r}")
