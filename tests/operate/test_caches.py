"""The statistics of all caches of a deployment, and their targets."""

from __future__ import annotations

import pytest

from langchain_redis_memory import Client, ConversationMemory, InvalidInputError, RedisCaches, RedisValueCache
from langchain_redis_memory.operate.caches import parse_targets
from tests.conftest import Both
from tests.support.chains import DescribedModel


async def use(both: Both, client: Client) -> None:
    """Ten look-ups of values of which nine miss, and two turns that miss and hit."""
    values = RedisValueCache(client, "prefs", tenant="acme", ttl_s=60)
    for name in [*range(8), 0, 9]:
        await both(values.get_or_load)(str(name), lambda: "v")
    await both(values.stats)()
    memory = ConversationMemory(client, ttl_s=60, answer_ttl_s=60)
    chat = memory.wrap(DescribedModel(), scope="chat")
    for session in ("a", "b"):
        await both(chat.invoke)("What is throat cancer?", {"configurable": {"session_id": session}})
    await both(chat.invoke)("What is flu?", {"configurable": {"session_id": "c"}})
    await both(memory.answers.stats)()


async def test_all_caches_are_found_and_judged_by_their_targets(there: Client, both: Both) -> None:
    await use(both, there)
    caches = RedisCaches(there)
    found = {(one.tenant, one.namespace): one.stats for one in await both(caches.stats)()}
    assert set(found) == {("acme", "values/prefs"), ("", "answers/exact")}
    assert (found["acme", "values/prefs"].hits, found["acme", "values/prefs"].misses) == (1, 9)
    assert (found["", "answers/exact"].hits, found["", "answers/exact"].misses) == (1, 2)
    targets = {"values/other": 0.9, "values/*": 0.5, "*": 0.1}
    status = await both(caches.status)(targets, enough=3)
    assert [(one.tenant, one.namespace, one.target, one.lookups) for one in status.below] == [
        ("acme", "values/prefs", 0.5, 10)
    ]
    assert not status.well
    assert (await both(caches.status)(targets, enough=11)).below == ()
    assert (await both(caches.status)()).below == ()
    assert [one.namespace for one in await both(RedisCaches(there, tenant="acme").stats)()] == ["values/prefs"]
    with pytest.raises(InvalidInputError):
        await both(caches.status)({"*": 2})


async def test_what_was_asked_in_vain(there: Client, both: Both) -> None:
    await use(both, there)
    caches = RedisCaches(there)
    assert {one.outcome for one in await both(caches.decisions)(n=3)} == {"hit", "miss"}
    missed = await both(caches.top_misses)()
    assert sorted(one.question for one in missed) == ["What is flu?", "What is throat cancer?"]
    assert await both(RedisCaches(there, tenant="acme").top_misses)() == []


async def test_a_server_that_is_not_there_is_not_well(both: Both) -> None:
    status = await both(RedisCaches(Client.from_url("redis://127.0.0.1:1/0", retries=0)).status)()
    assert not status.well
    assert not status.health.reachable


def test_targets_are_spelled_in_a_line() -> None:
    assert parse_targets("values/*=0.7, answers/*=0.3,") == {"values/*": 0.7, "answers/*": 0.3}
    assert parse_targets("") == {}
    for wrong in ("values", "=0.5", "a=b", "a=2"):
        with pytest.raises(InvalidInputError):
            parse_targets(wrong)
