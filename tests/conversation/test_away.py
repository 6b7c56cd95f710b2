"""The server is away: the turn goes on, and everything that was said is stored once and in order when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any

import pytest
import redis
from langchain_core.messages import AIMessage

from langchain_redis_memory.conversation import recent
from langchain_redis_memory.errors import UnserialisableError, WrongKeyTypeError
from langchain_redis_memory.history import waiting_writes
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.operate.users import RedisUsers
from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.chains import Broken, Desk, Marked, Switch
from tests.support.servers import NEWEST, Farm, answers, wait_for


@pytest.fixture
def switch(client: Client) -> Switch:
    return Switch(client)


@pytest.fixture
def desk(client: Client, both: Both, switch: Switch) -> Desk:
    return Desk(client, both, classifier=Marked())


async def said(desk: Desk, session: str = "s") -> list[str]:
    return [text for kind, text in await desk.told(session) if kind == "human"]


async def test_away_from_the_start(desk: Desk, both: Both, switch: Switch) -> None:
    switch.off()
    await desk.say("N: a")
    await desk.say("F: b")
    assert [(report.cache, report.stored) for report in desk.reports] == [("off", False)] * 2
    assert [m.type for m in desk.model.shown[-1]] == ["human", "ai", "human"], "this process remembers"
    assert desk.memory.unstored == 4
    switch.on()
    await desk.say("F: c")
    assert desk.last.stored
    assert [m.type for m in desk.model.shown[-1]] == ["human", "ai"] * 2 + ["human"]
    assert desk.memory.unstored == 0
    assert await said(desk) == ["N: a", "F: b", "F: c"]
    assert len(await desk.told()) == 6


async def test_an_outage_is_told_once_however_many_turns_it_lasts(
    desk: Desk, switch: Switch, caplog: pytest.LogCaptureFixture
) -> None:
    switch.off()
    for i in range(5):
        await desk.say(f"N: {i}")
    told = [record.message.split(":")[0] for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["the turn goes on with what this process remembers"]
    switch.on()
    await desk.say("N: b")
    switch.off()
    await desk.say("N: c")
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 2, "the next outage"
    switch.on()


async def test_away_between_load_and_store(desk: Desk, switch: Switch) -> None:
    await desk.say("N: a")
    switch.off(after=1)
    await desk.say("F: b")
    assert (desk.last.stored, desk.memory.unstored) == (False, 2)
    switch.on()
    await desk.say("F: c")
    assert [m.text for m in desk.last.memory[::2]] == ["N: a", "F: b"]
    assert await said(desk) == ["N: a", "F: b", "F: c"]


async def test_away_before_the_second_look_at_the_cache(client: Client, both: Both, switch: Switch) -> None:
    other = Desk(client, both, classifier=Marked())
    await other.say("N: a")
    desk = Desk(client, both, classifier=Marked())
    switch.off(after=1)
    answer = await desk.say("S: b")
    assert answer.text == desk.model.made[-1].text
    assert (desk.last.stored, desk.memory.unstored) == (False, 2)
    switch.on()
    assert await both(desk.memory.flush)() == 0
    assert await said(desk) == ["N: a", "S: b"]


async def test_it_goes_away_again_and_again(desk: Desk, both: Both, switch: Switch) -> None:
    for number in range(12):
        switch.on()
        if number % 4:
            switch.off(after=number % 3)
        await desk.say(f"F: {number}")
        assert [m.text for m in desk.last.memory[::2]] == [f"F: {i}" for i in range(number)][-10:]
    switch.on()
    assert await both(desk.memory.flush)() == 0
    assert await said(desk) == [f"F: {number}" for number in range(12)]
    assert len(await desk.told()) == 24


async def test_what_was_deleted_is_not_remembered(client: Client, desk: Desk, both: Both, switch: Switch) -> None:
    async def message(session: str) -> None:
        history = desk.memory.history(session)
        (first, *_) = await both.messages(history)
        await both(history.delete)([first.id])

    deletions: dict[str, Callable[[str], Any]] = {
        "cleared": lambda session: both(desk.memory.history(session).clear)(),
        "erased": both(RedisSessions(client).erase),
        "user": lambda _session: both(RedisUsers(client).erase)("ana"),
        "message": message,
    }
    for session, delete in deletions.items():
        await desk.say("N: a", session, user_id="ana")
        assert len(await both.messages(RedisChatMessageHistory(session, client, fallback=True))) == 2
        await delete(session)
    switch.off()
    for session in deletions:
        await desk.say("F: b", session)
        assert [m.text for m in desk.model.shown[-1]] == ["F: b"], session
        assert await both.messages(RedisChatMessageHistory(session, client, fallback=True)) == [], session


async def test_what_has_expired_is_not_remembered(
    client: Client, both: Both, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(client, both, classifier=Marked(), ttl_s=60)
    history = RedisChatMessageHistory("s", client, ttl_s=60, fallback=True)
    await desk.say("N: a")
    assert len(await both.messages(history)) == 2
    switch.off()
    for module in (recent, waiting_writes):
        monkeypatch.setattr(module, "monotonic", lambda: monotonic() + 61)
    assert await both.messages(history) == []
    await desk.say("F: b")
    assert [m.text for m in desk.model.shown[-1]] == ["F: b"]
    await desk.say("F: c")
    assert [m.text for m in desk.model.shown[-1]][::2] == ["F: b", "F: c"], "this was said just now"


async def test_the_cache_is_not_used_while_away(desk: Desk, switch: Switch) -> None:
    await desk.say("N: a", "ana")
    switch.off()
    await desk.say("N: a", "ben")
    assert desk.last.cache == "off"
    assert desk.model.calls == 2
    await desk.say("N: b", "ana")
    switch.on()
    await desk.say("N: b", "ben")
    assert desk.last.cache == "miss", "an answer given while away was not cached"


async def test_a_hit_between_load_and_store_is_stored_later(desk: Desk, both: Both, switch: Switch) -> None:
    await desk.say("N: a", "ana")
    switch.off(after=1)
    await desk.say("N: a", "ben")
    assert (desk.last.cache, desk.last.stored) == ("hit", False)
    switch.on()
    assert await both(desk.memory.flush)() == 0
    assert await desk.told("ben") == await desk.told("ana")


@pytest.mark.slow
async def test_flush_says_what_still_waits(desk: Desk, both: Both, switch: Switch) -> None:
    await desk.say("F: the server knows the scripts from now on")
    switch.off()
    for number in range(40):
        await desk.say("N: a", f"s{number}")
    assert await both(desk.memory.flush)() == 80
    switch.off(after=1)
    assert await both(desk.memory.flush)() == 80 - 2 * 16
    switch.on()
    assert await both(desk.memory.flush)() == 0
    assert await both(desk.memory.flush)() == 0
    for number in (0, 15, 16, 39):
        assert len(await desk.told(f"s{number}")) == 2


async def test_a_reply_that_was_lost_stores_nothing_twice(
    client: Client, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(client, both, classifier=Marked())
    await desk.say("F: a")
    switch = Switch(client)
    trip, atrip = client.run, client.arun

    def lossy(*args: Any, **kwargs: Any) -> Any:
        trip(*args, **kwargs)
        return trip(*args, **kwargs)

    async def alossy(*args: Any, **kwargs: Any) -> Any:
        await atrip(*args, **kwargs)
        return await atrip(*args, **kwargs)

    monkeypatch.setattr(client, "run", lossy)
    monkeypatch.setattr(client, "arun", alossy)
    switch.off(after=3)  # load and load again, store, and its reply is lost
    await desk.say("F: b")
    assert not desk.last.stored
    switch.on()
    await desk.say("F: c")
    assert await said(desk) == ["F: a", "F: b", "F: c"]
    assert len(await desk.told()) == 6


async def test_streams_go_on_as_well(desk: Desk, both: Both, switch: Switch) -> None:
    switch.off()
    chunks = await desk.stream("F: a")
    assert "".join(chunk.text for chunk in chunks) == desk.model.made[0].text
    switch.on()
    assert await both(desk.memory.flush)() == 0
    assert await said(desk) == ["F: a"]


async def test_a_model_that_fails_while_away_leaves_nothing(desk: Desk, switch: Switch) -> None:
    switch.off()
    desk.model.fail = True
    with pytest.raises(Broken):
        await desk.say("F: a")
    assert desk.memory.unstored == 0


@pytest.mark.slow
async def test_what_waits_survives_a_turn_that_fails(desk: Desk, client: Client, switch: Switch) -> None:
    switch.off()
    await desk.say("F: a")
    switch.on()
    key = client.keys().session("s").messages
    client.run(Op((("SET", key, "foreign", "EX", 60),), len))
    with pytest.raises(WrongKeyTypeError):
        await desk.say("F: b")
    assert desk.memory.unstored == 2
    client.run(Op((("DEL", key),), len))
    await desk.say("F: c")
    assert await said(desk) == ["F: a", "F: c"]


async def test_a_broken_conversation_does_not_break_the_others(
    desk: Desk, both: Both, client: Client, switch: Switch
) -> None:
    switch.off()
    for session in ("bad", "good"):
        await desk.say("F: a", session)
    switch.on()
    client.run(Op((("SET", client.keys().session("bad").messages, "foreign", "EX", 60),), len))
    assert await both(desk.memory.flush)() == 2
    assert await said(desk, "good") == ["F: a"]
    client.run(Op((("DEL", client.keys().session("bad").messages),), len))
    assert await both(desk.memory.flush)() == 0
    assert await said(desk, "bad") == ["F: a"]


async def test_what_cannot_be_stored_never_waits(desk: Desk, switch: Switch) -> None:
    switch.off()
    desk.model.script = [AIMessage("a", response_metadata={"thing": object()})]
    with pytest.raises(UnserialisableError):
        await desk.say("F: a")
    assert desk.memory.unstored == 0


@pytest.mark.parametrize("both", [Both(asynchronous=True)], ids=["async"])  # only a coroutine can be cancelled
async def test_a_cancelled_turn_does_not_lose_what_waits(desk: Desk, client: Client, switch: Switch) -> None:
    switch.off()
    await desk.say("F: a")
    await desk.say("F: a", "other")
    switch.on()
    started, forever = asyncio.Event(), asyncio.Event()
    whole = client.arun

    async def stuck(*_args: Any, **_kwargs: Any) -> Any:
        started.set()
        await forever.wait()

    client.arun = stuck  # type: ignore[method-assign]
    for session in ("s", "third"):
        started.clear()
        turn = asyncio.create_task(desk.say("F: b", session))
        await started.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert desk.memory.unstored == 4
    client.arun = whole  # type: ignore[method-assign]
    await desk.say("F: c")
    assert await said(desk) == ["F: a", "F: c"]


# --- a server that really stops --------------------------------------------------------------------


@pytest.fixture
async def stopped(farm: Farm, prefix: str) -> AsyncIterator[tuple[Client, Callable[[], None], Callable[[], None]]]:
    """A client on a server of its own, and how to stop and to start it."""
    process = farm.start(NEWEST)
    client = Client.from_url(process.url, prefix=prefix, retries=0)

    def start() -> None:
        farm.start(NEWEST, port=process.port)
        wait_for(lambda: answers(client))

    yield client, process.stop, start
    await client.aclose()


async def test_a_server_that_stops_and_starts(
    stopped: tuple[Client, Callable[[], None], Callable[[], None]], both: Both
) -> None:
    client, stop, start = stopped
    desk = Desk(client, both, classifier=Marked())
    await desk.say("N: a", "early")
    stop()
    await desk.say("N: b")
    await desk.say("F: c")
    assert desk.memory.unstored == 4
    assert len(desk.last.memory) == 2
    start()
    await desk.say("F: d")
    assert desk.last.stored
    assert await said(desk) == ["N: b", "F: c", "F: d"]
    assert desk.memory.unstored == 0


async def test_a_full_server(farm: Farm, prefix: str, both: Both) -> None:
    process = farm.start(NEWEST, "--maxmemory-policy", "noeviction")
    client = Client.from_url(process.url, prefix=prefix)
    desk = Desk(client, both, classifier=Marked())
    await desk.say("N: a")
    with redis.Redis.from_url(process.url) as plain:
        plain.config_set("maxmemory", 1)
        await desk.say("F: b")
        await desk.say("F: c")
        assert [report.stored for report in desk.reports] == [True, False, False]
        assert [m.text for m in desk.last.memory[::2]] == ["N: a", "F: b"]
        assert await both(desk.memory.flush)() == 4
        plain.config_set("maxmemory", 0)
    assert await both(desk.memory.flush)() == 0
    assert await said(desk) == ["N: a", "F: b", "F: c"]
    await client.aclose()
    process.stop()
