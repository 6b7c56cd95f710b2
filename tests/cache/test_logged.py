"""The decision log of LangChain's two caches: what was missed, warming from it, advice, removal by what people know."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from langchain_redis_memory import RedisCache, RedisSemanticCache
from langchain_redis_memory.cache.decision_log import DecisionLog
from langchain_redis_memory.cache.llm_cache import LLMCache
from langchain_redis_memory.cache.warming import asked_of
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support.meanings import ASKED, CLOSE, FAR, NEAR, TEXT, Cut, WordEmbeddings, grouped, prompt

KINDS = ["exact", "semantic"]
MODEL = "model-a"


def made(client: Client, kind: str = "semantic", **options: Any) -> Any:
    if kind == "exact":
        return RedisCache(client, **grouped(options))
    return RedisSemanticCache(client, WordEmbeddings(), **grouped({"policy": Cut(), **options}))


async def ask(cache: LLMCache, both: Both, question: str, model: str = MODEL) -> bool:
    """Looks a prompt up and stores an answer where there is none; gives whether there was one."""
    found = await both(cache.lookup)(question, model)
    if found is None:
        await both(cache.update)(question, model, TEXT)
    return found is not None


@pytest.mark.parametrize("kind", KINDS)
async def test_every_look_up_leaves_a_line(client: Client, both: Both, kind: str) -> None:
    cache = made(client, kind)
    for question in (ASKED, FAR, ASKED):
        await ask(cache, both, prompt(question))
    hit, far, asked = await both(cache.decisions)()
    assert [(one.outcome, one.question) for one in (hit, far, asked)] == [
        ("hit", ASKED),
        ("miss", FAR),
        ("miss", ASKED),
    ]
    assert (hit.kind, hit.why, hit.type) == ("exact", "the very same question", str(QuestionType.NEW_TOPIC))
    assert asked.prompt == prompt(ASKED)
    assert await both(cache.report)(hit.entry)
    assert (await both(cache.decisions)(1))[0].outcome == "wrong"
    told = await both(cache.explain)(ASKED, MODEL) if kind == "semantic" else None
    assert told is None or any("the very same question" in line for line in told.log)


async def test_a_hit_by_meaning_and_a_bypass_say_why(client: Client, both: Both) -> None:
    cache = made(client)
    await ask(cache, both, ASKED)
    await ask(cache, both, NEAR)
    await ask(cache, both, "Cancel my order.")
    bypass, near, _ = await both(cache.decisions)()
    assert (near.outcome, near.kind, near.why) == ("hit", "meaning", "means the same")
    assert near.candidates[0].question == ASKED
    assert (bypass.outcome, bypass.question) == ("bypass", "Cancel my order.")
    assert bypass.why


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_missed_most_is_asked_again_as_it_was(client: Client, both: Both, kind: str) -> None:
    cache = made(client, kind)
    model = FakeListChatModel(responses=["often", "twice"])
    often, twice = [SystemMessage("Be brief."), HumanMessage("What is often?")], [HumanMessage("What is twice?")]
    for question, times in ((often, 3), (twice, 2), ([HumanMessage("What is once?")], 1)):
        for _ in range(times):
            assert await both(cache.lookup)(*asked_of(question, model)) is None
    assert await both(cache.lookup)(prompt(ASKED), "another model") is None
    assert await both(cache.lookup)(prompt("And then?", "Then?", "What is more?"), MODEL) is None
    missed = await both(cache.top_misses)(2)
    assert [(one.question, one.times) for one in missed] == [("What is often?", 3), ("What is twice?", 2)]
    assert await both(cache.warm_from_misses)(model, 2) == 2
    for question, answer in ((often, "often"), (twice, "twice")):
        found = await both(cache.lookup)(*asked_of(question, model))
        assert found is not None
        assert found[0].message == AIMessage(answer, id=found[0].message.id)
    assert await both(cache.warm_from_misses)(model, 2) == 0, "they are there"
    assert await both(cache.warm_from_misses)(model, 9) == 1, "What is once?"


async def test_the_model_is_asked_past_the_cache_that_is_warmed(client: Client, both: Both) -> None:
    cache = made(client, "exact")
    model = FakeListChatModel(responses=["yes"], cache=cache)
    await both(cache.lookup)(*asked_of(ASKED, model))
    assert await both(cache.warm_from_misses)(model) == 1
    assert [one.outcome for one in await both(cache.decisions)()] == ["miss"]
    with pytest.raises(InvalidInputError, match="must be a LangChain model, which is asked"):
        await both(cache.warm_from_misses)(MODEL)


async def test_a_prompt_that_is_more_than_texts_is_not_asked_again(client: Client, both: Both) -> None:
    cache = made(client, "exact")
    model = FakeListChatModel(responses=["yes"])
    picture = HumanMessage([{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "data:x"}}])
    for question in ([picture], [HumanMessage("x" * 2000)]):
        await both(cache.lookup)(*asked_of(question, model))
    assert await both(cache.warm_from_misses)(model) == 0


async def test_advice(client: Client, both: Both) -> None:
    cache = made(client)
    for question in (ASKED, NEAR, CLOSE, FAR):
        await ask(cache, both, question)
    told = await both(cache.advise)()
    assert (told.turns, told.wrong) == (4, 0)
    assert {row.option for row in told.risks} == {"max_error"}
    assert await both(cache.report)((await both(cache.decisions)())[2].entry)
    assert (await both(cache.advise)()).wrong == 1


async def test_advice_of_an_exact_cache_is_what_was_missed_again(client: Client, both: Both) -> None:
    cache = made(client, "exact")
    for number in range(3):
        await ask(cache, both, prompt(SystemMessage(f"It is {number} o'clock."), ASKED))
    told = await both(cache.advise)()
    assert (told.turns, told.repeated, told.risks) == (3, 2, ())
    assert str(told) == "3 logged turns, 0 reported wrong, 2 missed although asked before"


@pytest.mark.parametrize("kind", KINDS)
async def test_answers_to_a_question_are_deleted_whichever_model_gave_them(
    client: Client, both: Both, kind: str
) -> None:
    cache = made(client, kind)
    for model in (MODEL, "model-b"):
        await ask(cache, both, prompt(ASKED), model)
    await ask(cache, both, prompt(FAR))
    assert await both(cache.delete)(question=f"  {ASKED.upper()} ") == 2
    assert await ask(cache, both, prompt(FAR))
    assert not await ask(cache, both, prompt(ASKED))
    assert await both(cache.delete)(hit_id=(await both(cache.decisions)())[1].entry) == 1
    assert await both(cache.count)() == 1


async def test_what_is_meant_has_to_be_said(client: Client, both: Both) -> None:
    with pytest.raises(InvalidInputError, match="clear\\(\\) deletes all"):
        await both(made(client, "exact").delete)()


async def test_a_session_s_answers_go_with_its_lines(client: Client, both: Both) -> None:
    cache = made(client)
    await ask(cache.bind(session="a"), both, ASKED)
    await ask(cache.bind(session="b"), both, FAR)
    assert await both(cache.delete)(session="a") == 1
    assert [one.question for one in await both(cache.decisions)()] == [FAR]


@pytest.mark.parametrize("kind", KINDS)
async def test_clearing_takes_the_log_along(client: Client, both: Both, kind: str) -> None:
    cache = made(client, kind)
    await ask(cache, both, ASKED)
    await both(cache.clear)()
    assert await both(cache.decisions)() == []
    assert not await ask(cache, both, ASKED)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_log_without_words_and_no_log(client: Client, both: Both, kind: str) -> None:
    silent, off = made(client, kind, log=DecisionLog(content=False), name="silent"), made(client, kind, log=None)
    for cache in (silent, off):
        await ask(cache, both, ASKED)
    (line,) = await both(silent.decisions)()
    assert (line.outcome, line.question, line.prompt) == ("miss", "", "")
    assert await both(silent.top_misses)() == []
    assert await both(off.decisions)() == []


@pytest.mark.parametrize("kind", KINDS)
async def test_logging_costs_no_trip_and_disturbs_nothing(
    client: Client, both: Both, kind: str, trips: list[Trip]
) -> None:
    spent = []
    for number, log in enumerate((None, DecisionLog())):
        cache = made(client, kind, log=log, name=f"c{number}")
        await ask(cache, both, FAR)
        trips.clear()
        await ask(cache, both, ASKED)
        await ask(cache, both, ASKED)
        spent.append(len(trips))
    assert spent[0] == spent[1]
    client.run(Op((("SET", cache._flows.log_key, "in the way", "EX", 60),), len))
    assert await ask(cache, both, ASKED)
    assert not await ask(cache, both, "What is copper?")
    assert (await both(cache.stats)()).total("updates") == 3


async def test_tenants_of_one_cache_keep_their_logs_apart(client: Client, both: Both) -> None:
    cache = made(client)
    await ask(cache.bind(tenant="acme"), both, ASKED)
    assert await both(cache.decisions)() == []
    assert len(await both(cache.bind(tenant="acme").decisions)()) == 1
