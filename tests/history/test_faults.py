"""What goes wrong on the server: foreign bytes or types, no memory, no permission. Nothing half written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis
from langchain_core.messages import HumanMessage, RemoveMessage

from langchain_redis_memory.errors import (
    AuthenticationError,
    CorruptDataError,
    MessageNotFoundError,
    OutOfMemoryError,
    RedisMemoryError,
    WrongKeyTypeError,
)
from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both, Watch
from tests.support.full import full_server
from tests.support.raw import raw
from tests.support.servers import REAL_TABLE, Farm

History = Callable[..., RedisChatMessageHistory]

FOREIGN = {
    "empty": b"",
    "text": b"hello",
    "json": b'{"type": "human", "data": {"content": "x"}}',
    "head only": b"\x01h3|",
    "unknown letter": b"\x01z3|\x80",
    "no content": b"\x01h3|\x80",
    "not a map": b"\x01h3|\xc3",
    "unknown field": b"\x01h3|\x81\xa1?\x01",
    "content of a wrong type": b"\x01h3|\x81\xa1c\x01",
    "cut msgpack": b"\x01h3|\x81\xa1c\xdb\x00\x00",
    "not deflated": b"\x01h3~\x81\xa1c\xa1x",
    "pickle": b"\x80\x04\x95\x0f\x00\x00\x00",
    "utf-16": "hello".encode("utf-16"),
    "zeros": b"\0" * 100,
}

READS: dict[str, Callable[[Both, RedisChatMessageHistory], Any]] = {
    "messages": lambda both, kept: both.messages(kept),
    "recent": lambda both, kept: both(kept.recent)(2),
    "recent_tokens": lambda both, kept: both(kept.recent_tokens)(9999),
    "turns": lambda both, kept: both(kept.turns)(3),
}


def dump(client: Client, agent: str = "") -> dict[str, Any]:
    """The bytes of each of the conversation's keys."""
    names = client.keys().session("s", agent).all()
    return dict(zip(names, raw(client, *(("DUMP", name) for name in names)), strict=True))


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN.keys())
async def test_foreign_bytes_are_reported_and_left_alone(
    client: Client, history: History, both: Both, foreign: bytes
) -> None:
    kept = history()
    await both(kept.add_messages)([HumanMessage("a"), HumanMessage("b", id="b")])
    key = client.keys().session("s").messages
    raw(client, ("LSET", key, 1, foreign))
    before = raw(client, ("LRANGE", key, 0, -1))
    for read in READS.values():
        with pytest.raises(CorruptDataError) as caught:
            await read(both, kept)
        assert key in str(caught.value)
        assert "nothing was deleted" in str(caught.value)
    assert raw(client, ("LRANGE", key, 0, -1)) == before
    await both(kept.add_messages)([HumanMessage("c")])
    assert await both.len(kept) == 3
    await both(kept.add_messages)([HumanMessage("mended", id="b")])
    assert [message.content for message in await both.messages(kept)] == ["a", "mended", "c"]


async def test_the_error_names_the_place(client: Client, history: History, both: Both) -> None:
    kept = history()
    await both(kept.add_messages)([HumanMessage(str(i)) for i in range(5)])
    raw(client, ("LSET", client.keys().session("s").messages, 3, "secret words"))
    with pytest.raises(CorruptDataError, match="entry 3 of 5") as caught:
        await both.messages(kept)
    assert "secret words" not in str(caught.value)
    with pytest.raises(CorruptDataError, match="entry 0 of 2"):
        await both(kept.recent)(2)


async def test_trimming_passes_over_foreign_bytes(client: Client, history: History, both: Both) -> None:
    kept = history(max_messages=2)
    key = client.keys().session("s").messages
    await both(kept.add_messages)([HumanMessage("a"), HumanMessage("b")])
    raw(client, ("LSET", key, 0, "foreign"))
    await both(kept.add_messages)([HumanMessage("c")])
    assert [message.content for message in await both.messages(kept)] == ["b", "c"]


@pytest.mark.parametrize("kind", ["messages", "ids", "meta"])
@pytest.mark.parametrize("filled", [False, True], ids=["new", "filled"])
async def test_a_foreign_type_is_reported_and_nothing_is_half_written(
    client: Client, history: History, both: Both, kind: str, filled: bool
) -> None:
    kept = history()
    if filled:
        await both(kept.add_messages)([HumanMessage("a", id="a")])
    key = getattr(client.keys().session("s"), kind)
    raw(client, ("DEL", key), ("SET", key, "mine", "EX", 60))
    before = dump(client)
    for write in (
        lambda: both(kept.add_messages)([HumanMessage("b"), HumanMessage("c", id="a")]),
        lambda: both(kept.add_messages)([RemoveMessage(id="__remove_all__")]),
        lambda: both(kept.edit)("a", HumanMessage("x")),
        lambda: both(kept.delete)(["a"]),
    ):
        with pytest.raises(WrongKeyTypeError) as caught:
            await write()
        assert key in str(caught.value)
        assert dump(client) == before


