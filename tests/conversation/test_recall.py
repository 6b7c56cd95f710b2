"""A `ConversationMemory` that recalls: the whole of a long conversation is searched, at one round trip more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.conversation.policy import Rule
from langchain_redis_memory.conversation.select.memory import MemorySelector
from langchain_redis_memory.conversation.select.window import WindowSelector
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.conversation.select.test_recall import Topics
from tests.support.chains import RECALL, Desk, Marked, Switch, look_up


def long_talk(turns: int = 300) -> list[BaseMessage]:
    """Small talk, with a book at turn 50 and a risotto at turn 200."""
    history: list[BaseMessage] = []
    for number in range(turns):
        history += [HumanMessage(f"Small talk {number}?"), AIMessage(f"Indeed, {number}.")]
    history[0] = HumanMessage("What is throat cancer?")
    history[100:102] = [HumanMessage("Which novel should I read?"), AIMessage("Read The Name of the Rose.")]
    history[400:402] = [HumanMessage("How do I cook risotto?"), AIMessage("Add the stock slowly.")]
    return history[: 2 * turns]


async def told(desk: Desk, history: Sequence[BaseMessage], session: str = "s") -> None:
    await desk.both(desk.memory.history(session).add_messages)(history)


async def ask(desk: Desk, trips: list[Trip], question: str) -> tuple[list[str], int]:
    await desk.say(question, "elsewhere")  # the server knows the scripts then
    trips.clear()
    await desk.say(question)
    assert desk.last.verdict.type is RECALL
    assert desk.last.trips == len(trips)
    assert desk.last.cache == "bypass"
    shown = [str(message.text) for message in desk.model.shown[-1]][:-1]
    assert shown == [str(message.text) for message in desk.last.memory]
    return shown, len(trips)


@pytest.mark.slow
async def test_recall_reaches_all_of_three_hundred_turns(client: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(client, both, retriever=look_up)
    await told(desk, long_talk())
    await desk.say("What is the capital of Norway?")  # the server learns the scripts
    shown, count = await ask(desk, trips, "What did I ask first?")
    assert shown[:2] == ["What is throat cancer?", "Indeed, 0."]
    assert count == 3
    shown, count = await ask(desk, trips, "Which novel did you recommend to me?")
    assert shown[:2] == ["Which novel should I read?", "Read The Name of the Rose."]
    assert count == 3
    shown, count = await ask(desk, trips, "What did you say after I asked about the risotto?")
    at = shown.index("How do I cook risotto?")
    assert shown[at : at + 4] == ["How do I cook risotto?", "Add the stock slowly.", "Small talk 201?", "Indeed, 201."]
    assert count == 3
    shown, _ = await ask(desk, trips, "What did I just ask?")
    assert len(shown) <= 30
    assert shown[-2] == "What did you say after I asked about the risotto?"


@pytest.mark.slow
async def test_another_process_recalls_as_well(client: Client, both: Both, trips: list[Trip]) -> None:
    await told(Desk(client, both), long_talk())
    for _ in range(2):
        shown, count = await ask(Desk(client, both), trips, "Which novel did you recommend to me?")
        assert shown[0] == "Which novel should I read?"
        assert count <= 4, "the first one may send a script in full"


async def test_a_short_conversation_is_whole_already(client: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(client, both)
    await told(desk, long_talk(14))
    await ask(desk, trips, "What did I ask first?")
    _, count = await ask(desk, trips, "Did I mention small talk number 5?")
    assert count == 3, "thirty messages are what the first trip loads; there may be more"
    desk = Desk(client, both)
    await told(desk, long_talk(13), "other")
    trips.clear()
    await desk.say("What did I ask first?", "other")
    assert desk.last.trips == len(trips) == 2
    assert desk.last.memory[0].text == "What is throat cancer?"


async def test_recall_by_meaning(client: Client, both: Both, trips: list[Trip]) -> None:
    embeddings = Topics()
    desk = Desk(client, both, selector=MemorySelector(base=2, embeddings=embeddings))
    await told(desk, long_talk(100))
    shown, _ = await ask(desk, trips, "Which book did you recommend to me?")
    assert shown[0] == "Which novel should I read?"
    asked = len(embeddings.asked)
    await ask(desk, trips, "Which book did you tell me to read?")
    assert len(embeddings.asked) <= asked + 3, "the new turn and the new question"


async def test_other_questions_load_no_more_than_before(client: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(client, both, classifier=Marked())
    await told(desk, long_talk())
    for mark in "NFS":
        await desk.say(f"{mark}: a")
        trips.clear()
        await desk.say(f"{mark}: b")
        assert len(trips) == 2


async def test_a_policy_may_keep_recall_within_its_window(client: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(client, both, policy={RECALL: Rule(False, False, False, 3)})
    await told(desk, long_talk())
    await desk.say("What is the capital of Norway?")
    shown, count = await ask(desk, trips, "Which novel did you recommend to me?")
    assert "Which novel should I read?" not in shown
    assert count == 2


async def test_windows_never_load_the_whole(client: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(client, both, selector=WindowSelector())
    await told(desk, long_talk())
    await desk.say("What is the capital of Norway?")
    shown, count = await ask(desk, trips, "Which novel did you recommend to me?")
    assert (len(shown), count) == (30, 2)


async def test_the_places_of_a_verdict_move_with_the_whole(client: Client, both: Both) -> None:
    class Pointing:
        def classify(self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE) -> Verdict:
            return Verdict(RECALL, 1.0, depends_on=(0,))  # the oldest message of the six that are loaded at first

    desk = Desk(client, both, classifier=Pointing(), selector=MemorySelector(base=2))
    await told(desk, long_talk())
    await desk.say("zzz")
    assert [message.text for message in desk.last.memory][:2] == ["Small talk 297?", "Indeed, 297."]


async def test_when_the_server_goes_away_in_between(real: Client, both: Both) -> None:
    desk = Desk(real, both)
    await told(desk, long_talk())
    await desk.say("What is the capital of Norway?")
    switch = Switch(real)
    switch.off(after=1)
    await desk.say("Which novel did you recommend to me?")
    assert desk.last.memory[-2].text == "What is the capital of Norway?"
    assert not desk.last.stored
    switch.on()
    assert await both(desk.memory.flush)() == 0


@pytest.mark.parametrize("reach", [None, 4])
async def test_a_selector_that_always_wants_everything(client: Client, both: Both, reach: int | None) -> None:
    class All:
        def reach(self, rule: Rule) -> int | None:
            return reach

        def select(self, turn: str, verdict: Verdict, history: Sequence[BaseMessage], *_: Any) -> list[BaseMessage]:
            return list(history)

    desk = Desk(client, both, classifier=Marked(), selector=All())
    await told(desk, long_talk(50))
    await desk.say("F: a")
    assert len(desk.last.memory) == (100 if reach is None else 4)
