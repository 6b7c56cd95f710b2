"""`CachedEmbeddings`: every text is embedded once, any number of texts costs one trip, and nothing odd is served."""

from __future__ import annotations

import math
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_tests.integration_tests import EmbeddingsIntegrationTests

from langchain_redis_memory import CachedEmbeddings, RedisMemoryError
from langchain_redis_memory.errors import ConfigError, InvalidIdError, InvalidInputError, UnavailableError
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.vectors.minilm import MiniLMEmbeddings
from tests.conftest import Both
from tests.support.chains import Broken, Switch
from tests.support.rag import Model
from tests.support.raw import raw


class TestStandard(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return CachedEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"embeddings": DeterministicFakeEmbedding(size=6), "client": f"memory://{uuid4().hex}"}


class TestStandardOnARealServerWithARealModel(EmbeddingsIntegrationTests):
    @pytest.fixture
    def model(self, real: Client) -> Embeddings:
        return CachedEmbeddings(real, MiniLMEmbeddings())

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return CachedEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"embeddings": MiniLMEmbeddings(), "client": f"memory://{uuid4().hex}"}


# --- what is embedded, and what it costs ------------------------------------------------------------


async def test_only_what_is_missing_is_embedded_once_and_in_one_call(
    client: Client, both: Both, trips: list[Trip]
) -> None:
    model = Model()
    cached = CachedEmbeddings(client, model)
    await both(cached.embed_documents)(["a", "b"])
    await both(cached.embed_documents)(["a"])
    model.calls.clear()
    trips.clear()
    texts = ["c", "a", "d", "c", "b", "a"]
    assert await both(cached.embed_documents)(texts) == [model.vector("d", text) for text in texts]
    assert model.calls == [["c", "d"]]
    assert len(trips) == 2
    trips.clear()
    assert await both(cached.embed_documents)(texts) == [model.vector("d", text) for text in texts]
    assert model.calls == [["c", "d"]]
    assert len(trips) == 1
    assert model.colours == {"async" if both.asynchronous else "sync"}


@pytest.mark.slow
async def test_any_number_of_texts_is_one_trip(client: Client, both: Both, trips: list[Trip]) -> None:
    model = Model()
    cached = CachedEmbeddings(client, model)
    await both(cached.embed_documents)(["warm"])
    texts = [f"text {number}" for number in range(1500)]
    for spent in (2, 1):
        trips.clear()
        found = await both(cached.embed_documents)(texts)
        assert len(trips) == spent
    assert found == [model.vector("d", text) for text in texts]
    assert await both(cached.count)() == 1501


async def test_no_texts_cost_nothing(client: Client, both: Both, trips: list[Trip]) -> None:
    model = Model()
    assert await both(CachedEmbeddings(client, model).embed_documents)([]) == []
    assert (trips, model.calls) == ([], [])


async def test_documents_and_queries_are_apart(client: Client, both: Both, trips: list[Trip]) -> None:
    model = Model()
    cached = CachedEmbeddings(client, model)
    for _ in range(2):
        assert await both(cached.embed_documents)(["same"]) == [model.vector("d", "same")]
        assert await both(cached.embed_query)("same") == model.vector("q", "same")
    assert model.calls == [["same"], ["same"]]
    trips.clear()
    await both(cached.embed_query)("same")
    assert len(trips) == 1


async def test_the_same_text_twice_gives_two_lists(client: Client, both: Both) -> None:
    one, other = await both(CachedEmbeddings(client, Model()).embed_documents)(["a", "a"])
    one[0] = 7.0
    assert other[0] != 7.0


texts_of_any_kind = st.lists(st.text(st.characters(), max_size=4) | st.just("\ud800"), max_size=6)


@given(st.lists(texts_of_any_kind, max_size=4))
def test_as_the_model_itself(calls: list[list[str]]) -> None:
    model = Model()
    cached = CachedEmbeddings(f"memory://{uuid4().hex}", model)
    for texts in calls:
        assert cached.embed_documents(texts) == [model.vector("d", text) for text in texts]
    embedded = [text for call in model.calls for text in call]
    assert sorted(embedded) == sorted({text for texts in calls for text in texts}), "each once"


async def test_two_processes_share(client: Client, both: Both) -> None:
    first, second = Model(), Model()
    made = await both(CachedEmbeddings(client, first).embed_documents)(["a"])
    assert await both(CachedEmbeddings(client, second).embed_documents)(["a"]) == made
    assert second.calls == []


# --- which model ------------------------------------------------------------------------------------


