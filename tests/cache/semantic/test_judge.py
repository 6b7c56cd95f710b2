"""Reports of hits, second judges, embedding models that change, single flight, warming and moving."""

from __future__ import annotations

import asyncio
import logging
from contextvars import Context
from pathlib import Path
from threading import Event, Thread
from typing import Any, cast

import pytest
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from langchain_redis_memory.cache.semantic.cache import RedisSemanticCache
from langchain_redis_memory.cache.semantic.entries import MOST_REPORTS
from langchain_redis_memory.cache.semantic.judge import Judge
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.language.equivalence import Judgement
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, url_of
from tests.support.chains import PureModel
from tests.support.meanings import (
    ASKED,
    CLOSE,
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
    prompt,
    semantic_cache,
    text,
)
from tests.support.raw import raw
from tests.support.servers import NEWEST, PATIENT_S, Farm


@pytest.fixture(params=["memory", NEWEST])
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


@pytest.fixture
def cache(client: Client) -> RedisSemanticCache:
    return semantic_cache(client)


def hit_of(answer: Any) -> str:
    return str(answer[0].generation_info["semantic_cache"]["hit_id"])


# --- reports --------------------------------------------------------------------------------------------------------


async def test_a_hit_that_was_wrong_is_not_served_again(cache: RedisSemanticCache, client: Client, both: Both) -> None:
    await both(cache.update)(ASKED, MODEL, TEXT)
    elsewhere = semantic_cache(client)
    hit = hit_of(await both(cache.lookup)(CLOSE, MODEL))
    assert await both(elsewhere.lookup)(CLOSE, MODEL) is not None
    assert await both(cache.report)(hit, correct=False) is True
    for one in (cache, elsewhere, semantic_cache(client)):
        assert await both(one.lookup)(CLOSE, MODEL) is None
        told = await both(one.explain)(CLOSE, MODEL)
        assert [candidate.why for candidate in told.candidates] == ["reported as wrong at such a distance"]
        assert text(await both(one.lookup)(ASKED, MODEL)) == "330 metres", "the very same question is nearer"
    await both(cache.update)(ASKED, MODEL, answers("another"))
    assert text(await both(cache.lookup)(CLOSE, MODEL)) == "another", "the report was of the other answer"


async def test_a_wrong_answer_to_the_very_same_question(cache: RedisSemanticCache, both: Both) -> None:
    await both(cache.update)(ASKED, MODEL, TEXT)
    hit = (await both(cache.explain)(ASKED, MODEL)).hit
    assert hit.id.endswith("-10000")
    await both(cache.report)(hit.id, correct=False)
    assert await both(cache.lookup)(ASKED, MODEL) is None
    assert (await both(cache.explain)(ASKED, MODEL)).hit is None


async def test_reports_are_bounded_and_go_with_their_entry(cache: RedisSemanticCache, both: Both) -> None:
    await both(cache.update)(ASKED, MODEL, TEXT)
    hit = hit_of(await both(cache.lookup)(CLOSE, MODEL))
    for number in range(MOST_REPORTS + 10):
        assert await both(cache.report)(hit, correct=number % 2 == 0)
    keys = cache._flows.search.keys
    name = bytes.fromhex(hit.partition("-")[0])
    words = raw(cache._client, ("HGET", keys.reports, name))[0].split()
    assert len(words) == MOST_REPORTS == 64
    assert 0 < raw(cache._client, ("PTTL", keys.reports))[0] <= raw(cache._client, ("PTTL", keys.items))[0] + 1000
    told = await both(cache.stats)()
    assert (told.total("right"), told.wrong_hits) == (37, 37)
    await both(cache.delete)(hit_id=hit)
    assert raw(cache._client, ("EXISTS", keys.reports)) == [0]
    assert await both(cache.report)(hit, correct=False) is False
    assert raw(cache._client, ("EXISTS", keys.reports)) == [0]


# --- a second judge -------------------------------------------------------------------------------------------------


class Asking:
    """A judge that says what it is told to and notes what it was asked."""

    def __init__(self, says: Any) -> None:
        self.says, self.asked = says, list[tuple[str, str]]()

    def __call__(self, asked: str, stored: str) -> Any:
        self.asked.append((asked, stored))
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says