async def test_a_foreign_type_under_the_messages_cannot_be_read(client: Client, history: History, both: Both) -> None:
    kept = history()
    key = client.keys().session("s").messages
    raw(client, ("SET", key, "mine", "EX", 60))
    for read in READS.values():
        with pytest.raises(WrongKeyTypeError, match="another prefix"):
            await read(both, kept)
    with pytest.raises(WrongKeyTypeError):
        await both.len(kept)
    await both(kept.clear)()
    assert await both.messages(kept) == []


async def test_one_broken_conversation_does_not_hide_the_others(client: Client, history: History, both: Both) -> None:
    for name in ("a", "b", "c"):
        await both(history(name).add_messages)([HumanMessage(name)])
    key = client.keys().session("b").meta
    raw(client, ("DEL", key), ("SET", key, "mine", "EX", 60))
    page = await both(RedisSessions(client).list_sessions)()
    assert [session.session_id for session in page.sessions] == ["c", "a"]


@pytest.fixture(params=REAL_TABLE)
async def full(
    request: pytest.FixtureRequest, farm: Farm, prefix: str, watch: Watch
) -> AsyncIterator[tuple[Client, redis.Redis]]:
    """A client on a server of its own that can be filled up, and a plain one to fill it with."""
    async with full_server(request.param, farm, prefix, watch) as made:
        yield made


async def test_a_full_server_refuses_a_write_whole(full: tuple[Client, redis.Redis], both: Both) -> None:
    client, plain = full
    kept = RedisChatMessageHistory("s", client, touch_on_read=True)
    await both(kept.add_messages)([HumanMessage("a", id="a"), HumanMessage("b", id="b")])
    plain.config_set("maxmemory", 1)
    before = dump(client)
    for write in (
        lambda: both(kept.add_messages)([HumanMessage("x" * 10_000)]),
        lambda: both(kept.add_messages)([HumanMessage("c", id="a"), HumanMessage("d")]),
        lambda: both(kept.add_turn)("a", "b"),
        lambda: both(RedisChatMessageHistory("new", client).add_messages)([HumanMessage("x")]),
    ):
        with pytest.raises(OutOfMemoryError, match="raise maxmemory"):
            await write()
    assert dump(client) == before
    assert await both.len(RedisChatMessageHistory("new", client)) == 0
    assert [message.content for message in await both.messages(kept)] == ["a", "b"], "reading goes on"
    assert await both(kept.recent_tokens)(9999)
    await both(kept.clear)()
    assert await both.messages(kept) == [], "and so does deleting"
    plain.config_set("maxmemory", 0)
    await both(kept.add_messages)([HumanMessage("c")])
    assert await both.len(kept) == 1


async def test_a_user_without_the_permission(real: Client, real_url: str, both: Both) -> None:
    with redis.Redis.from_url(real_url) as plain:
        plain.acl_setuser(
            "reader", enabled=True, passwords=["+hunter2"], keys=["*"], commands=["+@read", "+@connection"]
        )
        limited = Client.from_url(real_url.replace("//", "//reader:hunter2@"), prefix=real.keys().prefix)
        try:
            kept = RedisChatMessageHistory("s", limited)
            with pytest.raises(AuthenticationError) as caught:
                await both(kept.add_messages)([HumanMessage("secret words")])
            assert await both.messages(kept) == []
            told = str(caught.value) + repr(caught.value.__cause__)
            assert "hunter2" not in told
            assert "secret words" not in told
            assert isinstance(caught.value, RedisMemoryError)
        finally:
            await limited.aclose()
            plain.acl_deluser("reader")


@pytest.mark.parametrize("kind", ["sessions", "expiries"])
async def test_a_foreign_index_does_not_call_stored_messages_unstored(
    client: Client, history: History, both: Both, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    raw(client, ("SET", getattr(client.keys().index(), kind), "mine", "EX", 60))
    kept = history()
    await both(kept.add_messages)([HumanMessage("once")])
    assert [message.content for message in await both.messages(kept)] == ["once"]
    assert "not noted" in caplog.text


async def test_a_failed_edit_changes_nothing(client: Client, history: History, both: Both) -> None:
    kept = history(ttl_s=60)
    await both(kept.add_messages)([HumanMessage("a", id="1")])
    before = dump(client)
    later = history(ttl_s=600)
    with pytest.raises(MessageNotFoundError):
        await both(later.edit)("2", HumanMessage("b"))
    assert dump(client) == before
    assert 0 < await both(kept.ttl)() <= 60
