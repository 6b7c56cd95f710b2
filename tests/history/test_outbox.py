"""The outbox: bounded, in order, replayed in the background, stored when the client is closed and the process ends."""

from __future__ import annotations

import multiprocessing
import threading
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_redis_memory.conversation.memory import ConversationMemory
from langchain_redis_memory.conversation.options import HistoryOptions
from langchain_redis_memory.errors import ConfigError, InvalidInputError, UnavailableError
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.loss import Loss
from langchain_redis_memory.history.outbox import Outbox, deleting_flow
from langchain_redis_memory.history.transcript import Transcript
from langchain_redis_memory.ops import Op, pure
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support import programs
from tests.support.chains import Desk, Marked, Switch
from tests.support.servers import NEWEST, Farm, closed_port, wait_for


@pytest.fixture
def switch(client: Client) -> Switch:
    return Switch(client)


@pytest.fixture
def away() -> Client:
    """A client without a server."""
    return Client.from_url(f"redis://127.0.0.1:{closed_port()}", retries=0)


def transcript(name: str, client: Client | None = None) -> Transcript:
    return Transcript((client or Client("memory://outbox")).keys("acme"), name, "agent")


def put(box: Outbox, name: str, *texts: str, client: Client | None = None) -> None:
    where, said = transcript(name, client), [HumanMessage(text, id=text) for text in texts]
    box.put(where, said, where.add(said))


def texts(messages: list[BaseMessage]) -> list[Any]:
    return [message.content for message in messages]


# --- bounds ---------------------------------------------------------------------------------------


def test_the_oldest_writes_give_way_and_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    lost: list[Loss] = []
    box = Outbox(most=4, on_loss=lost.append)
    for name in ("a", "b", "a", "c"):
        put(box, name, f"{name}1", f"{name}2")
    assert len(box) == 4
    assert [(one.tenant, one.agent, one.session_id, texts(list(one.messages)), one.why) for one in lost] == [
        ("acme", "agent", "a", ["a1", "a2"], "full"),
        ("acme", "agent", "b", ["b1", "b2"], "full"),
    ]
    told = [record for record in caplog.records if record.name.startswith("langchain_redis_memory.history")]
    assert [record.levelname for record in told] == ["WARNING", "WARNING"]
    assert "a1" not in caplog.text
    assert (texts(box.messages(transcript("a"))), texts(box.messages(transcript("b")))) == (["a1", "a2"], [])


def test_bytes_are_bounded_too() -> None:
    lost: list[Loss] = []
    box = Outbox(most_bytes=3000, on_loss=lost.append)
    for text in "abcd":
        where, said = transcript(text), [HumanMessage(f"{text}{n}" * 500) for n in range(2)]
        box.put(where, said, where.add(said))
        if text == "c":
            box.put(where, [], Op((("PING", bytes(2000)),), len))  # a plain command counts for nothing
    assert [one.session_id for one in lost] == []
    big = [HumanMessage("".join(map(chr, range(32, 3000))))]
    box.put(transcript("big"), big, transcript("big").add(big))
    assert len(box) < 9
    assert lost


def test_a_callback_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_loss: Loss) -> None:
        msg = "no such table"
        raise ValueError(msg)

    box = Outbox(most=1, on_loss=broken)
    put(box, "a", "1")
    put(box, "a", "2")
    assert texts(box.messages(transcript("a"))) == ["2"]
    assert "on_loss failed" in caplog.text


@pytest.mark.parametrize("options", [{"most": 0}, {"most_bytes": 0}, {"replay_s": 0}, {"close_s": -1}])
def test_bad_bounds_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        Outbox(**options)


def test_an_outbox_belongs_to_one_client() -> None:
    box, first = Outbox(), Client("memory://x")
    assert box.attach(first).attach(first) is box
    with pytest.raises(ConfigError, match="belongs to one client"):
        ConversationMemory("memory://y", history=HistoryOptions(outbox=box))
    with pytest.raises(ConfigError, match="fallback"):
        RedisChatMessageHistory("s", first, fallback="yes")  # type: ignore[arg-type]


# --- replay ---------------------------------------------------------------------------------------


async def test_what_waits_is_stored_in_the_background(client: Client, both: Both, switch: Switch) -> None:
    desk = Desk(client, both, classifier=Marked(), outbox=Outbox(replay_s=0.02))
    switch.off()
    for text in ("F: a", "F: b", "F: c"):
        await desk.say(text)
    await desk.say("F: x", "other")
    assert desk.memory.unstored == 8
    switch.on()
    wait_for(lambda: desk.memory.unstored == 0)
    assert [text for kind, text in await desk.told() if kind == "human"] == ["F: a", "F: b", "F: c"]
    assert len(await desk.told("other")) == 2


