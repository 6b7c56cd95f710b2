"""The JSON API of sessions: whose conversations it gives, what it changes, and that it is what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from langchain_core.messages import AIMessage, HumanMessage

from langchain_redis_memory import RedisChatMessageHistory, SessionAccess, sessions_router
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.support.raw import raw
from tests.support.site import talk


def app_of(client: Client, access: SessionAccess) -> FastAPI:
    app = FastAPI()
    app.include_router(sessions_router(client, auth=lambda: access), prefix="/api")
    return app


def api_of(client: Client, user: str | None, tenant: str = "") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app_of(client, SessionAccess(user, tenant)))
    return httpx.AsyncClient(transport=transport, base_url="http://api.test/api")


@pytest.mark.slow
async def test_a_user_lists_reads_names_extends_and_deletes_a_conversation(client: Client) -> None:
    await talk(client)
    api = api_of(client, "ana")
    (listed,) = (await api.get("/sessions")).json()["sessions"]
    assert (listed["session_id"], listed["title"], listed["messages"]) == ("ana-1", "What is throat cancer?", 6)
    assert (await api.get("/sessions/ana-1")).json() == {**listed, "ttl_s": pytest.approx(listed["ttl_s"], abs=60)}
    messages = (await api.get("/sessions/ana-1/messages", params={"limit": 2})).json()["messages"]
    assert [(one["type"], one["text"]) for one in messages] == [
        ("human", "What is throat cancer?"),
        ("ai", "throat cancer it is"),
    ]
    assert (await api.patch("/sessions/ana-1", json={"title": "My throat"})).json()["title"] == "My throat"
    assert (await api.get("/sessions")).json()["sessions"][0]["title"] == "My throat"
    assert (await api.post("/sessions/ana-1/extend", json={"ttl_s": 90})).json()["ttl_s"] == pytest.approx(90, abs=60)
    assert (await api.delete("/sessions/ana-1")).status_code == 204
    assert (await api.get("/sessions")).json() == {"sessions": [], "cursor": None}
    assert (await api.delete("/sessions/ana-1")).status_code == 404


@pytest.mark.pins
async def test_a_conversation_is_pinned(client: Client) -> None:
    await RedisChatMessageHistory("a", client, ttl_s=60, user="ana").aadd_messages([HumanMessage("hi")])
    api = api_of(client, "ana")
    assert (await api.post("/sessions/a/extend", json={"ttl_s": None})).json()["ttl_s"] is None


async def test_what_a_service_keeps_longer_is_still_erased_with_its_user(client: Client) -> None:
    await talk(client)
    before = raw(client, ("PTTL", client.keys().user_data("ana")))[0]
    answer = await api_of(client, None).post("/sessions/ana-1/extend", json={"ttl_s": 90 * 86_400})
    assert answer.json()["ttl_s"] == pytest.approx(90 * 86_400, abs=60)
    assert raw(client, ("PTTL", client.keys().user_data("ana")))[0] > before + 86_400_000
    assert raw(client, ("PTTL", client.keys().user_data("ben")))[0] <= before + 86_400_000


@pytest.mark.slow
async def test_somebody_else_s_conversation_does_not_exist(client: Client) -> None:
    await talk(client)
    await talk(client, "acme")
    for api in (api_of(client, "ben"), api_of(client, "ana", "other")):
        for method, path, body in (
            ("GET", "/sessions/ana-1", None),
            ("GET", "/sessions/ana-1/messages", None),
            ("PATCH", "/sessions/ana-1", {"title": "x"}),
            ("POST", "/sessions/ana-1/extend", {"ttl_s": 1}),
            ("DELETE", "/sessions/ana-1", None),
        ):
            assert (await api.request(method, path, json=body)).status_code == 404, (method, path)
    assert (await api_of(client, "ana").get("/sessions/ana-1")).json()["title"] == "What is throat cancer?"
    assert (await api_of(client, "ben").get("/session-analytics")).status_code == 403


async def test_all_of_a_tenant_are_listed_for_a_service_by_pages_and_with_search(client: Client) -> None:
    for agent in ("", "desk"):
        for number in range(3):
            history = RedisChatMessageHistory(f"s{number}", client, ttl_s=60, agent=agent)
            await history.aadd_messages([HumanMessage(f"word{number}"), AIMessage("yes")])
    api = api_of(client, None)
    found: list[tuple[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await api.get("/sessions", params={"limit": "2", **({"cursor": cursor} if cursor else {})})).json()
        found, cursor = [*found, *((one["agent"], one["session_id"]) for one in page["sessions"])], page["cursor"]
    assert sorted(found) == [(agent, f"s{number}") for agent in ("", "desk") for number in range(3)]
    one = (await api.get("/sessions", params={"search": "WORD1", "agent": "desk"})).json()["sessions"]
    assert [(row["agent"], row["session_id"], row["title"]) for row in one] == [("desk", "s1", "word1")]
    assert (await api.get("/sessions/s1", params={"agent": "desk"})).status_code == 200
    assert (await api.get("/sessions/s1", params={"agent": "nobody"})).status_code == 404


async def test_analytics_count_users_by_day_and_sizes(client: Client) -> None:
    await talk(client)
    await RedisChatMessageHistory("nobody's", client, ttl_s=60).aadd_messages([HumanMessage("hi")])
    found = (await api_of(client, None).get("/session-analytics")).json()
    assert (found["sessions"], found["complete"], found["users"], found["messages"]) == (3, True, 2, 13)
    assert found["messages_by_session"] == {
        "0-2": 1,
        "3-4": 0,
        "5-10": 2,
        "11-20": 0,
        "21-50": 0,
        "51-100": 0,
        "101-": 0,
    }
    assert sum(day["turns"] for day in found["days"]) == 6
    assert max(day["users"] for day in found["days"]) == 2
    assert 0 <= found["durations"]["median_s"] <= found["durations"]["p95_s"] + 1e-9  # of equal ones, but for rounding
    empty = (await api_of(client, None, "nobody").get("/session-analytics")).json()
    assert (empty["sessions"], empty["durations"], empty["days"]) == (0, None, [])


async def test_an_id_may_hold_anything(client: Client) -> None:
    api = api_of(client, None)
    for name in ("a/b", "ä ö", "a?b#c", "%2F", "messages"):
        await RedisChatMessageHistory(name, client, ttl_s=60).aadd_messages([HumanMessage("hi")])
        path = f"http://api.test/api/sessions/{quote(name, safe='')}"
        assert (await api.get(path)).json()["session_id"] == name
        assert (await api.get(f"{path}/messages")).json()["messages"][0]["text"] == "hi"


async def test_a_list_takes_few_trips(client: Client, trips: list[Trip]) -> None:
    await talk(client)
    api = api_of(client, "ana")
    await api.get("/sessions")  # the server learns the scripts
    trips.clear()
    await api.get("/sessions")
    assert len(trips) == 3
    trips.clear()
    await api.get("/sessions/ana-1")
    assert len(trips) == 1


async def test_whoever_is_refused_by_auth_gets_nothing(client: Client) -> None:
    def nobody() -> SessionAccess:
        raise HTTPException(401)

    app = FastAPI()
    app.include_router(sessions_router(client, auth=nobody))
    api = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")
    for method, path, _ in operations(app.openapi()):
        assert (await api.request(method, path.format(session_id="a"), json={})).status_code == 401
    with pytest.raises(ConfigError, match="auth must be a dependency"):
        sessions_router(client, auth=None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="names a user"):
        SessionAccess("")


async def test_a_server_that_is_away_is_a_status() -> None:
    with Client.from_url("redis://127.0.0.1:1/0") as client:
        assert (await api_of(client, "ana").get("/sessions")).status_code == 503


# --- the description --------------------------------------------------------------------------------------------------


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


ODD: tuple[Any, ...] = (
    "",
    "a",
    "-1",
    "0",
    "1",
    "1e9",
    "nan",
    "\x00",
    "ä" * 600,
    "x" * 5000,
    "../..",
    "%",
    "null",
    "[]",
)
BODIES: tuple[Any, ...] = (None, [], {}, {"title": ""}, {"title": "x"}, {"title": 1}, {"title": "x" * 300}, {"more": 1})
LIVES: tuple[Any, ...] = ({"ttl_s": 0}, {"ttl_s": -1}, {"ttl_s": 1e300}, {"ttl_s": "x"}, {"ttl_s": 60})


@pytest.mark.slow
@pytest.mark.pins
async def test_whatever_is_sent_gets_a_status_that_the_description_has(client: Client) -> None:
    await talk(client, users=("ana",))
    app = app_of(client, SessionAccess(None))
    described = app.openapi()
    api = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")
    sent = 0
    tries: list[tuple[str, dict[str, str], Any]]
    for method, path, operation in operations(described):
        known = {int(status) for status in operation["responses"]}
        named = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
        bodies = [*BODIES, *LIVES] if "requestBody" in operation else [None]
        tries = [("ana-1", {}, body) for body in bodies]
        tries += [("ana-1", {name: odd}, bodies[-1]) for name in named for odd in ODD]
        tries += [(odd, {}, bodies[-1]) for odd in ODD if "{session_id}" in path and odd]
        for name, query, body in tries:
            url = path.replace("{session_id}", quote(name, safe=""))
            answer = await api.request(method, url, params=query, json=body)
            assert answer.status_code in known | {404}, (method, path, name[:20], query, body, answer.text)
            assert answer.status_code == 204 or answer.headers["content-type"] == "application/json"
            sent += 1
    assert sent > 120


def test_every_endpoint_is_described(client: Client) -> None:
    described = list(operations(app_of(client, SessionAccess("ana")).openapi()))
    assert len(described) == 7
    for _method, path, operation in described:
        assert operation["description"].endswith("."), path
        assert operation["tags"] == ["sessions"]
        assert "api" not in [one["name"] for one in operation.get("parameters", ())]
