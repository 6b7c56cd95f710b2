"""Reading through to a permanent database, and mirroring to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage

from langchain_redis_memory.errors import ConfigError, MessageNotFoundError, NotAMessageError
from langchain_redis_memory.history import read_through
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.redis import lease
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both, url_of
from tests.support.chains import Broken, Desk, Marked, Switch
from tests.support.raw import reply
from tests.support.servers import PATIENT_S, TWO, Farm
from tests.support.withheld import cancelled_at_each_trip


@pytest.fixture(params=TWO)
def url(request: pytest.FixtureRequest, farm: Farm) -> str:
    """What is tested here is the client's own work; the scripts beneath are tested on every server elsewhere."""
    return url_of(request.param, farm)


History = Callable[..., RedisChatMessageHistory]


class Database:
    """A permanent database with both colours, which counts and can fail."""

    def __init__(self, **rows: Sequence[BaseMessage]) -> None:
        self.rows = {name: list(messages) for name, messages in rows.items()}
        self.loads: list[str] = []
        self.writes: list[list[str]] = []
        self.fail = False

    def load(self, session_id: str) -> list[BaseMessage]:
        self.loads.append(session_id)
        if self.fail:
            msg = "the database is down"
            raise Broken(msg)
        return self.rows.get(session_id, [])

    async def aload(self, session_id: str) -> list[BaseMessage]:
        await asyncio.sleep(0)
        return self.load(session_id)

    def write(self, session_id: str, messages: list[BaseMessage]) -> None:
        if self.fail:
            msg = "the database is down"
            raise Broken(msg)
        self.writes.append([str(message.content) for message in messages])
        self.rows.setdefault(session_id, []).extend(messages)

    async def awrite(self, session_id: str, messages: list[BaseMessage]) -> None:
        self.write(session_id, messages)


def some() -> list[BaseMessage]:
    return [HumanMessage("one", id="1"), AIMessage("two", id="2"), HumanMessage("three")]


def texts(messages: Sequence[BaseMessage]) -> list[str]:
    return [str(message.content) for message in messages]


async def test_a_conversation_that_is_missing_is_loaded_once(client: Client, both: Both, history: History) -> None:
    database = Database(s=some())
    kept = history(loader=database)
    for _ in range(3):
        assert texts(await both.messages(kept)) == ["one", "two", "three"]
    assert texts(await both(kept.recent)(2)) == ["two", "three"]
    assert database.loads == ["s"]
    assert reply(client, "EXISTS", client.keys().lease("load", "s")) == 0
    assert reply(client, "PTTL", client.keys().session("s").messages) > 0


METHODS: dict[str, Callable[[Both, RedisChatMessageHistory], Any]] = {
    "messages": lambda both, kept: both.messages(kept),
    "recent": lambda both, kept: both(kept.recent)(2),
    "recent_tokens": lambda both, kept: both(kept.recent_tokens)(999),
    "turns": lambda both, kept: both(kept.turns)(1),
    "before": lambda both, kept: both(kept.before)("2", 5),
    "count": lambda both, kept: both(kept.count)(),
    "add": lambda both, kept: both(kept.add_messages)([HumanMessage("new")]),
    "add_turn": lambda both, kept: both(kept.add_turn)("a", "b"),
    "edit": lambda both, kept: both(kept.edit)("2", AIMessage("x")),
    "delete": lambda both, kept: both(kept.delete)(["1"]),
    "remove": lambda both, kept: both(kept.add_messages)([RemoveMessage(id="1")]),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
async def test_every_method_sees_what_is_loaded(
    client: Client, both: Both, history: History, method: Callable[..., Any]
) -> None:
    plain, through = history("plain"), history("s", loader=Database(s=some()))
    await both(plain.add_messages)(some())
    found = [await method(both, kept) for kept in (plain, through)]
    if isinstance(found[0], list) and found[0] and isinstance(found[0][0], BaseMessage):
        found = [texts(one) for one in found]
    assert found[0] == found[1]
    assert texts(await both.messages(plain)) == texts(await both.messages(through))


async def test_what_is_new_comes_after_what_is_loaded(both: Both, history: History) -> None:
    kept = history(loader=Database(s=some()))
    await both(kept.add_messages)([HumanMessage("new")])
    assert texts(await both.messages(kept)) == ["one", "two", "three", "new"]


async def test_a_conversation_that_is_there_costs_one_trip(both: Both, history: History, trips: list[Trip]) -> None:
    kept = history(loader=Database())
    for _ in range(2):
        await both(kept.add_messages)([HumanMessage("a")])
        await both.messages(kept)
    trips.clear()
    await both(kept.add_messages)([HumanMessage("a")])
    await both.messages(kept)
    assert len(trips) == 2


async def test_the_bounds_hold_for_what_is_loaded(both: Both, history: History) -> None:
    assert texts(await both.messages(history(loader=Database(s=some()), max_messages=2))) == ["two", "three"]


async def test_a_loader_that_finds_nothing_leaves_nothing(client: Client, both: Both, history: History) -> None:
    given: tuple[Any, ...] = ([], None, ())
    for nothing in given:
        kept = history(loader=lambda _session, nothing=nothing: nothing)
        assert await both.messages(kept) == []
        assert reply(client, "EXISTS", *client.keys().session("s").all(), client.keys().lease("load", "s")) == 0


async def test_what_the_loader_raises_passes_and_nothing_is_stored(
    client: Client, both: Both, history: History
) -> None:
    database = Database(s=some())
    database.fail = True
    kept = history(loader=database)
    for call in (lambda: both.messages(kept), lambda: both(kept.add_messages)([HumanMessage("new")])):
        with pytest.raises(Broken):
            await call()
        assert reply(client, "EXISTS", *client.keys().session("s").all(), client.keys().lease("load", "s")) == 0
    database.fail = False
    await both(kept.add_messages)([HumanMessage("new")])
    assert texts(await both.messages(kept)) == ["one", "two", "three", "new"]


@pytest.mark.parametrize("wrong", [["text"], [("human", "x")], [None]])
async def test_what_is_no_message_is_refused(client: Client, both: Both, history: History, wrong: Any) -> None:
    with pytest.raises(NotAMessageError, match="loader"):
        await both.messages(history(loader=lambda _session: wrong))
    assert reply(client, "EXISTS", client.keys().session("s").messages) == 0


async def test_of_many_that_miss_one_loads(client: Client, both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_through, "WAIT_S", PATIENT_S)
    database = Database(s=some())
    made = [RedisChatMessageHistory("s", client, loader=database) for _ in range(8)]
    if both.asynchronous:
        found = await asyncio.gather(*(kept.aget_messages() for kept in made))
    else:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda kept: kept.messages, made))
    assert [texts(one) for one in found] == [["one", "two", "three"]] * 8
    assert database.loads == ["s"]


