"""Every page and every form of the admin page, asked for odd things: no fault, nothing unescaped, always protected."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote_from_bytes
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.base import empty_checkpoint
from markupsafe import escape

from langchain_redis_memory import Access, RedisSaver, RedisValueCache
from langchain_redis_memory.admin.actions import ACTIONS
from langchain_redis_memory.admin.guard import COOKIE, HEADERS
from langchain_redis_memory.admin.router import VIEWS
from langchain_redis_memory.redis.client.client import Client
from tests.support.examples import share
from tests.support.site import ALL, ORIGIN, Site, app_of, talk

EVIL = "<img src=x onerror=\"alert('1')\">"
"""What must nowhere stand as it is: it is in all that is stored and asked for."""
FORM = {"content-type": "application/x-www-form-urlencoded", "origin": ORIGIN}
NAMES = "id name tenant agent cursor cache search text days hours keep pin on confirm corpus use user page sort".split()
TEXTS = [
    *("", "0", "-1", "9" * 30, "1e9", "NaN", "\0", EVIL, "../..", "a/b", "x" * 5_000, "ab" * 20, f"{'0' * 32}-1"),
    *("exact", "semantic/x", "semantic/", "answers/exact", f"values/{EVIL}", "exact/llm", "ana", "ana-1"),
]
ODD = st.one_of(
    st.sampled_from(TEXTS).map(str.encode),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=8),
)
QUERIES = st.lists(st.tuples(st.sampled_from(NAMES), ODD), max_size=6)
"""Pairs, so that a name may stand there twice."""


def spelled(pairs: list[tuple[str, bytes]]) -> str:
    return "&".join(f"{name}={quote_from_bytes(value)}" for name, value in pairs)


async def filled() -> Client:
    """A server with something of each kind, named by people who mean ill."""
    client = Client.from_url(f"memory://{uuid4().hex}")
    await talk(client, users=("ana",))
    await talk(client, EVIL, users=("ana",))
    values = RedisValueCache(client, EVIL, ttl_s=600)
    await values.aset("a", 1)
    await values.astats()
    place: Any = {"configurable": {"thread_id": EVIL, "checkpoint_ns": "", "user_id": EVIL}}
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = {"said": EVIL}
    checkpoint["channel_versions"] = {"said": "1"}
    await RedisSaver(client, ttl_s=600).aput(place, checkpoint, {}, {"said": "1"})
    return client


def checked(answer: httpx.Response) -> httpx.Response:
    """An answer that is no fault, is protected, and repeats nothing as it was given."""
    assert answer.status_code < 500, answer.text
    assert answer.headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
    assert EVIL not in answer.text
    return answer


@pytest.fixture(scope="module")
def site() -> Site:
    return Site(app_of(asyncio.run(filled()), Access(EVIL, ALL)))


@given(QUERIES)
@share(4)  # an example is all pages
def test_no_page_fails_whatever_is_asked(site: Site, query: list[tuple[str, bytes]]) -> None:
    async def visits() -> None:
        for path in [*VIEWS, "export"]:
            checked(await site.http.get(f"/admin/{path}?{spelled(query)}"))

    asyncio.run(visits())


@given(QUERIES, st.sampled_from(["", "0" * 48, EVIL]), st.sampled_from(["https://evil.test", "null", ""]))
@share(10)  # an example is all forms, twice
def test_no_form_is_taken_without_its_token_and_origin(
    site: Site, fields: list[tuple[str, bytes]], token: str, origin: str
) -> None:
    async def visits() -> None:
        given = await signed(site)
        for path in ACTIONS:
            for sent, headers in ((token, FORM), (given, {**FORM, "origin": origin})):
                body = spelled([*fields, ("token", sent.encode())])
                answer = checked(await site.http.post(f"/admin/{path}", content=body, headers=headers))
                assert answer.status_code == 403, (path, answer.text)

    asyncio.run(visits())


@given(QUERIES)
@share(4)
def test_no_form_fails_whatever_is_sent(fields: list[tuple[str, bytes]]) -> None:
    async def visits() -> None:
        site = Site(app_of(await filled(), Access(EVIL, ALL)))
        token = await signed(site)
        for path in ACTIONS:
            body = spelled([*fields, ("token", token.encode())])
            checked(await site.http.post(f"/admin/{path}", content=body, headers=FORM))

    asyncio.run(visits())


async def signed(site: Site) -> str:
    """The token of a browser's forms."""
    await site.get("erase", id="ana")
    assert COOKIE in site.http.cookies
    return site.forms("erase")[0]["token"]


def test_what_people_are_called_is_shown_as_text(site: Site) -> None:
    async def visits() -> None:
        for path in ("tenant", "users", "threads", "caches", "audit"):
            answer = checked(
                await site.http.get(f"/admin/{path}", params={"tenant": "" if path == "threads" else EVIL})
            )
            assert str(escape(EVIL)) in answer.text, path
        for name in ("nothing.js", "..%2Frouter.py", "%00"):
            assert (await site.http.get(f"/admin/static/{name}")).status_code == 404

    asyncio.run(visits())
