"""`RedisSemanticCache`: LangChain's suites on every server, what is kept apart, what is explained, what is refused."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.caches import BaseCache
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, Generation
from langchain_tests.integration_tests import AsyncCacheTestSuite, SyncCacheTestSuite

from langchain_redis_memory.cache.prompts import Template
from langchain_redis_memory.cache.semantic.cache import RedisSemanticCache
from langchain_redis_memory.errors import ConfigError, InvalidIdError, InvalidInputError, RedisMemoryError
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both, Watch, url_of
from tests.support.meanings import (
    ASKED,
    DOUBTFUL,
    FAR,
    MODEL,
    NEAR,
    OTHER,
    TEXT,
    WordEmbeddings,
    answers,
    prompt,
    semantic_cache,
    text,
)
from tests.support.servers import EVERY, NEWEST, Farm

SOLID = ["memory", NEWEST]


@pytest.fixture(params=SOLID)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    """A server in the process and a real one."""
    return url_of(request.param, farm)


@pytest.fixture
def cache(client: Client) -> RedisSemanticCache:
    return semantic_cache(client)


# --- LangChain's suites -----------------------------------------------------------------------------------------------


@pytest.fixture(params=[*EVERY, "cluster", "sentinel"])
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
            yield semantic_cache(client)


class TestAsync(AsyncCacheTestSuite):
    @pytest.fixture
    async def cache(self, any_url: str, prefix: str, watch: Watch) -> AsyncIterator[BaseCache]:
        watch(any_url, prefix)
        async with Client.from_url(any_url, prefix=prefix) as client:
            yield semantic_cache(client)


class TestSyncInFlight(SyncCacheTestSuite):
    @pytest.fixture
    def cache(self, real: Client) -> BaseCache:
        return semantic_cache(real, single_flight_s=60, max_entries=3)


# --- hits -------------------------------------------------------------------------------------------------------------


async def test_a_near_question_is_served_and_says_so(cache: RedisSemanticCache, both: Both) -> None:
    given = Generation(text="330 metres", generation_info={"reason": "stop"})
    await both(cache.update)(ASKED, MODEL, [given])
    assert await both(cache.lookup)(ASKED, MODEL) == [given]
    (found,) = await both(cache.lookup)(NEAR, MODEL)
    told = found.generation_info.pop("semantic_cache")
    assert found == given
    assert (told["question"], told["similarity"], told["probability"]) == (ASKED, 1.0, 1.0)
    for other in (FAR, DOUBTFUL):
        assert await both(cache.lookup)(other, MODEL) is None


async def test_a_message_says_where_it_comes_from(cache: RedisSemanticCache, both: Both) -> None:
    message = AIMessage("330 m", id="run-1", usage_metadata={"input_tokens": 5, "output_tokens": 2, "total_tokens": 7})
    await both(cache.update)(prompt(ASKED), MODEL, [ChatGeneration(message=message)])
    found = (await both(cache.lookup)(prompt(NEAR), MODEL))[0].message
    assert found.response_metadata["semantic_cache"]["question"] == ASKED
    assert found.content == "330 m"
    assert found.id not in {None, "run-1"}
    assert "semantic_cache" not in (await both(cache.lookup)(prompt(ASKED), MODEL))[0].message.response_metadata
    told = await both(cache.stats)()
    assert told.tokens_saved == 14
    assert await both(cache.lookup)(ASKED, MODEL) is not None, "a text and a message of the same words are one question"


async def test_the_nearest_that_may_be_served_is(cache: RedisSemanticCache, both: Both) -> None:
    await both(cache.update)("Convert 50 miles to km", MODEL, answers("80 km"))
    await both(cache.update)("please convert 5 miles to km", MODEL, answers("8 km"))
    assert text(await both(cache.lookup)("Convert 5 miles to km", MODEL)) == "8 km"
    assert await both(cache.lookup)("Convert 500 miles to km", MODEL) is None
    assert (await both(cache.stats)()).refusals == 1


async def test_the_last_answer_counts(cache: RedisSemanticCache, both: Both) -> None:
    await both(cache.update)(ASKED, MODEL, answers("one"))
    await both(cache.update)(ASKED, MODEL, answers("two"))
    assert text(await both(cache.lookup)(ASKED, MODEL)) == text(await both(cache.lookup)(NEAR, MODEL)) == "two"
    assert await both(cache.count)() == 1


@pytest.mark.parametrize(
    "answer",
    [
        [],
        answers(""),
        answers("Error: quota"),
        [Generation(text="cut", generation_info={"finish_reason": "length"})],
        [ChatGeneration(message=AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "1"}]))],
        [ChatGeneration(message=AIMessage("x", response_metadata={"thing": object()}))],
    ],
    ids=["none", "empty", "error", "cut", "tool call", "unserialisable"],
)
async def test_what_may_not_be_cached_is_not(cache: RedisSemanticCache, both: Both, answer: Any) -> None:
    await both(cache.update)(ASKED, MODEL, answer)
    assert await both(cache.lookup)(ASKED, MODEL) is None
    assert await both(cache.count)() == 0


async def test_indents_decide_what_code_means(cache: RedisSemanticCache, both: Both) -> None:
    inside, outside = (f"What is printed?\nfor i in a:\n    b += i\n{space}print(b)" for space in ("    ", ""))
    await both(cache.update)(inside, MODEL, answers("each"))
    assert await both(cache.lookup)(outside, MODEL) is None
    assert text(await both(cache.lookup)(f"{inside}\n", MODEL)) == "each"


# --- what is kept apart -----------------------------------------------------------------------------------------------

SYSTEM = SystemMessage("Answer in French.")


def apart(client: Client) -> dict[str, tuple[RedisSemanticCache, str, str]]:
    """Caches, prompts and models that must never meet, though the question is the same in all of them."""
    cache = semantic_cache(client)
    french = prompt(SYSTEM, HumanMessage(ASKED))
    return {
        "plain": (cache, ASKED, MODEL),
        "model": (cache, ASKED, OTHER),
        "parameters": (cache, ASKED, MODEL + "---[('stop', None)]"),
        "tenant": (cache.bind(tenant="t"), ASKED, MODEL),
        "other tenant": (semantic_cache(client, tenant="u"), ASKED, MODEL),
        "scope": (cache.bind(scope="s"), ASKED, MODEL),
        "other scope": (semantic_cache(client, scope="t"), ASKED, MODEL),
        "name": (semantic_cache(client, name="other"), ASKED, MODEL),
        "system": (cache, french, MODEL),
        "other system": (cache, prompt(SystemMessage("Answer in Latin."), HumanMessage(ASKED)), MODEL),
        "two systems": (cache, prompt(SYSTEM, SYSTEM, HumanMessage(ASKED)), MODEL),
        "template": (semantic_cache(client, template="Say: {question}"), f"Say: {ASKED}", MODEL),
        "other template": (semantic_cache(client, template="Tell: {question}"), f"Tell: {ASKED}", MODEL),
        "variable": (semantic_cache(client, template="From {text}: {question}"), f"From A: {ASKED}", MODEL),
        "other variable": (semantic_cache(client, template="From {text}: {question}"), f"From B: {ASKED}", MODEL),
        "embeddings": (semantic_cache(client, embeddings=WordEmbeddings(model="other"), name="e"), ASKED, MODEL),
    }


async def test_what_must_not_meet_is_never_even_found(real: Client, both: Both) -> None:
    places = apart(real)
    for name, (cache, asked, model) in places.items():
        found = await both(cache.explain)(asked, model)
        assert found.candidates == (), name
        assert await both(cache.lookup)(asked, model) is None
        await both(cache.update)(asked, model, answers(name))
    for name, (cache, asked, model) in places.items():
        assert text(await both(cache.lookup)(asked, model)) == name
        near = await both(cache.explain)(asked.replace("tall", "high"), model)
        assert [one.question for one in near.candidates] == [ASKED]
        assert text(await both(cache.lookup)(asked.replace("tall", "high"), model)) == name


async def test_a_bound_cache_shares_the_engines_and_the_embeddings(real: Client, both: Both, trips: list[Trip]) -> None:
    embeddings = WordEmbeddings()
    cache = semantic_cache(real, embeddings=embeddings)
    await both(cache.lookup)(ASKED, MODEL)
    await both(cache.stats)()  # a server that knows every script is asked in as many trips as are counted below
    trips.clear()
    for number in range(5):
        assert await both(cache.bind(tenant="t", session=f"s{number}", scope="x").lookup)(ASKED, MODEL) is None
    assert len(trips) == 5 * 2 + 1, "who embedded last is asked once for a tenant"
    assert embeddings.asked == [ASKED]
    assert (await both(cache.bind(tenant="t").stats)()).misses == 5, "the counts of a passing cache are not lost"


async def test_binding_keeps_what_is_left_out(cache: RedisSemanticCache, both: Both) -> None:
    bound = cache.bind(tenant="t", scope="s", session="1", tags=["a"]).bind(session="2").bind(tags=("b",))
    await both(bound.update)(ASKED, MODEL, TEXT)
    assert await both(cache.lookup)(ASKED, MODEL) is None
    assert await both(cache.bind(tenant="t").lookup)(ASKED, MODEL) is None
    assert await both(cache.bind(tenant="t", scope="s").lookup)(ASKED, MODEL) == TEXT
    assert await both(bound.delete)(session="1") == await both(bound.delete)(tag="a") == 0
    assert await both(bound.delete)(session="2", tag="b") == 1


async def test_a_template_with_ambiguous_variables_never_searches_them_by_meaning(client: Client, both: Both) -> None:
    cache = semantic_cache(client, template="From {text}: {question}")
    await both(cache.update)(f"From a: the town report: {ASKED}", MODEL, answers("of the town"))
    for other in ("the city report", "the report", ""):
        assert await both(cache.lookup)(f"From a: {other}: {ASKED}", MODEL) is None
    assert text(await both(cache.lookup)(f"From a: the town report: {NEAR}", MODEL)) == "of the town"
    assert await both(cache.lookup)(ASKED, MODEL) is None
    assert (await both(cache.stats)()).by("kind")["other_template"].bypasses == 1


PARTS = st.text("ab:- ", max_size=6)


@given(
    st.sampled_from(["{q}: {a}", "{a}: {q}", "<{a}: {q} - {b}>", "{a}:{b}-{q}", "{q}:{a}-{b}", "{a}: {q} - {a}"]),
    PARTS,
    PARTS,
    PARTS,
)
def test_what_a_template_calls_the_question_is_part_of_it(form: str, a: str, b: str, q: str) -> None:
    filled = form.format(a=a, b=b, q=q)
    found = Template(form, "q").split(filled)
    if found is None:
        assert not q.strip() or any(sign in a + b + q for sign in ":-") or form.count("{a}") > 1
        return
    question, values = found
    assert form.format(q=question, **{"a": "", "b": "", **values}) == filled, "nothing is lost"
    assert question in q


# --- explaining -------------------------------------------------------------------------------------------------------

WORDS = ["How", "tall", "high", "is", "the", "tower", "old", "5", "50", "town", "city"]
SENTENCES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)


@given(st.lists(SENTENCES, max_size=6), SENTENCES)
def test_what_is_explained_is_what_is_served(stored: list[str], asked: str) -> None:
    with Client.from_url("memory://explained", prefix="p") as client:
        cache = semantic_cache(client)
        cache.clear()
        for one in stored:
            cache.update(one, MODEL, answers(one))
        told = cache.explain(asked, MODEL)
        served = cache.lookup(asked, MODEL)
        assert (told.hit is None) == (served is None)
        assert str(told)
        served_ones = [one.question for one in told.candidates if not one.why]
        assert served_ones == ([told.hit.entry.question] if told.hit else [])
        if served is not None:
            assert told.hit is not None
            assert text(served) == told.hit.entry.question
            info = served[0].generation_info
            assert info is None or info["semantic_cache"]["hit_id"] == told.hit.id


async def test_explanations_say_why(cache: RedisSemanticCache, both: Both) -> None:
    for question in (ASKED, "How tall is the Eiffel Tower in 5 years?", FAR):
        await both(cache.update)(question, MODEL, TEXT)
    before = (await both(cache.stats)()).as_dict()
    told = await both(cache.explain)(DOUBTFUL, MODEL)
    assert (told.question, told.kind, told.hit, told.bypass) == (DOUBTFUL, "NEW_TOPIC", None, "")
    why = {one.question: one.why for one in told.candidates}
    assert why[ASKED] == "probability 0.857 is too low"
    assert why["How tall is the Eiffel Tower in 5 years?"] == "numbers differ"
    assert why[FAR] == "too far"
    assert "numbers differ" in str(told)
    assert str(await both(cache.explain)(NEAR, MODEL)).count("served") == 1
    past = await both(cache.explain)(prompt(ASKED, "330 m", "What did I ask first?"), MODEL)
    assert (past.question, past.bypass, past.hit) == (None, "HISTORY_RECALL", None)
    assert "bypasses the cache" in str(past)
    assert (await both(cache.stats)()).as_dict() == before, "nothing is counted"


# --- computing, statistics --------------------------------------------------------------------------------------------


async def test_get_or_compute(cache: RedisSemanticCache, both: Both) -> None:
    called: list[int] = []

    def compute() -> str:
        called.append(1)
        return "330 metres"

    assert await both(cache.get_or_compute)(ASKED, MODEL, compute) == TEXT
    assert text(await both(cache.get_or_compute)(NEAR, MODEL, compute)) == "330 metres"
    assert len(called) == 1
    with pytest.raises(ZeroDivisionError):
        await both(cache.get_or_compute)(FAR, MODEL, lambda: 1 // 0)
    with pytest.raises(InvalidInputError):
        await both(cache.get_or_compute)(FAR, MODEL, lambda: 5)
    assert await both(cache.count)() == 1


async def test_an_async_compute(real: Client) -> None:
    async def compute() -> AIMessage:
        return AIMessage("330 m")

    cache = semantic_cache(real, single_flight_s=30)
    assert text(await cache.aget_or_compute(ASKED, MODEL, compute)) == "330 m"
    assert text(await cache.aget_or_compute(NEAR, MODEL, compute)) == "330 m"


async def test_statistics_by_model_and_kind(cache: RedisSemanticCache, both: Both) -> None:
    await both(cache.lookup)(ASKED, MODEL)
    await both(cache.update)(ASKED, MODEL, answers("330 metres"))
    for asked, model in ((ASKED, MODEL), (NEAR, MODEL), (DOUBTFUL, MODEL), (FAR, MODEL), (ASKED, OTHER)):
        await both(cache.lookup)(asked, model)
    for turns in (
        (ASKED, "a", "What did I ask first?"),
        (ASKED, "a", "Thanks!"),
        ("I am ill.", "a", "How do I lose my weight in Oslo?"),
    ):
        await both(cache.lookup)(prompt(*turns), MODEL)
    told = await both(cache.stats)()
    assert (told.hits, told.misses, told.refusals, told.bypasses) == (2, 4, 1, 3)
    assert told.hit_rate == pytest.approx(1 / 3)
    assert told.by("model")[OTHER].misses == 1
    kinds = {kind: one.bypasses for kind, one in told.by("kind").items() if one.bypasses}
    assert kinds == {"HISTORY_RECALL": 1, "CONTEXTUAL_FOLLOW_UP": 1, "private": 1}
    assert told.by("kind")["NEW_TOPIC"].hits == 2
    assert told.tokens_saved > 0
    hit = (await both(cache.lookup)(NEAR, MODEL))[0].generation_info["semantic_cache"]["hit_id"]
    await both(cache.report)(hit, correct=False)
    assert (await both(cache.stats)()).wrong_hits == 1


# --- trips and wrong use ----------------------------------------------------------------------------------------------


async def test_trips(real: Client, both: Both, trips: list[Trip]) -> None:
    cache = semantic_cache(real, engine="exact")

    async def count(method: Any, *args: Any) -> int:
        await both(method)(*args)  # scripts, abilities and the first look at the embedding model
        trips.clear()
        await both(method)(*args)
        return len(trips)

    assert await count(cache.lookup, FAR, MODEL) == 2
    assert await count(cache.update, ASKED, MODEL, TEXT) == 1
    assert await count(cache.lookup, ASKED, MODEL) == 1
    assert await count(cache.lookup, NEAR, MODEL) == 3
    assert await count(cache.lookup, prompt(ASKED, "a", "Thanks!"), MODEL) == 0
    assert await count(cache.update, prompt(ASKED, "a", "Thanks!"), MODEL, TEXT) == 0


WRONG: dict[str, dict[str, Any]] = {
    "embeddings": {"embeddings": "minilm"},
    "max_error": {"max_error": 2},
    "policy": {"policy": 0.9},
    "judge": {"judge": 5},
    "ttl": {"ttl_s": 0},
    "entries": {"max_entries": 0},
    "entries that are no number": {"max_entries": "5"},
    "name": {"name": ""},
    "tenant": {"tenant": "x" * 2000},
    "scope": {"scope": 5},
    "template": {"template": 5},
    "template without a variable": {"template": "Say it"},
    "template of two in a row": {"template": "{a}{question}"},
    "template that is none": {"template": "{"},
    "classifier": {"classifier": "rules"},
    "contextualiser": {"contextualiser": object()},
    "jitter": {"jitter": 2},
    "flight": {"single_flight_s": -1},
    "admission": {"admission": True},
    "engine": {"engine": "best"},
    "quantization": {"quantization": "int4"},
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_early(name: str) -> None:
    with pytest.raises((ConfigError, InvalidInputError, InvalidIdError)) as caught:
        semantic_cache(Client.from_url("memory://wrong"), **WRONG[name])
    assert isinstance(caught.value, RedisMemoryError)


async def test_wrong_calls(cache: RedisSemanticCache, both: Both) -> None:
    for hit_id in ("", "x", "ab-1", "00" * 16 + "-20000", "00" * 16, 5, None, b"00"):
        with pytest.raises(InvalidInputError, match="not the id of a hit"):
            await both(cache.report)(hit_id, correct=True)
    with pytest.raises(InvalidInputError, match="clear knows no llm"):
        await both(cache.clear)(llm="x")
    for wrong in (
        {"tenant": "x" * 2000},
        {"scope": 5},
        {"session": "x" * 2000},
        {"tags": "x"},
        {"tags": 5},
        {"tags": [""]},
    ):
        with pytest.raises(RedisMemoryError):
            cache.bind(**wrong)
    assert await both(cache.report)("00" * 16 + "-9000", correct=False) is False


async def test_an_engine_that_the_server_lacks(both: Both, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    async with Client.from_url(f"memory://{prefix}") as client:
        cache = semantic_cache(client, engine="query_engine")
        with caplog.at_level(logging.WARNING):
            await both(cache.update)(ASKED, MODEL, TEXT)
            assert await both(cache.lookup)(ASKED, MODEL) is None
        assert "this server has no query engine" in caplog.text