async def test_who_is_cancelled_while_it_loads_keeps_nobody_waiting(client: Client) -> None:
    async def stuck(_session_id: str) -> list[BaseMessage]:
        loading.set()
        await asyncio.Event().wait()
        return []

    loading, leases = asyncio.Event(), list[Any]()
    first = asyncio.create_task(RedisChatMessageHistory("s", client, ttl_s=60, loader=stuck).aget_messages())
    await loading.wait()
    assert len(reply(client, "KEYS", "*:lease:*")) == 1
    first.cancel()
    assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], asyncio.CancelledError)

    async def read(number: int) -> None:
        leases.append(reply(client, "KEYS", "*:lease:*"))
        database = Database(**{f"s{number}": [HumanMessage("a")]})
        await RedisChatMessageHistory(f"s{number}", client, ttl_s=60, loader=database).aget_messages()

    trips = await cancelled_at_each_trip(client, read)
    assert trips >= 4
    assert leases == [[]] * (trips + 1)


async def test_one_that_waits_in_vain_loads_by_itself(
    client: Client, both: Both, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_through, "WAIT_S", 0.02)
    await both(client.run)(lease.acquire(client.keys().lease("load", "s"), "dead", 60_000))
    assert texts(await both.messages(history(loader=Database(s=some())))) == ["one", "two", "three"]
    assert reply(client, "GET", client.keys().lease("load", "s")) == b"dead", "another's lease stays"


async def test_what_was_said_meanwhile_is_not_overwritten(client: Client, both: Both, history: History) -> None:
    def load(_session: str) -> list[BaseMessage]:
        history().add_messages([HumanMessage("meanwhile")])
        return some()

    assert texts(await both.messages(history(loader=load))) == ["meanwhile"]


async def test_loading_twice_stores_once(client: Client, both: Both, history: History) -> None:
    kept = history(loader=Database(s=some()))
    first = await both.messages(kept)
    await both(kept.clear)()
    assert await both.messages(kept) == first
    assert first[2].id == "loaded-2"


async def test_a_conversation_that_is_emptied_is_not_loaded_again(both: Both, history: History) -> None:
    database = Database(s=some())
    kept = history(loader=database)
    await both(kept.add_messages)([RemoveMessage(id="__remove_all__")])
    assert await both.messages(kept) == []
    assert database.loads == ["s"]


async def test_an_unknown_message_is_unknown_after_loading_too(both: Both, history: History) -> None:
    with pytest.raises(MessageNotFoundError):
        await both(history(loader=Database(s=some())).edit)("9", HumanMessage("x"))


# --- what can be called -------------------------------------------------------------------------------------------


async def test_functions_of_either_colour_serve(both: Both, history: History) -> None:
    async def aload(_session: str) -> list[BaseMessage]:
        return some()

    def load(_session: str) -> list[BaseMessage]:
        assert both.asynchronous is (threading.current_thread() is not threading.main_thread())
        return some()

    assert len(await both.messages(history("a", loader=load))) == 3
    if both.asynchronous:
        assert len(await both.messages(history("b", loader=aload))) == 3
    else:
        with pytest.raises(ConfigError, match="async"):
            await both.messages(history("b", loader=aload))


def test_what_cannot_be_called_is_refused_early() -> None:
    anything: list[Any] = [3, "load", object()]
    for wrong in anything:
        with pytest.raises(ConfigError, match="load"):
            RedisChatMessageHistory("s", "memory://x", loader=wrong)
        with pytest.raises(ConfigError, match="write"):
            RedisChatMessageHistory("s", "memory://x", writer=wrong)


