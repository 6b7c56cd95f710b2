"""What a turn knows beyond the messages: read and written in the turn's own trips, and never a reason to fail it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import BaseMessage

from langchain_redis_memory.conversation.select.window import WindowSelector
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.state.conversation_state import RedisConversationState
from langchain_redis_memory.state.model import ConversationState
from tests.conftest import Both
from tests.support.chains import Desk, Marked, Switch, look_up
from tests.support.raw import reply


async def state_of(client: Client, both: Both, session: str = "s", **place: Any) -> ConversationState:
    found: ConversationState = await both(RedisConversationState(session, client, **place).load)()
    return found


class Told(Marked):
    """A classifier that notes the state it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[TurnState] = []

    def classify(self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE) -> Verdict:
        self.states.append(state)
        return super().classify(turn, history, state)


class ToldSelector(WindowSelector):
    """A selector that notes the state it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[TurnState] = []

    def select(self, turn: str, verdict: Verdict, history: Any, rule: Any, state: Any = None) -> list[BaseMessage]:
        self.states.append(state)
        return super().select(turn, verdict, history, rule, state)


async def test_every_turn_moves_the_state(client: Client, both: Both) -> None:
    desk = Desk(client, both, state=True, retriever=look_up, classifier=Marked())
    await desk.say("N: What is throat cancer?")
    await desk.say("S: How is it treated in Norway?")
    await desk.say("F: Shorter, please")
    await desk.say("R: What did I ask first?")
    found = await state_of(client, both)
    assert found.turns == 4
    assert found.topic == "throat cancer"
    assert found.depth == 3
    assert found.counts == {
        "NEW_TOPIC": 1,
        "CONTEXTUAL_WITH_SEARCH": 1,
        "CONTEXTUAL_FOLLOW_UP": 1,
        "HISTORY_RECALL": 1,
    }
    assert found.language == "en"
    assert found.search is not None
    assert found.search.document_ids == (found.search.query,)
    assert {"throat cancer", "Norway"} <= {entity.name for entity in found.entities}


async def test_classifier_and_selector_are_given_the_state(client: Client, both: Both) -> None:
    classifier, selector = Told(), ToldSelector()
    desk = Desk(client, both, state=True, classifier=classifier, selector=selector)
    await desk.say("N: What is throat cancer?")
    await desk.say("F: Is it treatable?")
    assert classifier.states[0] == NO_STATE, "nothing is known of a conversation that begins"
    assert classifier.states[-1].topic == "throat cancer"
    assert selector.states[-1] == classifier.states[-1]
    assert len(classifier.states) == 2, "a state that is as expected asks nobody twice"


async def test_a_state_that_another_changed_is_seen(client: Client, both: Both) -> None:
    classifier = Told()
    desk = Desk(client, both, state=True, classifier=classifier)
    await desk.say("N: What is throat cancer?")
    await both(RedisConversationState("s", client).set)(tier="gold")
    await desk.say("F: Is it treatable?")
    assert classifier.states[-1].fields == {"tier": "gold"}
    assert (await state_of(client, both)).fields == {"tier": "gold"}
    assert (await state_of(client, both)).turns == 2


async def test_without_a_state_there_is_none(client: Client, both: Both) -> None:
    classifier = Told()
    desk = Desk(client, both, classifier=classifier, state=False)
    await desk.say("N: What is throat cancer?")
    await desk.say("F: Is it treatable?")
    assert classifier.states == [NO_STATE] * 2
    assert reply(client, "EXISTS", client.keys().session("s").state) == 0


@pytest.mark.parametrize("state", [True, False])
async def test_the_state_costs_no_trip(client: Client, both: Both, trips: list[Trip], state: bool) -> None:
    warm = Desk(client, both, classifier=Marked(), state=True)
    for _ in range(2):
        await warm.say("N: warm", "warm")
    desk = Desk(client, both, classifier=Marked(), state=state)
    counted = []
    for number, mark in enumerate("NFSRNS"):
        trips.clear()
        await desk.say(f"{mark}: {number}")
        counted.append(len(trips))
        assert desk.last.trips == len(trips)
    assert counted == [2] * 6


async def test_a_hit_counts_as_a_turn_too(client: Client, both: Both) -> None:
    desk = Desk(client, both, state=True)
    await desk.say("What is throat cancer?", "ana")
    await desk.say("What is throat cancer?", "ben")
    assert desk.last.cache == "hit"
    assert (await state_of(client, both, "ben")).topic == "throat cancer"


@pytest.mark.slow
async def test_concurrent_turns_lose_nothing(client: Client, both: Both) -> None:
    desks = [Desk(client, both, classifier=Marked(), cache=None, state=True) for _ in range(4)]
    if both.asynchronous:
        await asyncio.gather(*(desk.say(f"F: {n}") for desk in desks for n in range(4)))
    else:
        configuration: Any = {"configurable": {"session_id": "s"}}

        def talk(desk: Desk) -> None:
            for number in range(4):
                desk.chat.invoke(f"F: {number}", configuration)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(talk, desks))
    found = await state_of(client, both)
    assert found.turns == 16
    assert found.counts == {"CONTEXTUAL_FOLLOW_UP": 16}


@pytest.mark.parametrize("damage", [b"hello", b"7-0123456789abcdef:\xc1"])
async def test_a_damaged_state_fails_no_turn(client: Client, both: Both, damage: bytes) -> None:
    desk = Desk(client, both, state=True, classifier=Marked())
    await desk.say("N: What is throat cancer?")
    reply(client, "HSET", client.keys().session("s").state, "state", damage)
    await desk.say("F: Is it treatable?")
    assert desk.last.stored
    assert (await state_of(client, both)).turns == 1


async def test_something_else_under_the_key_fails_no_turn(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    key = client.keys().session("s").state
    reply(client, "SET", key, "mine", "PX", 60_000)
    desk = Desk(client, both, state=True, classifier=Marked())
    for said in ("N: What is throat cancer?", "F: Is it treatable?"):
        await desk.say(said)
        assert desk.last.stored
    assert reply(client, "GET", key) == b"mine"
    assert "without a state" in caplog.text
    assert len(await desk.told()) == 4


async def test_turns_that_were_said_while_the_server_was_away_count(client: Client, both: Both) -> None:
    desk = Desk(client, both, state=True, classifier=Marked())
    await desk.say("N: What is throat cancer?")
    switch = Switch(client)
    switch.off()
    await desk.say("F: Who is Marie Curie?")
    await desk.say("F: Where is Bergen?")
    switch.on()
    await desk.say("F: Is it treatable?")
    found = await state_of(client, both)
    assert found.turns == 4
    assert {"Marie Curie", "Bergen"} <= {entity.name for entity in found.entities}


async def test_what_is_flushed_counts_once(client: Client, both: Both) -> None:
    desk = Desk(client, both, state=True, classifier=Marked())
    switch = Switch(client)
    switch.off()
    await desk.say("F: Who is Marie Curie?", "a")
    await desk.say("F: Where is Bergen?", "b")
    switch.on()
    assert await both(desk.memory.flush)() == 0
    assert await both(desk.memory.flush)() == 0
    assert [(await state_of(client, both, session)).turns for session in "ab"] == [1, 1]


async def test_the_state_goes_with_the_conversation(client: Client, both: Both) -> None:
    desk = Desk(client, both, state=True, classifier=Marked())
    await desk.say("N: What is throat cancer?")
    keys = client.keys().session("s")
    assert reply(client, "PTTL", keys.state) > 0
    await both(desk.memory.history("s").clear)()
    assert reply(client, "EXISTS", *keys.all()) == 0
    await desk.say("N: What is a diesel engine?")
    assert (await state_of(client, both)).topics == ()


async def test_a_failing_model_moves_nothing(client: Client, both: Both) -> None:
    desk = Desk(client, both, state=True, classifier=Marked())
    await desk.say("N: What is throat cancer?")
    before = await state_of(client, both)
    desk.model.fail = True
    with pytest.raises(Exception, match="the model is down"):
        await desk.say("F: Is it treatable?")
    assert await state_of(client, both) == before


async def test_tenants_and_agents_have_states_of_their_own(client: Client, both: Both) -> None:
    desk = Desk(client, both, state=True, classifier=Marked())
    await desk.say("N: What is throat cancer?", tenant="acme")
    await desk.say("N: What is a diesel engine?", agent="bot")
    assert (await state_of(client, both)).turns == 0
    assert (await state_of(client, both, tenant="acme")).topic == "throat cancer"
    assert (await state_of(client, both, agent="bot")).topic == "diesel engine"


async def test_data_and_agent_state_are_reachable_from_the_memory(client: Client, both: Both) -> None:
    memory = Desk(client, both, tenant="acme").memory
    await both(memory.session("s").set)("cart", ["A"])
    assert await both(memory.session("s").all)() == {"cart": ["A"]}
    await both(memory.agent_state("bot").update)(lambda known: {"runs": (known or {}).get("runs", 0) + 1})
    assert await both(memory.agent_state("bot").load)() == {"runs": 1}
    assert await both(memory.agent_state().load)() is None
    assert reply(client, "EXISTS", client.keys().session("s").data, client.keys().agent_state("bot")) == 0


async def test_an_update_between_reading_and_writing_is_kept(client: Client, both: Both) -> None:
    state = RedisConversationState("s", client)

    class Meddling(Marked):
        def classify(self, turn: str, history: Any, known: Any = None) -> Verdict:
            state.update(lambda found: replace(found, fields={"n": found.fields.get("n", 0) + 1}))
            return super().classify(turn, history, known)

    desk = Desk(client, both, state=True, classifier=Meddling(), cache=None)
    for number in range(3):
        await desk.say(f"F: {number}")
    found = await state_of(client, both)
    assert found.turns == 3
    assert found.fields["n"] >= 3
