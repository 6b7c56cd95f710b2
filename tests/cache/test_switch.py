"""The switch of LangChain's two caches: off for a time, in all processes, at no trip and no command more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from langchain_redis_memory import Client, InvalidInputError, RedisCache, RedisSemanticCache
from langchain_redis_memory.cache.semantic.tenants import SearchOptions
from langchain_redis_memory.redis.client.client import Trip
from tests.conftest import Both
from tests.support.meanings import ASKED, MODEL, NEAR, Cut, WordEmbeddings, answers

LLMCache = RedisCache | RedisSemanticCache
Make = Callable[[Client], LLMCache]


def exact(client: Client) -> LLMCache:
    return RedisCache(client, single_flight_s=60)


def semantic(client: Client) -> LLMCache:
    return RedisSemanticCache(client, WordEmbeddings(), single_flight_s=60, search=SearchOptions(policy=Cut()))


@pytest.fixture(params=[exact, semantic], ids=["exact", "semantic"])
def make(request: pytest.FixtureRequest) -> Make:
    """One of the two."""
    made: Make = request.param
    return made


async def test_an_off_cache_serves_and_keeps_nothing(client: Client, both: Both, make: Make) -> None:
    cache, elsewhere = make(client), make(client)
    await both(cache.update)(ASKED, MODEL, answers("330 m"))
    assert await both(cache.off_for)() == 0
    await both(elsewhere.switch)(on=False, for_s=60)
    assert 0 < await both(cache.off_for)() <= 60
    for question in (ASKED, NEAR, "Who built the Eiffel Tower?"):
        assert await both(cache.lookup)(question, MODEL) is None
        await both(cache.update)(question, MODEL, answers("new"))
    assert await both(cache.get_or_compute)("How heavy is the Eiffel Tower?", MODEL, lambda: "heavy") is not None
    assert await both(cache.count)() == 1
    await both(elsewhere.switch)(on=True)
    assert await both(cache.lookup)(ASKED, MODEL) == answers("330 m")
    assert await both(cache.lookup)("How heavy is the Eiffel Tower?", MODEL) is None
    stats = await both(cache.stats)()
    assert (stats.bypass_reasons, stats.hits, stats.misses) == ({"switched_off": 4}, 1, 1)
    assert [line.outcome for line in await both(cache.decisions)()].count("bypass") == 4


async def test_a_switch_outlives_clearing_and_is_no_entry(client: Client, both: Both, make: Make) -> None:
    cache = make(client)
    await both(cache.update)(ASKED, MODEL, answers("330 m"))
    await both(cache.switch)(on=False, for_s=60)
    assert len(list(cache.export_entries())) == await both(cache.count)() == 1
    await both(cache.clear)()
    assert await both(cache.off_for)() > 0
    assert await both(cache.count)() == 0
    assert "switched_off" in str(await both(cache.explain)(ASKED, MODEL))


async def test_a_switch_is_of_one_cache_of_one_tenant(client: Client, both: Both) -> None:
    await both(RedisCache(client, tenant="acme").switch)(on=False)
    assert await both(RedisCache(client).off_for)() == await both(RedisCache(client, name="b").off_for)() == 0
    cache = RedisSemanticCache(client, WordEmbeddings(), search=SearchOptions(policy=Cut()))
    await both(cache.bind(tenant="acme").switch)(on=False)
    assert await both(cache.off_for)() == 0
    assert await both(cache.bind(tenant="acme", scope="s").off_for)() > 0
    with pytest.raises(InvalidInputError, match="for_s"):
        await both(cache.switch)(on=False, for_s=0)


async def test_a_switch_costs_no_trip(client: Client, both: Both, make: Make, trips: list[Trip]) -> None:
    cache = make(client)
    await both(cache.update)(ASKED, MODEL, answers("330 m"))
    await both(cache.lookup)(ASKED, MODEL)
    trips.clear()
    await both(cache.lookup)(ASKED, MODEL)
    assert len(trips) == 1
