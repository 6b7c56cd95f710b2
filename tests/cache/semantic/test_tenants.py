"""Many tenants in one process: a bounded LRU of their searches, and no statistics lost with one that goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from langchain_redis_memory.cache.answers.answer_cache import CacheQuestion
from langchain_redis_memory.cache.answers.desk import AnswerDesk
from langchain_redis_memory.cache.answers.semantic import SemanticAnswerCache
from langchain_redis_memory.cache.semantic import tenants
from langchain_redis_memory.cache.semantic.cache import RedisSemanticCache
from langchain_redis_memory.cache.semantic.tenants import SearchOptions, TenantSearches
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.meanings import ASKED, MODEL, TEXT, Cut, WordEmbeddings

Ask = Callable[[str], Any]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenants, "MOST_TENANTS", 3)


def cache_of(client: Client) -> tuple[RedisSemanticCache, TenantSearches]:
    cache = RedisSemanticCache(client, WordEmbeddings(), search=SearchOptions(policy=Cut()))
    return cache, cache._flows._searches


def kept(searches: TenantSearches) -> list[str]:
    return [space.tenant for space in searches._searches]


@pytest.mark.slow
def test_both_caches_keep_a_bounded_number(client: Client) -> None:
    answers = SemanticAnswerCache(client, WordEmbeddings(), search=SearchOptions(policy=Cut()))
    cache, searches = cache_of(client)
    for number in range(3000):
        answers.lookup(CacheQuestion(client.keys(f"t{number}"), "", "s", ASKED))
        cache.bind(tenant=f"t{number}")
    assert len(kept(answers._searches)) == len(kept(searches)) == tenants.MOST_TENANTS == 1000


@pytest.mark.usefixtures("few")
def test_the_least_recently_used_goes(client: Client) -> None:
    cache, searches = cache_of(client)
    for tenant in ("a", "b", "a", "c"):
        cache.bind(tenant=tenant)
    assert kept(searches) == ["b", "a", "c"]
    cache.bind(tenant="b")
    cache.bind(tenant="d")
    assert kept(searches) == ["c", "b", "d"]


@pytest.mark.usefixtures("few")
async def test_counts_of_a_tenant_that_goes_are_sent(client: Client, both: Both) -> None:
    cache, searches = cache_of(client)
    names = ["a", "b", "c", "d", "e"]
    for tenant in names:
        bound = cache.bind(tenant=tenant)
        assert await both(bound.lookup)(ASKED, MODEL) is None  # takes the first counts along, more are left behind
        assert await both(bound.lookup)(ASKED, MODEL) is None
    assert kept(searches) == ["c", "d", "e"]
    await both(cache.bind(tenant="e").update)(ASKED, MODEL, TEXT)
    for tenant in ("a", "b"):
        stats = await both(
            RedisSemanticCache(client, WordEmbeddings(), tenant=tenant, search=SearchOptions(policy=Cut())).stats
        )()
        assert (stats.misses, stats.hits) == (2, 0), tenant


@pytest.mark.usefixtures("few")
async def test_counts_of_answers_of_a_tenant_that_goes_are_sent(client: Client, both: Both) -> None:
    answers = SemanticAnswerCache(client, WordEmbeddings(), search=SearchOptions(policy=Cut()))
    for tenant in ("a", "b", "c", "d"):
        asked = CacheQuestion(client.keys(tenant), "", "s", ASKED)
        answers.records.tally(asked.space).add("misses")
        assert await both(client.drive)(answers.search(asked)) is None
    tally = answers.records.tally(asked.space)
    await both(client.run)(tally.sends(tally.take(0.0)))
    assert (await both(AnswerDesk(client, answers, tenant="a").stats)()).misses == 1
