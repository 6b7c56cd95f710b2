"""The flows behind the JSON API of sessions: whose a conversation is, its title, what many of them are like."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from statistics import fmean, median, quantiles

from langchain_core.messages import BaseMessage

from langchain_redis_memory.admin.http.models import AnalyticsOut, DayOut, Durations, SessionOut, SessionsOut
from langchain_redis_memory.admin.survey import survey_flow
from langchain_redis_memory.cache import decision_log
from langchain_redis_memory.cache.decision_log import Decision
from langchain_redis_memory.history import session_index
from langchain_redis_memory.history.session_index import Session
from langchain_redis_memory.history.sessions import list_flow
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.operate.session_search import sessions_flow, title_of
from langchain_redis_memory.ops import Flow, Op, ask, merge
from langchain_redis_memory.redis import user_index
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.key_groups import mark_of, text_of
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.redis.user_index import UserData
from langchain_redis_memory.state.session_data import RedisSessionData

TITLE = "title"
"""The value of a session's data that is its title."""
MOST_SESSIONS, MOST_USERS = 5_000, 2_000
_FIRST, _AT_ONCE, _MOST_LINES = 4, 200, 10_000
_BUCKETS = (2, 4, 10, 20, 50, 100)


def title_op(client: Client, space: KeySpace, agent: str, name: str) -> Op[str]:
    """Reads the title of a conversation: as it was named, else the first words of its user.

    **Keys:** `data`, `messages`.
    **Trips:** none.
    """
    data = RedisSessionData(name, client, tenant=space.tenant, agent=agent)
    nothing: list[BaseMessage] = []
    first = Transcript(space, name, agent).head(_FIRST).optional(nothing)
    return merge(data.op(TITLE), first).map(lambda both: both[0] if isinstance(both[0], str) else title_of(both[1]))


def page_flow(
    client: Client, space: KeySpace, user: str | None, agent: str | None, search: str, limit: int, cursor: str | None
) -> Flow[SessionsOut]:
    """Reads a page of conversations with their titles.

    **Keys:** `sessions`, `expiries`, `user_data`; `messages`, `meta`, `data` of each conversation.
    **Trips:** 3; for all agents 1 more for each 1,000 keys of the server.
    """
    page = yield from sessions_flow(space, agent, user, search, content=bool(search), limit=limit, cursor=cursor)
    sessions = [match.session for match in page.matches]
    titles = yield from ask(merge(*(title_op(client, space, one.agent, one.session_id) for one in sessions)))
    rows = [SessionOut.of(one, title) for one, title in zip(sessions, titles, strict=True)]
    return SessionsOut(sessions=rows, cursor=page.cursor)


def theirs_op(space: KeySpace, user: str | None, agent: str, name: str) -> Op[Session | None]:
    """Reads what is known of a conversation; None where there is none, or it is somebody else's.

    **Keys:** `messages`, `meta`; `user_data`.
    **Trips:** none.
    """
    info = session_index.info(space, agent, name)
    if user is None:
        return info
    owned = user_index.holds(space, text_of(user, "user"), UserData("session", agent, name))
    return merge(owned, info).map(lambda both: both[1] if both[0] else None)


def analytics_flow(space: KeySpace, days: int) -> Flow[AnalyticsOut]:
    """Counts what conversations are like: a bounded number of them, the most recently active of each agent.

    **Keys:** the names of all; `sessions`, `messages`, `meta`, `user_data`, `decisions`.
    **Trips:** 3, 1 for each 1,000 keys of the server, and 2 for each 200 conversations.
    """
    survey = (yield from survey_flow(space, space.tenant_pattern())).tenants.get(space.tenant)
    sessions: list[Session] = []
    complete = True
    for agent in sorted(survey.agents) if survey else ():
        cursor = None
        while len(sessions) < MOST_SESSIONS:
            page = yield from list_flow(space, agent, _AT_ONCE, cursor)
            sessions, cursor = [*sessions, *page.sessions], page.cursor
            if cursor is None:
                break
        complete = complete and cursor is None
    users = sorted(survey.users)[:MOST_USERS] if survey else []
    nothing: list[UserData] = []
    stored = yield from ask(merge(*(user_index.stored(space, user).optional(nothing) for user in users)))
    owners = {
        (one.agent, one.name): user
        for user, data in zip(users, stored, strict=True)
        for one in data
        if one.kind == "session"
    }
    lines = yield from ask(decision_log.read(space.decisions(), _MOST_LINES))
    return AnalyticsOut(
        sessions=len(sessions),
        complete=complete and bool(survey is None or len(survey.users) <= MOST_USERS),
        users=len({owners[key] for one in sessions if (key := (one.agent, one.session_id)) in owners}),
        messages=sum(one.messages for one in sessions),
        turns=sum(one.turns for one in sessions),
        tokens=sum(one.tokens for one in sessions),
        messages_by_session=dict(_by_size(sessions)),
        durations=_durations(sessions),
        days=_days(sessions, owners, lines, days),
    )


def _by_size(sessions: Sequence[Session]) -> list[tuple[str, int]]:
    counts = Counter(next((most for most in _BUCKETS if one.messages <= most), None) for one in sessions)
    lows = (0, *(most + 1 for most in _BUCKETS))
    names = [f"{low}-{most}" for low, most in zip(lows, _BUCKETS, strict=False)]
    rows = [(name, counts[most]) for name, most in zip(names, _BUCKETS, strict=True)]
    return [*rows, (f"{_BUCKETS[-1] + 1}-", counts[None])]


def _durations(sessions: Sequence[Session]) -> Durations | None:
    lasted = [max(0.0, (one.last_active - one.created).total_seconds()) for one in sessions]
    if not lasted:
        return None
    high = quantiles(lasted, n=20, method="inclusive")[-1] if len(lasted) > 1 else lasted[0]
    return Durations(mean_s=fmean(lasted), median_s=median(lasted), p95_s=high)


def _days(
    sessions: Sequence[Session], owners: dict[tuple[str, str], str], lines: Sequence[Decision], most: int
) -> list[DayOut]:
    """Counts who was active on which day: from first and last activity, and from the turns in the log."""
    by_mark = {mark_of(one.session_id): (one.agent, one.session_id) for one in sessions}
    active: dict[date, set[tuple[str, str]]] = defaultdict(set)
    turns = Counter[date]()
    for one in sessions:
        for at in (one.created, one.last_active):
            active[at.date()].add((one.agent, one.session_id))
    for line in lines:
        key = by_mark.get(line.marks.session)
        if line.at is not None and key is not None and line.outcome in {"hit", "miss", "bypass"}:
            active[line.at.date()].add(key)
            turns[line.at.date()] += 1
    newest: datetime | None = max((one.last_active for one in sessions), default=None)
    first = (newest - timedelta(days=most - 1)).date() if newest else None
    return [
        DayOut(
            day=day,
            users=len({owners[key] for key in keys if key in owners}),
            sessions=len(keys),
            turns=turns[day],
        )
        for day, keys in sorted(active.items(), reverse=True)
        if first is not None and day >= first
    ]