SAYS: list[tuple[Any, bool]] = [
    (True, True),
    (False, False),
    (0.9, True),
    (0.1, False),
    (float("nan"), False),
    ("Yes.", True),
    ("yesterday", False),
    ("No, yes", False),
    (AIMessage("**Yes**"), True),
    (AIMessage("no"), False),
    (None, False),
    ([], False),
    (LookupError("x"), False),
]


@pytest.mark.parametrize(("says", "hit"), SAYS, ids=repr)
async def test_a_judge_decides_where_the_policy_doubts(client: Client, both: Both, says: Any, hit: bool) -> None:
    judge = Asking(says)
    cache = semantic_cache(client, judge=judge)
    await both(cache.update)(ASKED, MODEL, TEXT)
    found = await both(cache.lookup)(DOUBTFUL, MODEL)
    assert (text(found) == "330 metres") is hit
    assert judge.asked == [(DOUBTFUL, ASKED)]
    told = await both(cache.explain)(DOUBTFUL, MODEL)
    assert (told.hit is not None) is hit
    # Where the judge has answered, its word is remembered and it is not asked again.
    refused = {"the judge refused it", "reported as wrong at such a distance"}
    assert told.candidates[0].why in ({""} if hit else refused)
    asked = len(judge.asked)
    await both(cache.lookup)(NEAR, MODEL)
    await both(cache.lookup)(FAR, MODEL)
    assert len(judge.asked) == asked, "it is asked in doubt only"


async def test_a_judge_is_asked_so_often_only(client: Client, both: Both) -> None:
    for most in (1, 2):
        judge = Asking(False)
        cache = semantic_cache(client, judge=Judge(judge, most=most, timeout_s=PATIENT_S))
        for word in ("a", "b", "c"):
            await both(cache.update)(f"{ASKED} {word}", MODEL, TEXT)
        await both(cache.lookup)(f"{ASKED} now then", MODEL)
        assert len(judge.asked) == most


class Doubting(Cut):
    """Is in doubt of everything, and most sure of what is farthest."""

    def judge(self, asked: str, stored: str, similarity: float) -> Judgement:
        return Judgement(False, 1 - similarity / 2, (), {}, True)


async def test_the_nearest_answer_may_change_while_the_judge_thinks_of_another(client: Client, both: Both) -> None:
    judged: list[str] = []

    def judge(_asked: str, stored: str) -> bool:
        judged.append(stored)
        if stored == CLOSE:
            Context().run(semantic_cache(client).update, ASKED, MODEL, answers("new"))  # as another process does
        return stored == ASKED

    cache = semantic_cache(client, judge=Judge(judge, most=2, timeout_s=PATIENT_S), policy=Doubting())
    for question in (ASKED, CLOSE):
        await both(cache.update)(question, MODEL, TEXT)
    assert text(await both(cache.lookup)(NEAR, MODEL)) == "new"
    assert judged == [CLOSE, ASKED]


async def test_what_was_reported_wrong_is_not_asked_into_the_cache(client: Client, both: Both) -> None:
    cache = semantic_cache(client, judge=Asking(True))
    await both(cache.update)(ASKED, MODEL, TEXT)
    await both(cache.report)(hit_of(await both(cache.lookup)(DOUBTFUL, MODEL)), correct=False)
    assert await both(cache.lookup)(DOUBTFUL, MODEL) is None


async def test_a_chat_model_as_judge_never_asks_the_cache(client: Client, both: Both) -> None:
    judge = PureModel(script=[AIMessage("yes"), AIMessage("yes"), AIMessage("No.")])
    cache = semantic_cache(client, judge=judge)
    set_llm_cache(cache)
    try:
        await both(cache.update)(ASKED, MODEL, TEXT)
        assert await both(cache.lookup)(DOUBTFUL, MODEL) is not None
        assert await both(cache.lookup)(DOUBTFUL, MODEL) is not None
        for _ in range(2):
            assert await both(cache.lookup)(DOUBTFUL, MODEL) is None
    finally:
        set_llm_cache(None)
    assert judge.calls == 3, "each time it was really asked, until it refused"
    assert await both(cache.count)() == 1
    shown = judge.shown[0]
    assert [message.type for message in shown] == ["system", "human"]
    assert ASKED in str(shown[1].content)
    assert DOUBTFUL in str(shown[1].content)


