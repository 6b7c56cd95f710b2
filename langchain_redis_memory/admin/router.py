"""`admin_router`: the admin page as a FastAPI router, to mount in an application beside its own sign-in."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from importlib import resources
from types import NoneType
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from langchain_redis_memory.admin import actions
from langchain_redis_memory.admin.access import Access
from langchain_redis_memory.admin.actions import Action
from langchain_redis_memory.admin.guard import HEADERS, Guard
from langchain_redis_memory.admin.page import Page, environment
from langchain_redis_memory.admin.views import caches, overview, people, sessions, threads
from langchain_redis_memory.admin.visit import Backend, Visit
from langchain_redis_memory.cache.answers.desk import AnswerDesk
from langchain_redis_memory.cache.stats import Prices
from langchain_redis_memory.checks import check_functions, check_several, check_type
from langchain_redis_memory.errors import ConfigError, InvalidInputError, RedisMemoryError, UnavailableError
from langchain_redis_memory.operate.users import RedisUsers
from langchain_redis_memory.redis.client.connect import ClientLike, connect
from langchain_redis_memory.version import __version__

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol

View = Callable[[Visit], Awaitable[Page]]

VIEWS: Mapping[str, View] = {
    "": overview.status,
    "doctor": overview.doctor,
    "tenant": overview.tenant,
    "sessions": sessions.sessions,
    "session": sessions.session,
    "other-answers": sessions.other_answers,
    "caches": caches.caches,
    "cache": caches.cache,
    "entry": caches.entry,
    "what-if": caches.what_if,
    "users": people.users,
    "user": people.user,
    "threads": threads.threads,
    "thread": threads.thread,
    "limits": overview.limits,
    "audit": overview.audit_log,
    "erase": actions.erase_dry_run,
    "prune": actions.prune_dry_run,
}
"""Path -> what it shows."""

NAVIGATION = (
    ("tenant", "Overview"),
    ("sessions", "Conversations"),
    ("other-answers", "Same words"),
    ("caches", "Caches"),
    ("what-if", "What if"),
    ("users", "Users"),
    ("threads", "Threads"),
    ("limits", "Limits"),
    ("audit", "Audit"),
)
"""Pages of a tenant, in the order of the menu."""

_OF_ALL = {"", "doctor"}
"""Pages that are about no tenant."""
_STATIC = {"style.css": "text/css", "icon.svg": "image/svg+xml", "htmx.min.js": "text/javascript"}


def admin_router(
    client: ClientLike = None,
    *,
    auth: Callable[..., Any],
    answers: Sequence[AnswerDesk] = (),
    serde: SerializerProtocol | None = None,
    users: Callable[[str], RedisUsers] | None = None,
    prices: Prices | None = None,
    secret: str | None = None,
    origins: Collection[str] = (),
) -> APIRouter:
    """Makes the admin page, for `app.include_router(admin_router(...), prefix="/admin")`.

    It is read-only for a person who has no other role than "view", and shows no words of users without "read_content".

    Args:
        client: A `Client`, a URL (see `Client.from_url`), a client of redis-py, or None for the environment's settings.
        auth: A dependency, as for `fastapi.Depends`, that finds out who asks and returns an `Access`. It refuses by an
            `HTTPException`.
        answers: Desks such as `memory.answers`, where the memory's cache is one of your own; those of this package are
            found by themselves.
        serde: Reads the values of threads, where a saver was given one.
        users: Makes the `RedisUsers` of a tenant, where a store keeps memories of users; by default one that knows the
            caches of this page and no store.
        prices: Model -> what a million tokens cost (read, written), for the money that caches saved.
        secret: Signs the forms; give one where several processes serve the page.
        origins: Origins from which forms may come besides the host that is asked: "https://admin.example" where a proxy
            changes the host's name.

    Returns:
        The router.

    Raises:
        ConfigError: `auth` is nothing that could be called, or the URL cannot work.

    Example:
        ```python
        def staff(request: Request) -> Access:
            user = current_user(request)  # your own sign-in
            if user is None or not user.is_staff:
                raise HTTPException(403)
            return Access(user.name, {"view", "operate"}, tenants={"acme"})

        app.include_router(admin_router(client, auth=staff), prefix="/admin")
        ```

    **Keys:** whatever the pages show.
    **Trips:** those of the pages.
    """
    if not callable(auth):
        msg = "auth must be a dependency that returns an Access: the page does not sign anybody in by itself"
        raise ConfigError(msg)
    for desk in check_several(answers, "answers"):
        check_type(desk, AnswerDesk, "each of answers", "a desk such as memory.answers", ConfigError)
    check_functions(ConfigError, users=users)
    check_type(prices, (Mapping, NoneType), "prices", "a dict, as {'gpt-5-mini': (0.25, 2.0)}", ConfigError)
    site = _Site(Backend(connect(client), tuple(answers), serde, users, prices), Guard(secret, origins))

    async def allowed(request: Request, access: Any = Depends(auth)) -> None:  # noqa: B008 - FastAPI's way
        if not isinstance(access, Access):
            raise ConfigError(f"auth must return an Access, not {type(access).__name__}")
        if not access.may("view"):
            raise HTTPException(403, "the role 'view' is missing")
        request.state.lrm_access = access

    router = APIRouter(dependencies=[Depends(allowed)], include_in_schema=False, default_response_class=HTMLResponse)
    for path, view in VIEWS.items():
        router.add_api_route(f"/{path}", site.page(path, view), methods=["GET"], response_model=None)
    for path, action in actions.ACTIONS.items():
        router.add_api_route(f"/{path}", site.form(path, action), methods=["POST"], response_model=None)
    router.add_api_route("/export", site.export, methods=["GET"], response_model=None)
    router.add_api_route("/static/{name}", _static, methods=["GET"], response_model=None)
    return router


class _Site:
    """Renders pages."""

    def __init__(self, backend: Backend, guard: Guard) -> None:
        self.backend, self.guard, self.templates = backend, guard, environment()

    def page(self, path: str, view: View) -> Callable[[Request], Awaitable[Response]]:
        """Makes the endpoint of a page."""

        async def endpoint(request: Request) -> Response:
            access: Access = request.state.lrm_access
            tenant = request.query_params.get("tenant", "")
            visit = Visit(self.backend, access, tenant, request.query_params)

            async def look() -> Page:
                if path not in _OF_ALL:
                    visit.check_tenant()
                return await view(visit)

            return self.render(request, visit, path, await _shown(look))

        return endpoint

    def form(self, path: str, action: Action) -> Callable[[Request], Awaitable[Response]]:
        """Makes the endpoint of an action."""

        async def endpoint(request: Request) -> Response:
            access: Access = request.state.lrm_access
            visit = Visit(self.backend, access, "", {})

            async def act() -> Page:
                fields = await self.guard.form(request, access.name)
                visit.query, visit.tenant = fields, fields.get("tenant", "")
                visit.check_tenant()
                return await actions.perform(visit, action)

            return self.render(request, visit, path, await _shown(act))

        return endpoint

    async def export(self, request: Request) -> Response:
        """Sends everything that is kept of a user, as lines of JSON."""
        visit = Visit(
            self.backend, request.state.lrm_access, request.query_params.get("tenant", ""), request.query_params
        )
        lines: list[str] = []

        async def collect() -> Page:
            visit.check_tenant()
            lines.extend([json.dumps(line, ensure_ascii=False) async for line in await actions.exported(visit)])
            return Page("", "")

        page = await _shown(collect)
        if page.template:
            return self.render(request, visit, "export", page)
        headers = {**HEADERS, "Content-Disposition": 'attachment; filename="export.jsonl"'}
        return Response("".join(f"{line}\n" for line in lines), media_type="application/x-ndjson", headers=headers)

    def render(self, request: Request, visit: Visit, path: str, page: Page) -> Response:
        """Renders a page, with the headers that protect it."""
        nonce = self.guard.nonce(request)
        text = self.templates.get_template(page.template).render(
            {
                "visit": visit,
                "link": visit.link,
                "title": page.title,
                "path": path,
                "navigation": NAVIGATION if visit.access.sees(visit.tenant) and path not in _OF_ALL else (),
                "token": self.guard.token(nonce, visit.access.name),
                "version": __version__,
                **page.shows,
            }
        )
        response = HTMLResponse(text, page.status, dict(HEADERS))
        self.guard.keep(request, response, nonce)
        return response


async def _shown(show: Callable[[], Awaitable[Page]]) -> Page:
    """Returns the page, or the one that says what went wrong."""
    try:
        return await show()
    except HTTPException as error:
        return failure(error.status_code, str(error.detail))
    except InvalidInputError as error:
        return failure(400, str(error))
    except UnavailableError as error:
        return failure(503, str(error))
    except RedisMemoryError as error:
        return failure(500, f"{type(error).__name__}: {error}")


def failure(status: int, why: str) -> Page:
    """Returns the page that says what went wrong."""
    return Page("error.html", "Not found" if status == 404 else "This did not work", {"why": why}, status)


async def _static(name: str) -> Response:
    if name not in _STATIC:
        raise HTTPException(404)
    content = (resources.files("langchain_redis_memory.admin") / "static" / name).read_bytes()
    headers = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=_STATIC[name], headers=headers)
