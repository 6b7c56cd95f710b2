"""What protects the pages: headers of every answer, and the proof that a form was sent from one of them.

A form carries a token that belongs to the person and to a cookie of the browser (`SameSite=Strict`), and the request
must name this site as its origin. The pages load nothing from elsewhere and run no script that is not a file of theirs.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from hashlib import blake2b
from secrets import token_hex, token_urlsafe
from types import NoneType
from urllib.parse import parse_qsl, urlsplit

from fastapi import HTTPException, Request, Response

from langchain_redis_memory.checks import check_several, check_type
from langchain_redis_memory.errors import ConfigError

COOKIE = "lrm_admin"
_LONGEST_FORM = 64 * 1024

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with "no-referrer" a form's origin would be "null"
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
"""Of every page."""


class Guard:
    """Makes and checks the tokens of forms, signed with a secret; None for one of this process alone.

    Several workers need the same secret. Forms may come from the host that is asked and from `origins`, such as
    "https://admin.example": where a proxy changes the host's name.
    """

    def __init__(self, secret: str | None, origins: Collection[str]) -> None:
        check_type(secret, (str, NoneType), "secret", "a string, the same one in all workers, or None", ConfigError)
        check_several(origins, "origins")
        self._secret = (secret or token_urlsafe(32)).encode()
        self._origins = frozenset(origins)

    def nonce(self, request: Request) -> str:
        """Reads the browser's nonce, or makes one."""
        return request.cookies.get(COOKIE) or token_hex(16)

    def token(self, nonce: str, name: str) -> str:
        """Makes the token of a person's forms."""
        return blake2b(f"{nonce}\n{name}".encode(), key=self._secret[:64], digest_size=24).hexdigest()

    def keep(self, request: Request, response: Response, nonce: str) -> None:
        """Sets the cookie where the browser has none."""
        if COOKIE not in request.cookies:
            secure = request.url.scheme == "https"
            response.set_cookie(COOKIE, nonce, path=None, secure=secure, httponly=True, samesite="strict")

    async def form(self, request: Request, name: str) -> dict[str, str]:
        """Reads a form that was sent from a page.

        Raises `HTTPException` (413, 415 or 403): it is too long, is not a form, or does not come from a page of ours.
        """
        if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
            raise HTTPException(415, "a form is expected")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LONGEST_FORM:
                raise HTTPException(413, "the form is too long")
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        nonce, given = request.cookies.get(COOKIE, ""), fields.pop("token", "")
        if not nonce or not hmac.compare_digest(given.encode(), self.token(nonce, name).encode()):
            raise HTTPException(403, "the form is not from a page of yours, or too old: load the page again")
        self._check_origin(request)
        return fields

    def _check_origin(self, request: Request) -> None:
        origin = request.headers.get("origin") or request.headers.get("referer", "")
        parts = urlsplit(origin)
        asked = request.headers.get("host", "")
        if not parts.netloc or (parts.netloc != asked and f"{parts.scheme}://{parts.netloc}" not in self._origins):
            raise HTTPException(403, "the form comes from another site")
