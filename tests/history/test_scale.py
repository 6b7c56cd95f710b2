"""Long histories and large messages: bounded writes, clear limits, and no walk through a history to find a message."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage

from langchain_redis_memory.errors import InvalidInputError
from langchain_redis_memory.history import transcript
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.outbox import Outbox
from langchain_redis_memory.history.waiting_writes import added
from langchain_redis_memory.redis.client.client import Client, Trip
from tests.conftest import Both
from tests.support.chains import Switch


def texts(messages: list[BaseMessage]) -> list[Any]:
    return [message.content for message in messages]


async def test_many_messages_are_written_in_slices(
    client: Client, both: Both, trips: list[Trip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcript, "SLICE_MESSAGES", 10)
    monkeypatch.setattr(transcript, "SLICE_BYTES", 1000)
    kept = RedisChatMessageHistory("s", client)
    await both(kept.add_turn)("a", "b")
    trips.clear()
    many: list[BaseMessage] = [HumanMessage(str(i), id=str(i)) for i in range(25)]
    await both(kept.add_messages)([*many, RemoveMessage(id="3"), HumanMessage("new", id="4")])
    assert len(trips) == 3
    assert texts(await both.messages(kept)) == ["a", "b", "0", "1", "2", "new", *map(str, range(5, 25))]
    trips.clear()
    await both(kept.add_messages)([HumanMessage("".join(map(chr, range(300, 1100)))), AIMessage("small")])
    assert len(trips) == 2, "so is what is large"


async def test_slices_wait_in_order(client: Client, both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "SLICE_MESSAGES", 10)
    switch = Switch(client)
    kept = RedisChatMessageHistory("s", client, fallback=Outbox(replay_s=None))
    switch.off(after=1)
    await both(kept.add_messages)([HumanMessage(str(i)) for i in range(35)])
    assert kept.unstored == 25
    switch.on()
    assert texts(await both.messages(kept)) == [str(i) for i in range(35)]


async def test_a_message_over_the_limit_is_refused(
    client: Client, both: Both, trips: list[Trip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcript, "MOST_BYTES", 1 << 10)
    with pytest.raises(InvalidInputError, match="store it elsewhere"):
        await both(RedisChatMessageHistory("s", client).add_messages)(
            [HumanMessage("".join(map(chr, range(300, 3000))))]
        )
    assert trips == []


async def test_changes_of_many_messages_are_those_of_a_list(client: Client, both: Both) -> None:
    kept, expected = RedisChatMessageHistory("s", client), list[BaseMessage]()
    many = [HumanMessage(str(i), id=str(i)) for i in range(200)]
    for change in (
        many,
        [RemoveMessage(id=str(i)) for i in range(50, 150, 3)],
        [
            RemoveMessage(id="7"),
            HumanMessage("again", id="7"),
            RemoveMessage(id="7"),
            HumanMessage("and again", id="7"),
        ],
        [HumanMessage("first", id="0"), RemoveMessage(id="199"), AIMessage("x", id="x"), RemoveMessage(id="x")],
        [
            RemoveMessage(id="1"),
            RemoveMessage(id="__remove_all__"),
            HumanMessage("1", id="1"),
            HumanMessage("2", id="2"),
        ],
        [RemoveMessage(id="2"), HumanMessage("3", id="3"), HumanMessage("one", id="1")],
    ):
        await both(kept.add_messages)(change)
        expected = added(expected, change)
        assert texts(await both.messages(kept)) == texts(expected)
    assert await both(kept.before)("3", 5) == [HumanMessage("one", id="1")]


async def test_finding_a_message_does_not_walk_through_the_history(real: Client, real_url: str) -> None:
    kept = RedisChatMessageHistory("s", real)
    for start in range(0, 3000, 500):
        kept.add_messages([HumanMessage("x", id=str(i)) for i in range(start, start + 500)])
    with redis.Redis.from_url(real_url) as plain:
        plain.config_resetstat()
        kept.add_messages([HumanMessage("y", id=f"new {i}") for i in range(100)])
        calls = plain.info("commandstats")
    assert calls["cmdstat_zrank"]["calls"] == 100
    assert "cmdstat_lpos" not in calls
    assert "cmdstat_lrange" not in calls
