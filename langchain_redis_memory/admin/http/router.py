"""`sessions_router`: the conversations of a user as a JSON API, to mount in an application.

Whose conversations somebody sees is decided by the application's `auth`: those of one user, or all of a tenant. One of
somebody else is answered as one that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.routing import APIRoute

from langchain_redis_memory.admin.http.flows import TITLE, analytics_flow, page_flow, theirs_op, title_op
from langchain_redis_memory.admin.http.models import (
    AnalyticsOut,
    Change,
    Extension,
    MessageOut,
    MessagesOut,
    Problem,
    SessionOut,
    SessionsOut,
)
from langchain_redis_memory.admin.lifetime import keep_flow
from langchain_redis_memory.errors import ConfigError, InvalidInputError, UnavailableError
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.session_index import Session
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.ops import merge
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.client.connect import ClientLike, connect
from langchain_redis_memory.redis.keys import KeySpace
from langchain_redis_memory.state.session_data import RedisSessionData


@dataclass(frozen=True)
class SessionAccess:
    """Says whose conversations a request may see.

    Args:
        user: The user's alone; None for all of the tenant, for a service or for staff.
        tenant: Whose data it is.
    """

    user: str | None
    tenant: str = ""

    def __post_init__(self) -> None:
        if self.user == "":
            raise ConfigError("a SessionAccess names a user, or says user=None for all conversations of the tenant")


Agent = Annotated[str, Query(description='The agent; "" for the default one.', max_length=1024)]
Cursor = Annotated[str | None, Query(description="The page's before; none for the first page.", max_length=4096)]
Limit = Annotated[int, Query(ge=1, le=100, description="How many conversations are looked at.")]
Search = Annotated[str, Query(description="What the id or the messages must hold, in any case.", max_length=200)]
OneAgent = Annotated[str | None, Query(description="Only this agent's conversations.", max_length=1024)]
Newest = Annotated[int, Query(ge=1, le=1000, description="How many messages, the newest ones.")]
Days = Annotated[int, Query(ge=1, le=366, description="How many days back from the newest activity.")]

_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "An id or a cursor is not acceptable."},
    404: {"model": Problem, "description": "There is no such conversation."},
    503: {"model": Problem, "description": "The server cannot be reached."},
}


class _Route(APIRoute):
    """A route that answers what this package refuses with a status."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except InvalidInputError as error:
                raise HTTPException(400, str(error)) from None
            except UnavailableError:
                raise HTTPException(503, "the server cannot be reached") from None

        return handle