@pytest.mark.parametrize("model", [FakeListLLM(responses=["yes"]), RunnableLambda(lambda _: "yes")], ids=["llm", "any"])
async def test_other_models_as_judges(client: Client, both: Both, model: Any) -> None:
    cache = semantic_cache(client, judge=model)
    await both(cache.update)(ASKED, MODEL, TEXT)
    assert await both(cache.lookup)(DOUBTFUL, MODEL) is not None


async def test_an_async_judge(client: Client, both: Both, caplog: pytest.LogCaptureFixture) -> None:
    async def judge(_asked: str, _stored: str) -> bool:
        return True

    cache = semantic_cache(client, judge=judge)
    await both(cache.update)(ASKED, MODEL, TEXT)
    found = await both(cache.lookup)(DOUBTFUL, MODEL)
    assert (found is not None) is both.asynchronous
    assert ("serves async calls only" in caplog.text) is not both.asynchronous


async def test_a_slow_judge_is_not_waited_for(client: Client, both: Both, caplog: pytest.LogCaptureFixture) -> None:
    free = Event()

    def slow(_asked: str, _stored: str) -> bool:
        return free.wait(60)

    async def aslow(_asked: str, _stored: str) -> bool:
        await asyncio.sleep(30)
        return True

    cache = semantic_cache(client, judge=Judge(aslow if both.asynchronous else slow, timeout_s=0.02))
    await both(cache.update)(ASKED, MODEL, TEXT)
    assert await both(cache.lookup)(DOUBTFUL, MODEL) is None
    assert "the judge is skipped: TimeoutError" in caplog.text
    free.set()


