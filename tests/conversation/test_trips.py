"""Round trips of a turn, counted by the client."""

from __future__ import annotations

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage, HumanMessage

from langchain_redis_memory.cache.answers.semantic import SemanticAnswerCache
from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.conversation.policy import DEFAULT_POLICY, Rule
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support.chains import Desk, Marked, look_up


@pytest.fixture
async def warm(client: Client, both: Both, trips: list[Trip]) -> Client:
    """A client whose server knows the scripts: sending one in full is a trip that only its first user pays."""
    desk = Desk(client, both, scope="warm")
    for _ in range(2):
        await desk.say("What is warmth?", "warm")
    trips.clear()
    return client


async def count(desk: Desk, trips: list[Trip], said: str, session: str = "s") -> int:
    trips.clear()
    await desk.say(said, session)
    assert desk.last.trips == len(trips)
    return len(trips)


@pytest.mark.slow
async def test_a_conversation_of_one_process_costs_two_trips_a_turn(
    warm: Client, both: Both, trips: list[Trip]
) -> None:
    desk = Desk(warm, both, retriever=look_up, classifier=Marked())
    said = [f"{mark}: {number}" for number, mark in enumerate("NFSRNSFRSNNSSFFRR")]
    recalls_from_more_than_the_first_trip_loads = [15, 16]
    expected = [2 + (place in recalls_from_more_than_the_first_trip_loads) for place in range(len(said))]
    assert [await count(desk, trips, text) for text in said] == expected


