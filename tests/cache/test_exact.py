"""`RedisCache` as LangChain uses it: its two suites on every server, exact names, lifetimes, whole answers, trips."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from langchain_core.caches import BaseCache
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.language_models import FakeListChatModel, FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langchain_tests.integration_tests import AsyncCacheTestSuite, SyncCacheTestSuite

from langchain_redis_memory import RedisCache
from langchain_redis_memory.cache.entry_options import EntryOptions
from langchain_redis_memory.errors import ConfigError, InvalidIdError, InvalidInputError
from langchain_redis_memory.redis import expiring_hash
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.expiring_hash import NewItem
from tests.conftest import Both, Watch, url_of
from tests.support.chains import DescribedModel, PureModel
from tests.support.meanings import grouped
from tests.support.raw import raw
from tests.support.servers import TABLE, Farm, wait_for

MODEL, OTHER = "model-a", "model-b"
TEXT = [Generation(text="an answer")]
STRANGE = ["a", "a/b", "a:b", "0/a", "*", "{a}", "a b", "a\nb", "🦊", "A", "%2F", "x" * 200, "x" * 1024]


def keys_of(client: Client) -> list[str]:
    """Every key under the client's prefix, of a server that is not a cluster; not those of trips."""
    found, cursor = [], b"0"
    while True:
        cursor, page = raw(client, ("SCAN", cursor, "MATCH", f"{client.keys().prefix}:*", "COUNT", 1000))[0]
        found += [key.decode() for key in page if b"}:trip:" not in key]
        if int(cursor) == 0:
            return sorted(found)


# --- LangChain's suites -----------------------------------------------------------------------------


@pytest.fixture(params=[*TABLE, "cluster", "sentinel"])
def any_url(request: pytest.FixtureRequest, farm: Farm) -> str:
    """Each kind of server and each topology in turn."""
    if request.param in {"cluster", "sentinel"}:
        return str(request.getfixturevalue(f"{request.param}_url"))
    return url_of(request.param, farm)


class TestSync(SyncCacheTestSuite):
    @pytest.fixture
    def cache(self, any_url: str, prefix: str, watch: Watch) -> Iterator[BaseCache]:
        watch(any_url, prefix)
        with Client.from_url(any_url, prefix=prefix) as client:
            yield RedisCache(client)


class TestAsync(AsyncCacheTestSuite):
    @pytest.fixture
    async def cache(self, any_url: str, prefix: str, watch: Watch) -> AsyncIterator[BaseCache]:
        watch(any_url, prefix)
        async with Client.from_url(any_url, prefix=prefix) as client:
            yield RedisCache(client)


class TestSyncInFlight(SyncCacheTestSuite):
    # The suite asks twice for what nobody makes: who leads goes on leading and does not wait for itself.
    @pytest.fixture
    def cache(self, real: Client) -> BaseCache:
        return RedisCache(real, single_flight_s=60, stale_s=5)


# --- names ------------------------------------------------------------------------------------------


@pytest.fixture
def cache(client: Client) -> RedisCache:
    return RedisCache(client)


@pytest.mark.slow
async def test_prompts_and_models_are_exact(cache: RedisCache, both: Both) -> None:
    texts = ["", "a", "a ", "A", "ab", "a\0b", "\ud800", "🦊", "a" * 100_000, '[{"lc": 1}]']
    every = [(prompt, model) for prompt in texts for model in ("", "ab", "a", "b", MODEL, "🦊" * 500)]
    for number, (prompt, model) in enumerate(every):
        await both(cache.update)(prompt, model, [Generation(text=str(number))])
    found = [await both(cache.lookup)(prompt, model) for prompt, model in every]
    assert [answer[0].text for answer in found] == [str(number) for number in range(len(every))]
    assert await both(cache.count)() == len(every)
    assert await both(cache.lookup)("b", MODEL) is None


async def test_tenants_and_names_never_meet(real: Client, both: Both) -> None:
    places = [
        *((tenant, "llm") for tenant in ["", *STRANGE]),
        *(("", name) for name in STRANGE),
        ("a", "b"),
        ("b", "a"),
    ]
    caches = {place: RedisCache(real, tenant=place[0], name=place[1], single_flight_s=5) for place in places}
    for place, cache in caches.items():
        assert await both(cache.lookup)("q", MODEL) is None
        await both(cache.update)("q", MODEL, [Generation(text=repr(place))])
    for place, cache in caches.items():
        assert (await both(cache.lookup)("q", MODEL))[0].text == repr(place)
        assert (await both(cache.stats)()).hits == 1
    await both(caches["a", "llm"].clear)()
    left = {place for place, cache in caches.items() if await both(cache.lookup)("q", MODEL)}
    assert left == set(places) - {("a", "llm")}


