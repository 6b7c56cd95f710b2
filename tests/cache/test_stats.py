"""Statistics: counted on trips that are made anyway, whole, bounded, readable whatever stands in Redis."""

from __future__ import annotations

import textwrap
from datetime import datetime, timedelta, timezone
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation

from langchain_redis_memory import RedisCache
from langchain_redis_memory.cache.entry_options import EntryOptions
from langchain_redis_memory.cache.stats import KEEP_HOURS, Count, Stats, Tally, _row
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support import programs
from tests.support.raw import reply

GPT, OTHER = "gpt-4o", "other/model:7b 🦊"
USAGE = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
TEXT = [ChatGeneration(message=AIMessage("an answer", usage_metadata=USAGE))]


@pytest.fixture
def cache(client: Client) -> RedisCache:
    return RedisCache(client, entries=EntryOptions(prices={GPT: (2.5, 10.0)}))


@pytest.mark.clocked  # an hour may begin meanwhile
async def test_what_is_counted(cache: RedisCache, both: Both) -> None:
    described = f"[('model', '{OTHER}')]"
    for model in (GPT, described):
        for number in range(3):
            assert await both(cache.lookup)(f"q{number}", model) is None
            await both(cache.update)(f"q{number}", model, TEXT)
        assert await both(cache.lookup)("q0", model)
    assert await both(cache.lookup)("q1", GPT)
    await both(cache.update)("q9", GPT, [Generation(text="")])
    await both(cache.update)("q9", GPT, [Generation(text="Error: x")])
    told = await both(cache.stats)()
    assert (told.hits, told.misses, told.bypasses, told.refusals, told.wrong_hits) == (3, 6, 0, 0, 0)
    assert told.hit_rate == 3 / 9
    assert told.tokens_saved == 3 * 110
    assert told.money_saved == pytest.approx(2 * (100 * 2.5 + 10 * 10.0) / 1e6)
    assert (told.total("refused_empty"), told.total("refused_error"), told.total("updates")) == (1, 1, 6)
    assert sum(told.latency_s.values()) == 9
    assert all(0 < bound < 60 for bound in told.latency_s)
    by_model = told.by("model")
    assert set(by_model) == {GPT, OTHER}
    assert (by_model[GPT].hits, by_model[OTHER].hits) == (2, 1)
    (hour,) = told.by("hour")
    assert isinstance(hour, datetime)
    assert abs(hour - datetime.now(timezone.utc)) < timedelta(hours=2)
    assert told.since(hour).hits == 3
    assert told.since(hour + timedelta(hours=1)).hits == 0
    assert told.as_dict()["hits"] == 3
    assert told.as_dict()["hit_rate"] == 3 / 9


async def test_nothing_was_counted(cache: RedisCache, both: Both) -> None:
    told = await both(cache.stats)()
    assert told == Stats((), {GPT: (2.5, 10.0)})
    assert (told.hit_rate, told.tokens_saved, told.money_saved, told.latency_s) == (0.0, 0, 0.0, {})


async def test_two_caches_add_up(client: Client, both: Both) -> None:
    caches = [RedisCache(client) for _ in range(2)]
    for cache in caches:
        for _ in range(5):
            await both(cache.lookup)("q", GPT)
    for cache in caches:
        await both(cache.update)("r", GPT, TEXT)
    assert (await both(RedisCache(client).stats)()).misses == 10
    for cache in caches:
        assert (await both(cache.stats)()).misses == 10
    assert (await both(RedisCache(client, name="another").stats)()).misses == 0


def test_counts_survive_their_process(real: Client, real_url: str) -> None:
    code = f"""
        from langchain_redis_memory import Client, RedisCache
        from langchain_core.outputs import Generation
        cache = RedisCache(Client.from_url({real_url!r}, prefix={real.keys().prefix!r}))
        for number in range(5):
            cache.lookup(f"q{{number}}", "m")
            cache.update(f"q{{number}}", "m", [Generation(text="a")])
    """
    programs.run(textwrap.dedent(code)).check_returncode()
    assert RedisCache(real).stats().misses == 5


async def test_counting_costs_no_trip(cache: RedisCache, both: Both, trips: list[Trip]) -> None:
    await both(cache.update)("q", GPT, TEXT)
    await both(cache.update)("q", GPT, TEXT)  # every script is known now
    await both(cache.lookup)("q", GPT)
    trips.clear()
    for _ in range(200):
        await both(cache.lookup)("q", GPT)
    assert len(trips) == 200
    along = [trip for trip in trips if trip.commands > min(trip.commands for trip in trips)]
    assert 0 < len(along) < 100, "some take along what was counted and logged"


async def test_a_refused_answer_costs_no_trip_and_counts_once(cache: RedisCache, both: Both, trips: list[Trip]) -> None:
    await both(cache.update)("q", "m", [Generation(text="")])
    assert not trips
    assert (await both(cache.stats)()).total("refused_empty") == 1