@pytest.mark.slow
async def test_a_hit_costs_two_trips(warm: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(warm, both, classifier=Marked())
    await desk.say("N: a", "one")
    await desk.say("S: b", "one")
    assert await count(desk, trips, "N: a", "two") == 2
    assert await count(desk, trips, "S: b", "two") == 2
    assert [report.cache for report in desk.reports[2:]] == ["hit", "hit"]


@pytest.mark.parametrize(("mark", "expected"), [("N", 2), ("F", 2), ("R", 2), ("S", 3)])
async def test_another_process_pays_one_more_only_for_a_contextual_look_up(
    warm: Client, both: Both, trips: list[Trip], mark: str, expected: int
) -> None:
    first = Desk(warm, both, classifier=Marked())
    await first.say("N: a")
    second = Desk(warm, both, classifier=Marked())
    assert await count(second, trips, f"{mark}: b") == expected
    assert await count(second, trips, f"{mark}: c") == 2, "now it has seen the last turn"


async def test_a_stale_view_is_never_believed(warm: Client, both: Both, trips: list[Trip]) -> None:
    one, two = (Desk(warm, both, classifier=Marked()) for _ in range(2))
    for number in range(4):
        for desk in (one, two):
            assert await count(desk, trips, f"S: {number}") <= 3
            assert [m.content for m in desk.last.memory] == [text for _, text in (await desk.told())[:-2]][-10:]
    assert len(await one.told()) == 16


async def test_a_new_topic_through_a_stale_view_still_hits_in_two(warm: Client, both: Both, trips: list[Trip]) -> None:
    one, two = (Desk(warm, both, classifier=Marked()) for _ in range(2))
    await one.say("N: a", "elsewhere")
    await one.say("N: b")
    await two.say("N: c")
    assert await count(one, trips, "N: a") == 2
    assert one.last.cache == "hit"


async def test_a_guess_for_another_question_is_not_served(warm: Client, both: Both, trips: list[Trip]) -> None:
    """The first trip asks as if the conversation were as last seen; what it finds there must not be served."""
    one, two = (Desk(warm, both) for _ in range(2))
    for session in ("ana", "ben"):
        await one.say("What is throat cancer?", session)
    await one.say("How is it treated?", "ben")
    await two.say("What is a diesel engine?", "ana")
    answer = await one.say("How is it treated?", "ana")
    assert one.last.cache == "miss"
    assert answer.text != one.reports[2].value.text
    assert [said.text for said in one.last.memory[::2]] == ["What is throat cancer?", "What is a diesel engine?"]


@pytest.mark.slow
@pytest.mark.parametrize("most", [2, 3, 4, 7, 30])
async def test_a_bounded_conversation_costs_two_as_well(warm: Client, both: Both, trips: list[Trip], most: int) -> None:
    desk = Desk(warm, both, classifier=Marked(), max_messages=most)
    counted = [await count(desk, trips, f"S: {number}") for number in range(8)]
    assert counted == [2] * 8
    assert len(await desk.told()) == min(most, 16)


async def test_without_a_cache_it_is_two(warm: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(warm, both, cache=None, classifier=Marked())
    assert [await count(desk, trips, f"{mark}: a") for mark in "NSFR"] == [2] * 4
    other = Desk(warm, both, cache=None, classifier=Marked())
    assert await count(other, trips, "S: a") == 2


async def test_with_nothing_to_read_it_is_one(warm: Client, both: Both, trips: list[Trip]) -> None:
    policy = {kind: Rule(DEFAULT_POLICY[kind].search, False, False, 0) for kind in QuestionType}
    desk = Desk(warm, both, policy=policy)
    assert [await count(desk, trips, "What is Redis?") for _ in range(2)] == [1, 1]


async def test_a_conversation_that_was_cleared_elsewhere_starts_anew(warm: Client, both: Both) -> None:
    desk = Desk(warm, both, classifier=Marked())
    await desk.say("N: a")
    await both(desk.memory.history("s").clear)()
    await desk.say("F: b")
    assert desk.last.memory == []


@pytest.mark.slow
async def test_an_answer_that_was_edited_elsewhere_is_another_context(warm: Client, both: Both) -> None:
    desk = Desk(warm, both, classifier=Marked())
    for session in ("one", "two"):
        answer = await desk.say("N: a", session)
        if session == "two":
            await both(desk.memory.history("two").edit)(answer.id, AIMessage("edited"))
        await desk.say("S: b", session)
    assert [report.cache for report in desk.reports] == ["miss", "miss", "hit", "miss"]
    assert [m.content for m in desk.last.memory] == ["N: a", "edited"]


async def test_a_model_that_repeats_an_id_overwrites_nothing(warm: Client, both: Both) -> None:
    desk = Desk(warm, both, classifier=Marked())
    desk.model.script = [AIMessage(f"answer {number}", id="same") for number in range(3)]
    answers = [await desk.say(f"F: {number}") for number in range(3)]
    assert [text for _, text in await desk.told()] == ["F: 0", "answer 0", "F: 1", "answer 1", "F: 2", "answer 2"]
    stored = await both.messages(desk.memory.history("s"))
    assert [m.id for m in stored[1::2]] == [answer.id for answer in answers]


async def test_a_question_keeps_its_id(warm: Client, both: Both) -> None:
    desk = Desk(warm, both)
    await desk.say(HumanMessage("What is Redis?", id="mine"))
    stored = await both.messages(desk.memory.history("s"))
    assert stored[0].id == "mine"
    assert stored[1].id


async def test_the_view_of_conversations_is_bounded() -> None:
    from langchain_redis_memory.conversation.context import StoredContext
    from langchain_redis_memory.conversation.recent import RecentConversations
    from langchain_redis_memory.history.transcript import Transcript

    memory = ConversationMemory("memory://seen")
    seen, names = RecentConversations(most=3), ["a", "b", "c", "a", "d"]
    made = {name: Transcript(memory.client.keys(), name) for name in names}
    for name in names:
        seen.put(made[name], [HumanMessage(f"{name}{number}") for number in range(5)], 2, StoredContext())
    assert seen.get(made["b"]) is None
    assert (found := seen.get(made["a"])) is not None
    assert [m.content for m in found.messages] == ["a3", "a4"]
    seen.put(made["d"], [HumanMessage("x")], 0, StoredContext())
    assert (found := seen.get(made["d"])) is not None
    assert found.messages == []


class Meanings(Embeddings):
    """Texts of the same first letters mean the same."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, float(len(text) % 7), 0.5] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


@pytest.mark.parametrize("found", [0, 1, 40])
async def test_a_loader_is_counted_as_it_is(warm: Client, both: Both, trips: list[Trip], found: int) -> None:
    """A loader that finds nothing, little, or more than a turn loads."""
    messages = [kind(f"{number}") for number in range(found) for kind in (HumanMessage, AIMessage)]
    warming = Desk(warm, both, classifier=Marked(), loader=lambda _session: messages)
    await warming.say("F: a", "another")
    desk = Desk(warm, both, classifier=Marked(), loader=lambda _session: messages)
    counts = [await count(desk, trips, said) for said in ("F: a", "R: b", "N: c", "S: d")]
    assert counts[0] == (6 if found else 5)
    assert counts[2:] == [2, 2]


@pytest.mark.slow
async def test_a_search_by_meaning_is_counted_as_it_is(warm: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(warm, both, classifier=Marked(), cache=SemanticAnswerCache(warm, Meanings()))
    for said in ("N: What is warmth?", "N: What is a diesel engine?"):
        await desk.say(said, "warming")
    for session in ("one", "two"):
        for said in (
            "N: What is throat cancer?",
            "N: What is throat cancer, please?",
            "S: Is it treatable?",
            "F: Why?",
        ):
            await count(desk, trips, said, session)
    assert desk.last.trips == 2


async def test_work_after_a_turn_is_not_counted(warm: Client, both: Both, trips: list[Trip]) -> None:
    written: list[str] = []
    desk = Desk(warm, both, classifier=Marked(), writer=lambda session, messages: written.append(session))
    assert await count(desk, trips, "F: a") == 2
    assert written == ["s"]
