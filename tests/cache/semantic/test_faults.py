"""The semantic cache never fails a call: servers away, slow or full, foreign bytes, and embeddings that fail."""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import redis
from langchain_core.embeddings import Embeddings

from langchain_redis_memory.cache.semantic.cache import RedisSemanticCache
from langchain_redis_memory.errors import RedisMemoryError, UnavailableError
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, Watch, url_of
from tests.support.chains import PureModel, Switch
from tests.support.full import full_server
from tests.support.meanings import (
    ASKED,
    CLOSE,
    DIMS,
    FAR,
    MODEL,
    NEAR,
    TEXT,
    Cut,
    WordEmbeddings,
    answers,
    prompt,
    semantic_cache,
    text,
)
from tests.support.raw import raw
from tests.support.servers import NEWEST, PATIENT_S, REAL_TABLE, Farm, wait_for


@pytest.fixture(params=["memory", NEWEST])
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


@pytest.fixture
def cache(client: Client) -> RedisSemanticCache:
    return semantic_cache(client)


async def use(cache: RedisSemanticCache, both: Both) -> None:
    """Everything that must never fail; what is served is what was stored."""
    for asked in (ASKED, NEAR, CLOSE, FAR):
        found = await both(cache.lookup)(asked, MODEL)
        assert text(found) in {None, "330 metres"}
        await both(cache.update)(asked, MODEL, TEXT)
        told = await both(cache.explain)(asked, MODEL)
        assert told.question == asked
        assert str(told)


# --- a server that is away, slow or full ----------------------------------------------------------------------------


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield f"redis://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("kind", ["refused", "slow"])
async def test_a_server_that_never_answers(
    both: Both, silent: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = "redis://127.0.0.1:1" if kind == "refused" else silent
    embeddings = WordEmbeddings()
    async with Client.from_url(url, retries=0, timeout_s=0.05, connect_timeout_s=0.5) as client:
        cache = semantic_cache(client, embeddings)
        model = PureModel(cache=cache)
        client.breaker._first = 60
        await use(cache, both)
        assert (await both(model.invoke)(ASKED)).text
        assert caplog.text.count("is away and bypassed") == 1
        assert embeddings.asked == [], "nothing is embedded in vain"
        for call in (cache.stats, cache.count, cache.clear, cache.delete):
            with pytest.raises(UnavailableError):
                await both(call)()
        with pytest.raises(UnavailableError):
            await both(cache.report)("00" * 16 + "-9000", correct=True)


@pytest.mark.parametrize("after", range(7))
async def test_a_server_that_dies_under_way(real: Client, both: Both, after: int) -> None:
    cache = semantic_cache(real)
    await both(cache.update)(ASKED, MODEL, TEXT)
    switch = Switch(real)
    switch.off(after)
    await use(cache, both)
    switch.on()
    real.breaker.worked()
    await both(cache.update)(ASKED, MODEL, TEXT)
    assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"


async def test_a_fresh_cache_whose_server_dies_while_its_engine_is_chosen(real: Client, both: Both) -> None:
    cache = semantic_cache(real)
    switch = Switch(real)
    switch.off(1)
    assert await both(cache.lookup)(NEAR, MODEL) is None
    assert real.breaker.rests(0.0 if not real.breaker._until else real.breaker._until - 0.001)
    switch.on()
    real.breaker.worked()
    await both(cache.update)(ASKED, MODEL, TEXT)
    assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"


@pytest.fixture(params=REAL_TABLE)
async def full(
    request: pytest.FixtureRequest, farm: Farm, prefix: str, watch: Watch
) -> AsyncIterator[tuple[Client, redis.Redis]]:
    """A client on a server of its own that can be filled up, and a plain one to fill it with."""
    async with full_server(request.param, farm, prefix, watch, timeout_s=PATIENT_S) as made:
        yield made


async def test_a_full_server_serves_what_it_has(full: tuple[Client, redis.Redis], both: Both) -> None:
    client, plain = full
    cache = semantic_cache(client, engine="exact")
    await both(cache.update)(ASKED, MODEL, TEXT)
    await both(cache.lookup)(NEAR, MODEL)
    plain.config_set("maxmemory", 1)
    await both(cache.update)(FAR, MODEL, answers("light"))
    assert await both(cache.lookup)(FAR, MODEL) is None
    assert text(await both(cache.lookup)(ASKED, MODEL)) == "330 metres"
    assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"
    assert await both(cache.delete)() >= 1
    plain.config_set("maxmemory", 0)
    await both(cache.update)(FAR, MODEL, answers("light"))
    assert text(await both(cache.lookup)(FAR, MODEL)) == "light"


# --- foreign types and damaged bytes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["items", "expiries", "uses", "reports", "points", "point_owners", "point_expiries", "tally"]
)
@pytest.mark.parametrize("foreign", ["string", "list"])
async def test_something_else_under_any_key(
    cache: RedisSemanticCache, client: Client, both: Both, kind: str, foreign: str
) -> None:
    await both(cache.update)(ASKED, MODEL, TEXT)
    seeker = cache._flows.search
    if kind.startswith("point"):
        entry = (await both(cache.explain)(ASKED, MODEL)).hit.entry
        engine = cache._flows.search.engines._made[DIMS]
        key = getattr(seeker.collection(entry.partition, entry.embedding, engine).keys, kind)
    else:
        key = client.keys().tally("semantic", "llm") if kind == "tally" else getattr(seeker.keys, kind)
    wrong = ("SET", key, "mine", "PX", 100_000) if foreign == "string" else ("RPUSH", key, "mine")
    raw(client, ("UNLINK", key))
    raw(client, wrong, ("PEXPIRE", key, 100_000))
    await use(cache, both)
    await use(semantic_cache(client), both)
    assert raw(client, ("TYPE", key))[0] == foreign.encode(), "it is left alone"
    if kind == "tally":
        assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"
    raw(client, ("UNLINK", key))
    await both(cache.update)(ASKED, MODEL, TEXT)
    assert text(await both(cache.lookup)(ASKED, MODEL)) == "330 metres"


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"hello",
    "json": lambda _: b'+inf:{"a": 1}',
    "pickle": lambda _: b"\x80\x04\x95\x0f\x00\x00\x00",
    "only a time": lambda record: record.partition(b":")[0] + b":",
    "half": lambda record: record[: len(record) // 2],
    "of another question": lambda record: record.replace(b"Eiffel", b"Babels"),
    "another answer": lambda record: record.replace(b"330", b"331"),
}