class Other(Model):
    pass


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (Model(), "tests.support.rag.Model"),
        (Model(model="m"), "Model/m"),
        (Model(model_name="m"), "Model/m"),
        (Model(model_id="m"), "Model/m"),
        (Model(model=object(), model_name="m"), "Model/m"),
        (Model(model="", model_id="m"), "Model/m"),
        (Model(model="m", dimensions=256), "Model/m/256"),
        (Model(model="m", dimensions=None), "Model/m"),
        (Other(model="m"), "Other/m"),
        (MiniLMEmbeddings(), "MiniLMEmbeddings/all-MiniLM-L6-v2-int8"),
        (DeterministicFakeEmbedding(size=3), "langchain_core.embeddings.fake.DeterministicFakeEmbedding"),
    ],
)
def test_a_model_says_its_name(model: Embeddings, name: str) -> None:
    assert CachedEmbeddings("memory://x", model).model == name
    assert CachedEmbeddings("memory://x", model, model="mine").model == "mine"


def test_how_a_model_encodes_is_a_part_of_its_name() -> None:
    settings: list[dict[str, Any]] = [
        {},
        *({"encode_kwargs": {"normalize_embeddings": how}} for how in (True, False)),
        {"task_type": "search"},
    ]
    names = [CachedEmbeddings("memory://x", Model(model="m", **one)).model for one in settings]
    assert names[0] == "Model/m"
    assert len(set(names)) == len(names)


@pytest.mark.slow
async def test_models_types_and_tenants_never_meet(client: Client, both: Both) -> None:
    apart: list[dict[str, Any]] = [
        {"tenant": tenant, "model": model, "dtype": dtype}
        for tenant in ("", "a", "a/b", "*")
        for model in ("m", "m/n", "*", "é" * 200)
        for dtype in ("float32", "float16")
    ]
    for place, options in enumerate(apart):
        model = Model()
        model.special["same"] = [float(place), 1.0]
        cached = CachedEmbeddings(client, model, **options)
        assert await both(cached.embed_query)("same") == [float(place), 1.0]
    for place, options in enumerate(apart):
        model = Model()
        assert await both(CachedEmbeddings(client, model, **options).embed_query)("same") == [float(place), 1.0]
        assert model.calls == []
    await both(CachedEmbeddings(client, Model(), tenant="*", model="*").clear)()
    counts = [await both(CachedEmbeddings(client, Model(), **options).count)() for options in apart]
    assert sum(counts) == len(apart) - 1


# --- what does not fit ------------------------------------------------------------------------------


def entries_of(client: Client, cached: CachedEmbeddings) -> dict[tuple[str, bytes], bytes]:
    """Every stored record: (shelf, name) -> expire and body."""
    shelves = [client.keys().entries("embeddings", f"{n}/float32/{cached.model}").items for n in range(64)]
    found = raw(client, *(("HGETALL", key) for key in shelves))
    pairs = [
        (key, list(told.items()) if isinstance(told, dict) else list(zip(told[::2], told[1::2], strict=True)))
        for key, told in zip(shelves, found, strict=True)
    ]
    return {(key, name): record for key, rows in pairs for name, record in rows}