def test_judges_that_cannot_work() -> None:
    for options in ({"timeout_s": 0}, {"timeout_s": float("nan")}, {"most": 0}, {"most": 1.5}, {"threshold": 2}):
        with pytest.raises(InvalidInputError):
            Judge(len, **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        Judge(cast("Any", "gpt"))


# --- another embedding model ----------------------------------------------------------------------------------------


async def test_vectors_of_another_model_never_meet(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    old = semantic_cache(client)
    await both(old.update)(ASKED, MODEL, TEXT)
    for changed in (WordEmbeddings(model="new"), WordEmbeddings(dims=DIMS // 2)):
        caplog.clear()
        cache = semantic_cache(client, changed)
        for _ in range(3):
            assert (await both(cache.explain)(NEAR, MODEL)).candidates == ()
            assert await both(cache.lookup)(NEAR, MODEL) is None
        assert caplog.text.count("was last written with the embedding model 'words:128'") == 1
        assert text(await both(cache.lookup)(ASKED, MODEL)) == "330 metres", "the very same words need no vector"
    caplog.clear()
    assert text(await both(semantic_cache(client).lookup)(NEAR, MODEL)) == "330 metres"
    assert "embedding model" not in caplog.text
    new = semantic_cache(client, WordEmbeddings(model="new"))
    await both(new.update)(FAR, MODEL, TEXT)
    assert await both(new.delete)(embedding="words") == 1
    assert await both(new.count)() == 1
    assert await both(new.lookup)(ASKED, MODEL) is None


async def test_dimensions_that_change_under_way(cache: RedisSemanticCache, both: Both) -> None:
    model = WordEmbeddings()
    cache = semantic_cache(cache._client, model)
    await both(cache.update)(ASKED, MODEL, TEXT)
    model.dims = 32
    assert await both(cache.lookup)(CLOSE, MODEL) is None
    await both(cache.update)(FAR, MODEL, answers("far"))
    assert text(await both(cache.lookup)(FAR.lower(), MODEL)) == "far"
    assert await both(cache.delete)() == 2
    assert await both(cache.count)() == 0


# --- single flight --------------------------------------------------------------------------------------------------


def test_of_all_who_ask_the_same_at_once_one_computes(client: Client) -> None:
    cache = semantic_cache(client, single_flight_s=30)
    started, go_on, called = Event(), Event(), list[int]()
    found: list[str | None] = []

    def compute() -> str:
        called.append(1)
        started.set()
        assert go_on.wait(60)
        return "330 metres"

    def work() -> None:
        found.append(text(cache.get_or_compute(ASKED, MODEL, compute)))

    threads = [Thread(target=work) for _ in range(6)]
    threads[0].start()
    assert started.wait(60)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert (found, len(called)) == (["330 metres"] * 6, 1)


def test_whoever_fails_is_followed_by_the_next(client: Client) -> None:
    cache = semantic_cache(client, single_flight_s=60)
    with pytest.raises(LookupError):
        cache.get_or_compute(ASKED, MODEL, lambda: (_ for _ in ()).throw(LookupError()))
    done: list[Any] = []
    thread = Thread(target=lambda: done.append(cache.get_or_compute(ASKED, MODEL, lambda: "330 metres")))
    thread.start()
    thread.join(60)
    assert [text(one) for one in done] == ["330 metres"], "the lease was given back"


async def test_whoever_is_refused_gives_the_lease_back(client: Client, both: Both) -> None:
    cache = semantic_cache(client, single_flight_s=60)
    await both(cache.lookup)(ASKED, MODEL)
    await both(cache.update)(ASKED, MODEL, answers(""))
    done: list[Any] = []
    thread = Thread(target=lambda: done.append(semantic_cache(client, single_flight_s=60).lookup(ASKED, MODEL)))
    thread.start()
    await asyncio.to_thread(thread.join, 30)
    assert done == [None]


# --- warming and moving ---------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_warming_for_models(client: Client, both: Both) -> None:
    cache = semantic_cache(client)
    chat, llm = PureModel(cache=cache, fail=True), FakeListLLM(responses=["asked"], cache=cache)
    for model in (chat, chat.bind(stop=["x"]), llm, llm.bind(stop=["x"])):
        assert await both(cache.warm)([(ASKED, "330 metres"), {"prompt": FAR, "answer": "light"}], model) == 2
        found = [await both(model.invoke)(question) for question in (NEAR, FAR)]
        assert [one if isinstance(one, str) else one.text for one in found] == ["330 metres", "light"]
    told: list[int] = []
    assert await both(cache.warm)([(str(n), "a") for n in range(250)], MODEL, progress=told.append) == 250
    assert told == [200, 50]
    assert await both(cache.warm)([("q", ""), (prompt(ASKED, "a", "Thanks!"), "a")], MODEL) == 0


async def test_warming_from_a_file(cache: RedisSemanticCache, both: Both, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"prompt": "What is x?", "answer": "y"}\n\n{"question": "What is z?", "answer": "w"}\n', "utf-8")
    assert await both(cache.warm)(file, MODEL) == 2
    assert text(await both(cache.lookup)("what is Z", MODEL)) == "w"
    file.write_text("{", "utf-8")
    with pytest.raises(InvalidInputError, match="line 1"):
        await both(cache.warm)(file, MODEL)


@pytest.mark.slow
async def test_moving_to_another_place_and_model(cache: RedisSemanticCache, client: Client, both: Both) -> None:
    bound = cache.bind(tags=["a"], session="s")
    for number in range(30):
        await both(bound.update)(f"What is thing number {number}?", (MODEL, OTHER)[number % 2], answers(str(number)))
    await both(cache.update)(prompt("What is measles?", "A virus.", "Is it bad?"), MODEL, answers("yes"))
    lines = await both.each(cache.export_entries)()
    other = semantic_cache(client, WordEmbeddings(dims=48, model="new"), tenant="t")
    told: list[int] = []
    assert await both(other.import_entries)([*lines, "\n"], progress=told.append) == 31
    assert sum(told) == 32
    assert await both(other.count)() == 31
    assert text(await both(other.lookup)("What thing is number 7?", OTHER)) == "7"
    assert await both(other.lookup)("What thing is number 7?", MODEL) is None
    assert text(await both(other.lookup)(prompt("What is measles?", "A virus.", "Is it bad?"), MODEL)) == "yes"
    assert await both(other.delete)(tag="a", session="s", embedding="new") == 30
    for wrong in ("{", "5", '{"entry": 5}', '{"entry": "AAAA"}', '{"entry": "x"}', "[]"):
        with pytest.raises(InvalidInputError, match="line 2 is not an exported entry"):
            await both(other.import_entries)([lines[0], wrong])


async def test_importing_says_nothing_of_a_lost_server(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    cache = semantic_cache(Client.from_url("redis://127.0.0.1:1", retries=0))
    with caplog.at_level(logging.WARNING):
        assert await both(cache.warm)([(ASKED, "a")], MODEL) == 0
    assert "is away" in caplog.text
