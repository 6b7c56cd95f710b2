"""Semantic search of `RedisStore`: like the store in memory, on every engine, with nothing left of what is gone."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langgraph.store.base import GetOp, PutOp, SearchOp

from langchain_redis_memory.errors import ConfigError, InvalidInputError, ServerError, UnserialisableError
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.store import filters
from langchain_redis_memory.store.redis_store import RedisStore
from tests.conftest import Both
from tests.support import servers
from tests.support.raw import raw, reply
from tests.support.stores import DIMS, Oracle, embed

pytestmark = pytest.mark.pins

INDEX: Any = {"dims": DIMS, "embed": embed, "fields": ["text"]}


def smooth(texts: list[str]) -> list[list[float]]:
    """Vectors without equal scores."""
    return [np.random.default_rng(list(text.encode())).normal(size=32).tolist() for text in texts]


SMOOTH: Any = {"dims": 32, "embed": smooth, "fields": ["text"]}


async def filled(store: RedisStore, both: Both, count: int = 120) -> None:
    await both(store.batch)(
        [PutOp(("m", f"u{i % 3}"), str(i), {"text": f"text {i}", "g": i % 4, "n": i}) for i in range(count)]
    )


async def test_the_same_as_in_memory(client: Client, both: Both) -> None:
    store, oracle = RedisStore(client, index=SMOOTH), Oracle(index=SMOOTH)
    ops: list[Any] = [PutOp(("m", f"u{i % 3}"), str(i), {"text": f"text {i}", "g": i % 4, "n": i}) for i in range(120)]
    ops += [PutOp(("m", "u1"), f"bare {i}", {"g": 1}, index=False) for i in range(3)]
    await both(store.batch)(ops)
    oracle._insertinmem_store = lambda found, _: Oracle._insertinmem_store(oracle, found, smooth(list(found)))  # type: ignore[method-assign, assignment]
    oracle.batch(ops)
    for op in (
        SearchOp(("m", "u1"), query="text 7"),
        SearchOp(("m",), query="text 7", limit=20, offset=5),
        SearchOp((), query="text 7", limit=3),
        SearchOp(("m",), {"g": 2}, query="text 7"),
        SearchOp(("m", "u1"), {"n": {"$gte": 100}}, query="text 7"),
        SearchOp(("m", "u1"), {"g": 1}, query="text 7", limit=50),
        SearchOp(("m",), {"n": {"$lt": 0}}, query="text 7"),
        SearchOp(("other",), query="text 7"),
        SearchOp(("m",), query="text 7", limit=0),
    ):
        found, expected = (await both(store.batch)([op]))[0], oracle.batch([op])[0]
        assert [(item.namespace, item.key) for item in found] == [(item.namespace, item.key) for item in expected]
        scores = [(item.score, other.score) for item, other in zip(found, expected, strict=True)]
        assert all(ours == pytest.approx(theirs, abs=1e-3) for ours, theirs in scores)


async def test_fields_and_paths(client: Client, both: Both) -> None:
    index: Any = {"dims": DIMS, "embed": embed, "fields": ["title", "parts[*].text"]}
    store = RedisStore(client, index=index)
    await both(store.put)(("a",), "1", {"title": "one", "parts": [{"text": "two"}, {"text": "three"}]})
    await both(store.put)(("a",), "2", {"title": "four", "note": "five"}, index=["note"])
    await both(store.put)(("a",), "3", {"title": "six"}, index=False)
    for query, key in (("one", "1"), ("two", "1"), ("three", "1"), ("five", "2")):
        best = (await both(store.search)(("a",), query=query))[0]
        assert (best.key, best.score) == (key, pytest.approx(1, abs=1e-4))
    assert (await both(store.search)(("a",), query="four"))[0].score < 0.999
    assert [item.score for item in await both(store.search)(("a",), query="six") if item.key == "3"] == [None]


async def test_the_whole_value_without_fields(client: Client, both: Both) -> None:
    store = RedisStore(client, index={"dims": DIMS, "embed": embed})
    await both(store.put)(("a",), "k", {"b": 1, "a": "é"})
    assert (await both(store.search)(("a",), query='{"a": "é", "b": 1}'))[0].score == pytest.approx(1, abs=1e-4)
    with pytest.raises(UnserialisableError, match="embedded"):
        await both(store.put)(("a",), "k2", {"b": b"\0"})
    await both(store.put)(("a",), "k2", {"b": b"\0"}, index=False)


async def test_what_is_gone_is_not_found_and_leaves_nothing(client: Client, both: Both) -> None:
    store = RedisStore(client, index=INDEX)
    await both(store.put)(("a",), "k", {"text": "one"})
    await both(store.put)(("a",), "k", {"text": "two"})
    assert [item.score for item in await both(store.search)(("a",), query="one")] != [pytest.approx(1, abs=1e-4)]
    await both(store.put)(("a",), "k", {"text": "two"}, index=False)
    assert [item.score for item in await both(store.search)(("a",), query="two")] == [None]
    await both(store.put)(("a",), "k", {"text": "two"})
    await both(store.delete)(("a",), "k")
    assert await both(store.search)(("a",), query="two") == []
    assert raw(client, ("EXISTS", *client.keys().points("store", "a").all())) == [0]


async def test_a_store_without_an_index_takes_the_vectors_along(client: Client, both: Both) -> None:
    indexed, simple = RedisStore(client, index=INDEX), RedisStore(client)
    for key in ("deleted", "changed"):
        await both(indexed.put)(("a",), key, {"text": "one"})
    await both(simple.delete)(("a",), "deleted")
    await both(simple.put)(("a",), "changed", {"text": "other"})
    assert raw(client, ("EXISTS", *client.keys().points("store", "a").all())) == [0]
    assert [(i.key, i.score) for i in await both(indexed.search)(("a",), query="one")] == [("changed", None)]


@pytest.mark.parametrize("engine", ["vector_sets", "query_engine", "exact"])
@pytest.mark.parametrize("quantization", ["none", "int8"])
async def test_every_engine(farm: Any, prefix: str, watch: Any, both: Both, engine: Any, quantization: Any) -> None:
    url = farm.url("search")
    watch(url, prefix)
    client = Client.from_url(url, prefix=prefix)
    store = RedisStore(client, index=SMOOTH, engine=engine, quantization=quantization)
    await filled(store, both)
    found = await both(store.search)(("m",), query="text 7", limit=5)
    assert (found[0].key, found[0].score) == ("7", pytest.approx(1, abs=0.01))
    wanted = await both(store.search)(("m", "u1"), query="text 7", filter={"g": 3, "n": {"$lt": 50}}, limit=50)
    assert sorted(int(item.key) for item in wanted) == [i for i in range(50) if i % 3 == 1 and i % 4 == 3]
    await both(store.put)(("m", "u1"), "two", {"text": "first", "more": "second"}, index=["text", "more"])
    assert (await both(store.search)(("m",), query="second", limit=1))[0].key == "two"
    await both(store.put)(("m", "u1"), "two", {"text": "first"}, ttl=5)
    assert (await both(store.search)(("m",), query="second", limit=1))[0].score < 0.9
    await both(store.get)(("m", "u1"), "two")
    await both(store.delete)(("m", "u1"), "two")
    assert (await both(store.search)(("m",), query="first", limit=1))[0].score < 0.9
    await both(store.batch)([PutOp(("m", f"u{i % 3}"), str(i), None) for i in range(120)])
    await both(store.list_namespaces)()
    left = [key for key in raw(client, ("KEYS", "*"))[0] if key.startswith(prefix.encode())]
    assert [key for key in left if b":trip:" not in key] == []
    if engine == "query_engine":
        raw(
            client,
            *(("FT.DROPINDEX", name) for name in raw(client, ("FT._LIST",))[0] if name.startswith(prefix.encode())),
        )
    await client.aclose()


@pytest.mark.parametrize("engine", ["vector_sets", "exact"])
async def test_vectors_of_another_model_are_refused_and_it_is_said_what_to_do(
    farm: Any, prefix: str, watch: Any, both: Both, engine: Any
) -> None:
    url = farm.url("search") if engine == "vector_sets" else f"memory://{prefix}"
    watch(url, prefix)
    client = Client.from_url(url, prefix=prefix)
    # A record of eight numbers has the size of two of four, and no size that three have.
    old, *others = (
        RedisStore(client, index={"dims": dims, "embed": DeterministicFakeEmbedding(size=dims)}, engine=engine)
        for dims in (8, 4, 3)
    )
    await both(old.put)(("m",), "a", {"text": "x"})
    for new in others:
        for call in (partial(both(new.put), ("m",), "b", {"text": "x"}), partial(both(new.search), ("m",), query="x")):
            with pytest.raises(ServerError, match=r"set has 8: another embedding model .* or another prefix"):
                await call()
    assert [item.key for item in await both(old.search)(("m",), query="x")] == ["a"]
    await both(old.delete)(("m",), "a")
    await both(others[0].put)(("m",), "b", {"text": "x"})
    assert [item.key for item in await both(others[0].search)(("m",), query="x")] == ["b"]
    await client.aclose()


async def test_a_removal_from_a_collection_of_before_leaves_open_what_dimension_it_has(
    client: Client, both: Both
) -> None:
    store, points = RedisStore(client, index=SMOOTH, engine="exact"), client.keys().points("store", "m").points
    for key in ("a", "b"):
        await both(store.put)(("m",), key, {"text": key})
    reply(client, "HDEL", points, "dims")
    await both(store.delete)(("m",), "a")
    assert [item.key for item in await both(store.search)(("m",), query="b")] == ["b"]
    await both(store.put)(("m",), "c", {"text": "c"})
    assert [item.key for item in await both(store.search)(("m",), query="c", limit=1)] == ["c"]
    reply(client, "HDEL", points, "dims")
    await both(store.batch)([PutOp(("m",), key, None) for key in "bc"])
    assert reply(client, "EXISTS", points) == 0


def test_the_query_engine_has_an_index_for_each_number_of_dimensions(farm: Any, prefix: str, watch: Any) -> None:
    url = farm.url("search")
    watch(url, prefix)
    with Client.from_url(url, prefix=prefix) as client:
        old, new = (
            RedisStore(
                client, index={"dims": dims, "embed": DeterministicFakeEmbedding(size=dims)}, engine="query_engine"
            )
            for dims in (3, 4)
        )
        old.put(("m",), "a", {"text": "x"})
        new.put(("m",), "b", {"text": "x"})
        servers.wait_for(lambda: old.search(("m",), query="x") and new.search(("m",), query="x"))
        assert [[item.key for item in store.search(("m",), query="x")] for store in (old, new)] == [["a"], ["b"]]


SOME: Any = [3, 2.5, "7", "x", None, True, -1e9, datetime(2026, 3, 1), datetime(2026, 3, 1, 2, tzinfo=timezone.utc)]
OPERATORS = st.sampled_from(["$gt", "$gte", "$lt", "$lte", "$eq", "$ne"])
CONDITIONS = st.dictionaries(OPERATORS, st.sampled_from([*SOME[:3], *SOME[-4:]]), min_size=1, max_size=2)
RANGES = st.dictionaries(st.sampled_from(["n", "when", "nowhere"]), CONDITIONS, min_size=1, max_size=2)


@pytest.mark.parametrize("engine", ["vector_sets", "query_engine", "exact"])
def test_a_filter_finds_what_is_left_of_everything(farm: Any, prefix: str, watch: Any, engine: Any) -> None:
    url = farm.url("search")
    watch(url, prefix)
    with Client.from_url(url, prefix=prefix) as client:
        store = RedisStore(client, index=SMOOTH, engine=engine)
        values = [{"text": f"t {i}", "n": SOME[i % 9], "when": SOME[i * i % 9]} for i in range(40)]
        store.batch([PutOp(("m",), str(i), value) for i, value in enumerate(values)])
        everything = store.search(("m",), query="t 7", limit=100)
        assert len(everything) == 40

        @settings(max_examples=25, deadline=None)
        @given(RANGES, st.integers(1, 20))
        def run(wanted: Any, limit: int) -> None:
            left = [item.key for item in everything if filters.wants(wanted, item.value)]
            assert [item.key for item in store.search(("m",), query="t 7", filter=wanted, limit=limit)] == left[:limit]

        run()
        if engine == "query_engine":
            raw(client, ("FT.DROPINDEX", client.keys().tenant_prefix() + ":HNSW:32"))


@pytest.mark.slow
async def test_what_few_items_have_takes_as_many_trips_as_everything(
    client: Client, both: Both, trips: list[Trip]
) -> None:
    store = RedisStore(client, index=SMOOTH)
    born = datetime(2026, 1, 1, tzinfo=timezone.utc)
    puts = [PutOp(("m",), str(i), {"text": f"text {i}", "n": i, "at": born + timedelta(days=i)}) for i in range(600)]
    for start in range(0, 600, 200):
        await both(store.batch)(puts[start : start + 200])
    await both(store.search)(("m",), query="text 7", refresh_ttl=False)
    for wanted in ({"n": {"$gte": 590}}, {"at": {"$gt": born + timedelta(days=589)}}, {"n": {"$gt": 100, "$lt": 111}}):
        trips.clear()
        found = await both(store.search)(("m",), query="text 7", filter=wanted, refresh_ttl=False)
        assert (len(found), len(trips)) == (10, 2)


async def test_trips(client: Client, both: Both, trips: list[Trip]) -> None:
    store = RedisStore(client, index=SMOOTH)
    await filled(store, both, 60)
    search = SearchOp(("m", "u1"), query="text 7", refresh_ttl=False)
    for _ in range(2):
        await both(store.batch)([search])
        await both(store.batch)([PutOp(("m", "u1"), "k", {"text": "x"}), GetOp(("m", "u1"), "k")])
    trips.clear()
    await both(store.batch)([search])
    assert len(trips) == 2
    trips.clear()
    await both(store.batch)([search._replace(namespace_prefix=("m",))])
    assert len(trips) == 3
    trips.clear()
    await both(store.batch)([PutOp(("m", "u1"), str(i), {"text": f"text {i}"}) for i in range(50)])
    assert len(trips) == 1


async def test_both_colours_of_the_embedding(client: Client, both: Both) -> None:
    called: list[str] = []

    class Model(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            called.append("documents")
            return embed(texts)

        def embed_query(self, text: str) -> list[float]:
            called.append("query")
            return embed([text])[0]

        async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
            await asyncio.sleep(0)
            called.append("documents, awaited")
            return embed(texts)

        async def aembed_query(self, text: str) -> list[float]:
            await asyncio.sleep(0)
            called.append("query, awaited")
            return embed([text])[0]

    store = RedisStore(client, index={"dims": DIMS, "embed": Model(), "fields": ["text"]})
    await both(store.batch)([PutOp(("a",), key, {"text": "same"}) for key in "xy"])
    await both(store.search)(("a",), query="same")
    suffix = ", awaited" if both.asynchronous else ""
    assert called == [f"documents{suffix}", f"query{suffix}"]
    assert isinstance(store.embeddings, Model)


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (lambda texts: [[1.0, 2.0] for _ in texts], "2 dimensions"),
        (lambda texts: [[float("nan")] * DIMS for _ in texts], "finite"),
        (lambda texts: [], "0 vectors for 1 texts"),
        (lambda texts: [["x"] * DIMS for _ in texts], "numbers"),
    ],
)
async def test_a_bad_embedding_writes_nothing(
    client: Client, both: Both, vectors: Any, words: str, trips: list[Trip]
) -> None:
    store = RedisStore(client, index={"dims": DIMS, "embed": vectors, "fields": ["text"]})
    with pytest.raises(InvalidInputError, match=words):
        await both(store.batch)([PutOp(("a",), "plain", {}), PutOp(("a",), "k", {"text": "one"})])
    assert trips == []


async def test_bad_paths(client: Client, both: Both, trips: list[Trip]) -> None:
    store = RedisStore(client, index=INDEX)
    for index in ("text", True, [5]):
        with pytest.raises(InvalidInputError, match="paths"):
            await both(store.put)(("a",), "k", {"text": "x"}, index=index)
    assert trips == []


async def test_an_engine_that_the_server_has_not(farm: Any, prefix: str, both: Both) -> None:
    client = Client.from_url("memory://", prefix=prefix)
    for engine in ("vector_sets", "query_engine"):
        store = RedisStore(client, index=INDEX, engine=engine)
        with pytest.raises(ConfigError, match=engine.replace("_", " ")):
            await both(store.put)(("a",), "k", {"text": "x"})
    await client.aclose()


async def test_on_a_cluster(cluster: Client, both: Both) -> None:
    store = RedisStore(cluster, index=SMOOTH)
    await filled(store, both, 30)
    found = await both(store.search)(("m",), query="text 7", limit=3)
    assert (found[0].key, found[0].score) == ("7", pytest.approx(1, abs=0.01))
    assert (await both(store.search)((), query="text 8", limit=1))[0].key == "8"
