"""Each step of a turn by itself: what it makes of the step before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.cache.answers.answer_cache import Answer, CacheQuestion
from langchain_redis_memory.cache.sharing import Asker, Grounding, SharingRule
from langchain_redis_memory.conversation.context import StoredContext, TurnContext
from langchain_redis_memory.conversation.flows import TurnFlows
from langchain_redis_memory.conversation.options import AnswerOptions, QuestionOptions
from langchain_redis_memory.conversation.planner import Planner
from langchain_redis_memory.conversation.select.memory import MemorySelector
from langchain_redis_memory.conversation.turn import ModelInput, TurnInput
from langchain_redis_memory.conversation.turn_cache import NOTHING, TurnCache, TurnLookup
from langchain_redis_memory.conversation.turn_steps import (
    AnsweredTurn,
    LoadedTurn,
    PlannedTurn,
    TurnProgress,
    TurnRequest,
)
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.ops import Flow, Invoke, Now, OneDeadline, Op, Step
from langchain_redis_memory.redis.client.client import Client
from tests.support.chains import Marked, NeverCache, for_everyone


class Chain:
    """A chain that answers "yes" and finds one document."""

    scope = "test"
    sharing = SharingRule(Asker((), "s"), for_everyone("", opaque=False), opaque=False)
    grounding: Grounding = "check"
    keep_partial = False
    single_flight_ms = 0

    def retrieve(self, query: str) -> Invoke:
        return Invoke(lambda: [Document(query)], lambda: None)  # type: ignore[arg-type, return-value]

    def generate(self, shown: ModelInput) -> Invoke:
        return Invoke(lambda: AIMessage("yes", id="same"), lambda: None)  # type: ignore[arg-type, return-value]

    def value(self, raw: Any) -> str | BaseMessage:
        return raw  # type: ignore[no-any-return]

    def output(self, value: str | BaseMessage) -> Any:
        return value

    def output_to_keep(self) -> tuple[bool, None]:
        return True, None

    def restored(self, value: str | BaseMessage, kept: Any, shown: ModelInput) -> tuple[bool, Any]:
        return kept is None, value

    def said_so_far(self, chunks: Sequence[Any]) -> str:
        return ""


def steps(flow: Flow[Any], *replies: Any) -> tuple[list[Step], Any]:
    """Drives a flow without a server or a clock: models are called, ops get the replies in order."""
    given: Iterator[Any] = iter(replies)
    taken: list[Step] = []
    try:
        step = next(flow)
        while True:
            if isinstance(step, Now):
                step = flow.send(0.0)
                continue
            if isinstance(step, OneDeadline):
                step = flow.send(None)
                continue
            taken.append(step)
            step = flow.send(step.call() if isinstance(step, Invoke) else next(given))
    except StopIteration as done:
        return taken, done.value


@pytest.fixture
def flows() -> TurnFlows:
    planner = Planner(Marked(), MemorySelector(), True, QuestionOptions(), AnswerOptions())
    context = TurnContext(state=False, rolling=None, loader=None, writer=None)
    return TurnFlows(planner, context, TurnCache(NeverCache()), Client.from_url("memory://steps"), None)


def request(text: str) -> TurnRequest:
    client = Client.from_url("memory://steps")
    transcript = Transcript(client.keys(), "s")
    said = HumanMessage(text, id="q")
    incoming = TurnInput("s", "", "", said)
    asked = CacheQuestion(transcript.space, "", Chain.scope, text)
    return TurnRequest(incoming, Chain(), transcript, text, asked, said, transcript.pairs([said]), TurnProgress())


def talk() -> list[BaseMessage]:
    return [HumanMessage("What is throat cancer?"), AIMessage("A disease.", id="same")]


def test_loading_is_one_trip_that_asks_the_cache_as_well(flows: TurnFlows) -> None:
    turn, answer = request("N: a"), Answer("yes", 7)
    taken, loaded = steps(flows.load_flow(turn), (talk(), TurnLookup(answer), StoredContext()))
    assert len(taken) == 1
    assert loaded == LoadedTurn(talk(), StoredContext(), True, turn.asked, TurnLookup(answer), plan=None)


def test_what_this_process_saw_is_planned_before_the_trip(flows: TurnFlows) -> None:
    turn = request("S: Is it treatable?")
    flows.recent.put(turn.transcript, talk(), 30, StoredContext())
    _, loaded = steps(flows.load_flow(turn), (talk(), NOTHING, StoredContext()))
    assert loaded.plan is not None
    assert loaded.looked_up == loaded.plan.reads
    _, changed = steps(flows.load_flow(turn), ([*talk(), *talk()], NOTHING, StoredContext()))
    assert changed.plan is None, "the conversation is not what it was made for"


def test_an_answer_under_the_expected_key_needs_no_second_look(flows: TurnFlows) -> None:
    turn, answer = request("N: a"), Answer("yes")
    taken, planned = steps(flows.plan_flow(turn, LoadedTurn([], StoredContext(), True, turn.asked, TurnLookup(answer))))
    assert (taken, planned.answer) == ([], answer)


def test_an_answer_under_another_key_is_not_served(flows: TurnFlows) -> None:
    turn = request("S: Is it treatable?")
    loaded = LoadedTurn(talk(), StoredContext(), True, turn.asked, TurnLookup(Answer("of another context")))
    (step,), planned = steps(flows.plan_flow(turn, loaded), NOTHING)
    assert isinstance(step, Op)
    assert planned.answer is None


def test_without_a_server_nothing_is_cached(flows: TurnFlows) -> None:
    turn = request("N: a")
    taken, planned = steps(flows.plan_flow(turn, LoadedTurn(talk(), StoredContext(), reachable=False)))
    assert (taken, planned.plan.asked, planned.answer) == ([], None, None)
    taken, done = steps(flows.store_flow(turn, planned, AnsweredTurn("yes", 1, "off")))
    assert (taken, done.stored, len(flows.outbox)) == ([], False, 2)


def test_a_cached_answer_calls_nothing(flows: TurnFlows) -> None:
    turn = request("N: a")
    _, planned = steps(
        flows.plan_flow(turn, LoadedTurn([], StoredContext(), True, turn.asked, TurnLookup(Answer("yes", 7))))
    )
    turn.chain.grounding = "trust"
    taken, answered = steps(flows.answer_flow(turn, planned))
    assert (taken, answered) == ([], AnsweredTurn("yes", 7, "hit", output="yes", served=Answer("yes", 7)))


def test_a_cached_answer_whose_output_cannot_be_built_is_asked_anew(flows: TurnFlows) -> None:
    turn, answer = request("N: a"), Answer("yes", 7, {"of": "another kind"})
    _, planned = steps(flows.plan_flow(turn, LoadedTurn([], StoredContext(), True, turn.asked, TurnLookup(answer))))
    turn.chain.grounding = "trust"
    taken, answered = steps(flows.answer_flow(turn, planned))
    assert [type(step) for step in taken] == [Invoke, Invoke]
    assert (answered.outcome, answered.why) == ("miss", "the cached output cannot be built here")


def test_an_answer_is_made_by_retriever_and_model(flows: TurnFlows) -> None:
    turn = request("N: a")
    _, planned = steps(flows.plan_flow(turn, LoadedTurn(talk(), StoredContext(), True, turn.asked)))
    taken, answered = steps(flows.answer_flow(turn, planned))
    assert [type(step) for step in taken] == [Invoke, Invoke]
    assert (answered.outcome, answered.query, answered.documents) == ("miss", "N: a", [Document("N: a")])
    assert answered.value.id != "same", "an id of the conversation is not used twice"


def test_storing_is_one_trip_and_is_remembered(flows: TurnFlows) -> None:
    turn = request("N: a")
    _, planned = steps(flows.plan_flow(turn, LoadedTurn([], StoredContext(), True, turn.asked)))
    taken, done = steps(flows.store_flow(turn, planned, AnsweredTurn("yes", 1, "miss")), (None, []))
    assert len(taken) == 1
    assert done.stored
    seen = flows.recent.get(turn.transcript)
    assert seen is not None
    assert [str(message.text) for message in seen.messages] == ["N: a", "yes"]


def test_steps_are_immutable(flows: TurnFlows) -> None:
    turn = request("N: a")
    _, planned = steps(flows.plan_flow(turn, LoadedTurn([], StoredContext(), True, turn.asked)))
    assert isinstance(planned, PlannedTurn)
    with pytest.raises(AttributeError):
        planned.answer = Answer("x")  # type: ignore[misc]
