"""The semantic cache on every engine: the same answers, nothing left of what was deleted, has expired or had to go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from langchain_redis_memory.cache.semantic import entries, search
from langchain_redis_memory.cache.semantic.cache import RedisSemanticCache
from langchain_redis_memory.cache.semantic.tenants import SearchOptions
from langchain_redis_memory.ops import Op, ask
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.vectors.engine import Collection, Engine, Point, Quantization
from langchain_redis_memory.vectors.exact_scan import ExactScan
from langchain_redis_memory.vectors.query_engine import QueryEngine
from langchain_redis_memory.vectors.vector_sets import VectorSets
from tests.conftest import Both, Watch, url_of
from tests.support import servers
from tests.support.meanings import (
    ASKED,
    DIMS,
    DOUBTFUL,
    FAR,
    MODEL,
    NEAR,
    OTHER,
    TEXT,
    Cut,
    WordEmbeddings,
    answers,
    keys_of,
    prompt,
    text,
)
from tests.support.raw import raw
from tests.support.servers import NEWEST, PATIENT_S, Farm, wait_for

STATISTICS = ("tally", "decisions")
PLACES = [("exact", str(name.values[0]), "int8") for name in servers.TABLE]
PLACES += [("exact", NEWEST, "none"), ("exact", NEWEST, "binary")]
if "search" in servers.REAL:
    kinds: tuple[Quantization, ...] = ("none", "int8", "binary")
    PLACES += [("vector_sets", "search", kind) for kind in kinds]
    PLACES += [("query_engine", "search", kind) for kind in kinds[:2]]


@pytest.fixture(params=[pytest.param(place, id="-".join(place)) for place in PLACES])
async def cache(
    request: pytest.FixtureRequest, farm: Farm, prefix: str, watch: Watch, trips: list[Trip]
) -> AsyncIterator[RedisSemanticCache]:
    """A cache on each engine, on each server that can have it, in each quantization."""
    engine, where, quantization = request.param
    url = url_of(where, farm)
    watch(url, prefix)
    client = Client.from_url(url, prefix=prefix, on_trip=trips.append, timeout_s=PATIENT_S)
    made = RedisSemanticCache(
        client,
        WordEmbeddings(),
        ttl_s=600,
        search=SearchOptions(policy=Cut(), max_entries=200, engine=engine, quantization=quantization),
    )
    yield made
    for index in raw(client, ("FT._LIST",))[0] if engine == "query_engine" else []:
        raw(client, ("FT.DROPINDEX", index)) if index.startswith(prefix.encode()) else None
    await client.aclose()


def left(cache: RedisSemanticCache) -> list[str]:
    """The keys that are left, statistics aside."""
    return keys_of(cache._client, *STATISTICS)


async def filled(cache: RedisSemanticCache, both: Both) -> None:
    for number in range(12):
        model = (MODEL, OTHER)[number % 2]
        await both(cache.bind(tags=[f"t{number % 3}"], session=f"s{number % 4}").update)(
            f"What is thing number {number}?", model, answers(str(number))
        )


# --- the same on each -----------------------------------------------------------------------------------------------


async def test_the_same_answers(cache: RedisSemanticCache, both: Both) -> None:
    assert await both(cache.lookup)(ASKED, MODEL) is None
    await both(cache.update)(ASKED, MODEL, TEXT)
    await filled(cache, both)
    assert await both(cache.lookup)(ASKED, MODEL) == TEXT
    assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"
    for other in (FAR, DOUBTFUL, "What is thing number 99?"):
        assert await both(cache.lookup)(other, MODEL) is None
    assert await both(cache.lookup)(NEAR, OTHER) is None
    assert text(await both(cache.lookup)("What thing is number 7?", OTHER)) == "7"
    told = await both(cache.explain)("What thing is number 8?", MODEL)
    assert told.hit.entry.question == "What is thing number 8?"
    assert told.candidates[0].similarity == pytest.approx(1, abs=0.05)
    assert {one.question for one in told.candidates} <= {
        ASKED,
        *(f"What is thing number {number}?" for number in range(0, 12, 2)),
    }


async def test_strange_questions_are_found(cache: RedisSemanticCache, both: Both) -> None:
    for words in ("a:b {c} 🦊 *", "0:x", '"quoted" | bar ~ tilde', "word " * 300):
        await both(cache.update)(words, MODEL, answers(words))
        assert text(await both(cache.lookup)(words.upper(), MODEL)) == words


# --- deleting -------------------------------------------------------------------------------------------------------

DELETIONS: dict[str, tuple[dict[str, Any], set[int]]] = {
    "model": ({"model": OTHER}, {1, 3, 5, 7, 9, 11}),
    "tag": ({"tag": "t1"}, {1, 4, 7, 10}),
    "session": ({"session": "s2"}, {2, 6, 10}),
    "two of them": ({"model": MODEL, "tag": "t1"}, {4, 10}),
    "prompt": ({"prompt": "What is thing number 3?", "model": OTHER}, {3}),
    "prompt of another model": ({"prompt": "What is thing number 3?", "model": MODEL}, set()),
    "prompt of another tag": ({"prompt": "What is thing number 3?", "model": OTHER, "tag": "t1"}, set()),
    "embedding": ({"embedding": "words"}, set(range(12))),
    "embedding with its dimensions": ({"embedding": f"words:{DIMS}"}, set(range(12))),
    "another embedding": ({"embedding": "other"}, set()),
    "unknown": ({"tag": "unknown"}, set()),
    "all": ({}, set(range(12))),
}


@pytest.mark.slow
async def test_deleting_some(cache: RedisSemanticCache, both: Both) -> None:
    await filled(cache, both)
    there = set(range(12))
    for name, (options, gone) in DELETIONS.items():
        expected = gone & there
        assert await both(cache.delete)(**options) == len(expected), name
        there -= gone
        for number in {0, 5, *sorted(gone)[:3]}:
            model = (MODEL, OTHER)[number % 2]
            found = await both(cache.explain)(f"What thing is number {number}?", model)
            questions = {one.question for one in found.candidates}
            assert questions <= {f"What is thing number {one}?" for one in there}
            assert (found.hit is not None) == (number in there), (name, number)
        if not there:
            await filled(cache, both)
            there = set(range(12))
    await both(cache.clear)()
    assert left(cache) == [] or all(":points" in key or ":point_" in key for key in left(cache))


async def test_nothing_is_left(cache: RedisSemanticCache, both: Both) -> None:
    await filled(cache, both)
    other = cache.bind(tenant="t")
    await both(other.update)(ASKED, MODEL, TEXT)
    hit = (await both(cache.explain)("What is thing number 2?", MODEL)).hit
    assert await both(cache.delete)(hit_id=hit.id) == 1
    assert await both(cache.delete)(hit_id=hit.id) == 0
    await both(cache.clear)()
    assert await both(cache.count)() == 0
    assert text(await both(other.lookup)(NEAR, MODEL)) == "330 metres"
    await both(other.clear)()
    assert left(cache) == []


async def test_damaged_entries_are_deleted_with_the_others(cache: RedisSemanticCache, both: Both) -> None:
    await both(cache.update)(ASKED, MODEL, TEXT)
    keys = cache._flows.search.keys
    (name,) = raw(cache._client, ("HKEYS", keys.items))[0]
    raw(cache._client, ("HSET", keys.items, name, b"+inf:damaged"))
    await both(cache.clear)()
    assert raw(cache._client, ("EXISTS", keys.items)) == [0]


async def test_deleting_asks_for_no_list_of_keys(farm: Farm, prefix: str, watch: Watch, both: Both) -> None:
    url = farm.url(NEWEST)
    watch(url, prefix)
    async with Client.from_url(url, prefix=prefix, timeout_s=PATIENT_S) as client:
        cache = RedisSemanticCache(client, WordEmbeddings(), search=SearchOptions(policy=Cut()))
        raw(client, ("CONFIG", "RESETSTAT"))
        await filled(cache, both)
        await both(cache.delete)(tag="t1")
        await both(cache.clear)()
        used = raw(client, ("INFO", "commandstats"))[0]
    lines = used.decode().splitlines() if isinstance(used, bytes) else [f"cmdstat_{name}:" for name in used]
    assert not any(line.lower().startswith(("cmdstat_keys:", "cmdstat_scan:")) for line in lines)
    assert any("cmdstat_hscan" in line.lower() for line in lines)


# --- lifetimes and the bound ----------------------------------------------------------------------------------------


def timed(cache: RedisSemanticCache, ttl_ms: int) -> RedisSemanticCache:
    bound = cache.bind()
    bound._flows._ttl_ms = ttl_ms
    return bound


async def test_entries_and_vectors_expire(cache: RedisSemanticCache, both: Both) -> None:
    short = timed(cache, 100)
    await both(short.update)(ASKED, MODEL, TEXT)
    await both(cache.update)(FAR, OTHER, TEXT)
    wait_for(lambda: cache.lookup(NEAR, MODEL) is None and cache.lookup(ASKED, MODEL) is None)
    assert await both(cache.lookup)(FAR, OTHER) == TEXT
    wait_for(lambda: not [key for key in left(cache) if "point" in key and "What" not in key and "How" in key])
    await both(cache.update)("What else?", MODEL, TEXT)
    found = await both(cache.explain)(NEAR, MODEL)
    assert ASKED not in {one.question for one in found.candidates if one.why == ""}
    await both(short.update)(FAR, OTHER, TEXT)
    await both(short.update)("What else?", MODEL, TEXT)
    wait_for(lambda: left(cache) == [])


async def test_what_was_used_least_recently_goes_with_its_vector(cache: RedisSemanticCache, both: Both) -> None:
    engine, quantization = cache._flows.search.engines._wanted
    search = SearchOptions(policy=Cut(), max_entries=4, engine=engine, quantization=quantization)
    small = RedisSemanticCache(cache._client, WordEmbeddings(), ttl_s=600, search=search)
    names = ["zero", "one", "two", "three", "four", "five", "six"]
    keys = small._flows.search.keys

    def later() -> None:
        """Makes whatever was used so far older than what is used now, whose time is counted in milliseconds."""
        for name in raw(cache._client, ("ZRANGE", keys.uses, 0, -1))[0]:
            raw(cache._client, ("ZINCRBY", keys.uses, -1000, name))

    for name in names:
        await both(small.update)(f"What is the meaning of {name}?", MODEL, answers(name))
        later()
        assert text(await both(small.lookup)("What is the meaning of zero?", MODEL)) == "zero", (
            "it is used all the time"
        )
        later()
        assert await both(small.count)() <= 4
    found = await both(small.explain)("What is the meaning of life?", MODEL)
    assert {one.question.split()[-1] for one in found.candidates} == {"zero?", "four?", "five?", "six?"}
    assert raw(cache._client, ("ZCARD", keys.uses), ("ZCARD", keys.expiries)) == [4, 4]
    await both(small.clear)()
    assert left(cache) == []


async def test_a_bound_holds_for_what_was_stored_without_one(real: Client, both: Both) -> None:
    free = RedisSemanticCache(real, WordEmbeddings(), search=SearchOptions(policy=Cut(), max_entries=None))
    for number in range(9):
        await both(free.update)(f"What is thing number {number}?", MODEL, answers("a"))
    small = RedisSemanticCache(real, WordEmbeddings(), search=SearchOptions(policy=Cut(), max_entries=3))
    keys = small._flows.search.keys
    for name in raw(real, ("ZRANGE", keys.uses, 0, -1))[0]:
        raw(real, ("ZINCRBY", keys.uses, -1000, name))
    await both(small.update)(ASKED, MODEL, TEXT)
    assert await both(small.count)() == 3
    assert await both(small.lookup)(ASKED, MODEL) == TEXT


async def test_a_vector_without_an_entry_is_removed_when_it_is_found(cache: RedisSemanticCache, both: Both) -> None:
    await both(cache.update)(ASKED, MODEL, TEXT)
    await both(cache.update)("please " + ASKED, MODEL, answers("the other"))
    keys = cache._flows.search.keys
    name = bytes.fromhex((await both(cache.explain)(ASKED, MODEL)).hit.id.partition("-")[0])
    raw(cache._client, ("HDEL", keys.items, name))
    told = await both(cache.explain)(NEAR, MODEL)
    assert [(one.question, one.why) for one in told.candidates] == [
        (ASKED, "its answer is gone"),
        ("please " + ASKED, ""),
    ]
    again = await both(cache.explain)(NEAR, MODEL)
    assert [one.question for one in again.candidates] == ["please " + ASKED]
    assert text(await both(cache.lookup)(NEAR, MODEL)) == "the other"


@pytest.mark.pins
async def test_without_a_lifetime_it_stays(cache: RedisSemanticCache, both: Both) -> None:
    lasting = timed(cache, 0)
    await both(lasting.update)(ASKED, MODEL, TEXT)
    keys = cache._flows.search.keys
    assert raw(cache._client, ("PTTL", keys.items), ("PTTL", keys.reports)) == [-1, -1]
    assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"
    await both(cache.clear)()
    assert left(cache) == []


async def test_another_engine_or_quantization_starts_anew(farm: Farm, prefix: str, watch: Watch, both: Both) -> None:
    url = farm.url(NEWEST)
    watch(url, prefix)
    async with Client.from_url(url, prefix=prefix, timeout_s=PATIENT_S) as client:
        ways: list[tuple[Any, Any]] = [("exact", "none"), ("exact", "int8")]
        if client.server().vector_sets:
            ways += [("vector_sets", "int8"), ("vector_sets", "none"), ("vector_sets", "binary")]
        for engine, quantization in ways:
            cache = RedisSemanticCache(
                client, WordEmbeddings(), search=SearchOptions(policy=Cut(), engine=engine, quantization=quantization)
            )
            await both(cache.update)(ASKED, MODEL, TEXT)
            assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"
        assert (await both(cache.stats)()).total("errors") == 0


# --- trips ----------------------------------------------------------------------------------------------------------


async def test_a_hit_by_meaning_is_read_by_the_search_that_finds_it(
    cache: RedisSemanticCache, both: Both, trips: list[Trip]
) -> None:
    await both(cache.update)(ASKED, MODEL, TEXT)
    for _ in range(3):  # the scripts, and counts that waited for a second
        trips.clear()
        assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"
    (engine,) = cache._flows.search.engines._made.values()
    assert len(trips) == (3 if isinstance(engine, ExactScan) else 2)
    await both(cache.delete)(question=ASKED)
    assert await both(cache.lookup)(NEAR, MODEL) is None


async def test_what_may_not_search_in_a_script_is_read_apart(
    real: Client, both: Both, trips: list[Trip], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = RedisSemanticCache(real, WordEmbeddings(), search=SearchOptions(policy=Cut()))
    await both(cache.update)(ASKED, MODEL, TEXT)
    refused = Op[Any]((("VSIM.NEVER", cache._flows.search.keys.items),), lambda _replies: None)
    monkeypatch.setattr(entries, "nearest", lambda *_: refused)
    assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"
    for _ in range(2):
        trips.clear()
        assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"
    assert len(trips) == 3, "it was tried once"


async def test_vectors_under_names_of_another_format_are_never_found(
    cache: RedisSemanticCache, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(search, "FORMAT", 1)
        await both(cache.update)(ASKED, MODEL, TEXT)
        assert len((await both(cache.explain)(NEAR, MODEL)).candidates) == 1
    assert (await both(cache.explain)(NEAR, MODEL)).candidates == ()
    assert text(await both(cache.lookup)(ASKED, MODEL)) == "330 metres"


async def test_a_vector_stays_whose_entry_was_stored_again_meanwhile(
    real: Client, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = RedisSemanticCache(real, WordEmbeddings(), search=SearchOptions(policy=Cut()))
    await both(cache.update)(ASKED, MODEL, TEXT)
    found_with = entries.nearest
    with monkeypatch.context() as patched:
        patched.setattr(
            entries, "nearest", lambda *args: found_with(*args).map(lambda found: found._replace(record=None))
        )
        assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"
    assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"


# --- a server that lost its data ------------------------------------------------------------------------------------


@pytest.mark.skipif("search" not in servers.REAL, reason="needs the Query Engine's module")
@pytest.mark.parametrize("engine", ["query_engine", "vector_sets", "exact"])
async def test_a_server_that_lost_its_data_is_filled_again(farm: Farm, both: Both, engine: Any) -> None:
    if "lossy" not in farm.started:
        farm.started["lossy"] = farm.start("search")
    async with Client.from_url(farm.started["lossy"].url) as client:
        cache = RedisSemanticCache(client, WordEmbeddings(), search=SearchOptions(policy=Cut(), engine=engine))
        await both(cache.update)(ASKED, MODEL, TEXT)
        assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"
        raw(client, ("FLUSHALL",))
        assert await both(cache.lookup)(NEAR, MODEL) is None
        await both(cache.update)(ASKED, MODEL, TEXT)
        assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"


# --- recall ---------------------------------------------------------------------------------------------------------

ENGINES: dict[str, tuple[str, Engine]] = {
    "exact": ("memory", ExactScan(DIMS)),
    "exact int8": (NEWEST, ExactScan(DIMS, "int8")),
    "sets": ("search", VectorSets(DIMS, "none", effort=100, links=16)),
    "sets int8": ("search", VectorSets(DIMS, "int8", effort=100, links=16)),
    "query": ("search", QueryEngine(DIMS, effort=100)),
    "query half": ("search", QueryEngine(DIMS, "int8", effort=100)),
}


@pytest.mark.pins
@pytest.mark.parametrize("name", [name for name, (where, _) in ENGINES.items() if where in {"memory", *servers.REAL}])
def test_the_nearest_is_found(farm: Farm, prefix: str, watch: Watch, name: str) -> None:
    where, engine = ENGINES[name]
    url = url_of(where, farm)
    watch(url, prefix)
    chance = np.random.default_rng(7)
    count = 600 if where == "memory" else 1000
    data = chance.normal(size=(count, DIMS)).astype(np.float32) * 1e5  # beyond what float16 can hold
    asked = data[chance.integers(0, count, 100)] + 4e4 * chance.normal(size=(100, DIMS)).astype(np.float32)
    unit = data / np.linalg.norm(data, axis=1, keepdims=True)
    with Client.from_url(url, prefix=prefix, timeout_s=PATIENT_S) as client:
        place = Collection(client.keys(), "test", "recall")
        client.run(engine.prepare(client.keys()))
        for start in range(0, count, 500):
            rows = range(start, min(start + 500, count))
            client.run(engine.add(place, [Point(str(i), data[i : i + 1]) for i in rows]))

        def flow(vector: Any) -> Any:
            hits = None
            while hits is None:
                hits = yield from ask(engine.search(place, vector.tolist(), 8))
            return hits

        found = [client.drive(flow(vector)).found[0] for vector in asked]
        right = sum(
            int(owner) == int(np.argmax(unit @ vector)) for (owner, _), vector in zip(found, asked, strict=True)
        )
        assert right >= 99
        for (owner, score), vector in zip(found, asked, strict=True):
            exact = float(unit[int(owner)] @ vector / np.linalg.norm(vector))
            assert score == pytest.approx(exact, abs=0.01)
        if isinstance(engine, QueryEngine):
            client.run(Op((("FT.DROPINDEX", engine._index(client.keys())),), lambda _: None))


def test_damaged_points_are_passed_over(real: Client) -> None:
    for engine in (ExactScan(DIMS), ExactScan(DIMS, "int8")):
        place = Collection(real.keys(), "test", f"damaged {engine.quantization}")
        row = np.ones((1, DIMS), np.float32)
        names = ["whole", "cut", "empty", "text", "not finite", "long", "tags"]
        real.run(engine.add(place, [Point(name, row, ("t",), 60_000) for name in names]))
        records = {name: raw(real, ("HGET", place.keys.points, f"p{name}"))[0] for name in names}
        for name, damaged in {
            "cut": records["cut"][:-1],
            "empty": b"",
            "text": b"hello",
            "not finite": records["not finite"][:2] + b"\xff" * (len(records["not finite"]) - 2),
            "long": records["long"] + b"x",
            "tags": b"\xff" + records["tags"],
        }.items():
            raw(real, ("HSET", place.keys.points, f"p{name}", damaged))
        fresh = ExactScan(DIMS)
        hits = real.run(fresh.search(place, row[0].tolist(), 10))
        assert hits is not None
        assert {owner for owner, _ in hits.found} == {"whole", "tags"}
        real.run(engine.remove(place, names))


def test_prompts_of_conversations_are_on_the_same_engine(real: Client) -> None:
    cache = RedisSemanticCache(real, WordEmbeddings(), search=SearchOptions(policy=Cut()))
    cache.update(prompt("What is measles?", "A virus.", "Is it treatable?"), MODEL, TEXT)
    cache.update(prompt("What is cancer?", "A tumour.", "Is it treatable?"), MODEL, TEXT)
    assert len(cache._flows.search.engines._made) == 1
    assert cache.count() == 2