async def test_no_count_is_lost_among_threads(real: Client) -> None:
    cache = RedisCache(real)
    cache.update("q", GPT, TEXT)
    threads = [Thread(target=lambda: [cache.lookup("q", GPT) for _ in range(100)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (await cache.astats()).hits == 600


async def test_it_lives_for_a_fixed_time(cache: RedisCache, both: Both) -> None:
    await both(cache.update)("q", GPT, TEXT)
    left = reply(cache._client, "TTL", cache._flows.best_effort.tally._key)
    assert KEEP_HOURS * 3600 - 60 < left <= KEEP_HOURS * 3600


@pytest.mark.clocked  # another may begin meanwhile
async def test_old_hours_are_removed_when_one_begins(cache: RedisCache, both: Both) -> None:
    key = cache._flows.best_effort.tally._key
    await both(cache.update)("q", GPT, TEXT)
    now = int(reply(cache._client, "HGET", key, "hour"))
    hours = (1, now - KEEP_HOURS, now - KEEP_HOURS + 1, now - 1)
    reply(cache._client, "HSET", key, *(part for hour in hours for part in (f"{hour}/m//hits", 5)))
    await both(cache.update)("q", GPT, TEXT)
    assert (await both(cache.stats)()).hits == 20
    reply(cache._client, "HSET", key, "hour", now - 1)
    await both(cache.update)("q", GPT, TEXT)
    told = await both(cache.stats)()
    assert told.hits == 10
    assert min(row.hour for row in told.rows) == datetime.fromtimestamp((now - KEEP_HOURS + 1) * 3600, timezone.utc)


FOREIGN: dict[bytes, bytes] = {
    b"": b"1",
    b"hits": b"1",
    b"1/m/hits": b"1",
    b"1/m//hits/x": b"1",
    b"x/m//hits": b"1",
    b"-1/m//hits": b"1",
    "²/m//hits".encode(): b"1",
    b"99999999999999999999/m//hits": b"1",
    b"5/m//hits": b"many",
    b"6/m//hits": b"--5",
    b"7/m//hits": b"",
    b"8/m//hits": b"9" * 5000,
    b"9/m//us:": b"1",
    b"10/m//us:x": b"1",
    b"11/m//us:99999": b"1",
    b"12/\xff\xfe//\xff": b"1",
    b"13/m//": b"1",
}


async def test_foreign_fields_count_as_absent(cache: RedisCache, both: Both) -> None:
    await both(cache.lookup)("q", GPT)
    reply(
        cache._client, "HSET", cache._flows.best_effort.tally._key, *(part for pair in FOREIGN.items() for part in pair)
    )
    await both(cache.update)("q", GPT, TEXT)
    told = await both(cache.stats)()
    assert {row.metric for row in told.rows if not row.metric.startswith("us:")} == {"misses", "updates"}
    assert told.misses == 1
    assert told.latency_s
    assert told.as_dict()["money_saved"] == 0.0


async def test_a_foreign_value_under_a_count_does_not_stop_the_others(cache: RedisCache, both: Both) -> None:
    await both(cache.update)("q", GPT, TEXT)
    key = cache._flows.best_effort.tally._key
    (name,) = [field for field in reply(cache._client, "HKEYS", key) if field.endswith(b"updates")]
    reply(cache._client, "HSET", key, name, "foreign")
    for _ in range(3):
        assert await both(cache.lookup)("q", GPT)
        await both(cache.update)("q", GPT, TEXT)
    told = await both(cache.stats)()
    assert (told.hits, told.total("updates")) == (3, 3)


@given(st.binary(max_size=30) | st.from_regex(rb"\d*/[^/]?/[^/]?/(us:)?\w*", fullmatch=True), st.binary(max_size=6))
def test_any_field_can_be_read(name: bytes, value: bytes) -> None:
    row = _row((name, value))
    told = Stats((row,) if row else (), {})
    assert told.latency_s is not None
    assert told.as_dict()["tokens_saved"] == told.tokens_saved


@given(
    st.text(max_size=60).filter(lambda text: len(text.encode("utf-8", "replace")) < 30), st.sampled_from(["", "a/b"])
)
def test_names_come_back(model: str, kind: str) -> None:
    model = model.encode("utf-8", "replace").decode()
    row = _row((f"5/{Count('hits', model, kind).spelled()}".encode(), b"-3"))
    assert row == (datetime(1970, 1, 1, 5, tzinfo=timezone.utc), model, kind, "hits", -3)


def test_what_waits_is_bounded_and_adds_up() -> None:
    tally = Tally("k")
    for _ in range(50_000):
        tally.add("skipped")
    assert len(tally._waiting) < 5000
    assert tally.take(0) == {Count("skipped"): 50_000}
    tally.add("hits", 7, model="busy")
    for number in range(20_000):
        tally.add("hits", model=f"m{number}")
    assert len(tally._waiting) < 5000
    assert tally.take(0)[Count("hits", "busy")] == 7, "the largest stay"


def test_a_histogram_of_doubling_buckets() -> None:
    tally = Tally("k")
    for seconds in (0, 1e-6, 0.0006, 0.000512, 1.5):
        tally.timed(seconds)
    assert sorted(count.metric for count in tally.take(0).elements()) == ["us:0", "us:1", "us:10", "us:10", "us:21"]


async def test_models_without_end_do_not_fill_the_tally(real: Client, both: Both) -> None:
    cache = RedisCache(real)
    for number in range(600):
        await both(cache.lookup)("q", f"[('model_name', 'm{number}')]" + " " * 40)
    told = await both(cache.stats)()
    assert told.misses == 600
    assert len(told.by("model")) < 300