async def test_tenant_and_agent_are_told_to_whoever_takes_them(both: Both, history: History) -> None:
    told: list[Any] = []

    def load(session_id: str, *, tenant: str, agent: str) -> None:
        told.append((session_id, tenant, agent))

    def anything(session_id: str, **places: str) -> None:
        told.append((session_id, places))

    await both.messages(history("s", tenant="acme", agent="bot", loader=load))
    await both.messages(history("s", tenant="acme", loader=anything))
    assert told == [("s", "acme", "bot"), ("s", {"tenant": "acme", "agent": ""})]


async def test_a_loader_that_cannot_tell_tenants_apart_is_not_asked(client: Client, both: Both) -> None:
    database = Database(s=some())
    desk = Desk(client, both, classifier=Marked(), loader=database)
    places: list[dict[str, Any]] = [{"tenant": "acme"}, {"agent": "bot"}]
    for place in places:
        with pytest.raises(ConfigError, match="as well"):
            await desk.say("F: a", **place)
    with pytest.raises(ConfigError, match="agent"):
        desk.memory.history("s", agent="bot")
    assert database.loads == []


# --- a memory -----------------------------------------------------------------------------------------------------


async def test_a_turn_loads_what_is_missing(client: Client, both: Both, trips: list[Trip]) -> None:
    database = Database(s=some(), warm=some())
    desk = Desk(client, both, classifier=Marked(), loader=database)
    for _ in range(2):
        await desk.say("F: a", "warm")
    trips.clear()
    await desk.say("F: and now?")
    assert texts(desk.last.memory) == ["one", "two", "three"]
    assert desk.last.trips == len(trips) == 6
    trips.clear()
    await desk.say("F: and then?")
    assert desk.last.trips == len(trips) == 2
    assert database.loads == ["warm", "s"]
    assert len(await desk.told()) == 7


async def test_a_turn_whose_loader_fails_stores_nothing(client: Client, both: Both) -> None:
    database = Database(s=some())
    database.fail = True
    desk = Desk(client, both, classifier=Marked(), loader=database)
    with pytest.raises(Broken):
        await desk.say("F: a")
    assert reply(client, "EXISTS", client.keys().session("s").messages) == 0
    assert desk.model.calls == 0


async def test_turns_are_mirrored_after_they_are_stored(client: Client, both: Both) -> None:
    database = Database()
    seen: list[int] = []

    class Watching(Database):
        def write(self, session_id: str, messages: list[BaseMessage]) -> None:
            seen.append(reply(client, "LLEN", client.keys().session(session_id).messages))
            database.write(session_id, messages)

    desk = Desk(client, both, classifier=Marked(), writer=Watching())
    await desk.say("F: a")
    await desk.say("F: b")
    assert seen == [2, 4]
    assert [len(one) for one in database.writes] == [2, 2]
    assert texts(database.rows["s"]) == [text for _, text in await desk.told()]
    assert [message.id for message in database.rows["s"]] == [
        message.id for message in await both.messages(desk.memory.history("s"))
    ]


async def test_a_writer_that_fails_gets_the_turns_again(
    client: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database()
    desk = Desk(client, both, classifier=Marked(), writer=database)
    database.fail = True
    await desk.say("F: a")
    await desk.say("F: b", "other")
    assert "wait for the permanent database" in caplog.text
    database.fail = False
    await desk.say("F: c")
    assert [one[0] for one in database.writes] == ["F: a"]
    assert texts(database.rows["s"]) == [text for _, text in await desk.told()]
    assert "other" not in database.rows
    await both(desk.memory.flush)()
    assert len(database.rows["other"]) == 2
    await both(desk.memory.flush)()
    assert len(database.writes) == 2


async def test_what_was_said_while_the_server_was_away_is_mirrored(client: Client, both: Both) -> None:
    database = Database()
    desk = Desk(client, both, classifier=Marked(), writer=database)
    switch = Switch(client)
    switch.off()
    await desk.say("F: a")
    switch.on()
    await desk.say("F: b")
    assert texts(database.rows["s"]) == [text for _, text in await desk.told()]


async def test_a_history_mirrors_too(both: Both, history: History) -> None:
    database = Database()
    kept = history(writer=database)
    await both(kept.add_messages)([HumanMessage("a"), RemoveMessage(id="x")])
    await both(kept.add_turn)("b", "c")
    assert database.writes == [["a"], ["b", "c"]]
    database.fail = True
    await both(kept.add_messages)([HumanMessage("d")])
    database.fail = False
    await both(kept.add_messages)([HumanMessage("e")])
    assert database.writes[2:] == [["d", "e"]]


async def test_on_a_cluster_it_is_the_same(cluster: Client, both: Both) -> None:
    database = Database(s=some())
    kept = RedisChatMessageHistory("s", cluster, loader=database, writer=database)
    await both(kept.add_messages)([HumanMessage("new")])
    assert texts(await both.messages(kept)) == ["one", "two", "three", "new"]
    assert database.writes == [["new"]]
