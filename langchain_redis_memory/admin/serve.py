"""Serves the admin page alone, for the people who can log in on this machine: `langchain-redis-memory admin`.

It listens on a loopback address and signs in the person who opens the link that it prints, once: the browser then has a
cookie. A page of another site cannot reach it, whatever name it gives to this machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hmac import compare_digest
from ipaddress import ip_address
from secrets import token_urlsafe

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from langchain_redis_memory.admin.access import Access
from langchain_redis_memory.admin.router import admin_router
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.extras import missing
from langchain_redis_memory.redis.client.client import Client

COOKIE = "lrm_session"
_SHORTEST = 16


class SignIn:
    """Signs in one browser by a link that works once, with a token as its secret; "" for a new one.

    Raises `ConfigError`: the secret is so short that it can be guessed.
    """

    def __init__(self, access: Access, token: str = "") -> None:
        if token and len(token) < _SHORTEST:
            raise ConfigError(f"the token of the link needs {_SHORTEST} characters or more, or none for a new one")
        self._access, self._token, self._session = access, token or token_urlsafe(24), token_urlsafe(24)
        self._used = False

    @property
    def path(self) -> str:
        """The path of the link."""
        return f"/sign-in?token={self._token}"

    def __call__(self, request: Request) -> Access:
        """Finds out who asks, for `admin_router(auth=...)`.

        Raises `HTTPException` (401): nobody who has opened the link.
        """
        if not compare_digest(request.cookies.get(COOKIE, "").encode(), self._session.encode()):
            raise HTTPException(401, "open the link that the command printed")
        return self._access

    async def open(self, request: Request) -> Response:
        """Answers the link: with a cookie the first time."""
        given = request.query_params.get("token", "")
        if self._used or not compare_digest(given.encode(), self._token.encode()):
            known = compare_digest(request.cookies.get(COOKIE, "").encode(), self._session.encode())
            why = "This link is wrong or was opened already: start the command again for a new one."
            return RedirectResponse("./", 303) if known else PlainTextResponse(why, 403)
        self._used = True
        response = RedirectResponse("./", 303)
        response.set_cookie(COOKIE, self._session, httponly=True, samesite="strict")
        return response


def admin_app(client: Client, sign_in: SignIn, host: str) -> FastAPI:
    """Makes the application that `serve` serves, which closes the client when it ends."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await client.aclose()  # the connections of this loop, which ends with the page

    app = FastAPI(openapi_url=None, lifespan=lifespan)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[host, "localhost"], www_redirect=False)
    app.add_api_route("/sign-in", sign_in.open, methods=["GET"], response_model=None)
    app.include_router(admin_router(client, auth=sign_in))
    return app


def serve(
    client: Client,
    *,
    announce: Callable[[str], object],
    host: str = "127.0.0.1",
    port: int = 8765,
    token: str = "",
    access: Access | None = None,
) -> None:
    """Serves the admin page to who opens the announced link, from this machine only, until it is interrupted.

    Raises `ConfigError`: the address is not of this machine alone, or uvicorn is not installed.

    **Keys:** whatever the pages show.
    **Trips:** those of the pages.
    """
    if host != "localhost" and not _is_loopback(host):
        msg = f"{host!r} is reached from elsewhere; mount admin_router in an application with a sign-in of its own"
        raise ConfigError(msg)
    try:
        import uvicorn
    except ImportError as error:
        msg = "serving the admin page needs uvicorn"
        raise missing(msg, "admin") from error
    sign_in = SignIn(access or Access("this machine", {"view", "read_content", "operate", "erase"}), token)
    shown = f"[{host}]" if ":" in host else host
    announce(f"http://{shown}:{port}{sign_in.path}")
    uvicorn.run(admin_app(client, sign_in, shown), host=host, port=port, log_level="warning", server_header=False)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
