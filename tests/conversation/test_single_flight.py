"""Equal questions at once: one asks the model, the others wait for its answer, and are served what a hit would be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool

from langchain_redis_memory import QuestionOptions, RedisChatMessageHistory
from langchain_redis_memory.cache import single_flight
from langchain_redis_memory.cache.single_flight import SingleFlight
from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.conversation.turn import TurnReport
from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.ops import Flow
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both, lifetimes, url_of
from tests.support.chains import Broken, Desk, Marked, Switch, for_everyone, stream_of
from tests.support.raw import reply
from tests.support.servers import TWO, Farm, wait_for
from tests.support.withheld import cancelled_at_each_trip

USERS = 8


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    return url_of(request.param, farm)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The leases that turns have begun to wait for."""
    seen: list[str] = []
    whole = SingleFlight.follow_flow

    def follow_flow(self: SingleFlight, key: str, look: Any) -> Flow[Any]:
        seen.append(key)
        return (yield from whole(self, key, look))

    monkeypatch.setattr(SingleFlight, "follow_flow", follow_flow)
    return seen


class Crowd:
    """Users who ask the same; the first is held at the model until the others wait for its answer."""

    def __init__(
        self, client: Client, both: Both, waiting: list[str], answer: Callable[[str], Any], **options: Any
    ) -> None:
        self.both, self.waiting, self.answer = both, waiting, answer
        self.reports: list[TurnReport] = []
        self.asked: list[str] = []
        self._open = threading.Event()
        self._pool = ThreadPoolExecutor(USERS)
        memory = ConversationMemory(
            client, on_turn=self.reports.append, questions=QuestionOptions(audience=for_everyone), classifier=Marked()
        )
        options = {"scope": "crowd", **options}
        self.chat = memory.wrap(RunnableLambda(self._call, self._acall), options.pop("retriever", None), **options)

    def _call(self, fields: dict[str, Any], config: RunnableConfig) -> Any:
        name = self._came(config)
        assert self._open.wait(60)
        return self.answer(name)

    async def _acall(self, fields: dict[str, Any], config: RunnableConfig) -> Any:
        name = self._came(config)
        assert await asyncio.to_thread(self._open.wait, 60)
        return self.answer(name)

    def _came(self, config: RunnableConfig) -> str:
        name: str = config["configurable"]["session_id"]
        self.asked.append(name)
        return name

    def _ask(self, name: str, said: str, streaming: bool) -> Any:
        config: RunnableConfig = {"configurable": {"session_id": name}}
        loop = asyncio.get_running_loop()
        if not self.both.asynchronous:
            chat = (lambda: list(self.chat.stream(said, config))[-1]) if streaming else self.chat.invoke
            return loop.run_in_executor(self._pool, *((chat,) if streaming else (chat, said, config)))
        return asyncio.ensure_future(self._stream(said, config) if streaming else self.chat.ainvoke(said, config))

    async def _stream(self, said: str, config: RunnableConfig) -> Any:
        return [chunk async for chunk in self.chat.astream(said, config)][-1]

    async def ask(self, *, streaming: bool = False, said: str = "N: a", leave: bool = False) -> list[Any]:
        """All answers, or what came instead; the leader is first. With `leave` it is cancelled."""
        turns = [self._ask("leader", said, streaming)]
        await asyncio.to_thread(wait_for, lambda: self.asked == ["leader"])
        turns += [self._ask(f"user {number}", said, streaming) for number in range(USERS - 1)]
        await asyncio.to_thread(wait_for, lambda: len(self.waiting) == USERS - 1)
        assert self.asked == ["leader"]
        if leave:
            turns[0].cancel()
            await asyncio.to_thread(wait_for, lambda: len(self.asked) == USERS)
        self._open.set()
        return list(await asyncio.gather(*turns, return_exceptions=True))


@pytest.mark.parametrize("streaming", [False, True])
async def test_one_asks_the_model_and_all_are_answered(
    client: Client, both: Both, waiting: list[str], streaming: bool
) -> None:
    crowd = Crowd(client, both, waiting, lambda name: f"answer for {name}")
    answers = await crowd.ask(streaming=streaming)
    assert answers == ["answer for leader"] * USERS
    assert crowd.asked == ["leader"]
    assert sorted(report.cache for report in crowd.reports) == ["hit"] * (USERS - 1) + ["miss"]
    assert all(report.kind == "exact" for report in crowd.reports if report.cache == "hit")
    for name in ("leader", "user 0"):
        history = await both.messages(crowd.chat.memory.history(name))  # type: ignore[attr-defined]
        assert [message.text for message in history] == ["N: a", "answer for leader"]


