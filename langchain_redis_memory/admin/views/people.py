"""Users: who there is, and what is kept of one."""

from __future__ import annotations

from langchain_redis_memory.admin.page import Page
from langchain_redis_memory.admin.visit import Visit
from langchain_redis_memory.history import session_index
from langchain_redis_memory.operate.users import RedisUsers
from langchain_redis_memory.ops import merge
from langchain_redis_memory.redis.user_index import UserData
from langchain_redis_memory.state.user_profile import UserProfile

_MOST_SHOWN = 200


async def users(visit: Visit) -> Page:
    """Lists the users of whom something is kept."""
    survey = await visit.survey()
    search = visit.query.get("search", "").casefold()
    names = sorted(name for name in survey.users if search in name.casefold())
    return Page("users.html", "Users", {"users": names[:500], "count": len(names), "search": search})


async def user(visit: Visit) -> Page:
    """Shows what is kept of a user: conversations, threads, and facts with the words that they rest on."""
    name = visit.asked("id")
    data = await RedisUsers(visit.client, tenant=visit.tenant).adata(name)
    sessions = [one for one in reversed(data) if one.kind == "session"]
    reads = (session_index.info(visit.space, one.agent, one.name).optional(None) for one in sessions[:_MOST_SHOWN])
    infos = await visit.run(merge(*reads))
    shown = {
        "user": name,
        "sessions": [one for one in infos if one is not None],
        "more": len(sessions) > _MOST_SHOWN,
        "threads": _names(data)[:_MOST_SHOWN],
        "further": max(0, len(_names(data)) - _MOST_SHOWN),
        "facts": await UserProfile(name, visit.client, tenant=visit.tenant).afacts(),
    }
    return Page("user.html", f"User {name}", shown)


def _names(data: list[UserData]) -> list[str]:
    return [one.name for one in reversed(data) if one.kind == "thread"]
