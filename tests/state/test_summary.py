"""Rolling summaries: made in time and once, of what is new, and never at the price of an older one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.errors import ConfigError, InvalidInputError
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.redis import cas_record, lease
from langchain_redis_memory.redis.client.client import Client, Trip
from langchain_redis_memory.redis.codec.values import pack
from langchain_redis_memory.state import summary
from langchain_redis_memory.state.summary import RollingSummary, Summary
from tests.conftest import Both, url_of
from tests.support.chains import Broken, Desk, Marked, PureModel, Switch
from tests.support.raw import reply
from tests.support.servers import TWO, Farm


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    """What is tested here is the client's own work; the scripts beneath are tested on every server elsewhere."""
    return url_of(request.param, farm)


def stored(client: Client, session: str = "s") -> Summary | None:
    place = client.keys().session(session).state
    return client.run(cas_record.read(place, summary.FIELD).map(lambda record: summary.decode(record, place)))


class Numbered(PureModel):
    """A model whose summaries are numbered."""

    def _message(self, messages: Sequence[BaseMessage], arguments: Any) -> AIMessage:
        self.shown.append(list(messages))
        if self.fail:
            msg = "the summariser is down"
            raise Broken(msg)
        return AIMessage(f"summary {len(self.shown)}")

    def told(self, call: int) -> str:
        return str(self.shown[call][-1].text)


async def test_it_is_made_after_so_many_turns(client: Client, both: Both) -> None:
    model = Numbered()
    desk = Desk(client, both, classifier=Marked(), summary=RollingSummary(model, every_turns=3))
    ranges = []
    for number in range(7):
        await desk.say(f"F: {number}")
        found = stored(client)
        ranges.append(None if found is None else (found.text, found.first, found.last, found.turns))
    one, two = ("summary 1", 0, 5, 3), ("summary 2", 0, 11, 6)
    assert ranges == [None, None, one, one, one, two, two]


async def test_it_is_made_of_the_old_one_and_what_is_new(client: Client, both: Both) -> None:
    model = Numbered()
    desk = Desk(client, both, classifier=Marked(), summary=RollingSummary(model, every_turns=2, max_words=77))
    for number in range(4):
        await desk.say(f"F: question {number}")
    assert "(none)" in model.told(0)
    assert "User: F: question 0" in model.told(0)
    assert "summary 1" in model.told(1)
    assert "question 1" not in model.told(1)
    assert "User: F: question 2" in model.told(1)
    assert "77 words" in str(model.shown[0][0].text)


async def test_it_is_made_after_so_many_tokens(client: Client, both: Both) -> None:
    model = Numbered()
    desk = Desk(client, both, classifier=Marked(), summary=RollingSummary(model, None, max_tokens=500))
    await desk.say("F: short")
    assert model.calls == 0
    await desk.say("F: " + "long " * 600)
    assert model.calls == 1
    await desk.say("F: short")
    assert model.calls == 1


@pytest.mark.slow
async def test_it_is_shown_in_front_of_a_window_that_does_not_reach_the_start(client: Client, both: Both) -> None:
    desk = Desk(client, both, classifier=Marked(), summary=RollingSummary(Numbered(), every_turns=4), cache=None)
    for number in range(12):
        await desk.say(f"F: {number}")
        front = desk.last.memory[0] if desk.last.memory else None
        assert isinstance(front, SystemMessage) is (number == 11), number
    assert "summary 2" in str(desk.last.memory[0].text)
    assert len(desk.last.memory) == 21
    assert desk.model.shown[-1][0] == desk.last.memory[0]


@pytest.mark.slow
async def test_it_is_never_shown_where_a_question_stands_alone(client: Client, both: Both) -> None:
    desk = Desk(client, both, classifier=Marked(), summary=RollingSummary(Numbered(), every_turns=2))
    for number in range(24):
        await desk.say(f"N: {number}")
        assert not any(isinstance(message, SystemMessage) for message in desk.model.shown[-1])


async def test_the_state_that_is_told_holds_it(client: Client, both: Both) -> None:
    told: list[Any] = []

    class Told(Marked):
        def classify(self, turn: str, history: Any, state: Any = None) -> Any:
            told.append(state)
            return super().classify(turn, history, state)

    for state in (True, False):
        session = f"s{state}"
        options: Any = {"classifier": Told(), "state": state, "summary": RollingSummary(Numbered(), every_turns=2)}
        desk = Desk(client, both, **options)
        for number in range(3):
            await desk.say(f"F: {number}", session)
        assert told[-1].summary == "summary 1"
        assert bool(told[-1].turns) is state