async def test_two_caches_of_one_name_share(real: Client, both: Both) -> None:
    await both(RedisCache(real).update)("q", MODEL, TEXT)
    assert await both(RedisCache(real).lookup)("q", MODEL) == TEXT


async def test_an_entry_is_read_without_a_script_as_with_one(client: Client, both: Both, trips: list[Trip]) -> None:
    keys, names = client.keys().entries("exact", "odd"), [b"kept", b"short", b"gone", b"odd", b"never", b"no"]
    client.run(expiring_hash.put(keys, [NewItem(b"kept", 0, b"1"), NewItem(b"short", 60_000, b"2:3")]))
    raw(client, ("HSET", keys.items, "gone", "1000:4", "odd", "what is this", "never", ":5"))
    ways = [expiring_hash.glance, expiring_hash.get]
    first, second = [client.run(way(keys, names)) for way in ways]
    assert (
        [one and one.body for one in first]
        == [one and one.body for one in second]
        == [b"1", b"2:3", None, b"", b"5", None]
    )
    lefts = [[one.left_ms or 0 for one in found if one] for found in (first, second)]
    assert all(50_000 < left.pop(1) <= 60_000 for left in lefts)
    assert lefts[0] == lefts[1] == [0] * 3
    cache = RedisCache(client, stale_s=600)
    await both(cache.update)("q", MODEL, TEXT)
    trips.clear()
    assert await both(cache.lookup)("q", MODEL) == TEXT
    assert await both(cache.lookup)("r", MODEL) is None
    assert [one.operation for one in trips] == ["RedisCache.lookup"] * 2
    client.run(expiring_hash.remove(keys, names))


# --- clearing and deleting ------------------------------------------------------------------------------


@pytest.mark.slow
async def test_clearing_one_model_leaves_the_others(cache: RedisCache, both: Both) -> None:
    for number in range(40):
        for model in (MODEL, OTHER):
            await both(cache.update)(f"q{number}", model, TEXT)
    await both(cache.clear)(model=MODEL)
    assert await both(cache.count)() == 40
    assert await both(cache.lookup)("q1", MODEL) is None
    assert await both(cache.lookup)("q1", OTHER) == TEXT
    await both(cache.clear)(model="unknown")
    assert await both(cache.count)() == 40
    await both(cache.clear)()
    assert await both(cache.count)() == 0


async def test_deleting_one_answer(cache: RedisCache, both: Both) -> None:
    await both(cache.update)("q", MODEL, TEXT)
    await both(cache.update)("r", MODEL, TEXT)
    assert await both(cache.delete)(prompt="q", model=MODEL) == 1
    assert await both(cache.delete)(prompt="q", model=MODEL) == 0
    assert await both(cache.lookup)("q", MODEL) is None
    assert await both(cache.lookup)("r", MODEL) == TEXT


async def test_clearing_leaves_no_key_of_an_entry(real: Client, both: Both) -> None:
    cache = RedisCache(real)
    for number in range(200):
        await both(cache.update)(f"q{number}", MODEL, TEXT)
    await both(cache.clear)()
    assert [key for key in keys_of(real) if not key.endswith("}:tally")] == []


# --- lifetimes --------------------------------------------------------------------------------------


async def test_an_answer_expires_and_its_keys_with_it(client: Client, both: Both) -> None:
    cache = RedisCache(client, ttl_s=0.05)
    await both(cache.update)("q", MODEL, TEXT)
    wait_for(lambda: cache.lookup("q", MODEL) is None)
    wait_for(lambda: cache.count() == 0)


async def test_lifetimes_are_set_with_the_write_and_jittered(real: Client, both: Both) -> None:
    cache = RedisCache(real, ttl_s=1000, entries=EntryOptions(jitter=0.5))
    for number in range(60):
        await both(cache.update)(f"q{number}", MODEL, TEXT)
    lefts = [raw(real, ("PTTL", key))[0] for key in keys_of(real) if key.endswith("}:entries")]
    assert all(440_000 < left <= 1_000_000 for left in lefts)
    assert max(lefts) - min(lefts) > 50_000
    plain = RedisCache(real, ttl_s=1000, name="plain", entries=EntryOptions(jitter=0))
    await both(plain.update)("q", MODEL, TEXT)
    (left,) = [raw(real, ("PTTL", key))[0] for key in keys_of(real) if "plain" in key and key.endswith("}:entries")]
    assert 940_000 < left <= 1_000_000