DAMAGES = {
    "cut": lambda body: body[:-1],
    "cut by a number": lambda body: body[:-4],
    "longer": lambda body: body + b"\0" * 4,
    "a bit": lambda body: body[:-1] + bytes([body[-1] ^ 1]),
    "foreign": lambda body: b"x" * len(body),
    "short": lambda _: b"x",
    "no numbers": lambda _: b"\0\0\0\0",
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damaged_entries_are_missing_and_made_anew(client: Client, both: Both, damage: str) -> None:
    model = Model()
    cached = CachedEmbeddings(client, model)
    wanted = await both(cached.embed_documents)(["a", "b"])
    for (key, name), record in entries_of(client, cached).items():
        expiry, _, body = record.partition(b":")
        raw(client, ("HSET", key, name, expiry + b":" + DAMAGES[damage](body)))
    fresh = CachedEmbeddings(client, model)
    model.calls.clear()
    assert await both(fresh.embed_documents)(["a", "b"]) == wanted
    assert model.calls == [["a", "b"]]
    assert await both(fresh.embed_documents)(["a", "b"]) == wanted
    assert model.calls == [["a", "b"]]


async def test_vectors_of_another_length_are_missing(client: Client, both: Both) -> None:
    old, new = Model(4), Model(6)
    await both(CachedEmbeddings(client, old).embed_documents)(["a", "b"])
    cached = CachedEmbeddings(client, new)
    texts = ["a", "c", "b"]
    assert await both(cached.embed_documents)(texts) == [new.vector("d", text) for text in texts]
    assert new.calls == [["c"], ["a", "b"]]
    assert await both(cached.embed_documents)(texts) == [new.vector("d", text) for text in texts]
    assert len(new.calls) == 2


async def test_once_the_length_is_known_only_that_is_served(client: Client, both: Both) -> None:
    await both(CachedEmbeddings(client, Model(4)).embed_documents)(["a"])
    new = Model(6)
    cached = CachedEmbeddings(client, new)
    await both(cached.embed_documents)(["x"])
    assert await both(cached.embed_documents)(["a"]) == [new.vector("d", "a")]


async def test_a_mixture_of_lengths_is_missing_altogether(client: Client, both: Both) -> None:
    await both(CachedEmbeddings(client, Model(4)).embed_documents)(["a"])
    await both(CachedEmbeddings(client, Model(6)).embed_documents)(["b"])
    model = Model(4)
    assert [len(v) for v in await both(CachedEmbeddings(client, model).embed_documents)(["a", "b"])] == [4, 4]
    assert model.calls == [["a", "b"]]


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
async def test_vectors_with_odd_numbers_are_given_and_not_stored(
    client: Client, both: Both, odd: float, dtype: Any
) -> None:
    model = Model()
    model.special["odd"] = [1.0, odd, 0.0, 0.0]
    cached = CachedEmbeddings(client, model, dtype=dtype)
    for _ in range(2):
        odds, good = await both(cached.embed_documents)(["odd", "good"])
        assert repr(odds) == repr(model.special["odd"])
        assert good == model.vector("d", "good")
    assert model.calls == [["odd", "good"], ["odd"]]
    assert await both(cached.count)() == 1


async def test_what_float16_cannot_hold_is_given_as_it_is(client: Client, both: Both) -> None:
    model = Model()
    model.special["large"] = [1e6, 0.123456789, 0.0, 0.0]
    cached = CachedEmbeddings(client, model, dtype="float16")
    for _ in range(2):
        assert await both(cached.embed_query)("large") == model.special["large"]
    assert await both(cached.count)() == 0


@pytest.mark.parametrize(("dtype", "digits"), [("float32", 1e-7), ("float16", 1e-3)])
async def test_a_vector_is_the_same_from_the_model_and_from_the_cache(
    client: Client, both: Both, dtype: Any, digits: float
) -> None:
    exact = DeterministicFakeEmbedding(size=64).embed_query("a")
    cached = CachedEmbeddings(client, DeterministicFakeEmbedding(size=64), dtype=dtype)
    first, second = [await both(cached.embed_query)("a") for _ in range(2)]
    assert first == second
    assert all(type(number) is float for number in first)
    assert first == pytest.approx(exact, rel=digits, abs=digits)


@pytest.mark.slow
async def test_float16_takes_half_the_memory(client: Client, both: Both) -> None:
    texts = [f"t{n}" for n in range(256)]
    sizes = {}
    for dtype in ("float32", "float16"):
        cached = CachedEmbeddings(client, Model(384), dtype=dtype)
        await both(cached.embed_documents)(texts)
        shelves = [client.keys().entries("embeddings", f"{n}/{dtype}/{cached.model}").items for n in range(64)]
        found = raw(client, *(("HVALS", key) for key in shelves))
        records = [record.partition(b":") for values in found for record in values]
        sizes[dtype] = {len(body) for _, _, body in records}
        assert len(records) == 256
    assert sizes == {"float32": {10 + 4 * 384}, "float16": {10 + 2 * 384}}


# --- lifetimes --------------------------------------------------------------------------------------


async def test_vectors_live_a_week_less_a_little(client: Client, both: Both) -> None:
    cached = CachedEmbeddings(client, Model())
    await both(cached.embed_documents)([f"t{n}" for n in range(50)])
    keys = {key for key, _ in entries_of(client, cached)}
    left = raw(client, *(("PTTL", key) for key in keys))
    assert all(0.89 * 604_800_000 < ms <= 604_800_000 for ms in left)
    assert len(set(left)) > 1, "they do not expire at once"
    short = CachedEmbeddings(client, Model(), ttl_s=100, jitter=0, model="short")
    await both(short.embed_query)("a")
    (record,) = entries_of(client, short).values()
    assert int(record.partition(b":")[0]) - server_ms(client) == pytest.approx(100_000, abs=50_000)


def server_ms(client: Client) -> int:
    ((seconds, micro),) = raw(client, ("TIME",))
    return int(seconds) * 1000 + int(micro) // 1000


@pytest.mark.pins
async def test_vectors_without_an_end(client: Client, both: Both) -> None:
    cached = CachedEmbeddings(client, Model(), ttl_s=None)
    await both(cached.embed_query)("a")
    ((key, _),) = entries_of(client, cached)
    assert raw(client, ("PTTL", key)) == [-1]


async def test_clearing_deletes_all(client: Client, both: Both, trips: list[Trip]) -> None:
    model = Model()
    cached = CachedEmbeddings(client, model)
    await both(cached.clear)()  # the server knows the script
    await both(cached.embed_documents)(["a", "b"])
    trips.clear()
    assert await both(cached.clear)() == 2
    assert len(trips) == 1
    await both(cached.embed_documents)(["a"])
    assert model.calls == [["a", "b"], ["a"]]


async def test_it_counts_texts(client: Client, both: Both) -> None:
    cached = CachedEmbeddings(client, Model())
    await both(cached.embed_documents)(["a", "b", "a"])
    await both(cached.embed_documents)(["b", "c"])
    await both(cached.embed_query)("b")
    told = await both(cached.stats)()
    assert (told.hits, told.misses) == (1, 4)
    assert sum(told.latency_s.values()) == 3


# --- what goes wrong --------------------------------------------------------------------------------


async def test_without_a_server_it_is_the_model(both: Both) -> None:
    model = Model()
    cached = CachedEmbeddings(Client.from_url("redis://127.0.0.1:1", retries=0), model)
    for _ in range(2):
        assert await both(cached.embed_documents)(["a", "b"]) == [model.vector("d", text) for text in ("a", "b")]
        assert await both(cached.embed_query)("a") == model.vector("q", "a")
    assert len(model.calls) == 4
    with pytest.raises(UnavailableError):
        await both(cached.clear)()


async def test_a_server_that_goes_before_the_write(client: Client, both: Both) -> None:
    model = Model()
    cached = CachedEmbeddings(client, model)
    switch = Switch(client)
    switch.off(after=1)
    assert await both(cached.embed_query)("a") == model.vector("q", "a")
    switch.on()
    client.breaker.worked()
    assert await both(cached.embed_query)("a") == model.vector("q", "a")
    assert await both(cached.embed_query)("a") == model.vector("q", "a")
    assert len(model.calls) == 2


async def test_something_else_under_its_keys(client: Client, both: Both) -> None:
    model = Model()
    cached = CachedEmbeddings(client, model)
    await both(cached.embed_query)("a")
    ((key, _),) = entries_of(client, cached)
    raw(client, ("DEL", key), ("SET", key, "mine", "PX", 60_000))
    assert await both(cached.embed_query)("a") == model.vector("q", "a")
    assert raw(client, ("GET", key)) == [b"mine"]


async def test_what_the_model_raises_is_raised(client: Client, both: Both) -> None:
    class Down(Model):
        def _all(self, kind: str, texts: list[str]) -> list[list[float]]:
            raise Broken

    cached = CachedEmbeddings(client, Down())
    with pytest.raises(Broken):
        await both(cached.embed_query)("a")
    assert await both(cached.count)() == 0


async def test_a_model_that_loses_texts_is_found_out(client: Client, both: Both) -> None:
    class Lossy(Model):
        def _all(self, kind: str, texts: list[str]) -> list[list[float]]:
            return super()._all(kind, texts)[1:]

    cached = CachedEmbeddings(client, Lossy())
    with pytest.raises(InvalidInputError, match="gave 1 vectors for 2 texts"):
        await both(cached.embed_documents)(["a", "b"])
    assert await both(cached.count)() == 0


async def test_a_text_must_be_text(client: Client, both: Both, trips: list[Trip]) -> None:
    cached = CachedEmbeddings(client, Model())
    for bad in (None, b"a", 3):
        with pytest.raises(InvalidInputError, match="must be a string"):
            await both(cached.embed_documents)(["a", bad])
    assert trips == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"dtype": "int8"}, InvalidInputError),
        ({"ttl_s": 0}, InvalidInputError),
        ({"jitter": 2}, InvalidInputError),
        ({"model": ""}, InvalidIdError),
        ({"tenant": "\ud800"}, InvalidIdError),
        ({"client": "nowhere://x"}, ConfigError),
    ],
)
def test_what_cannot_be_constructed(options: dict[str, Any], error: type[RedisMemoryError]) -> None:
    with pytest.raises(error):
        CachedEmbeddings(**{"client": "memory://x", "embeddings": Model(), **options})


# --- elsewhere --------------------------------------------------------------------------------------


async def test_on_a_cluster(cluster: Client, both: Both) -> None:
    model = Model()
    cached = CachedEmbeddings(cluster, model)
    texts = [f"t{n}" for n in range(100)]
    for _ in range(2):
        assert await both(cached.embed_documents)(texts) == [model.vector("d", text) for text in texts]
    assert len(model.calls) == 1
    assert await both(cached.clear)() == 100


def test_behind_a_vector_store(client: Client) -> None:
    model = Model()
    store = InMemoryVectorStore(CachedEmbeddings(client, model))
    store.add_texts(["one", "two"])
    store.add_texts(["one", "two"])
    store.similarity_search("one")
    store.similarity_search("one")
    assert model.calls == [["one", "two"], ["one"]]