async def test_messages_are_new_ones_for_each(client: Client, both: Both, waiting: list[str]) -> None:
    crowd = Crowd(client, both, waiting, lambda name: AIMessage("a", id="fixed"))
    answers = await crowd.ask()
    assert len({answer.id for answer in answers}) == USERS


async def test_it_works_across_clients(client: Client, both: Both, waiting: list[str], url: str, prefix: str) -> None:
    """Another client on the same server is another process, as far as a memory can tell."""
    one = Crowd(client, both, waiting, lambda name: "one")
    other = Client.from_url(url, prefix=prefix)
    two = Crowd(other, both, waiting, lambda name: "two")
    leader = one._ask("leader", "N: a", False)
    await asyncio.to_thread(wait_for, lambda: one.asked == ["leader"])
    follower = two._ask("follower", "N: a", False)
    await asyncio.to_thread(wait_for, lambda: len(waiting) == 1)
    one._open.set()
    two._open.set()
    assert [await leader, await follower] == ["one", "one"]
    assert two.asked == []
    await other.aclose()


@tool
def pay(what: str) -> str:
    """Pays."""
    return "paid"


def fails(name: str) -> Any:
    msg = "the model is down"
    raise Broken(msg)


NOT_SHARED: dict[str, Callable[[str], Any]] = {
    "fails": fails,
    "refused": lambda name: " ",
    "cut off": lambda name: AIMessage("a", response_metadata={"finish_reason": "length"}),
}


@pytest.mark.parametrize("name", NOT_SHARED)
async def test_where_the_leaders_answer_may_not_be_shared_all_ask_at_once(
    client: Client, both: Both, waiting: list[str], name: str
) -> None:
    crowd = Crowd(client, both, waiting, NOT_SHARED[name])
    answers = await crowd.ask()
    assert sorted(crowd.asked) == sorted(["leader", *(f"user {number}" for number in range(USERS - 1))])
    assert len(waiting) == USERS - 1, "nobody waits twice"
    assert "hit" not in {report.cache for report in crowd.reports}
    assert all(isinstance(answer, Broken) for answer in answers) is (name == "fails")


async def test_what_a_tool_did_is_done_for_each(client: Client, both: Both, waiting: list[str]) -> None:
    def act(name: str) -> str:
        return str(pay.invoke({"what": name}))

    crowd = Crowd(client, both, waiting, act)
    await crowd.ask()
    assert len(crowd.asked) == USERS


async def test_who_finds_other_documents_is_not_served(client: Client, both: Both, waiting: list[str]) -> None:
    def find(query: str, config: RunnableConfig) -> list[Document]:
        name = config["configurable"]["session_id"]
        return [Document("a secret" if name == "user 0" else "what all may read")]

    crowd = Crowd(client, both, waiting, lambda name: f"answer for {name}", retriever=RunnableLambda(find))
    answers = await crowd.ask()
    assert answers.count("answer for user 0") == 1, "nobody else may read what it was made from"
    assert answers[1] == "answer for user 0"


