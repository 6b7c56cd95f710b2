"""Entries of a cache of answers: read through, read one by one, edited; and what the log says of how a turn went."""

from __future__ import annotations

import pytest
from langchain_core.runnables import RunnableLambda

from langchain_redis_memory import ConversationMemory, ExactAnswerCache, SemanticAnswerCache
from langchain_redis_memory.cache.answers.desk import AnswerDesk
from langchain_redis_memory.cache.answers.records import CachedAnswer
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.key_groups import mark_of
from tests.conftest import Both
from tests.support.chains import Desk
from tests.support.meanings import Cut, WordEmbeddings, grouped

QUESTION = "What is Redis?"


def desk_of(client: Client, both: Both, kind: str) -> Desk:
    caches = {
        "exact": ExactAnswerCache,
        "epoch": lambda: ExactAnswerCache(epoch=client.keys().epoch("answers", "corpus")),
        "meaning": lambda: SemanticAnswerCache(client, WordEmbeddings(), **grouped({"policy": Cut()})),
    }
    return Desk(client, both, cache=caches[kind]())


async def entries_of(desk: AnswerDesk, both: Both) -> list[CachedAnswer]:
    found: list[CachedAnswer] = []
    cursor = -1
    while cursor:
        page = await both(desk.entries)(max(cursor, 0))
        found, cursor = found + page.answers, page.cursor
    return found


@pytest.mark.parametrize("kind", ["exact", "epoch", "meaning"])
async def test_an_entry_is_found_read_and_edited(client: Client, both: Both, kind: str) -> None:
    desk = desk_of(client, both, kind)
    said = await desk.say(QUESTION, "a")
    answers = desk.memory.answers
    (entry,) = await entries_of(answers, both)
    assert entry.answer is not None
    assert entry.question == (QUESTION if kind == "meaning" else "")
    found = await both(answers.entry)(entry.entry)
    assert found is not None
    assert found.answer == entry.answer
    assert found.left_s is not None
    assert await both(answers.edit)(entry.entry, "A database.")
    edited = await both(answers.entry)(entry.entry)
    assert edited is not None
    assert edited.answer is not None
    assert edited.left_s is not None
    assert abs(edited.left_s - found.left_s) < 60
    assert edited.answer.tokens == entry.answer.tokens
    assert edited.answer.age_s == pytest.approx(found.answer.age_s if found.answer else None, abs=60)
    again = await desk.say(QUESTION, "b")
    assert (desk.reports[-1].cache, again.text) == ("hit", "A database.")
    assert said.text != again.text


@pytest.mark.parametrize("kind", ["exact", "meaning"])
async def test_an_entry_that_is_gone_is_not_edited(client: Client, both: Both, kind: str) -> None:
    answers = desk_of(client, both, kind).memory.answers
    nobody = "ab" * 20 if kind == "exact" else "ab" * 16 + "-10000"
    assert await both(answers.entry)(nobody) is None
    assert not await both(answers.edit)(nobody, "A database.")
    with pytest.raises(InvalidInputError, match="id of"):
        await both(answers.edit)("nobody", "A database.")


async def test_reports_are_read_with_the_entry(client: Client, both: Both) -> None:
    desk = desk_of(client, both, "meaning")
    await desk.say(QUESTION, "a")
    answers = desk.memory.answers
    (entry,) = await entries_of(answers, both)
    await both(answers.report)(entry.entry, correct=True)
    found = await both(answers.entry)(entry.entry)
    assert found is not None
    assert found.reports == ((1.0, True),)


async def test_the_log_says_how_a_turn_was_decided_and_what_it_took(client: Client, both: Both) -> None:
    memory = ConversationMemory(client)
    chat = memory.wrap(RunnableLambda(lambda _given: "It is."))
    config = {"configurable": {"session_id": "a", "agent": "clinic"}}
    await both(chat.invoke)(QUESTION, config=config)
    await both(chat.invoke)("Is it fast?", config=config)
    second, first = await both(memory.answers.decisions)()
    assert (first.trace.session, first.trace.agent, first.trace.shown) == ("a", "clinic", 0)
    assert first.trace.audience.startswith("for ")
    assert first.trace.answer == second.trace.answer == mark_of("It is.")
    assert "it" in " ".join(second.trace.reasons)
    assert second.trace.shown == 2
    assert 1 <= second.trace.trips <= 3
    assert second.trace.confidence > 0


@pytest.mark.parametrize("kind", ["exact", "meaning"])
async def test_a_cache_is_switched_off_and_on_without_a_restart(
    client: Client, both: Both, kind: str, trips: list[Trip]
) -> None:
    desk = desk_of(client, both, kind)
    await desk.say(QUESTION, "a")
    answers = desk.memory.answers
    assert await both(answers.off_for)() == 0
    await both(answers.switch)(on=False, for_s=60)
    assert 0 < await both(answers.off_for)() <= 60
    await desk.say("Is it fast?", "b")
    trips.clear()
    await desk.say(QUESTION, "c")
    assert len(trips) <= 3
    assert [(one.cache, one.why) for one in desk.reports[1:]] == [("bypass", "the cache is switched off")] * 2
    assert (await both(answers.stats)()).bypass_reasons == {"the cache is switched off": 2}
    await both(answers.switch)(on=True)
    await desk.say(QUESTION, "d")
    await desk.say("Is it fast?", "d")
    assert desk.reports[3].cache == "hit"
    assert len(await entries_of(answers, both)) <= 2
    with pytest.raises(InvalidInputError, match="for_s"):
        await both(answers.switch)(on=False, for_s=0)
