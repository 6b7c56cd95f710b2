"""`ConversationMemory.answers`: looking at cached answers, explaining, removing, reporting and warming them."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import PydanticOutputParser
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from langchain_redis_memory.cache.answers.desk import AnswerDesk
from langchain_redis_memory.cache.decision_log import DecisionLog
from langchain_redis_memory.cache.rag.rag_cache import RagCache
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.language.equivalence.weights import shipped
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both, lifetimes
from tests.support.chains import DescribedModel, Desk, Marked, NeverCache, look_up
from tests.support.meanings import ASKED, CLOSE, FAR, NEAR, Cut, WordEmbeddings, grouped

QUESTION = "What is Redis?"
CACHES = ["exact", "meaning"]


def desk_of(client: Client, both: Both, kind: str = "exact", **options: Any) -> Desk:
    """A desk whose memory has one of the two kinds of cache."""
    from langchain_redis_memory.cache.answers.semantic import SemanticAnswerCache

    if kind == "meaning":
        options["cache"] = SemanticAnswerCache(client, WordEmbeddings(), **grouped({"policy": Cut()}))
    options.setdefault("classifier", Marked())
    return Desk(client, both, **options)


# --- statistics -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", CACHES)
async def test_turns_are_counted_once_and_print_as_one_line(client: Client, both: Both, cache: str) -> None:
    desk = desk_of(client, both, cache)
    for session in "abc":
        await desk.say(QUESTION, session)
    await desk.say("R: What did I ask?", "a")
    stats = await both(desk.memory.answers.stats)()
    assert (stats.hits, stats.misses, stats.bypasses, stats.total("updates")) == (2, 1, 1, 1)
    assert stats.tokens_saved == 2 * desk.reports[0].tokens
    assert stats.bypass_reasons == {"HISTORY_RECALL by policy": 1}
    line = "2 of 3 look-ups hit (67%), 1 bypassed (1 HISTORY_RECALL by policy), 0 reported wrong; saved "
    assert re.fullmatch(re.escape(f"{line}{stats.tokens_saved:,} tokens") + r"(, \d+ s)?", str(stats))
    assert "\n" not in repr(stats)


async def test_money_is_that_of_the_model_that_made_the_answer(client: Client, both: Both) -> None:
    usage: Any = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
    desk = desk_of(client, both, chain=DescribedModel())
    metadata = {"model_name": "m", "finish_reason": "stop"}
    desk.model.script = [AIMessage("yes", usage_metadata=usage, response_metadata=metadata)]
    for session in "ab":
        await desk.say(QUESTION, session)
    stats = await both(desk.memory.answers.stats)({"m": (1.0, 2.0)})
    assert stats.money_saved == pytest.approx(0.002)
    assert re.search(r"saved 1,500 tokens(, \d+ s)?, \$0\.00$", str(stats))


async def test_counting_and_logging_cost_no_trip(client: Client, both: Both, trips: list[Trip]) -> None:
    for number, log in enumerate((None, DecisionLog())):
        desk = desk_of(client, both, log=log)
        await desk.say(f"N: scripts {number}", f"c{number}")  # sending one in full is a trip
        trips.clear()
        await desk.say(f"{QUESTION} {number}", f"a{number}")
        await desk.say(f"{QUESTION} {number}", f"b{number}")
        assert len(trips) == 4, [trip.commands for trip in trips]


# --- removing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", CACHES)
async def test_answers_to_a_question_are_deleted_whatever_else_is_in_their_keys(
    client: Client, both: Both, cache: str
) -> None:
    desk = desk_of(client, both, cache)
    other = desk.memory.wrap(desk.model, scope="other")
    await desk.say(QUESTION, "a")
    await desk.say("N: What else?", "a")
    await both(other.invoke)(QUESTION, config={"configurable": {"session_id": "b", "agent": "helper"}})
    assert await both(desk.memory.answers.delete)(question="  what is   REDIS? ") == 2
    await desk.say(QUESTION, "c")
    assert desk.last.cache == "miss"
    await desk.say("N: What else?", "c")
    assert desk.last.cache == "hit"
    assert await both(desk.memory.answers.delete)(question="never asked") == 0


@pytest.mark.parametrize("cache", CACHES)
async def test_answers_made_or_served_in_a_conversation_are_deleted_with_its_log(
    client: Client, both: Both, cache: str
) -> None:
    desk = desk_of(client, both, cache)
    await desk.say("N: four", "a")
    await desk.say("N: two", "b")
    await desk.say("N: two", "a")
    await desk.say("N: three", "b")
    answers = desk.memory.answers
    assert await both(answers.delete)(session="a") == 2
    for question, outcome in (("N: four", "miss"), ("N: two", "miss"), ("N: three", "hit")):
        await desk.say(question, "c")
        assert desk.last.cache == outcome, question
    logged = [one.question for one in await both(answers.decisions)()]
    assert logged == ["N: three", "N: two", "N: four", "N: three", "N: two"]


@pytest.mark.parametrize("cache", CACHES)
async def test_answers_of_many_conversations_are_deleted_in_as_many_trips_as_those_of_two(
    client: Client, both: Both, trips: list[Trip], cache: str
) -> None:
    desk, spent = desk_of(client, both, cache), []
    for most in (2, 6):
        sessions = [f"{letter}-{most}-{number}" for number in range(most) for letter in "ab"]
        for session in sessions:
            await desk.say(f"N: {session[4:]}", session)
        await desk.say("N: nine", f"c-{most}")
        trips.clear()
        assert await both(desk.memory.answers.delete)(session=sessions) == most
        spent.append(len(trips))
        await desk.say("N: nine", f"d-{most}")
        assert desk.last.cache == "hit"
    assert spent[1] <= spent[0]  # scripts are sent in full the first time
    assert await both(desk.memory.answers.delete)(session=[]) == 0


@pytest.mark.parametrize("cache", CACHES)
async def test_a_scope_is_cleared_by_its_name(client: Client, both: Both, cache: str) -> None:
    desk = desk_of(client, both, cache)
    other = desk.memory.wrap(desk.model, scope="other")
    config: Any = {"configurable": {"session_id": "b"}}
    await desk.say(QUESTION, "a")
    await both(other.invoke)(QUESTION, config=config)
    answers = desk.memory.answers
    assert await both(answers.clear)(scope="other") == 1
    await desk.say(QUESTION, "c")
    assert desk.last.cache == "hit"
    await both(other.invoke)(QUESTION, config=config)
    assert desk.last.cache == "miss"
    assert await both(answers.clear)() == 2
    assert await both(answers.decisions)() == []
    await desk.say(QUESTION, "d")
    assert desk.last.cache == "miss"


@pytest.mark.parametrize("whole", [False, True])
async def test_a_scope_is_cleared_whatever_its_chain_calls_the_question(
    client: Client, both: Both, whole: bool
) -> None:
    memory = desk_of(client, both).memory
    chat = memory.wrap(RunnableLambda(lambda given: "yes"), scope="a:b")
    for name in ("question", "input"):
        await both(chat.invoke)({name: QUESTION}, config={"configurable": {"session_id": name}})
    assert await both(memory.answers.clear)(scope=chat.scope if whole else "a:b") == 2


@pytest.mark.parametrize("cache", CACHES)
async def test_tenants_do_not_reach_each_other_s_answers(client: Client, both: Both, cache: str) -> None:
    desk = desk_of(client, both, cache)
    await desk.say(QUESTION, "a", tenant="acme")
    answers = desk.memory.answers
    assert await both(answers.delete)(question=QUESTION) == 0
    assert await both(answers.clear)() == 0
    theirs = answers.bind(tenant="acme")
    assert (await both(theirs.stats)()).misses == 1
    assert await both(theirs.delete)(question=QUESTION) == 1


async def test_what_is_meant_has_to_be_said(client: Client, both: Both) -> None:
    answers = desk_of(client, both).memory.answers
    with pytest.raises(InvalidInputError, match="clear\\(\\) deletes all"):
        await both(answers.delete)()
    with pytest.raises(InvalidInputError, match="not the id of an entry"):
        await both(answers.report)("lrm:{//x}:answer")


@pytest.mark.parametrize("cache", [None, NeverCache()])
def test_a_memory_without_entries_has_no_desk(client: Client, cache: Any) -> None:
    with pytest.raises(ConfigError, match="nothing to look at"):
        _ = Desk(client, cache=cache).memory.answers


# --- reporting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", CACHES)
async def test_a_reported_answer_is_not_served_any_more(
    client: Client, both: Both, cache: str, trips: list[Trip]
) -> None:
    desk = desk_of(client, both, cache)
    answers = desk.memory.answers
    for session in "ab":
        await desk.say(QUESTION, session)
    served = (await both(answers.decisions)())[0].entry
    assert await both(answers.report)(served, correct=True)
    await desk.say(QUESTION, "c")
    assert desk.last.cache == "hit"
    trips.clear()
    assert await both(answers.report)(served)
    assert len(trips) == 1
    await desk.say(QUESTION, "d")
    assert desk.last.cache == "miss"
    stats = await both(answers.stats)()
    assert (stats.wrong_hits, stats.total("right")) == (1, 1)
    assert [one.outcome for one in await both(answers.decisions)()] == ["miss", "wrong", "hit", "right", "hit", "miss"]


async def test_a_near_answer_that_was_wrong_is_served_to_its_own_question_only(client: Client, both: Both) -> None:
    desk = desk_of(client, both, "meaning")
    for question in (ASKED, NEAR):
        await desk.say(question, question)
    served = (await both(desk.memory.answers.decisions)())[0]
    assert (served.outcome, served.kind) == ("hit", "meaning")
    assert await both(desk.memory.answers.delete)(hit_id=served.entry) == 1
    await desk.say(ASKED, "x")
    assert desk.last.cache == "miss"


# --- explaining -------------------------------------------------------------------------------------------------------


async def test_a_hit_is_explained_with_the_parts_of_its_key(client: Client, both: Both, trips: list[Trip]) -> None:
    desk = desk_of(client, both, tenant="acme")
    config: Any = {"configurable": {"session_id": "a", "agent": "helper"}}
    await both(desk.chat.invoke)(QUESTION, config=config)
    stored = await both(desk.memory.answers.stats)()
    told = await both(desk.memory.answers.explain)(QUESTION, config, desk.chat)
    assert told.hit is not None
    assert (told.kind, told.bypass, told.hit_id) == ("NEW_TOPIC", "", told.hit.entry)
    assert told.parts["tenant"] == "acme"
    assert told.parts["agent"] == "helper"
    assert told.parts["scope"] == desk.chat.scope
    assert told.parts["audience"] == "everybody of the tenant"
    assert told.parts["why"] == "the very same question"
    assert len(told.log) == 1
    assert f"hit {told.hit_id}" in str(told)
    assert await both(desk.memory.answers.stats)() == stored, "explaining counts nothing"
    assert desk.model.calls == 1


async def test_a_miss_is_explained_by_what_is_stored_under_other_keys(client: Client, both: Both) -> None:
    desk = desk_of(client, both)
    answers = desk.memory.answers
    await desk.say(QUESTION, "a", agent="helper")
    await both(desk.memory.wrap(desk.model, scope="other").invoke)(
        QUESTION, config={"configurable": {"session_id": "b"}}
    )
    told = await both(answers.explain)(QUESTION, None, desk.chat)
    assert told.hit is None
    assert sorted(one.why for one in told.candidates) == [
        "made by another chain",
        "made for another context, input, asker or agent",
    ]
    assert "miss" in str(told)


async def test_every_candidate_of_a_search_is_explained(client: Client, both: Both) -> None:
    desk = desk_of(client, both, "meaning")
    await desk.say(ASKED, "a")
    near = await both(desk.memory.answers.explain)(NEAR, None, desk.chat)
    assert near.hit is not None
    assert near.hit.kind == "meaning"
    assert [one.why for one in near.candidates] == [""]
    far = await both(desk.memory.answers.explain)(FAR, None, desk.chat)
    assert far.hit is None
    assert all(one.why for one in far.candidates)
    same = await both(desk.memory.answers.explain)(ASKED, None, desk.chat)
    assert same.hit is not None
    assert same.hit.kind == "exact"


async def test_a_bypass_is_explained(client: Client, both: Both) -> None:
    desk = desk_of(client, both, share="none")
    told = await both(desk.memory.answers.explain)(QUESTION, None, desk.chat)
    assert (told.question, told.bypass) == (None, "its answers are shared with nobody")
    recall = await both(desk.memory.answers.explain)("R: what?", None, desk_of(client, both).chat)
    assert recall.bypass == "HISTORY_RECALL by policy"


async def test_documents_that_have_changed_speak_against_an_answer(client: Client, both: Both) -> None:
    edition = ["first"]
    desk = desk_of(client, both, retriever=lambda query: look_up(f"{edition[0]} {query}"))
    await desk.say(QUESTION, "a")
    told = await both(desk.memory.answers.explain)(QUESTION, None, desk.chat)
    assert told.hit is not None
    assert told.parts["documents"] == "those that it was made from"
    edition[0] = "second"
    await desk.say(QUESTION, "b")
    (line,) = await both(desk.memory.answers.decisions)(1)
    assert line.why == "its documents have changed, or are others for this asker"
    edition[0] = "third"
    changed = await both(desk.memory.answers.explain)(QUESTION, None, desk.chat)
    assert (changed.hit, changed.hit_id) == (None, "")
    assert changed.parts["documents"] == "not those that it was made from"


async def test_a_model_stands_for_what_wrap_makes_of_it(client: Client, both: Both) -> None:
    desk = desk_of(client, both, chain=DescribedModel(), scope=None)
    told = await both(desk.memory.answers.explain)(QUESTION, None, desk.model)
    assert told.parts["scope"] == desk.chat.scope


# --- misses, warming, advice ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", CACHES)
async def test_given_answers_are_served(client: Client, both: Both, cache: str) -> None:
    desk = desk_of(client, both, cache)
    rows = [(QUESTION, "A database."), {"question": "N: two", "answer": AIMessage("2")}]
    answers = desk.memory.answers
    assert await both(answers.warm)(rows, desk.chat) == 2
    assert await both(answers.warm)(rows, desk.chat) == 0
    assert (await desk.say(QUESTION, "a")).text == "A database."
    assert (await desk.say("N: two", "b")).text == "2"
    assert desk.model.calls == 0
    assert await desk.told("desk") == []


async def test_given_outputs_of_a_chain_are_served_whole(client: Client, both: Both) -> None:
    chain: Any = RunnableLambda(lambda _fields: {"answer": "asked", "sources": []})
    desk = desk_of(client, both, chain=chain, output_key="answer")
    given = {"answer": "given", "sources": ["a.txt"]}
    assert await both(desk.memory.answers.warm)([(QUESTION, given)], desk.chat) == 1
    assert await desk.say(QUESTION, "a") == given


async def test_what_was_missed_most_is_asked_and_stored(client: Client, both: Both) -> None:
    desk = desk_of(client, both)
    answers = desk.memory.answers
    for question, times in (("N: often", 3), ("N: twice", 2), ("N: once", 1)):
        for number in range(times):
            await desk.say(question, f"{question}{number}")
            await both(answers.delete)(question=question)
    await desk.say("F: and then?", "x")
    assert [(one.question, one.times) for one in await both(answers.top_misses)(2)] == [
        ("N: often", 3),
        ("N: twice", 2),
    ]
    calls = desk.model.calls
    assert await both(answers.warm_from_misses)(desk.chat, 2) == 2
    assert desk.model.calls == calls + 2
    for question, outcome in (("N: often", "hit"), ("N: twice", "hit"), ("N: once", "miss")):
        await desk.say(question, "y")
        assert desk.last.cache == outcome


async def test_nothing_is_warmed_for_one_user_alone(client: Client, both: Both) -> None:
    desk = desk_of(client, both, share="user")
    assert await both(desk.memory.answers.warm)([(QUESTION, "yours")], desk.chat) == 0


async def test_advice_counts_turns_and_reports_at_other_risks(client: Client, both: Both) -> None:
    desk = desk_of(client, both, "meaning")
    answers = desk.memory.answers
    for question in (ASKED, NEAR, CLOSE, FAR):
        await desk.say(question, question)
    told = await both(answers.advise)()
    assert (told.turns, told.wrong) == (4, 0)
    scores = [max((near.probability for near in one.candidates), default=0) for one in await both(answers.decisions)()]
    for row in told.risks[:5]:
        assert row.turns == sum(score >= shipped().cut(row.value) for score in scores), row
    assert {row.turns for row in told.risks[:5]} == {1, 2}
    close = (await both(answers.decisions)())[1]
    assert (close.question, close.kind) == (CLOSE, "meaning")
    await both(answers.report)(close.entry)
    strict, *_, lax = (await both(answers.advise)()).risks[:5]
    assert (strict.wrong, lax.wrong) == (0, 1)
    assert str(told).startswith("4 logged turns, 0 reported wrong\n  max_error=0.005: 1 turns answered by a near")


# --- the log ----------------------------------------------------------------------------------------------------------


async def test_the_log_is_capped_and_expires(client: Client, both: Both) -> None:
    desk = desk_of(client, both, log=DecisionLog(most=3, ttl_s=60))
    for number in range(5):
        await desk.say(f"N: {number}", str(number))
    lines = await both(desk.memory.answers.decisions)()
    assert [line.question for line in lines] == ["N: 4", "N: 3", "N: 2"]
    assert all(line.at is not None for line in lines)


async def test_a_log_without_content_has_no_words(client: Client, both: Both) -> None:
    desk = desk_of(client, both, "meaning", log=DecisionLog(content=False))
    for question in (ASKED, NEAR):
        await desk.say(question, question)
    near, asked = await both(desk.memory.answers.decisions)()
    assert (near.outcome, asked.outcome) == ("hit", "miss")
    assert near.candidates[0].probability > 0
    assert "Eiffel" not in repr((near, asked))
    assert await both(desk.memory.answers.top_misses)() == []


async def test_erasing_a_session_takes_its_lines_along(client: Client, both: Both, trips: list[Trip]) -> None:
    desk, sessions = desk_of(client, both), RedisSessions(client)
    for session in "abc":
        await desk.say(QUESTION, session)
    trips.clear()
    assert await both(sessions.erase)("a")
    assert [one.outcome for one in await both(desk.memory.answers.decisions)()] == ["hit", "hit"]
    assert await both(sessions.clear_agent)() == 2
    assert await both(desk.memory.answers.decisions)() == []
    client.run(Op((("SET", client.keys().decisions(), "in the way", "EX", 60),), len))
    await desk.say(QUESTION, "d")
    assert await both(sessions.erase)("d")


async def test_memories_of_a_tenant_share_a_log_and_not_their_lines(client: Client, both: Both) -> None:
    exact, meaning = desk_of(client, both), desk_of(client, both, "meaning")
    for number, desk in enumerate((exact, meaning, exact)):
        await desk.say(f"N: {number}", "a")
    assert [one.question for one in await both(exact.memory.answers.decisions)(2)] == ["N: 2", "N: 0"]
    assert await both(meaning.memory.answers.clear)() == 1
    assert len(await both(exact.memory.answers.decisions)()) == 2


async def test_a_memory_may_log_nothing(client: Client, both: Both) -> None:
    desk = desk_of(client, both, log=None)
    await desk.say(QUESTION)
    assert await both(desk.memory.answers.decisions)() == []
    assert (await both(desk.memory.answers.stats)()).misses == 1


@pytest.mark.parametrize("cache", CACHES)
async def test_what_stands_in_the_way_of_the_log_disturbs_no_turn(client: Client, both: Both, cache: str) -> None:
    desk, space = desk_of(client, both, cache), client.keys()
    records = desk.memory.answers._flows.records
    for key in (space.decisions(), records.tally(space)._key, space.entries("answers", "").items):
        client.run(Op((("SET", key, "in the way", "EX", 60),), len))
    for session in "ab":
        await desk.say(QUESTION, session)
        assert desk.last.stored
    assert desk.last.cache == "hit"
    assert len(await desk.told("b")) == 2


async def test_a_conversation_may_be_named_by_a_uuid(client: Client, both: Both) -> None:
    desk, session = desk_of(client, both), uuid4()
    await desk.say(QUESTION, str(session))
    assert await both(desk.memory.answers.delete)(session=session) == 1


async def test_the_answers_of_a_corpus_have_a_desk(client: Client, both: Both) -> None:
    rag = RagCache(client, corpus="docs")
    desk = desk_of(client, both, cache=rag.responses)
    for session in "ab":
        await desk.say(QUESTION, session)
    assert (await both(rag.stats)())["responses"].hits == 1
    answers = AnswerDesk(client, rag.responses)
    assert (await both(answers.stats)()).hits == 1
    assert await both(answers.delete)(question=QUESTION) == 1
    await desk.say(QUESTION, "c")
    assert desk.last.cache == "miss"


async def test_on_a_cluster(cluster: Client, both: Both) -> None:
    for cache in CACHES:
        desk = desk_of(cluster, both, cache)
        for number in range(8):
            await desk.say(f"N: {number}", "a")
        answers = desk.memory.answers
        await desk.say("N: 3", "b")
        entry = (await both(answers.decisions)())[0].entry
        assert await both(answers.report)(entry)
        assert await both(answers.delete)(question="N: 4") == 1
        assert await both(answers.delete)(session="a") >= 6
        await desk.say("N: 5", "c")
        assert desk.last.cache == "miss"
        assert await both(answers.clear)() >= 1


async def test_a_question_that_is_explained_holds_nobody_up(client: Client, both: Both, url: str, prefix: str) -> None:
    desk = desk_of(client, both)
    await both(desk.memory.answers.explain)(QUESTION, None, desk.chat)
    assert not [key for key in lifetimes(url, prefix) if ":lease" in key]


async def test_only_what_is_of_the_chains_own_shape_is_warmed(client: Client, both: Both) -> None:
    desk = desk_of(client, both)
    parser = PydanticOutputParser(pydantic_object=ByName)
    for chain, stored in ((RunnableLambda(str) | parser, 0), (RunnableLambda(str), 1)):
        chat = desk.memory.wrap(chain, scope=f"warmed {stored}")
        assert await both(desk.memory.answers.warm)([(QUESTION, "an answer")], chat) == stored


class ByName(BaseModel):
    name: str
