"""What the admin page changes, who may, and what the audit log says of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.outputs import Generation

from langchain_redis_memory import Access, RedisCache, RedisSaver, RedisSessions, RedisValueCache
from langchain_redis_memory.cache import epochs
from langchain_redis_memory.operate import audit
from langchain_redis_memory.redis.client.client import Client
from tests.support.site import ALL, ORIGIN, Site, app_of, talk


async def audited(client: Client, tenant: str = "") -> list[tuple[str, str, str, str]]:
    lines = await client.arun(audit.read(client.keys(tenant)))
    return [(line.who, line.action, line.target, line.state) for line in reversed(lines)]


async def hit_of(client: Client) -> tuple[Any, str]:
    memory = await talk(client)
    return memory, next(one.entry for one in await memory.answers.adecisions() if one.outcome == "hit")


@pytest.mark.slow
async def test_a_wrong_hit_is_reported_from_its_turn(client: Client) -> None:
    memory, entry = await hit_of(client)
    site = Site(app_of(client))
    await site.get("session", id="ben-1")
    assert "Reported as wrong" in await site.send("report")
    assert await memory.answers.aentry(entry) is None
    assert (await memory.answers.astats()).wrong_hits == 1
    assert '<span class="badge wrong">reported wrong</span>' in await site.get("session", id="ben-1")
    assert await audited(client) == [
        ("eve", "report answer", f"exact {entry}", "begun"),
        ("eve", "report answer", f"exact {entry}", "done"),
    ]
    page = await site.get("audit")
    assert "report answer" in page
    assert "throat" not in page


async def test_an_entry_is_edited_and_deleted(client: Client) -> None:
    memory, entry = await hit_of(client)
    site = Site(app_of(client))
    await site.get("entry", cache="exact", id=entry)
    await site.send("edit-entry", text="Ask a doctor.\r\nNow.")
    found = await memory.answers.aentry(entry)
    assert found.answer.value == "Ask a doctor.\nNow."
    await site.get("entry", cache="exact", id=entry)
    assert "1 cached answers were deleted" in await site.send("delete-entry")
    assert await memory.answers.aentry(entry) is None


async def test_a_user_is_erased_after_a_dry_run_and_the_receipt_says_what_went(client: Client) -> None:
    await talk(client)
    site = Site(app_of(client))
    page = await site.get("erase", id="ana")
    assert "nothing has been erased yet" in page
    assert "ana-1" in page
    assert "nothing was erased" in await site.send("erase", confirm="anna")
    assert site.status == 400
    await site.get("erase", id="ana")
    page = await site.send("erase", confirm="ana")
    assert "Receipt" in page
    assert "conversations" in page
    assert await RedisSessions(client).aget("ana-1") is None
    assert await RedisSessions(client).aget("ben-1") is not None
    assert [state for *_, state in await audited(client)] == ["begun", "failed", "begun", "done"]


@pytest.mark.pins
async def test_a_conversation_is_kept_longer_pinned_and_erased(client: Client) -> None:
    await talk(client)
    site = Site(app_of(client))
    sessions = RedisSessions(client)
    await site.get("session", id="ana-1")
    await site.send("lifetime", 1)
    assert (await sessions.aget("ana-1")).ttl_s is None  # type: ignore[union-attr]
    await site.get("session", id="ana-1")
    await site.send("lifetime", 0, days="2")
    assert 86_400 < (await sessions.aget("ana-1")).ttl_s <= 2 * 86_400  # type: ignore[union-attr, operator]
    await site.get("session", id="ana-1")
    await site.send("erase-session", confirm="ana-1")
    assert await sessions.aget("ana-1") is None


async def test_threads_are_pruned_after_a_dry_run_and_erased(client: Client) -> None:
    saver = RedisSaver(client)
    from langgraph.checkpoint.base import empty_checkpoint

    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    for _ in range(3):
        config = await saver.aput(config, empty_checkpoint(), {}, {})
    site = Site(app_of(client))
    assert "Of 1 threads 2 checkpoints would go" in await site.get("prune")
    assert len([one async for one in saver.alist({"configurable": {"thread_id": "t"}})]) == 3
    assert "2 checkpoints of 1 threads were removed" in await site.send("prune")
    await site.get("thread", id="t")
    await site.send("erase-thread", confirm="t")
    assert [one async for one in saver.alist({"configurable": {"thread_id": "t"}})] == []


async def test_an_epoch_is_ended_and_a_cache_switched_off(client: Client) -> None:
    token = await client.arun(epochs.current(client.keys().epoch("answers", "docs"), 60_000))
    values = RedisValueCache(client, "prices", ttl_s=60)
    await values.aset("a", 1)
    await values.astats()
    site = Site(app_of(client))
    await site.get("caches")
    await site.send("bump")
    assert await client.arun(epochs.current(client.keys().epoch("answers", "docs"), 60_000)) != token
    await site.get("cache", name="values/prices")
    await site.send("switch", 0, hours="1")
    assert await values.aget("a") is None
    assert "is switched off for another" in await site.get("cache", name="values/prices")
    await site.send("switch")
    await values.aset("a", 2)
    assert await values.aget("a") == 2


async def test_everything_of_a_user_is_exported(client: Client) -> None:
    await talk(client)
    site = Site(app_of(client))
    lines = [json.loads(line) for line in (await site.get("export", id="ana")).splitlines()]
    assert {line["kind"] for line in lines} >= {"conversation"}
    assert ("eve", "export user", "ana", "done") in await audited(client)
    other = Site(app_of(client, Access("joe")))
    await other.get("export", id="ana")
    assert other.status == 403


async def test_a_cache_of_answers_is_switched_off(client: Client) -> None:
    memory = await talk(client)
    site = Site(app_of(client, prices={"": (1.0, 2.0)}))
    await site.get("cache", name="answers/exact")
    await site.send("switch", 0, hours="2")
    assert 3_600 < await memory.answers.aoff_for() <= 7_200
    assert "is switched off for another" in await site.get("cache", name="answers/exact")
    await site.send("switch")
    assert await memory.answers.aoff_for() == 0


async def test_a_cache_of_langchains_is_switched_off(client: Client) -> None:
    cache = RedisCache(client, ttl_s=60)
    await cache.aupdate("What is flu?", "model", [Generation(text="an infection")])
    await cache.astats()
    site = Site(app_of(client))
    await site.get("cache", name="exact/llm")
    await site.send("switch", hours="2")
    assert await cache.alookup("What is flu?", "model") is None
    await site.get("cache", name="exact/llm")
    await site.send("switch")
    assert await cache.alookup("What is flu?", "model") == [Generation(text="an infection")]


FORMS = {
    "report": ({"cache": "exact", "id": "e"}, "operate"),
    "delete-entry": ({"cache": "exact", "id": "e"}, "operate"),
    "edit-entry": ({"cache": "exact", "id": "e", "text": "x"}, "operate"),
    "bump": ({"corpus": "docs"}, "operate"),
    "switch": ({"name": "prices"}, "operate"),
    "lifetime": ({"id": "ana-1", "pin": "yes"}, "operate"),
    "erase-session": ({"id": "ana-1", "confirm": "ana-1"}, "erase"),
    "erase-thread": ({"id": "t", "confirm": "t"}, "erase"),
    "erase": ({"id": "ana", "confirm": "ana"}, "erase"),
    "prune": ({}, "operate"),
}


@pytest.mark.parametrize("action", FORMS)
async def test_whoever_lacks_the_role_changes_nothing(client: Client, action: str) -> None:
    fields, role = FORMS[action]
    await talk(client, users=("ana",))
    site = Site(app_of(client, Access("joe", ALL - {role})))
    await site.get("erase" if role == "operate" else "prune", id="ana")
    (form, *_) = site.forms("erase") or [{}]
    if not form:
        await site.get("session", id="ana-1")
        form = site.forms("lifetime")[0]
    await site.post(action, {"token": form["token"], **fields}, {"origin": ORIGIN})
    assert site.status == 403
    assert f"this needs the role {role}" in site.text
    assert await audited(client) == []
    found = await RedisSessions(client).aget("ana-1")
    assert found is not None
    assert found.ttl_s is not None


@pytest.mark.slow
async def test_a_form_from_elsewhere_is_refused(client: Client) -> None:
    await talk(client)
    app = app_of(client)
    site = Site(app)
    await site.get("session", id="ana-1")
    form = {**site.forms("lifetime")[0], "days": "1"}
    sent = {"origin": ORIGIN}
    for fields, headers, status in (
        ({**form, "token": "0" * 48}, sent, 403),
        ({**form, "token": ""}, sent, 403),
        (form, {"origin": "https://evil.test"}, 403),
        (form, {"origin": "null"}, 403),
        (form, {"referer": "https://evil.test/x"}, 403),
        (form, {}, 403),
        ({**form, "x": "y" * 70_000}, sent, 413),
        (form, {**sent, "content-type": "text/plain"}, 415),
    ):
        await site.post("lifetime", fields, headers)
        assert site.status == status, (headers, status)
    other = Site(app_of(client, Access("mallory", ALL), secret="s"))
    await other.get("session", id="ana-1")
    await site.post("lifetime", {**other.forms("lifetime")[0], "days": "1"}, sent)  # somebody else's token
    assert site.status == 403
    assert await audited(client) == []
    await site.post("lifetime", form, {"referer": f"{ORIGIN}/admin/session"})
    assert site.status == 200


async def test_an_origin_may_be_named_where_a_proxy_changes_the_host(client: Client) -> None:
    await talk(client)
    site = Site(app_of(client, origins=["https://admin.example"]))
    await site.get("session", id="ana-1")
    await site.send("lifetime", 0, days="1", origin="https://admin.example")
    assert site.status == 200


async def test_an_action_of_another_tenant_is_not_found(client: Client) -> None:
    await talk(client, "acme")
    site = Site(app_of(client, Access("joe", ALL, tenants={"acme"})))
    await site.get("session", id="ana-1", tenant="acme")
    await site.send("lifetime", 0, days="1", tenant="other")
    assert site.status == 404
    assert await audited(client, "acme") == await audited(client, "other") == []
