"""What a turn tells of itself: its report, the message's metadata, the event in LangChain's run tree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda

from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.conversation.turn import TurnReport
from langchain_redis_memory.language.classify import Verdict
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both, url_of
from tests.support.chains import Broken, Desk, Marked, Switch, look_up, stream_of
from tests.support.servers import TWO, Farm

EVENT = "langchain_redis_memory.turn"


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


# --- the report -------------------------------------------------------------------------------------


async def test_a_report_says_who_and_where(client: Client, both: Both) -> None:
    desk, run_id = Desk(client, both), uuid4()
    config: RunnableConfig = {
        "configurable": {"session_id": "s", "tenant": "acme", "agent": "helper"},
        "metadata": {"user_id": "ana"},
        "run_id": run_id,
    }
    await both(desk.chat.invoke)("What is Redis?", config)
    report = desk.last
    assert (report.session, report.tenant, report.agent, report.user) == ("s", "acme", "helper", "ana")
    assert report.run_id == str(run_id)
    assert report.scope == desk.chat.scope
    assert report.error is None


async def test_a_report_says_how_long_each_part_took(client: Client, both: Both, trips: list[Trip]) -> None:
    desk = Desk(client, both, retriever=look_up)
    await desk.stream("What is Redis?", "one")
    report = desk.last
    assert report.redis_s > 0
    assert report.retrieval_s > 0
    assert report.model_s > 0
    assert report.redis_s + report.retrieval_s + report.model_s <= report.seconds
    assert report.first_chunk_s is not None
    assert report.retrieval_s < report.first_chunk_s < report.seconds
    await desk.say("What is Redis?", "two")
    report = desk.last
    assert (report.cache, report.model_s, report.first_chunk_s) == ("hit", 0.0, None)
    assert report.retrieval_s > 0


async def test_a_hit_says_what_it_is_and_what_it_saved(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    usage: Any = {"input_tokens": 30, "output_tokens": 12, "total_tokens": 42}
    desk.model.script = [AIMessage("one", usage_metadata=usage)]
    answers = [await desk.say("What is Redis?", session) for session in ("one", "two")]
    missed, hit = desk.reports
    assert (missed.entry, missed.kind, missed.age_s, missed.saved_tokens, missed.saved_s) == ("", "", None, 0, 0.0)
    assert hit.entry
    assert hit.kind == "exact"
    assert hit.why
    assert hit.age_s is not None
    assert 0 <= hit.age_s < 60
    assert hit.saved_tokens == 42
    assert hit.saved_s == pytest.approx(missed.model_s + missed.retrieval_s, abs=0.001)
    told = answers[1].response_metadata["cache"]
    assert told == {
        "hit": True,
        "kind": "exact",
        "why": hit.why,
        "entry": hit.entry,
        "age_s": hit.age_s,
        "saved": {"tokens": 42, "seconds": hit.saved_s},
    }


async def test_a_replayed_message_is_a_new_one_each_time(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    desk.model.script = [AIMessage("one", id="fixed")]
    answers = [await desk.say("What is Redis?", f"{place}") for place in range(4)]
    assert answers[0].id == "fixed"
    assert len({answer.id for answer in answers}) == 4


# --- why not ----------------------------------------------------------------------------------------

WHY_NOT: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "miss": ({}, "What is Redis?", "miss", "there is no answer to it"),
    "effect": ({"audience": None}, "Cancel order 123", "bypass", "may ask for something to be done"),
    "policy": ({"classifier": Marked()}, "F: a", "bypass", "by policy"),
    "nobody": ({"share": "none"}, "What is Redis?", "bypass", "shared with nobody"),
    "no cache": ({"cache": None}, "What is Redis?", "off", "there is no cache"),
}


async def test_a_miss_of_a_question_that_leans_on_its_conversation_says_so(client: Client, both: Both) -> None:
    desk = Desk(client, both, classifier=Marked())
    await desk.say("N: What is asthma?")
    await desk.say("S: Is it treatable?")
    assert desk.last.why == "there is no answer to it in this context"


@pytest.mark.parametrize("name", WHY_NOT)
async def test_an_answer_of_the_model_says_why_it_is_one(client: Client, both: Both, name: str) -> None:
    options, said, outcome, why = WHY_NOT[name]
    if "audience" in options:
        from langchain_redis_memory.language.audience.linguistic import classify_audience

        options = {"audience": classify_audience}
    desk = Desk(client, both, **options)
    answer = await desk.say(said)
    assert desk.last.cache == outcome
    assert why in desk.last.why
    assert answer.response_metadata["cache"] == {"hit": False, "kind": outcome, "why": desk.last.why}
    stored = (await both.messages(desk.memory.history("s")))[1]
    assert "cache" not in stored.response_metadata, "what is stored is what the model said"
    assert stored.id == answer.id


async def test_other_documents_are_told(client: Client, both: Both) -> None:
    found = [look_up("a"), look_up("b")]
    desk = Desk(client, both, retriever=lambda _: found.pop(0))
    for session in ("one", "two"):
        await desk.say("What is Redis?", session)
    assert desk.last.cache == "miss"
    assert "documents have changed" in desk.last.why


async def test_a_server_that_is_away_is_told(client: Client, both: Both) -> None:
    desk = Desk(client, both)
    switch = Switch(client)
    switch.off()
    await desk.say("What is Redis?")
    assert (desk.last.cache, desk.last.why, desk.last.stored) == ("off", "the server is away", False)
    switch.on()  # or the client would wait for it when it is closed


# --- turns that fail --------------------------------------------------------------------------------


class Failing:
    def classify(self, turn: str, history: Sequence[Any], state: Any = None) -> Verdict:
        msg = "the classifier is down"
        raise Broken(msg)


def failing(_: Any) -> Any:
    msg = "the retriever is down"
    raise Broken(msg)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("what", ["model", "retriever", "classifier"])
async def test_a_failing_turn_reports_and_its_error_passes_on(
    client: Client, both: Both, what: str, streaming: bool, trips: list[Trip]
) -> None:
    options: dict[str, Any] = {"retriever": failing} if what == "retriever" else {}
    if what == "classifier":
        options["classifier"] = Failing()
    desk = Desk(client, both, **options)
    desk.model.fail = what == "model"
    trips.clear()
    with pytest.raises(Broken) as caught:
        await (desk.stream if streaming else desk.say)("What is Redis?")
    (report,) = desk.reports
    assert report.error is caught.value
    assert report.value is None
    assert report.output is None
    assert not report.stored
    assert (report.question, report.session) == ("What is Redis?", "s")
    assert report.cache == ("off" if what == "classifier" else "miss")
    assert report.why == "the turn failed: Broken"
    assert report.trips == 2, "it lets others who ask the same go on"
    assert (report.model_s > 0, report.retrieval_s > 0) == (what == "model", what == "retriever")


async def test_a_metrics_callback_that_fails_hides_no_error(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(report: TurnReport) -> None:
        msg = "the dashboard is full"
        raise ValueError(msg)

    memory = ConversationMemory(client, on_turn=broken)
    with pytest.raises(Broken):
        await both(memory.wrap(RunnableLambda(failing)).invoke)("q?", {"configurable": {"session_id": "s"}})
    assert "the dashboard is full" in caplog.text


async def test_a_stream_that_its_consumer_leaves_reports(client: Client, both: Both) -> None:
    desk = Desk(client, both, chain=stream_of("a ", "b"))
    config: RunnableConfig = {"configurable": {"session_id": "s"}}
    if both.asynchronous:
        stream = desk.chat.astream("What is Redis?", config)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        await client.asettle()
    else:
        chunks = desk.chat.stream("What is Redis?", config)
        next(chunks)
        chunks.close()  # type: ignore[attr-defined]
    (report,) = desk.reports
    assert isinstance(report.error, GeneratorExit)
    assert (report.why, report.stored) == ("the turn was interrupted: GeneratorExit", False)


async def test_a_turn_that_is_cancelled_reports(client: Client) -> None:
    async def hang(_: Any) -> str:
        asked.set()
        await asyncio.Event().wait()
        return "never"

    asked = asyncio.Event()
    desk = Desk(client, Both(asynchronous=True), chain=RunnableLambda(failing, hang))
    turn = asyncio.ensure_future(desk.say("What is Redis?"))
    await asked.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await client.asettle()
    assert [type(report.error) for report in desk.reports] == [asyncio.CancelledError]


# --- the run tree -----------------------------------------------------------------------------------


class Events(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[tuple[str, Any, UUID]] = []
        self.roots: list[UUID] = []

    def on_chain_start(self, *args: Any, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        if parent_run_id is None:
            self.roots.append(run_id)

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.seen.append((name, data, run_id))


class AsyncEvents(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    async def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.seen.append(data["cache"])


@pytest.mark.parametrize("streaming", [False, True])
async def test_each_turn_leaves_an_event_in_its_run(client: Client, both: Both, streaming: bool) -> None:
    desk = Desk(client, both, chain=RunnableLambda(lambda _: "a text has no metadata"))
    events, other = Events(), AsyncEvents()
    for session in ("one", "two"):
        config: RunnableConfig = {"configurable": {"session_id": session}, "callbacks": [events, other]}
        if streaming and both.asynchronous:
            _ = [chunk async for chunk in desk.chat.astream("What is Redis?", config)]
        elif streaming:
            _ = list(desk.chat.stream("What is Redis?", config))
        else:
            await both(desk.chat.invoke)("What is Redis?", config)
    assert [name for name, _, _ in events.seen] == [EVENT, EVENT]
    assert [run_id for _, _, run_id in events.seen] == events.roots
    assert [str(run_id) for run_id in events.roots] == [report.run_id for report in desk.reports]
    data = [data for _, data, _ in events.seen]
    assert [told["cache"] for told in data] == ["miss", "hit"]
    assert [(told["kind"], told["session"]) for told in data] == [("", "one"), ("exact", "two")]
    assert data[1]["entry"] == desk.last.entry
    assert "What is Redis?" not in repr(data)
    assert other.seen == ["miss", "hit"]


async def test_the_event_is_among_those_of_astream_events(client: Client) -> None:
    desk = Desk(client, Both(asynchronous=True))
    for session, expected in (("one", "miss"), ("two", "hit")):
        config: RunnableConfig = {"configurable": {"session_id": session}}
        events = [event async for event in desk.chat.astream_events("What is Redis?", config, version="v2")]
        told: Any
        (told,) = [event for event in events if event["event"] == "on_custom_event"]
        assert told["name"] == EVENT
        assert told["data"]["cache"] == expected