@pytest.mark.pins
async def test_without_a_lifetime_it_stays(real: Client, both: Both) -> None:
    cache = RedisCache(real, ttl_s=None, stale_s=5)
    await both(cache.update)("q", MODEL, TEXT)
    assert await both(cache.lookup)("q", MODEL) == TEXT
    (key,) = [key for key in keys_of(real) if key.endswith("}:entries")]
    assert raw(real, ("PTTL", key)) == [-1]


async def test_an_answer_is_replaced(cache: RedisCache, both: Both) -> None:
    await both(cache.update)("q", MODEL, TEXT)
    await both(cache.update)("q", MODEL, [Generation(text="another"), Generation(text="and one more")])
    assert [one.text for one in await both(cache.lookup)("q", MODEL)] == ["another", "and one more"]
    assert await both(cache.count)() == 1


# --- round trips ------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_round_trips_are_as_the_docstrings_say(cache: RedisCache, both: Both, trips: list[Trip]) -> None:
    async def spent(method: Callable[..., Any], *arguments: Any, **named: Any) -> int:
        await both(method)(*arguments, **named)  # its scripts may be new to the server
        trips.clear()
        await both(method)(*arguments, **named)
        return len(trips)

    assert await spent(cache.update, "q", MODEL, TEXT) == 1
    assert await spent(cache.lookup, "q", MODEL) == 1
    assert await spent(cache.lookup, "absent", MODEL) == 1
    assert await spent(cache.get_or_compute, "q", MODEL, lambda: "never") == 1
    assert await spent(cache.delete, prompt="other", model=MODEL) == 1
    assert await spent(cache.count) == 1
    assert await spent(cache.stats) == 1
    assert await spent(cache.clear, model="unknown") == 1
    assert await spent(cache.clear) == 1
    rows = [(f"q{number}", "a") for number in range(1001)]
    assert await spent(cache.warm, rows, MODEL) == 3
    assert await spent(cache.import_entries, list(cache.export_entries())) == 3


async def test_a_lookup_in_flight_takes_as_many_as_it_says(client: Client, both: Both, trips: list[Trip]) -> None:
    cache = RedisCache(client, single_flight_s=60)
    for number in range(2):
        trips.clear()
        assert await both(cache.lookup)(f"q{number}", MODEL) is None
        await both(cache.update)(f"q{number}", MODEL, TEXT)
    assert len(trips) == 4, "the miss, the claim, the answer, the lease given back"
    trips.clear()
    assert await both(cache.lookup)("q1", MODEL) == TEXT
    assert len(trips) == 1


# --- models -----------------------------------------------------------------------------------------


async def test_a_chat_model_is_asked_once(cache: RedisCache, both: Both) -> None:
    usage = {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}
    answer = AIMessage("hi", usage_metadata=usage, response_metadata={"model_name": "m", "finish_reason": "stop"})
    model = DescribedModel(cache=cache, script=[answer])
    first = await both(model.invoke)("q")
    second = await both(model.invoke)([HumanMessage("q", id="another")])
    third = await both(model.invoke)("q")
    assert model.calls == 1
    assert [one.content for one in (first, second, third)] == ["hi"] * 3
    assert {key: second.usage_metadata[key] for key in usage} == usage
    assert second.response_metadata["model_name"] == "m"
    assert len({first.id, second.id, third.id}) == 3
    await both(model.bind(stop=["x"]).invoke)("q")
    await both(DescribedModel(cache=cache, temperature=0.1).invoke)("q")
    assert await both(cache.count)() == 3


async def test_an_llm_is_asked_once_for_each_prompt(cache: RedisCache, both: Both) -> None:
    model = FakeListLLM(responses=["one", "two"], cache=cache)
    for _ in range(3):
        result = await both(model.generate)(["a", "b"])
        assert [found[0].text for found in result.generations] == ["one", "two"]
        assert await both(model.invoke)("b") == "two"
    assert (await both(cache.stats)()).misses == 2