@pytest.mark.parametrize("name", DAMAGED)
async def test_damaged_entries_are_absent(cache: RedisSemanticCache, client: Client, both: Both, name: str) -> None:
    await both(cache.update)(ASKED, MODEL, TEXT)
    key = cache._flows.search.keys.items
    ((field, record),) = list(zip(*[iter(raw(client, ("HKEYS", key), ("HVALS", key)))] * 2, strict=True))
    changed = DAMAGED[name](record[0])
    assert changed != record[0]
    raw(client, ("HSET", key, field[0], changed))
    assert await both(cache.lookup)(ASKED, MODEL) is None
    assert await both(cache.lookup)(NEAR, MODEL) is None
    assert (await both(cache.explain)(ASKED, MODEL)).hit is None
    await both(cache.update)(ASKED, MODEL, TEXT)
    assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"


def test_no_changed_byte_makes_another_answer(cache: RedisSemanticCache, client: Client) -> None:
    cache.update(ASKED, MODEL, TEXT)
    key = cache._flows.search.keys.items
    (field,) = raw(client, ("HKEYS", key))[0]
    record = raw(client, ("HGET", key, field))[0]
    chance = random.Random(3)
    for _ in range(30):
        damaged = bytearray(record)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        raw(client, ("HSET", key, field, bytes(damaged)))
        assert text(cache.lookup(ASKED, MODEL)) in {None, "330 metres"}
        cache.update(FAR, MODEL, TEXT)
        list(cache.export_entries())


# --- embedding models -----------------------------------------------------------------------------------------------


