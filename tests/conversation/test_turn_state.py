"""From what is stored to what the model is shown: state and summary cross the rooms by real turns, not by fixtures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
from langchain_core.messages.utils import count_tokens_approximately

from langchain_redis_memory.conversation.policy import Rule
from langchain_redis_memory.conversation.select.memory import MemorySelector
from langchain_redis_memory.conversation.select.window import WindowSelector
from langchain_redis_memory.language.classify.question_type import QuestionType
from langchain_redis_memory.language.contextualise.contextualiser import Rewrite
from langchain_redis_memory.language.contextualise.local import LocalContextualiser
from langchain_redis_memory.language.turn_state import NO_STATE, TurnState
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.state.summary import RollingSummary
from tests.conftest import Both
from tests.support.chains import Desk, Marked, look_up

GIST = "The user plans a trip to Bergen and asks about trains, hotels and the weather there."


class Summariser:
    """A model that says the same of every conversation."""

    def __init__(self, said: str) -> None:
        self.said = said

    def invoke(self, _messages: Any) -> AIMessage:
        return AIMessage(self.said)

    async def ainvoke(self, messages: Any) -> AIMessage:
        return self.invoke(messages)


class StateRecorder(LocalContextualiser):
    """Records the states that it is given."""

    def __init__(self) -> None:
        self.states: list[TurnState] = []

    def contextualise(self, turn: str, history: Sequence[BaseMessage], state: TurnState = NO_STATE) -> Rewrite:
        self.states.append(state)
        return super().contextualise(turn, history, state)


def summaries(messages: Sequence[BaseMessage]) -> list[str]:
    return [str(message.text) for message in messages if isinstance(message, SystemMessage)]


def desk_with_summary(client: Client, both: Both, said: str = GIST, **options: Any) -> Desk:
    summary = RollingSummary(Summariser(said), every_turns=2)  # type: ignore[arg-type]
    return Desk(client, both, classifier=Marked(), cache=None, summary=summary, **options)


@pytest.mark.parametrize("selector", [MemorySelector, WindowSelector])
@pytest.mark.parametrize("long", [1, 20])
async def test_the_summary_is_shown_once_and_within_the_budget(
    client: Client, both: Both, selector: Any, long: int
) -> None:
    desk = desk_with_summary(client, both, " ".join([GIST] * long), selector=selector(max_tokens=80))
    for number in range(8):
        await desk.say(f"F: and what about day number {number} of the journey?")
    for kind in "FSR":
        await desk.say(f"{kind}: and the one before that?")
        assert len(summaries(desk.last.memory)) == (long == 1)
        assert count_tokens_approximately(desk.last.memory) == desk.last.memory_tokens <= 80
        assert desk.model.shown[-1][: len(desk.last.memory)] == desk.last.memory


async def test_the_summary_tells_of_messages_that_were_trimmed(client: Client, both: Both) -> None:
    desk = desk_with_summary(client, both, max_messages=4)
    for number in range(3):
        await desk.say(f"F: {number}")
        assert summaries(desk.last.memory) == [], "all of the conversation is shown"
    await desk.say("F: 3")
    assert len(summaries(desk.last.memory)) == 1
    assert len(desk.last.memory) == 5


async def test_the_summary_is_part_of_the_key_of_a_shared_answer(client: Client, both: Both) -> None:
    for session, gist in (("a", "They spoke of Bergen."), ("b", "They spoke of Oslo."), ("c", "They spoke of Oslo.")):
        summary = RollingSummary(Summariser(gist), every_turns=2)  # type: ignore[arg-type]
        desk = Desk(client, both, classifier=Marked(), selector=MemorySelector(base=2), summary=summary)
        for number in range(3):
            await desk.say(f"F: and its number {number}?", session)
            desk.model.script = [AIMessage("Yes.")]
        await desk.say("S: is it far?", session)
        assert summaries(desk.last.memory)[0].endswith(gist)
        assert desk.last.cache == ("hit" if session == "c" else "miss")


async def test_the_contextualiser_is_given_the_state(client: Client, both: Both) -> None:
    recorder = StateRecorder()
    desk = desk_with_summary(client, both, contextualiser=recorder, retriever=look_up, state=True)
    for said in ("N: What is throat cancer?", "F: And then?", "S: Is it treatable?"):
        await desk.say(said)
    state = recorder.states[-1]
    assert (state.turns, state.topic, state.summary) == (2, "throat cancer", GIST)
    assert state.entities[0] == "throat cancer"
    assert state.language == "en"


async def test_entities_that_turns_stored_resolve_a_question_without_its_history(client: Client, both: Both) -> None:
    queries = {}
    for kept in (True, False):
        policy = {QuestionType.CONTEXTUAL_WITH_SEARCH: Rule(search=True, read_cache=False, write_cache=False, window=0)}
        desk = Desk(client, both, classifier=Marked(), retriever=look_up, policy=policy, state=kept)
        desk.model.script = [AIMessage("It is.")]
        await desk.say("What is the Eiffel Tower?", f"s{kept}")
        await desk.say("S: How tall is it?", f"s{kept}")
        queries[kept] = desk.last.query
    assert queries == {True: "S: How tall is Eiffel Tower?", False: "S: How tall is it?"}


async def test_a_custom_field_reaches_the_contextualiser(client: Client, both: Both) -> None:
    from langchain_redis_memory.state.conversation_state import RedisConversationState

    recorder = StateRecorder()
    desk = Desk(client, both, classifier=Marked(), contextualiser=recorder, retriever=look_up, state=True)
    await desk.say("N: What is throat cancer?")
    await both(RedisConversationState("s", client).set)(tier="gold")
    await desk.say("S: Is it treatable?")
    assert recorder.states[-1].fields == {"tier": "gold"}


def test_a_conversation_without_turns_has_not_begun() -> None:
    assert not NO_STATE.begun
    assert not TurnState(fields={"tier": "gold"}).begun
    assert TurnState(turns=1).begun
    assert TurnState(summary=GIST).begun
    assert NO_STATE.summary_message() is None
    assert isinstance(TurnState(summary=GIST).summary_message(), SystemMessage)