class Tokens(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """Asks for the streaming mode, and notes the tokens."""

    def __init__(self) -> None:
        self.seen: list[str | list[str | dict[str, Any]]] = []

    def on_llm_new_token(self, token: str | list[str | dict[str, Any]], **kwargs: Any) -> None:
        self.seen.append(token)

    def tap_output_iter(self, run_id: Any, output: Iterator[Any]) -> Iterator[Any]:
        return output

    def tap_output_aiter(self, run_id: Any, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        return output


class AsyncTokens(AsyncCallbackHandler, Tokens):
    async def on_llm_new_token(self, token: str, **kwargs: Any) -> None:  # type: ignore[override]
        self.seen.append(token)


async def test_a_streamed_answer_is_cached_whole(cache: RedisCache, both: Both) -> None:
    model = PureModel(cache=cache, script=[AIMessage("one two three", response_metadata={"finish_reason": "stop"})])
    tokens = AsyncTokens() if both.asynchronous else Tokens()
    first = await both(model.invoke)("q", {"callbacks": [tokens]})
    assert tokens.seen[:3] == ["one ", "two ", "three"]
    second = await both(model.invoke)("q")
    assert (first.content, second.content, type(second)) == ("one two three", "one two three", AIMessage)
    assert second.response_metadata["finish_reason"] == "stop"
    assert model.calls == 1


# --- what comes back is what was given, or nothing ----------------------------------------------------


def evil(name: str) -> dict[str, Any]:
    return {"lc": 1, "type": "constructor", "id": ["os", "system", name], "kwargs": {"command": "true"}}


async def test_what_looks_like_an_object_stays_data(cache: RedisCache, both: Both) -> None:
    odd = [
        ChatGeneration(message=AIMessage("a", additional_kwargs=evil("x"), response_metadata=evil("y"))),
        ChatGeneration(message=AIMessage([{"type": "text", "text": "b"}, evil("z")])),
    ]
    await both(cache.update)("q", MODEL, odd)
    found = await both(cache.lookup)("q", MODEL)
    assert found == odd
    assert type(found[0].message.additional_kwargs) is dict


# --- arguments --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ttl_s": 0}, InvalidInputError),
        ({"ttl_s": float("nan")}, InvalidInputError),
        ({"ttl_s": "5"}, InvalidInputError),
        ({"jitter": 1.5}, InvalidInputError),
        ({"stale_s": -1}, InvalidInputError),
        ({"single_flight_s": 0}, InvalidInputError),
        ({"tenant": "x" * 1025}, InvalidIdError),
        ({"name": ""}, InvalidIdError),
        ({"name": None}, InvalidIdError),
        ({"client": "nowhere://x"}, ConfigError),
        ({"client": 7}, ConfigError),
    ],
)
def test_what_cannot_be_constructed(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        RedisCache(**grouped({"client": "memory://x", **options}))


async def test_an_answer_is_explained_reported_and_deleted_by_its_model(cache: RedisCache, both: Both) -> None:
    model, other = FakeListChatModel(responses=["yes"]), FakeListChatModel(responses=["no"])
    question = [HumanMessage("Is it?")]
    missed = await both(cache.explain)(question, model)
    assert (missed.hit, missed.hit_id, missed.candidates) == (None, "", ())
    for each in (model, other):
        assert await both(cache.warm)([(question, "maybe")], each) == 1
    told = await both(cache.explain)(question, model)
    assert told.hit is not None
    assert told.hit[0].text == "maybe"
    assert [one.why for one in told.candidates] == ["made by another model, or with other settings"]
    assert f"hit {told.hit_id}" in str(told)
    assert await both(cache.report)(told.hit_id, correct=True)
    assert (await both(cache.explain)(question, model)).hit is not None
    assert await both(cache.report)(told.hit_id)
    assert (await both(cache.explain)(question, model)).hit is None
    assert not await both(cache.report)(told.hit_id)
    assert (await both(cache.stats)()).wrong_hits == 2
    assert await both(cache.delete)(prompt=question, model=other) == 1
    assert await both(cache.count)() == 0


async def test_bad_arguments_are_refused_before_anything_is_sent(
    cache: RedisCache, both: Both, trips: list[Trip]
) -> None:
    for prompt, model in ((None, MODEL), (b"q", MODEL), ("q", 7), ("q", None)):
        for call in (
            lambda prompt=prompt, model=model: both(cache.lookup)(prompt, model),
            lambda prompt=prompt, model=model: both(cache.update)(prompt, model, TEXT),
        ):
            with pytest.raises(InvalidInputError, match="must be a string"):
                await call()
        with pytest.raises(InvalidInputError, match="must be a"):
            await both(cache.explain)(prompt, model)
        with pytest.raises(InvalidInputError, match=r"must be a|say which answers"):
            await both(cache.delete)(prompt=prompt, model=model)
    with pytest.raises(InvalidInputError, match="model only, got prompt"):
        await both(cache.clear)(prompt="x")
    with pytest.raises(InvalidInputError, match="model must be a LangChain model"):
        await both(cache.clear)(model=5)
    for hit_id in ("", "x" * 56, b"a" * 56, 5):
        with pytest.raises(InvalidInputError, match="not the id of an answer"):
            await both(cache.report)(hit_id)
    assert trips == []
