"""The stored format of a conversation and of the index of sessions, byte for byte: a change of it fails here."""

from __future__ import annotations

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from langchain_redis_memory.history.chat_message_history import RedisChatMessageHistory
from langchain_redis_memory.history.sessions import RedisSessions
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.golden import held, put
from tests.support.raw import raw

CALL = {"name": "f", "args": {"x": 1}, "id": "c1", "type": "tool_call"}
MESSAGES = [
    HumanMessage("hi", id="1"),
    AIMessage("", id="2", tool_calls=[CALL]),
    ToolMessage("3", tool_call_id="c1", id="3"),
]
IDS = [bytes.fromhex("f6fc42039fba3776"), bytes.fromhex("1bf41ef6fd6f6f6c"), bytes.fromhex("9e251905a6d98e01")]
RECORDS = [
    b"\x01h7|\x82\xa1c\xa2hi\xa1i\xa11",
    b"\x01a7:43f000a3|\x83\xa1c\xa0\xa1i\xa12\xa1t\x91\x84\xa4name\xa1f\xa4args\x81\xa1x\x01\xa2id\xa2c1\xa4type\xa9tool_call",
    b"\x01t7:43f000a3|\x83\xa1c\xa13\xa1i\xa13\xa1d\xa2c1",
]


async def test_a_conversation_is_stored_as_these_bytes(client: Client, both: Both) -> None:
    history = RedisChatMessageHistory("s", client, ttl_s=60, token_counter=lambda _messages: 7)
    await both(history.add_messages)(MESSAGES)
    keys = client.keys().session("s")
    assert held(client, keys.messages) == RECORDS
    assert held(client, keys.ids) == IDS
    assert [float(raw(client, ("ZSCORE", keys.ids, one))[0]) for one in IDS] == [1, 2, 3]
    assert held(client, keys.meta) == {b"created": b"T", b"active": b"T", b"tokens": b"21", b"turns": b"1"}
    index = client.keys().index()
    assert held(client, index.sessions) == held(client, index.expiries) == [b"\x01s"]


async def test_these_bytes_are_read(client: Client, both: Both) -> None:
    keys, now = client.keys().session("s"), b"1795562083225"
    put(client, keys.messages, RECORDS)
    raw(client, ("ZADD", keys.ids, 1, IDS[0], 2, IDS[1], 3, IDS[2]), ("PEXPIRE", keys.ids, 60_000))
    put(client, keys.meta, {b"created": now, b"active": now, b"tokens": b"21", b"turns": b"1"})
    index = client.keys().index()
    for key in (index.sessions, index.expiries):
        raw(client, ("ZADD", key, now, b"\x01s"), ("PEXPIRE", key, 60_000))
    history = RedisChatMessageHistory("s", client, ttl_s=60)
    assert await both.messages(history) == MESSAGES
    assert await both(history.before)("3", 1) == MESSAGES[1:2]
    session = (await both(RedisSessions(client).list_sessions)()).sessions[0]
    assert (session.session_id, session.messages, session.turns, session.tokens) == ("s", 3, 1, 21)
    assert session.created.timestamp() == 1795562083.225