@pytest.mark.slow
async def test_a_leader_that_is_cancelled_lets_the_others_ask(client: Client, waiting: list[str]) -> None:
    crowd = Crowd(client, Both(asynchronous=True), waiting, lambda name: f"answer for {name}")
    answers = await crowd.ask(leave=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(str(answer).startswith("answer for") for answer in answers[1:])


async def test_who_is_cancelled_at_any_trip_keeps_nobody_waiting(client: Client) -> None:
    desk = Desk(client, Both(asynchronous=True), classifier=Marked())
    leases: list[Any] = []

    async def turn(number: int) -> None:
        leases.append(reply(client, "KEYS", "*:lease:*"))
        await desk.say(f"N: {number}", f"s{number}")

    await desk.say("N: a")
    trips = await cancelled_at_each_trip(client, turn)
    assert trips == 2
    assert leases == [[]] * (trips + 1)


async def test_a_leader_that_is_too_slow_is_not_waited_for(client: Client, both: Both) -> None:
    """The lease that the leader took has run out when it still has not answered."""
    crowd = Crowd(client, both, [], lambda name: f"answer for {name}", single_flight_s=0.3)
    leader = crowd._ask("leader", "N: a", False)
    await asyncio.to_thread(wait_for, lambda: crowd.asked == ["leader"])
    other = crowd._ask("other", "N: a", False)
    await asyncio.to_thread(wait_for, lambda: crowd.asked == ["leader", "other"])
    crowd._open.set()
    await asyncio.gather(leader, other)


async def test_without_single_flight_all_ask(client: Client, both: Both, waiting: list[str]) -> None:
    crowd = Crowd(client, both, waiting, lambda name: "a", single_flight_s=None)
    turns = [crowd._ask(f"{number}", "N: a", False) for number in range(3)]
    await asyncio.to_thread(wait_for, lambda: len(crowd.asked) == 3)
    crowd._open.set()
    await asyncio.gather(*turns)
    assert waiting == []


async def test_a_question_that_is_not_shared_waits_for_nobody(client: Client, both: Both, waiting: list[str]) -> None:
    crowd = Crowd(client, both, waiting, lambda name: "a")
    turns = [crowd._ask(f"{number}", "F: a", False) for number in range(3)]
    await asyncio.to_thread(wait_for, lambda: len(crowd.asked) == 3)
    crowd._open.set()
    await asyncio.gather(*turns)
    assert waiting == []


def leases(url: str, prefix: str) -> list[str]:
    """The leases that somebody holds."""
    return [key for key in lifetimes(url, prefix) if ":lease" in key]


@pytest.mark.parametrize("said", ["N: a", "S: a", "F: a", "R: a"])
async def test_no_lease_is_left_and_none_costs_a_trip(
    client: Client, both: Both, trips: list[Trip], url: str, prefix: str, said: str
) -> None:
    plain, flying = (Desk(client, both, scope=name, classifier=Marked()) for name in ("plain", "flying"))
    plain.chat = plain.memory.wrap(plain.model, scope="plain", single_flight_s=None)
    counts: list[list[int]] = []
    for desk in (plain, flying):
        await desk.say("N: warm", f"{desk.chat.scope} warm")
        counts.append([])
        for session in ("one", "two"):
            trips.clear()
            await desk.say(said, f"{desk.chat.scope} {session}")
            counts[-1].append(len(trips))
            assert leases(url, prefix) == []
    assert counts[0] == counts[1]


async def test_a_stream_that_is_left_gives_the_lead_up(client: Client, both: Both, url: str, prefix: str) -> None:
    desk = Desk(client, both, chain=stream_of("a ", "b"), classifier=Marked())
    config: RunnableConfig = {"configurable": {"session_id": "s"}}
    if both.asynchronous:
        stream = desk.chat.astream("N: a", config)
        await anext(stream)
        assert len(leases(url, prefix)) == 1
        await stream.aclose()  # type: ignore[attr-defined]
        await client.asettle()
    else:
        chunks: Iterator[Any] = desk.chat.stream("N: a", config)
        next(chunks)
        assert len(leases(url, prefix)) == 1
        chunks.close()  # type: ignore[attr-defined]
    assert leases(url, prefix) == []


async def test_a_leader_that_could_not_store_its_answer_gives_the_lead_up_with_what_waits(
    client: Client, both: Both, url: str, prefix: str
) -> None:
    switch, desk = Switch(client), Desk(client, both, classifier=Marked())
    switch.off(after=1)
    await desk.say("N: a")
    switch.on()
    assert len(leases(url, prefix)) == 1
    assert await both(desk.memory.flush)() == 0
    assert leases(url, prefix) == []


async def test_a_lease_of_the_first_look_is_given_back_though_the_second_one_failed(
    client: Client, both: Both, url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_flight, "_owed", {})
    monkeypatch.setattr(single_flight, "_LATE_S", 0.0)
    switch, desk = Switch(client), Desk(client, both)
    await desk.say("What is throat cancer?")
    await both(RedisChatMessageHistory("s", client).add_turn)("And what is asthma?", "A disease.")
    switch.off(after=1)
    await desk.say("How is it treated?")  # looked up as it was known here, and then as it is
    switch.on()
    assert await both(desk.memory.flush)() == 0
    assert len(leases(url, prefix)) == 1
    await desk.say("What is asthma?", "another")
    await both(client.settle)()
    assert leases(url, prefix) == []


def test_wrong_times_are_refused() -> None:
    memory = ConversationMemory("memory://flights")
    for wrong in (0, -1, float("nan")):
        with pytest.raises(InvalidInputError, match="single_flight_s"):
            memory.wrap(RunnableLambda(str), scope="s", single_flight_s=wrong)
