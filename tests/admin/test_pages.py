"""What the admin page shows, and to whom."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from langchain_core.messages import HumanMessage
from langgraph.graph import START, MessagesState, StateGraph

from langchain_redis_memory import (
    Access,
    Limit,
    RedisChatMessageHistory,
    RedisRateLimiter,
    RedisSaver,
    UserProfile,
    admin_router,
)
from langchain_redis_memory.admin.survey import survey_flow
from langchain_redis_memory.errors import ConfigError
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.support.dumped import send
from tests.support.site import ALL, Site, app_of, talk

SECRETS = ("throat cancer", "asthma", "treatable", "allergic to nuts", "hello there")
"""Words of users and answers."""
PAGES: dict[str, dict[str, str]] = {
    "": {},
    "doctor": {},
    "tenant": {},
    "sessions": {},
    "session": {"id": "ben-1"},
    "other-answers": {},
    "caches": {},
    "cache": {"name": "answers/exact"},
    "what-if": {},
    "users": {},
    "user": {"id": "ana"},
    "threads": {},
    "thread": {"id": "thread-1"},
    "limits": {},
    "audit": {},
}


async def fill(client: Client) -> None:
    """Something of each kind that the page shows."""
    await talk(client)
    profile = UserProfile("ana", client, ttl_s=600)
    await profile.aset("diet", "allergic to nuts")
    graph: Any = StateGraph(MessagesState)
    graph.add_node("say", lambda _state: {"messages": [("ai", "hello there")]})
    graph.add_edge(START, "say")
    config = {"configurable": {"thread_id": "thread-1", "user_id": "ana"}}
    await graph.compile(checkpointer=RedisSaver(client, ttl_s=600)).ainvoke({"messages": [("user", "hi")]}, config)
    await RedisRateLimiter(client, [Limit(10, "1d")], key="user").acheck("ana")


@pytest.mark.slow
async def test_every_page_shows_what_there_is_and_hides_words_from_whoever_may_not_read_them(client: Client) -> None:
    await fill(client)
    reader, other = Site(app_of(client)), Site(app_of(client, Access("joe")))
    read = ""
    for page, query in PAGES.items():
        read += await reader.get(page, **query)
        assert reader.status == 200, page
        hidden = await other.get(page, **query)
        assert other.status == 200, page
        assert [word for word in SECRETS if word in hidden] == [], page
        assert '<form method="post"' not in hidden, page
    assert [word for word in SECRETS if word not in read] == []
    for shown in ("ana-1", "ben-1", "thread-1", "answers/exact", "requests-86400s", "diet"):
        assert shown in read


async def test_on_a_cluster(cluster: Client) -> None:
    await fill(cluster)
    site = Site(app_of(cluster))
    for page, query in PAGES.items():
        await site.get(page, **query)
        assert site.status == 200, page
    assert "ana-1" in await site.get("erase", id="ana")
    await site.send("erase", confirm="ana")
    assert "Everything that is kept of the user was erased" in site.text


async def test_a_bounded_look_at_many_keys_says_so(client: Client) -> None:
    await talk(client)
    found = await client.adrive(survey_flow(client.keys(), client.keys().tenant_pattern(), most=0))
    assert (found.complete, found.tenants) == (False, {})
    found = await client.adrive(survey_flow(client.keys(), client.keys().tenant_pattern()))
    assert found.complete
    assert found.tenants[""].users == {"ana", "ben"}


@pytest.mark.slow
async def test_a_turn_is_shown_with_its_decision_and_with_what_a_naive_cache_would_have_said(client: Client) -> None:
    await talk(client)
    site = Site(app_of(client))
    page = await site.get("session", id="ben-1")
    assert page.count("A cache keyed on the last utterance would have been wrong here") == 1
    assert '<span class="badge hit">hit</span>' in page
    for shown in ("the very same question", "round trips", "points back", "for everyone", "stands alone"):
        assert shown in page
    page = await site.get("other-answers")
    assert page.count("<article>") == 1
    assert page.index("asthma it is") < page.index("throat cancer it is")
    assert "In 1 of 6 logged turns" in page


@pytest.mark.slow
async def test_an_entry_is_shown_with_who_was_served_it(client: Client) -> None:
    memory = await talk(client)
    entry = next(one.entry for one in await memory.answers.adecisions() if one.outcome == "hit")
    page = await Site(app_of(client)).get("entry", cache="exact", id=entry)
    assert "throat cancer it is" in page
    assert "ben-1" in page
    gone = Site(app_of(client))
    assert "no such entry" in await gone.get("entry", cache="exact", id="ab" * 20)
    assert gone.status == 404


@pytest.mark.slow
async def test_lists_cost_the_same_however_much_there_is(client: Client, trips: list[Trip]) -> None:
    spent: list[list[int]] = []
    for most in range(40, 121, 80):
        for number in range(most - 40, most):
            history = RedisChatMessageHistory(f"s{number:03}", client, ttl_s=60, user="ana")
            await history.aadd_messages([HumanMessage("hay")])
        site, costs = Site(app_of(client)), list[int]()
        for page in ("sessions", "users", "threads") * 2:  # scripts are sent in full the first time
            trips.clear()
            await site.get(page)
            costs.append(len(trips))
        spent.append(costs[3:])
    assert spent[0] == spent[1]
    assert sum(spent[0]) <= 8


async def test_a_users_page_shows_the_newest(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langchain_redis_memory.admin.views.people._MOST_SHOWN", 2)
    for number in range(3):
        await RedisChatMessageHistory(f"s{number}", client, ttl_s=60 + number, user="ana").aadd_messages(
            [HumanMessage("hay")]
        )
    page = await Site(app_of(client)).get("user", id="ana")
    assert ("s0<" in page, "s1<" in page, "s2<" in page) == (False, True, True)
    assert "All conversations" in page


@pytest.mark.slow
async def test_a_search_looks_behind_the_first_page(client: Client) -> None:
    for number in range(60):
        history = RedisChatMessageHistory(f"s{number:02}", client, ttl_s=60)
        await history.aadd_messages([HumanMessage("the needle" if not number else "hay")])
    assert "s00" not in await Site(app_of(client)).get("sessions")
    for access, search in ((Access("eve", ALL), "needle"), (Access("joe"), "s00")):
        page = await Site(app_of(client, access)).get("sessions", search=search)
        assert "s00" in page
        assert "s01" not in page


@pytest.mark.slow
async def test_conversations_are_searched(client: Client) -> None:
    await talk(client)
    site = Site(app_of(client))
    assert "ben-1" not in await site.get("sessions", search="ana")
    assert "ana-1" not in await site.get("sessions", search="asthma")
    assert "ana-1" not in await site.get("sessions", user="ben")
    assert "ana-1" not in await site.get("sessions", agent="nobody")
    assert "Nothing was found" in await Site(app_of(client, Access("joe"))).get("sessions", search="asthma")


async def test_a_conversation_that_something_else_overwrote_hides_no_other_of_its_user(client: Client) -> None:
    for session in ("whole", "spoilt"):
        RedisChatMessageHistory(session, client, ttl_s=600, user="ana").add_messages([HumanMessage("hi")])
    key = client.keys().session("spoilt", "").meta
    send(client, ("DEL", key), ("SET", key, "mine", "EX", 600))
    site = Site(app_of(client))
    page = await site.get("user", id="ana")
    assert site.status == 200
    assert "whole" in page
    assert "spoilt" not in page


@pytest.mark.slow
async def test_a_tenant_that_is_not_visible_does_not_exist(client: Client) -> None:
    await talk(client, "acme")
    await talk(client, "other")
    site = Site(app_of(client, Access("joe", {"view", "read_content"}, tenants={"acme"})))
    assert "other" not in (await site.get("")).partition("<main")[2]
    for page, query in PAGES.items():
        if page:  # the check-up is about all tenants
            await site.get(page, **query, tenant="other")
            assert site.status == 404, page
            await site.get(page, **query)  # the default tenant
            assert site.status == 404, page
    assert "ana-1" in await site.get("sessions", tenant="acme")


async def test_what_is_not_there_is_not_found_and_what_is_wrong_is_said(client: Client) -> None:
    site = Site(app_of(client))
    for page, query, status in (
        ("session", {"id": "nobody"}, 404),
        ("session", {}, 404),
        ("thread", {"id": "nobody"}, 404),
        ("cache", {}, 404),
        ("entry", {"cache": "nothing", "id": "x"}, 404),
        ("entry", {"cache": "exact", "id": "x"}, 400),
        ("sessions", {"cursor": "x"}, 400),
        ("user", {"id": "a" * 2000}, 400),
        ("static/router.py", {}, 404),
        ("static/..%2frouter.py", {}, 404),
    ):
        await site.get(page, **query)
        assert site.status == status, (page, query)
    assert "Nothing is stored" in await site.get("")


async def test_a_server_that_is_away_is_said_in_words() -> None:
    with Client.from_url("redis://127.0.0.1:1/0") as client:
        site = Site(app_of(client))
        assert "cannot be reached" in await site.get("")
        assert site.status == 200
        await site.get("sessions")
        assert site.status == 503


async def test_words_cannot_break_out_of_the_page(client: Client) -> None:
    evil = '"><script>alert(1)</script>'
    await talk(client)
    await RedisChatMessageHistory(evil, client).aadd_messages([HumanMessage(evil)])
    site = Site(app_of(client))
    for page in (await site.get("sessions"), await site.get("session", id=evil), await site.get("nope", search=evil)):
        assert "<script>alert" not in page


async def test_pages_forbid_scripts_of_others_and_are_not_kept(client: Client) -> None:
    site = Site(app_of(client))
    page = await site.get("")
    policy = site.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert site.headers["cache-control"] == "no-store"
    assert site.headers["x-frame-options"] == "DENY"
    assert " style=" not in page
    assert " onclick=" not in page
    assert "HttpOnly" in site.headers["set-cookie"]
    assert "SameSite=strict" in site.headers["set-cookie"]
    for name, kind in (("style.css", "text/css"), ("htmx.min.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        await site.get(f"static/{name}")
        assert site.headers["content-type"].startswith(kind)


async def test_whoever_is_refused_by_auth_sees_nothing(client: Client) -> None:
    def nobody() -> Access:
        raise HTTPException(401)

    app = FastAPI()
    app.include_router(admin_router(client, auth=nobody), prefix="/admin")
    site = Site(app)
    for page in (*PAGES, "static/style.css", "export"):
        await site.get(page)
        assert site.status == 401
    site = Site(app_of(client, Access("joe", {"operate"})))
    await site.get("")
    assert site.status == 403


def test_auth_must_be_something_that_gives_an_access() -> None:
    with pytest.raises(ConfigError, match="auth must be a dependency"):
        admin_router("memory://", auth=None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="name"):
        Access("")
    with pytest.raises(ConfigError, match="roles are view"):
        Access("a", {"root"})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="roles are view"):
        Access("a", "view")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="collection of tenants"):
        Access("a", tenants="acme")