class Faulty(WordEmbeddings):
    """Gives what it is told to instead of vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.gives: Any = None

    def embed_documents(self, texts: list[str]) -> Any:
        right = super().embed_documents(texts)
        if isinstance(self.gives, Exception):
            raise self.gives
        return right if self.gives is None else self.gives(right)


FAULTS: dict[str, Any] = {
    "raises": LookupError("no model"),
    "times out": TimeoutError(),
    "nothing": lambda _: [],
    "none": lambda _: None,
    "empty vectors": lambda rows: [[] for _ in rows],
    "not a number": lambda rows: [[float("nan")] * len(row) for row in rows],
    "infinite": lambda rows: [[float("inf")] * len(row) for row in rows],
    "too large": lambda rows: [[1e300] * len(row) for row in rows],
    "texts": lambda rows: [["x"] * len(row) for row in rows],
    "flat": lambda rows: rows[0],
    "deep": lambda rows: [[row] for row in rows],
    "too many": lambda rows: rows + rows,
    "ragged": lambda rows: [*rows, [1.0]],
    "a text": lambda _: "vectors",
    "too many dimensions": lambda rows: [[1.0] * 40_000 for _ in rows],
}


@pytest.mark.parametrize("name", FAULTS)
async def test_an_embedding_model_that_fails(
    client: Client, both: Both, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = Faulty()
    cache = semantic_cache(client, model)
    await both(cache.update)(ASKED, MODEL, TEXT)
    model.gives = FAULTS[name]
    assert text(await both(cache.lookup)(ASKED, MODEL)) == "330 metres", "the very same question needs no vector"
    for question in (NEAR, FAR):
        assert await both(cache.lookup)(question, MODEL) is None
        await both(cache.update)(question, MODEL, answers("light"))
        assert (await both(cache.explain)(question, MODEL)).hit is None
    assert "bypassed" in caplog.text
    assert await both(cache.warm)([("a", "b"), ("c", "d")], MODEL) == 0
    assert await both(cache.count)() == 1
    model.gives = None
    assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"


async def test_vectors_of_zeros_meet_nothing(client: Client, both: Both) -> None:
    cache = semantic_cache(client)
    await both(cache.update)("?!", MODEL, TEXT)
    await both(cache.update)(ASKED, MODEL, TEXT)
    assert await both(cache.lookup)("...", MODEL) is None
    assert await both(cache.lookup)("?!", MODEL) == TEXT
    assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"


class Nested(Embeddings):
    """Embeds what a model says of a text, with a model that asks the cache."""

    def __init__(self) -> None:
        self.model: Any = None
        self.words = WordEmbeddings()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        said = [self.model.invoke(text).text for text in texts]
        assert all(said)
        return self.words.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def test_an_embedding_model_that_asks_the_cache(client: Client) -> None:
    embeddings = Nested()
    cache = semantic_cache(client, embeddings)
    embeddings.model = PureModel(cache=cache)
    cache.update(ASKED, MODEL, TEXT)
    assert text(cache.lookup(NEAR, MODEL)) == "330 metres"
    assert cache.count() == 1


class Broken:
    """A classifier that fails."""

    def classify(self, *_: Any) -> Any:
        raise LookupError


async def test_a_classifier_or_policy_that_fails_is_a_miss(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    cache = semantic_cache(client, classifier=Broken())
    asked = prompt(ASKED, "a", FAR)
    await both(cache.update)(asked, MODEL, TEXT)
    assert await both(cache.lookup)(asked, MODEL) is None
    assert (await both(cache.explain)(asked, MODEL)).bypass == "not_understood"
    assert await both(cache.warm)([(asked, "a")], MODEL) == 0
    assert "LookupError" in caplog.text
    policy = Cut()
    policy.judge = lambda *_: 1 / 0  # type: ignore[method-assign, assignment]
    cache = semantic_cache(client, policy=policy)
    await both(cache.update)(ASKED, MODEL, TEXT)
    assert await both(cache.lookup)(NEAR, MODEL) is None
    assert "ZeroDivisionError" in caplog.text


# --- the breaker ----------------------------------------------------------------------------------------------------


async def test_a_server_that_comes_back_is_used_again(farm: Farm, both: Both, prefix: str) -> None:
    process = farm.start(NEWEST)
    url = f"redis://127.0.0.1:{process.port}"
    async with Client.from_url(url, prefix=prefix, retries=0) as client:
        cache = semantic_cache(client)
        await both(cache.update)(ASKED, MODEL, TEXT)
        process.stop()
        await use(cache, both)
        farm.start(NEWEST, port=process.port)

        def stored() -> bool:
            cache.update(ASKED, MODEL, TEXT)
            return cache.lookup(ASKED, MODEL) is not None

        wait_for(stored)
        assert text(await both(cache.lookup)(NEAR, MODEL)) == "330 metres"
        told = await both(cache.stats)()
        assert told.total("unavailable") >= 1
        assert told.total("skipped") >= 1


async def test_errors_are_of_this_package(cache: RedisSemanticCache, client: Client, both: Both) -> None:
    raw(client, ("SET", cache._flows.search.keys.items, "mine", "PX", 100_000))
    for call in (cache.count, cache.clear, cache.delete):
        with pytest.raises(RedisMemoryError):
            await both(call)()