async def test_a_turn_that_could_be_stored_wakes_the_background(client: Client, both: Both, switch: Switch) -> None:
    desk = Desk(client, both, classifier=Marked(), outbox=Outbox(replay_s=600))
    switch.off()
    await desk.say("F: a", "other")
    box = desk.memory._flows.outbox
    wait_for(lambda: box._thread is not None)
    switch.on()
    await desk.say("F: b")
    wait_for(lambda: desk.memory.unstored == 0)


async def test_the_thread_ends_when_nothing_waits(client: Client, both: Both, switch: Switch) -> None:
    desk = Desk(client, both, classifier=Marked(), outbox=Outbox(replay_s=0.01))
    box = desk.memory._flows.outbox
    for text in ("F: a", "F: b"):
        switch.off()
        await desk.say(text)
        assert box._thread is not None
        switch.on()
        wait_for(lambda: box._thread is None)
    assert len(await desk.told()) == 4


def test_threads_keep_their_order_in_one_conversation(client: Client, switch: Switch) -> None:
    desk = Desk(client, classifier=Marked(), outbox=Outbox(replay_s=0.002))
    start = threading.Barrier(4)

    def talk(name: str) -> None:
        start.wait()
        for number in range(20):
            desk.chat.invoke(f"F: {name} {number}", {"configurable": {"session_id": "shared"}})

    threads = [threading.Thread(target=talk, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    start.wait()
    while any(thread.is_alive() for thread in threads):
        switch.off(after=3)
        threads[0].join(0.004)
        switch.on()
        threads[1].join(0.004)
    wait_for(lambda: desk.memory.unstored == 0)
    said = [m.content for m in desk.memory.history("shared").messages if isinstance(m, HumanMessage)]
    assert Counter(said).most_common(1)[0][1] == 1
    for name in "abc":
        assert [text for text in said if f" {name} " in str(text)] == [f"F: {name} {number}" for number in range(20)]


async def test_a_write_that_is_refused_holds_back_its_conversation_only(
    client: Client, both: Both, switch: Switch, caplog: pytest.LogCaptureFixture
) -> None:
    box = Outbox(replay_s=None).attach(client)
    for number in range(3):
        put(box, "bad", f"bad{number}", client=client)
        put(box, "good", f"good{number}", client=client)
    await both(client.run)(Op((("SET", transcript("bad", client).keys.messages, "foreign", "EX", 60),), len))

    async def flushed() -> int:
        return await client.adrive(box.flush_flow()) if both.asynchronous else client.drive(box.flush_flow())

    assert await flushed() == 3
    assert await flushed() == 3
    told = [record for record in caplog.records if record.name.startswith("langchain_redis_memory.history")]
    assert sum(record.levelname == "WARNING" for record in told) == 1, "told once"
    await both(client.run)(Op((("DEL", transcript("bad", client).keys.messages),), len))
    assert await flushed() == 0
    for name in ("bad", "good"):
        kept = RedisChatMessageHistory(name, client, tenant="acme", agent="agent")
        assert texts(await both.messages(kept)) == [f"{name}{number}" for number in range(3)]


async def test_what_waits_of_a_deleted_conversation_is_dropped(client: Client, both: Both, switch: Switch) -> None:
    desk = Desk(client, both, classifier=Marked())
    switch.off()
    await desk.say("F: a")
    await desk.say("F: b", "other")
    with pytest.raises(UnavailableError):
        await both(desk.memory.history("s").clear)()
    assert desk.memory.unstored == 4, "it was not deleted"
    switch.on()
    await both(desk.memory.history("s").clear)()
    assert desk.memory.unstored == 2
    await both(desk.memory.sessions().erase)("other")
    assert desk.memory.unstored == 0
    assert await both(desk.memory.flush)() == 0
    assert await desk.told() == []


def test_what_is_put_back_stands_before_what_has_come_since() -> None:
    client = Client("memory://restore")
    box = Outbox(replay_s=None).attach(client)
    put(box, "a", "1")
    put(box, "b", "2")
    flow = deleting_flow(client.outboxes, [transcript("a").keys.messages.replace("outbox", "restore")], pure(None))
    next(flow)
    put(box, "a", "3")
    with pytest.raises(UnavailableError):
        flow.throw(UnavailableError())
    assert texts(box.messages(transcript("a"))) == ["1", "3"]
    assert len(box) == 3


# --- closing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("closes", ["client", "memory"])
async def test_closing_stores_what_waits(client: Client, both: Both, switch: Switch, closes: str) -> None:
    desk = Desk(client, both, classifier=Marked(), outbox=Outbox(replay_s=600))
    switch.off()
    await desk.say("F: a")
    switch.on()
    closed: Any = client if closes == "client" else desk.memory
    await both(closed.close)()
    assert desk.memory.unstored == 0
    assert len(await desk.told()) == 2


async def test_closing_waits_no_longer_than_its_bound(
    away: Client, both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(away, both, classifier=Marked(), outbox=Outbox(replay_s=600, close_s=0.05))
    await desk.say("F: a")
    await both(desk.memory.close)()
    assert "2 messages still wait" in caplog.text
    assert desk.memory.unstored == 2


async def test_an_async_client_alone_stores_what_waits_when_it_is_closed(real_url: str, prefix: str) -> None:
    import redis.asyncio

    lent = redis.asyncio.Redis.from_url(real_url)
    client = Client(aredis=lent, prefix=prefix)
    switch = Switch(client)
    desk = Desk(client, Both(asynchronous=True), classifier=Marked(), outbox=Outbox(replay_s=0.01))
    switch.off()
    await desk.say("F: a")
    box = desk.memory._flows.outbox
    switch.on()
    wait_for(lambda: box._thread is None)
    assert desk.memory.unstored == 2
    await client.aclose()
    assert desk.memory.unstored == 0
    await both_clear(desk)
    await lent.aclose()


async def both_clear(desk: Desk) -> None:
    await desk.memory.history("s").aclear()


# --- the end of the process -----------------------------------------------------------------------

_PROGRAM = """
import sys
from langchain_redis_memory import Client, Outbox, RedisChatMessageHistory, UnavailableError
client = Client.from_url(sys.argv[1], prefix=sys.argv[2], retries=0)
def tell(loss):
    print("lost", loss.session_id, loss.why, len(loss.messages))
def away(op):
    raise UnavailableError("the server is away")
box = Outbox(close_s=float(sys.argv[4]), on_loss=tell)
history = RedisChatMessageHistory("s", client, fallback=box)
client.run = away
for word in ("one", "two"):
    history.add_turn(f"Is it {word}?", "yes")
print("unstored", len(box))
if sys.argv[3] == "back":
    del client.run
"""


def test_a_process_that_ends_stores_what_waits(real: Client, real_url: str, prefix: str) -> None:
    done = programs.run(_PROGRAM, real_url, prefix, "back", "5")
    done.check_returncode()
    assert done.stdout.splitlines() == ["unstored 4"]
    history = RedisChatMessageHistory("s", real)
    assert texts(history.messages) == ["Is it one?", "yes", "Is it two?", "yes"]


def test_a_process_that_ends_without_a_server_says_what_is_lost(real_url: str, prefix: str) -> None:
    done = programs.run(_PROGRAM, real_url, prefix, "away", "0.05")
    done.check_returncode()
    assert done.stdout.splitlines() == ["unstored 4", "lost s exit 2", "lost s exit 2"]
    assert "2 messages of session 's' are lost: the process ends and the server is away" in done.stderr


def _child(box: Outbox, told: Any) -> None:
    told.put((len(box), box._thread is None))


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_leaves_to_its_parent_what_waits(away: Client) -> None:
    box = Outbox(replay_s=600).attach(away)
    put(box, "a", "1", client=away)
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    child = context.Process(target=_child, args=(box, told))
    child.start()
    assert told.get(timeout=60) == (0, True)
    child.join()
    assert len(box) == 1


# --- a bare history -------------------------------------------------------------------------------


async def test_a_history_goes_on_while_the_server_is_away(
    client: Client, both: Both, switch: Switch, caplog: pytest.LogCaptureFixture
) -> None:
    box = Outbox(replay_s=None)
    kept = RedisChatMessageHistory("s", client, fallback=box)
    await both(kept.add_messages)([HumanMessage("a", id="a"), AIMessage("b")])
    assert len(await both.messages(kept)) == 2
    switch.off()
    later = RedisChatMessageHistory("s", client, fallback=box)  # as an object for each request does
    await both(later.add_messages)([HumanMessage("c")])
    assert (await both(later.add_turn)("d", "e")).stored == 0
    await both(later.add_messages)([HumanMessage("a2", id="a")])
    assert texts(await both.messages(later)) == ["a2", "b", "c", "d", "e"]
    assert texts(await both(later.recent)(2)) == ["d", "e"]
    assert texts(await both(later.search_messages)("c")) == ["c"]
    assert (await both.len(later), later.unstored) == (5, 4)
    assert [(turn.user, turn.assistant) for turn in await both(later.turns)(1)] == [("d", "e")]
    assert texts(await both(later.recent_tokens)(1000)) == ["a2", "b", "c", "d", "e"]
    assert await both(later.recent_tokens)(1) == []
    with pytest.raises(UnavailableError):
        await both(later.edit)("a", HumanMessage("x"))
    assert [record.levelname for record in caplog.records].count("WARNING") == 1, "an outage is told once"
    switch.on()
    assert texts(await both.messages(later)) == ["a2", "b", "c", "d", "e"]
    assert later.unstored == 0
    assert texts(await both.messages(RedisChatMessageHistory("s", client))) == ["a2", "b", "c", "d", "e"]


async def test_a_history_without_a_fallback_raises(client: Client, both: Both, switch: Switch) -> None:
    kept = RedisChatMessageHistory("s", client)
    switch.off()
    with pytest.raises(UnavailableError):
        await both(kept.add_messages)([HumanMessage("a")])
    assert kept.unstored == 0


async def test_a_lost_reply_stores_a_message_without_an_id_once(client: Client, both: Both, switch: Switch) -> None:
    kept = RedisChatMessageHistory("s", client, fallback=Outbox(replay_s=None))
    whole, awhole = client.run, client.arun

    def lossy(op: Op[Any]) -> Any:
        whole(op)
        raise UnavailableError

    async def alossy(op: Op[Any]) -> Any:
        await awhole(op)
        raise UnavailableError

    client.run, client.arun = lossy, alossy  # type: ignore[method-assign]
    await both(kept.add_messages)([HumanMessage("once")])
    assert kept.unstored == 1
    client.run, client.arun = whole, awhole  # type: ignore[method-assign]
    assert texts(await both.messages(kept)) == ["once"]


async def test_what_was_said_before_a_change_is_stored_before_it(client: Client, both: Both, switch: Switch) -> None:
    kept = RedisChatMessageHistory("s", client, fallback=Outbox(replay_s=None))
    switch.off()
    await both(kept.add_messages)([HumanMessage("a", id="a"), HumanMessage("b", id="b")])
    switch.on()
    await both(kept.edit)("a", HumanMessage("a2"))
    assert await both(kept.delete)(["b"]) == 1
    assert texts(await both.messages(kept)) == ["a2"]
    await both(kept.clear)()
    switch.off()
    assert await both.messages(kept) == []


@pytest.mark.parametrize("replayed", [False, True], ids=["read", "replayed"])
async def test_what_waits_is_stored_after_what_is_loaded(
    client: Client, both: Both, switch: Switch, *, replayed: bool
) -> None:
    box = Outbox(replay_s=None)
    kept = RedisChatMessageHistory("s", client, fallback=box, loader=lambda _session: [HumanMessage("old", id="old")])
    switch.off()
    await both(kept.add_messages)([HumanMessage("new")])
    switch.on()
    if replayed:
        flow = box.flush_flow()
        assert (await client.adrive(flow) if both.asynchronous else client.drive(flow)) == 0
    assert texts(await both.messages(kept)) == ["old", "new"]


@pytest.fixture
async def stopped(farm: Farm, prefix: str) -> AsyncIterator[tuple[Client, Any]]:
    """A client whose server has stopped, and how to start it."""
    process = farm.start(NEWEST)
    client = Client.from_url(process.url, prefix=prefix, retries=0)
    process.stop()
    yield client, lambda: farm.start(NEWEST, port=process.port)
    await client.aclose()


async def test_a_real_server_that_comes_back(stopped: tuple[Client, Any], both: Both) -> None:
    client, start = stopped
    kept = RedisChatMessageHistory("s", client, fallback=True)
    for text in "abc":
        await both(kept.add_messages)([HumanMessage(text)])
    assert kept.unstored == client.outboxes.waiting() == 3
    start()
    wait_for(lambda: kept.unstored == 0)
    assert texts(await both.messages(RedisChatMessageHistory("s", client))) == ["a", "b", "c"]