def sessions_router(client: ClientLike = None, *, auth: Callable[..., Any]) -> APIRouter:
    """Makes the JSON API of sessions, for `app.include_router(sessions_router(...), prefix="/api")`.

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        auth: A dependency, as for `fastapi.Depends`, that finds out who asks and returns a `SessionAccess`. It refuses
            by an `HTTPException`.

    Returns:
        The router: `GET /sessions`, `GET`, `PATCH` and `DELETE /sessions/{session_id}`, `GET .../messages`,
        `POST .../extend`, and `GET /session-analytics`.

    Raises:
        ConfigError: `auth` is nothing that could be called, or the URL cannot work.

    Example:
        ```python
        def own(user: str = Depends(current_user)) -> SessionAccess:
            return SessionAccess(user, tenant="acme")

        app.include_router(sessions_router(client, auth=own), prefix="/api")
        ```

    **Keys:** `sessions`, `expiries`, `user_data`; all keys of a conversation.
    **Trips:** those of each endpoint: 1 to 4.
    """
    if not callable(auth):
        msg = "auth must be a dependency that returns a SessionAccess: the API does not sign anybody in by itself"
        raise ConfigError(msg)
    connected = connect(client)

    def allowed(access: Any = Depends(auth)) -> _Api:  # noqa: B008 - FastAPI's way
        if not isinstance(access, SessionAccess):
            raise ConfigError(f"auth must return a SessionAccess, not {type(access).__name__}")
        return _Api(connected, access, connected.keys(access.tenant))

    router = APIRouter(route_class=_Route, tags=["sessions"])
    api: Any = Depends(allowed)

    @router.get("/sessions", responses=_some(400, 503))
    async def list_sessions(
        agent: OneAgent = None, search: Search = "", limit: Limit = 25, cursor: Cursor = None, api: _Api = api
    ) -> SessionsOut:
        """List conversations, most recently active first."""
        return await api.page(agent, search, limit, cursor)

    @router.get("/session-analytics", responses={**_some(503), 403: {"model": Problem, "description": "Of a user."}})
    async def analytics(days: Days = 30, api: _Api = api) -> AnalyticsOut:
        """Durations, numbers of messages, and who was active on which day; not for a single user."""
        return await api.analytics(days)

    @router.get("/sessions/{session_id:path}/messages", responses=_some(400, 404, 503))
    async def get_messages(session_id: str, agent: Agent = "", limit: Newest = 100, api: _Api = api) -> MessagesOut:
        """Read the newest messages of a conversation."""
        return await api.messages(session_id, agent, limit)

    @router.post("/sessions/{session_id:path}/extend", responses=_some(400, 404, 503))
    async def extend_session(session_id: str, change: Extension, agent: Agent = "", api: _Api = api) -> SessionOut:
        """Keep a conversation for so long from now, or for ever."""
        return await api.extend(session_id, agent, change.ttl_s)

    @router.get("/sessions/{session_id:path}", responses=_some(400, 404, 503))
    async def get_session(session_id: str, agent: Agent = "", api: _Api = api) -> SessionOut:
        """Read what is known of a conversation."""
        return await api.get(session_id, agent)

    @router.patch("/sessions/{session_id:path}", responses=_some(400, 404, 503))
    async def rename_session(session_id: str, change: Change, agent: Agent = "", api: _Api = api) -> SessionOut:
        """Give a conversation a title."""
        return await api.rename(session_id, agent, change.title)

    @router.delete("/sessions/{session_id:path}", status_code=204, responses=_some(400, 404, 503))
    async def delete_session(session_id: str, agent: Agent = "", api: _Api = api) -> None:
        """Delete everything that is stored of a conversation."""
        await api.delete(session_id, agent)

    return router


def _some(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: _REFUSED[status] for status in statuses}


@dataclass(frozen=True)
class _Api:
    """The client, the rights and the tenant of one request."""

    client: Client
    access: SessionAccess
    space: KeySpace

    async def page(self, agent: str | None, search: str, limit: int, cursor: str | None) -> SessionsOut:
        flow = page_flow(self.client, self.space, self.access.user, agent, search, limit, cursor)
        return await self.client.adrive(flow)

    async def analytics(self, days: int) -> AnalyticsOut:
        if self.access.user is not None:
            raise HTTPException(403, "analytics are of all users of the tenant")
        return await self.client.adrive(analytics_flow(self.space, days))

    async def get(self, name: str, agent: str) -> SessionOut:
        info = theirs_op(self.space, self.access.user, agent, name)
        session, title = await self.client.arun(merge(info, title_op(self.client, self.space, agent, name)))
        return SessionOut.of(_there(session), title)

    async def messages(self, name: str, agent: str, limit: int) -> MessagesOut:
        await self._check(name, agent)
        history = RedisChatMessageHistory(name, self.client, tenant=self.access.tenant, agent=agent)
        return MessagesOut(messages=[MessageOut.of(message) for message in await history.arecent(limit)])

    async def extend(self, name: str, agent: str, ttl_s: float | None) -> SessionOut:
        await self._check(name, agent)
        await self.client.adrive(keep_flow(self.space, agent, name, ttl_s))
        return await self.get(name, agent)

    async def rename(self, name: str, agent: str, title: str) -> SessionOut:
        await self._check(name, agent)
        await RedisSessionData(name, self.client, tenant=self.access.tenant, agent=agent).aset(TITLE, title)
        return await self.get(name, agent)

    async def delete(self, name: str, agent: str) -> None:
        await self._check(name, agent)
        await RedisSessions(self.client, tenant=self.access.tenant).aerase(name, agent)

    async def _check(self, name: str, agent: str) -> None:
        _there(await self.client.arun(theirs_op(self.space, self.access.user, agent, name)))


def _there(session: Session | None) -> Session:
    if session is None:
        raise HTTPException(404, "there is no such conversation")
    return session