async def test_a_turn_costs_what_it_did_and_a_summary_two_more(client: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(client, both, classifier=Marked(), summary=RollingSummary(Numbered(), every_turns=2))
    for number in range(4):
        await desk.say(f"F: {number}", "warm")
    counted = []
    for number in range(4):
        trips.clear()
        await desk.say(f"F: {number}")
        counted.append((desk.last.trips, len(trips)))
    assert counted == [(2, 2), (2, 5), (2, 2), (2, 5)]


async def test_a_model_that_fails_replaces_nothing(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    model = Numbered()
    desk = Desk(client, both, classifier=Marked(), summary=RollingSummary(model, every_turns=2))
    for number in range(2):
        await desk.say(f"F: {number}")
    before = stored(client)
    model.fail = True
    for number in range(3):
        await desk.say(f"F: {number}")
        assert desk.last.stored
    assert stored(client) == before
    assert "stays as it was" in caplog.text
    model.fail = False
    await desk.say("F: again")
    found = stored(client)
    assert found is not None
    assert (found.first, found.last, found.turns) == (0, 11, 6)
    assert reply(client, "EXISTS", client.keys().lease("summary", "s")) == 0


@pytest.mark.parametrize("answer", ["", "  \n", None, 3])
async def test_a_model_that_says_nothing_replaces_nothing(client: Client, both: Both, answer: Any) -> None:
    class Silent:
        def invoke(self, _messages: Any) -> Any:
            return answer

        async def ainvoke(self, _messages: Any) -> Any:
            return answer

    desk = Desk(client, both, classifier=Marked(), summary=RollingSummary(Silent(), every_turns=1))  # type: ignore[arg-type]
    await desk.say("F: a")
    assert stored(client) is None


async def test_in_the_background_the_turn_does_not_wait(client: Client, both: Both) -> None:
    gate, agate = threading.Event(), asyncio.Event()

    class Slow:
        def invoke(self, _messages: Any) -> str:
            assert gate.wait(60)
            return "late"

        async def ainvoke(self, _messages: Any) -> str:
            await asyncio.wait_for(agate.wait(), 60)
            return "late"

    rolling = RollingSummary(Slow(), every_turns=1, background=True)  # type: ignore[arg-type]
    desk = Desk(client, both, classifier=Marked(), summary=rolling)
    await desk.say("F: a")
    assert stored(client) is None
    gate.set()
    agate.set()
    await both(client.settle)()
    found = stored(client)
    assert found is not None
    assert (found.text, found.last) == ("late", 1)


async def test_a_failure_in_the_background_is_logged(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    model = Numbered(fail=True)
    desk = Desk(client, both, classifier=Marked(), summary=RollingSummary(model, every_turns=1, background=True))
    await desk.say("F: a")
    await both(client.settle)()
    assert stored(client) is None
    assert "the summariser is down" in caplog.text


async def test_of_many_workers_one_makes_it(client: Client, both: Both) -> None:
    model = Numbered()
    rolling = RollingSummary(model, every_turns=1)
    transcript = Transcript(client.keys(), "s")
    client.run(transcript.add([HumanMessage("a", id="a"), AIMessage("b", id="b")]))
    if both.asynchronous:
        made = await asyncio.gather(*(client.adrive(rolling.follow_flow(transcript, 60_000)) for _ in range(8)))
    else:
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: client.drive(rolling.follow_flow(transcript, 60_000)), range(8)))
    assert sum(one is not None for one in made) == 1
    assert model.calls == 1


async def test_while_another_holds_the_lease_none_is_made(client: Client, both: Both) -> None:
    model = Numbered()
    await both(client.run)(lease.acquire(client.keys().lease("summary", "s"), "other", 60_000))
    desk = Desk(client, both, classifier=Marked(), summary=RollingSummary(model, every_turns=1))
    await desk.say("F: a")
    assert model.calls == 0
    await both(client.run)(lease.release(client.keys().lease("summary", "s"), "other"))
    await desk.say("F: b")
    assert stored(client) is not None
    assert stored(client).last == 3  # type: ignore[union-attr]


async def test_one_that_was_made_meanwhile_is_not_replaced(client: Client, both: Both) -> None:
    place = client.keys().session("s").state

    class Meddling:
        """While it thinks, its lease expires and another one stores a summary."""

        def invoke(self, _messages: Any) -> str:
            body = pack([1, "theirs", 0, 1, 1, 5, []])
            client.run(cas_record.swap(place, place, summary.FIELD, cas_record.Version(), body, 60_000))
            return "mine"

        async def ainvoke(self, messages: Any) -> str:
            return self.invoke(messages)

    desk = Desk(client, both, classifier=Marked(), summary=RollingSummary(Meddling(), every_turns=1))  # type: ignore[arg-type]
    await desk.say("F: a")
    assert stored(client).text == "theirs"  # type: ignore[union-attr]


CALLS: list[BaseMessage] = [
    HumanMessage("weather?", id="1"),
    AIMessage("", id="2", tool_calls=[{"name": "look", "args": {"at": "Oslo"}, "id": "c1"}]),
    ToolMessage("rain", tool_call_id="c1", id="3", name="look"),
    AIMessage("It rains.", id="4"),
    HumanMessage("and in Rome?", id="5"),
    AIMessage("", id="6", tool_calls=[{"name": "look", "args": {"at": "Rome"}, "id": "c2"}]),
]


async def test_calls_of_tools_and_their_answers_stay_together(client: Client, both: Both) -> None:
    model = Numbered()
    transcript = Transcript(client.keys(), "s")
    rolling = RollingSummary(model, every_turns=1)
    await both(client.run)(transcript.add(CALLS))
    first = await both(client.drive)(rolling.follow_flow(transcript, 60_000))
    assert (first.first, first.last, first.turns) == (0, 4, 2), "the open call waits for its answer"
    assert "Assistant:  [calls look({'at': 'Oslo'})]\ntool look: rain" in model.told(0)
    answered = [ToolMessage("sun", tool_call_id="c2", id="7"), AIMessage("Sun.", id="8"), HumanMessage("ok", id="9")]
    await both(client.run)(transcript.add(answered))
    second = await both(client.drive)(rolling.follow_flow(transcript, 60_000))
    assert (second.first, second.last, second.turns) == (0, 8, 3)
    assert "Rome" in model.told(1)
    assert "Oslo" not in model.told(1)


async def test_a_long_conversation_is_taken_in_portions(client: Client, both: Both) -> None:
    model = Numbered()
    transcript = Transcript(client.keys(), "s")
    said = [HumanMessage(f"{number} " + "x" * 3000, id=str(number)) for number in range(20)]
    await both(client.run)(transcript.add(said))
    made = await both(client.drive)(RollingSummary(model, every_turns=1).follow_flow(transcript, 60_000))
    assert (made.first, made.last, made.turns) == (0, 19, 20)
    assert model.calls == 3
    assert all(len(model.told(call)) < 26_000 for call in range(3))


async def test_trimmed_deleted_and_edited_messages_confuse_nothing(client: Client, both: Both) -> None:
    model = Numbered()
    transcript = Transcript(client.keys(), "s", max_messages=4)
    rolling = RollingSummary(model, every_turns=1)

    async def say(*numbers: int) -> Any:
        await both(client.run)(transcript.add([HumanMessage(f"said {n}.", id=str(n)) for n in numbers]))
        return await both(client.drive)(rolling.follow_flow(transcript, 60_000))

    assert (await say(0, 1, 2)).last == 2
    assert (await say(3, 4, 5)).last == 5
    assert "said 2." not in model.told(1)
    await both(client.run)(transcript.remove(["5"]))
    assert (await say(6)).last == 6
    assert "said 4." not in model.told(2)
    assert "said 6." in model.told(2)
    assert await both(client.drive)(rolling.follow_flow(transcript, 60_000)) is None


async def test_a_conversation_without_messages_has_none(client: Client, both: Both) -> None:
    rolling = RollingSummary(Numbered(), every_turns=1)
    assert await both(client.drive)(rolling.follow_flow(Transcript(client.keys(), "s"), 60_000)) is None
    assert reply(client, "EXISTS", *client.keys().session("s").all()) == 0


@pytest.mark.parametrize("damage", [b"hello", b"1-0123456789abcdef:", b"1-0123456789abcdef:\x93\x01\x02\x03"])
async def test_a_damaged_summary_counts_as_absent(client: Client, both: Both, damage: bytes) -> None:
    desk = Desk(client, both, classifier=Marked(), summary=RollingSummary(Numbered(), every_turns=2))
    await desk.say("F: a")
    reply(client, "HSET", client.keys().session("s").state, "summary", damage)
    await desk.say("F: b")
    found = stored(client)
    assert found is not None
    assert (found.text, found.last) == ("summary 1", 3)


async def test_it_lives_and_goes_with_the_conversation(client: Client, both: Both) -> None:
    options: Any = {"classifier": Marked(), "summary": RollingSummary(Numbered(), every_turns=1), "ttl_s": 100}
    desk = Desk(client, both, state=False, **options)
    await desk.say("F: a")
    keys = client.keys().session("s")
    assert 75_000 < reply(client, "PTTL", keys.state) <= 100_000
    await both(desk.memory.history("s").clear)()
    assert reply(client, "EXISTS", *keys.all()) == 0


async def test_a_server_that_goes_away_fails_no_turn(client: Client, both: Both) -> None:
    model = Numbered()
    desk = Desk(client, both, classifier=Marked(), summary=RollingSummary(model, every_turns=1))
    for number in range(2):
        await desk.say(f"F: {number}", "warm")
    switch = Switch(client)
    switch.off(after=2)
    await desk.say("F: a")
    assert desk.last.stored
    switch.on()
    await desk.say("F: b")
    assert stored(client).last == 3  # type: ignore[union-attr]


def test_bad_input_is_refused_early() -> None:
    model = Numbered()
    for wrong in (0, -1, True, 1.5, "3"):
        with pytest.raises(InvalidInputError, match="every_turns"):
            RollingSummary(model, wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError, match="max_tokens"):
            RollingSummary(model, 1, wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError, match="max_words"):
            RollingSummary(model, max_words=wrong)  # type: ignore[arg-type]
    for lease_s in (0, True, "1", 1e9, float("nan")):
        with pytest.raises(InvalidInputError, match="lease_s"):
            RollingSummary(model, lease_s=lease_s)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="never"):
        RollingSummary(model, None)
    with pytest.raises(InvalidInputError, match="chat model"):
        RollingSummary("gpt")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="RollingSummary"):
        ConversationMemory("memory://x", summary=model)  # type: ignore[arg-type]
