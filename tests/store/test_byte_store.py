"""`RedisByteStore`: LangChain's own suite, exact names and prefixes, lifetimes, nothing half written."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.stores import ByteStore, InMemoryByteStore
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_tests.integration_tests.base_store import BaseStoreAsyncTests, BaseStoreSyncTests

from langchain_redis_memory.errors import (
    ConfigError,
    InvalidIdError,
    InvalidInputError,
    OutOfMemoryError,
    UnavailableError,
    WrongKeyTypeError,
)
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.store.byte_store import RedisByteStore
from tests.conftest import Both
from tests.support.raw import raw
from tests.support.servers import BINARIES, NEWEST, Farm, wait_for

pytestmark = pytest.mark.pins

STRANGE = [
    "a",
    "ab",
    "a*",
    "a?b",
    "[a]",
    "a:b",
    "a,b",
    "{a}",
    "a\nb",
    "a\0b",
    "🦊",
    "🦊🦊",
    "é",
    " ",
    "%61",
    "A",
    "\\a",
]
STRANGE += ["x" * 1024, "\U0010ffff", "~", "+", "-", "(", "[a"]


@pytest.fixture
def store(client: Client) -> RedisByteStore:
    return RedisByteStore(client)


async def names(both: Both, store: ByteStore, prefix: str | None = None) -> list[str]:
    return await both.each(store.yield_keys)(prefix=prefix)


# --- LangChain's suite ------------------------------------------------------------------------------


class TestSync(BaseStoreSyncTests[bytes]):
    @pytest.fixture
    def three_values(self) -> tuple[bytes, bytes, bytes]:
        return b"", b"\x00\xff\r\n", b"v" * 100_000

    @pytest.fixture
    def kv_store(self, client: Client) -> RedisByteStore:
        return RedisByteStore(client)


class TestAsync(BaseStoreAsyncTests[bytes]):
    @pytest.fixture
    def three_values(self) -> tuple[bytes, bytes, bytes]:
        return b"", b"\x00\xff\r\n", b"v" * 100_000

    @pytest.fixture
    async def kv_store(self, client: Client) -> RedisByteStore:
        return RedisByteStore(client, ttl_s=100)


# --- names ------------------------------------------------------------------------------------------


async def test_strange_names_are_names(store: RedisByteStore, both: Both) -> None:
    await both(store.mset)([(name, name.encode()) for name in STRANGE])
    assert await both(store.mget)([*STRANGE, "none", "a*b"]) == [*(name.encode() for name in STRANGE), None, None]
    assert await names(both, store) == sorted(STRANGE, key=str.encode)
    for prefix in ("", "a", "a*", "*", "?", "[", "🦊", "x", "\U0010ffff", "\0", "a\0", "(", "~", "nothing"):
        assert await names(both, store, prefix) == sorted(
            (name for name in STRANGE if name.startswith(prefix)), key=str.encode
        )
    await both(store.mdelete)(["a*", "[a]", "x"])
    assert await names(both, store) == sorted({*STRANGE} - {"a*", "[a]"}, key=str.encode)


step = st.one_of(
    st.tuples(
        st.just("set"),
        st.lists(st.tuples(st.text(st.sampled_from("ab*:é\0"), min_size=1, max_size=3), st.binary(max_size=4))),
    ),
    st.tuples(st.just("delete"), st.lists(st.text(st.sampled_from("ab*:é\0"), min_size=1, max_size=3))),
)


@given(st.lists(step, max_size=8), st.text(st.sampled_from("ab*:é\0"), max_size=2))
def test_as_the_store_in_memory(steps: list[tuple[str, Any]], prefix: str) -> None:
    ours, theirs = RedisByteStore(f"memory://{uuid4().hex}"), InMemoryByteStore()
    seen = ["a"]
    for what, given_ in steps:
        for one in (ours, theirs):
            (one.mset if what == "set" else one.mdelete)(given_)
        seen += [name if isinstance(name, str) else name[0] for name in given_]
    assert ours.mget(seen) == theirs.mget(seen)
    assert list(ours.yield_keys(prefix=prefix)) == sorted(theirs.yield_keys(prefix=prefix), key=str.encode)


async def test_stores_and_tenants_are_apart(client: Client, both: Both) -> None:
    places = [(tenant, space) for tenant in ("", "t", "t/a") for space in ("", "a", "a:b", "*", "{}")]
    for tenant, space in places:
        await both(RedisByteStore(client, namespace=space, tenant=tenant).mset)([("k", f"{tenant}|{space}".encode())])
    for tenant, space in places:
        here = RedisByteStore(client, namespace=space, tenant=tenant)
        assert await both(here.mget)(["k"]) == [f"{tenant}|{space}".encode()]
        assert await names(both, here) == ["k"]
    await both(RedisByteStore(client, namespace="*").mdelete)(["k"])
    assert await both(RedisByteStore(client, namespace="a").mget)(["k"]) == [b"|a"]


@pytest.mark.slow
async def test_pages_give_every_name_once_while_the_store_changes(store: RedisByteStore, both: Both) -> None:
    kept = [f"k{i:05}" for i in range(2500)]
    await both(store.mset)([(name, b"v") for name in kept])
    if both.asynchronous:
        source: AsyncIterator[str] = store.ayield_keys(prefix="k")
        first = await anext(source)
        await store.amdelete(["k02400"])
        await store.amset([("j", b"v"), ("k02499x", b"v")])
        rest = [name async for name in source]
    else:
        walk = store.yield_keys(prefix="k")
        first = next(walk)
        store.mdelete(["k02400"])
        store.mset([("j", b"v"), ("k02499x", b"v")])
        rest = list(walk)
    assert [first, *rest] == sorted({*kept, "k02499x"} - {"k02400"})


# --- lifetimes --------------------------------------------------------------------------------------


async def test_expired_names_are_not_reported_and_are_forgotten(client: Client, both: Both) -> None:
    long, short = RedisByteStore(client, ttl_s=100), RedisByteStore(client, ttl_s=0.05)
    keys = client.keys().byte_values("")
    await both(long.mset)([("a", b"1"), ("c", b"3")])
    await both(short.mset)([("b", b"2"), ("d", b"4")])
    wait_for(lambda: raw(client, ("EXISTS", keys.value("b"), keys.value("d"))) == [0])
    assert await names(both, long) == ["a", "c"]
    assert raw(client, ("ZCARD", keys.names), ("ZCARD", keys.expiries)) == [2, 2]
    assert await both(long.mget)(["a", "b"]) == [b"1", None]


async def test_a_write_forgets_names_whose_time_is_over(client: Client, both: Both) -> None:
    keys, store = client.keys().byte_values(""), RedisByteStore(client, ttl_s=100)
    await both(store.mset)([("a", b"1")])
    for i in range(40):
        raw(client, ("ZADD", keys.names, 0, f"gone{i}"), ("ZADD", keys.expiries, 1 + i, f"gone{i}"))
    for _ in range(3):
        await both(store.mset)([("a", b"1")])
    assert raw(client, ("ZRANGE", keys.names, 0, -1), ("ZRANGE", keys.expiries, 0, -1)) == [[b"a"], [b"a"]]


async def test_the_index_lives_as_long_as_the_last_value(client: Client, both: Both) -> None:
    keys = client.keys().byte_values("")
    left = lambda: raw(client, ("PTTL", keys.names), ("PTTL", keys.expiries), ("PTTL", keys.value("a")))  # noqa: E731
    await both(RedisByteStore(client, ttl_s=100).mset)([("a", b"1")])
    await both(RedisByteStore(client, ttl_s=10).mset)([("b", b"1")])
    assert all(60_000 < ms <= 100_000 for ms in left())
    await both(RedisByteStore(client).mset)([("a", b"1")])
    assert left()[0] == left()[2] == -1
    assert 0 < left()[1] <= 100_000
    await both(RedisByteStore(client, ttl_s=10).mset)([("c", b"1")])
    assert left()[0] == -1
    await both(RedisByteStore(client).mdelete)(["a", "b", "c"])
    assert raw(client, ("EXISTS", keys.names, keys.expiries)) == [0]


# --- trips ------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_round_trips_are_as_the_docstrings_say(store: RedisByteStore, both: Both, trips: list[Trip]) -> None:
    async def spent(call: Callable[..., Any], *arguments: Any) -> int:
        await call(*arguments)  # the script may be new to the server
        trips.clear()
        await call(*arguments)
        return len(trips)

    pairs = [(f"k{i}", b"v") for i in range(2100)]
    assert await spent(both(store.mset), pairs) == 1
    assert await spent(both(store.mget), [name for name, _ in pairs]) == 1
    assert await spent(lambda: names(both, store)) == 4
    assert await spent(lambda: names(both, store, "k20")) == 2
    assert await spent(both(store.mdelete), [name for name, _ in pairs]) == 1
    assert await spent(lambda: names(both, store)) == 1
    for nothing in (store.mset, store.mget, store.mdelete):
        assert await spent(both(nothing), []) == 0


# --- what goes wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["", "x" * 1025, None, 7, b"a", "\ud800"])
async def test_bad_names_are_refused_before_anything_is_sent(
    store: RedisByteStore, both: Both, bad: Any, trips: list[Trip]
) -> None:
    for call in (lambda: both(store.mget)(["a", bad]), lambda: both(store.mdelete)(["a", bad])):
        with pytest.raises(InvalidIdError, match="key"):
            await call()
    with pytest.raises(InvalidIdError, match="key"):
        await both(store.mset)([("a", b"1"), (bad, b"2")])
    if bad not in ("", None):
        with pytest.raises(InvalidInputError, match="prefix"):
            await names(both, store, bad)
    assert trips == []


@pytest.mark.parametrize("bad", ["text", None, 5, ["x"]])
async def test_values_that_are_not_bytes_are_refused(
    store: RedisByteStore, both: Both, bad: Any, trips: list[Trip]
) -> None:
    with pytest.raises(InvalidInputError, match="'b' must be bytes"):
        await both(store.mset)([("a", b"1"), ("b", bad)])
    assert trips == []


async def test_one_string_is_no_list_of_names(store: RedisByteStore, both: Both, trips: list[Trip]) -> None:
    for method in (store.mget, store.mdelete):
        with pytest.raises(InvalidInputError, match="sequence of strings"):
            await both(method)("abc")
    assert trips == []


def test_what_cannot_be_constructed() -> None:
    for options in ({"ttl_s": 0}, {"ttl_s": -1}, {"ttl_s": "5"}, {"ttl_s": float("nan")}, {"ttl_s": True}):
        with pytest.raises(InvalidInputError, match="ttl_s"):
            RedisByteStore("memory://x", **options)
    with pytest.raises(InvalidIdError, match="namespace"):
        RedisByteStore("memory://x", namespace="x" * 1025)
    with pytest.raises(InvalidIdError, match="tenant"):
        RedisByteStore("memory://x", tenant="\ud800")
    with pytest.raises(ConfigError):
        RedisByteStore("nowhere://x")


async def test_a_server_that_is_away_is_said(both: Both) -> None:
    store = RedisByteStore(Client.from_url("redis://127.0.0.1:1", retries=0))
    for call in (lambda: both(store.mget)(["a"]), lambda: both(store.mset)([("a", b"")]), lambda: names(both, store)):
        with pytest.raises(UnavailableError):
            await call()


async def test_a_full_server_stores_all_or_nothing(farm: Farm, prefix: str, both: Both) -> None:
    process = farm.start(NEWEST, "--maxmemory", "6mb", "--maxmemory-policy", "noeviction")
    assert BINARIES[NEWEST]
    async with Client.from_url(process.url, prefix=prefix) as client:
        store = RedisByteStore(client)
        with pytest.raises(OutOfMemoryError):
            for i in count():
                before, pairs = await names(both, store), [(f"k{i}-{j}", b"v" * 50_000) for j in range(4)]
                await both(store.mset)(pairs)
        assert await names(both, store) == before
        assert await both(store.mget)([name for name, _ in pairs]) == [None] * 4
    process.stop()


@pytest.mark.parametrize("which", ["names", "expiries"])
async def test_something_else_under_its_keys(client: Client, both: Both, which: str) -> None:
    keys, store = client.keys().byte_values(""), RedisByteStore(client, ttl_s=100)
    raw(client, ("SET", getattr(keys, which), "mine"), ("LPUSH", keys.value("l"), "x"))
    with pytest.raises(WrongKeyTypeError, match="byte_names"):
        await both(store.mset)([("a", b"1")])
    assert raw(client, ("EXISTS", keys.names, keys.expiries)) == [1]
    assert await both(store.mget)(["a", "l"]) == [None, None]


# --- other topologies, and what LangChain builds on it ----------------------------------------------


async def test_on_a_cluster(cluster: Client, both: Both) -> None:
    for space in ("", "a", "b", "c"):
        store = RedisByteStore(cluster, namespace=space)
        await both(store.mset)([(name, name.encode()) for name in STRANGE])
        assert await both(store.mget)(STRANGE) == [name.encode() for name in STRANGE]
        await both(store.mdelete)(STRANGE[1:])
        assert await names(both, store) == [STRANGE[0]]


class CachedEmbeddings(Embeddings):
    """An embedding model whose vectors are kept in a store of bytes, as LangChain's classic wrapper does it."""

    def __init__(self, model: Embeddings, store: ByteStore) -> None:
        self.model, self.store, self.asked = model, store, 0

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        found = self.store.mget(texts)
        missing = [text for text, value in zip(texts, found, strict=True) if value is None]
        self.asked += len(missing)
        made = dict(zip(missing, self.model.embed_documents(missing), strict=True))
        self.store.mset([(text, json.dumps(vector).encode()) for text, vector in made.items()])
        return [made[text] if value is None else json.loads(value) for text, value in zip(texts, found, strict=True)]


def test_embeddings_are_computed_once(client: Client) -> None:
    store = RedisByteStore(client, namespace="embeddings", ttl_s=100)
    model = DeterministicFakeEmbedding(size=8)
    cached = CachedEmbeddings(model, store)
    texts = ["one", "two\n", "*"]
    assert cached.embed_documents(texts) == cached.embed_documents(texts) == model.embed_documents(texts)
    assert cached.asked == 3
    assert CachedEmbeddings(model, store).embed_query("one") == model.embed_query("one")


def test_parents_of_found_parts(client: Client) -> None:
    store = RedisByteStore(client, namespace="parents")
    parents = {f"p{i}": Document(f"alpha {i}. beta {i}.", metadata={"n": i}, id=f"p{i}") for i in range(3)}
    store.mset([(name, parent.model_dump_json().encode()) for name, parent in parents.items()])
    vectors = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    for name, parent in parents.items():
        vectors.add_documents([Document(part, metadata={"doc_id": name}) for part in parent.page_content.split(". ")])
    found = [part.metadata["doc_id"] for part in vectors.similarity_search("alpha 1", k=1)]
    values = [value for value in store.mget(found) if value is not None]
    assert [Document.model_validate_json(value) for value in values] == [parents["p1"]]
