"""The stored formats of values, messages, items and records, byte for byte: a change of them fails here."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
)

from langchain_redis_memory.redis.codec import messages, values
from langchain_redis_memory.redis.codec.messages import decode_message, encode_message
from langchain_redis_memory.redis.codec.values import pack, unpack

VALUES: dict[str, tuple[Any, bytes]] = {
    "plain": (
        [None, True, 1, 1.5, "a", b"b", {"k": 1}],
        b"\x97\xc0\xc3\x01\xcb?\xf8\x00\x00\x00\x00\x00\x00\xa1a\xc4\x01b\x81\xa1k\x01",
    ),
    "tuple": ((1, "a"), b"\xc7\x0b\x00\x92\xa5tuple\x92\x01\xa1a"),
    "set": ({2, 1}, b"\xd7\x00\x92\xa3set\x92\x01\x02"),
    "frozenset": (frozenset({1}), b"\xc7\r\x00\x92\xa9frozenset\x91\x01"),
    "dict": ({1: "a"}, b"\xc7\x0b\x00\x92\xa4dict\x91\x92\x01\xa1a"),
    "int": (2**70, b"\xc7\x18\x00\x92\xa3int\xb2400000000000000000"),
    "complex": (
        1 + 2j,
        b"\xc7\x1c\x00\x92\xa7complex\x92\xcb?\xf0\x00\x00\x00\x00\x00\x00\xcb@\x00\x00\x00\x00\x00\x00\x00",
    ),
    "Decimal": (Decimal("1.50"), b"\xc7\x0e\x00\x92\xa7Decimal\xa41.50"),
    "UUID": (
        UUID(int=1),
        b"\xc7\x18\x00\x92\xa4UUID\xc4\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
    ),
    "datetime": (datetime(2026, 1, 2, 3, 4, 5), b"\xc7!\x00\x92\xa8datetime\x93\xb32026-01-02T03:04:05\x00\xc0"),
    "date": (date(2026, 1, 2), b"\xc7\x11\x00\x92\xa4date\xaa2026-01-02"),
    "time": (time(3, 4, 5), b"\xc7\x12\x00\x92\xa4time\x93\xa803:04:05\x00\xc0"),
    "timedelta": (timedelta(days=1, seconds=2, microseconds=3), b"\xc7\x0f\x00\x92\xa9timedelta\x93\x01\x02\x03"),
    "str": ("\ud800", b"\xc7\n\x00\x92\xa3str\xc4\x03\xed\xa0\x80"),
    "Document": (
        Document("text", id="1", metadata={"page": 1}),
        b"\xc7\x1a\x00\x92\xa8Document\x94\xa11\xa4text\x81\xa4page\x01\xc0",
    ),
    "message": (HumanMessage("a"), b"\xc7\x14\x00\x92\xa7message\xc4\x09\x01h0|\x81\xa1c\xa1a"),
    "ndarray": (np.float32(1.5), b"\xc7\x16\x00\x92\xa7ndarray\x94\xa3<f4\x90\xc4\x04\x00\x00\xc0?\xc3"),
}
MESSAGES: dict[str, tuple[BaseMessage, bytes]] = {
    "HumanMessage, plain": (HumanMessage("a"), b"\x01h7|\x81\xa1c\xa1a"),
    "HumanMessage, deflated": (HumanMessage("word " * 80), b"\x01h7~\x01k\\\x98|\x8bqBy~Q\x8a\xc2(1h\x08\x00"),
    "HumanMessageChunk, plain": (HumanMessageChunk(content="a"), b"\x01H7|\x81\xa1c\xa1a"),
    "HumanMessageChunk, deflated": (
        HumanMessageChunk(content="word " * 80),
        b"\x01H7~\x01k\\\x98|\x8bqBy~Q\x8a\xc2(1h\x08\x00",
    ),
    "AIMessage, plain": (AIMessage("a"), b"\x01a7|\x81\xa1c\xa1a"),
    "AIMessage, deflated": (AIMessage("word " * 80), b"\x01a7~\x01k\\\x98|\x8bqBy~Q\x8a\xc2(1h\x08\x00"),
    "AIMessageChunk, plain": (AIMessageChunk(content="a"), b"\x01A7|\x81\xa1c\xa1a"),
    "AIMessageChunk, deflated": (
        AIMessageChunk(content="word " * 80),
        b"\x01A7~\x01k\\\x98|\x8bqBy~Q\x8a\xc2(1h\x08\x00",
    ),
    "SystemMessage, plain": (SystemMessage("a"), b"\x01s7|\x81\xa1c\xa1a"),
    "SystemMessage, deflated": (SystemMessage("word " * 80), b"\x01s7~\x01k\\\x98|\x8bqBy~Q\x8a\xc2(1h\x08\x00"),
    "SystemMessageChunk, plain": (SystemMessageChunk(content="a"), b"\x01S7|\x81\xa1c\xa1a"),
    "SystemMessageChunk, deflated": (
        SystemMessageChunk(content="word " * 80),
        b"\x01S7~\x01k\\\x98|\x8bqBy~Q\x8a\xc2(1h\x08\x00",
    ),
    "ToolMessage, plain": (ToolMessage("a", tool_call_id="1"), b"\x01t7:f6fc4203|\x82\xa1c\xa1a\xa1d\xa11"),
    "ToolMessage, deflated": (
        ToolMessage("word " * 80, tool_call_id="1"),
        b"\x01t7:f6fc4203~\x01kZ\x98|\x8bqBy~Q\x8a\xc2(1h\x88\x85)\x0b\r\x01",
    ),
    "ToolMessageChunk, plain": (
        ToolMessageChunk(content="a", tool_call_id="1"),
        b"\x01T7:f6fc4203|\x82\xa1c\xa1a\xa1d\xa11",
    ),
    "ToolMessageChunk, deflated": (
        ToolMessageChunk(content="word " * 80, tool_call_id="1"),
        b"\x01T7:f6fc4203~\x01kZ\x98|\x8bqBy~Q\x8a\xc2(1h\x88\x85)\x0b\r\x01",
    ),
    "FunctionMessage, plain": (FunctionMessage(content="a", name="f"), b"\x01f7|\x82\xa1c\xa1a\xa1n\xa1f"),
    "FunctionMessage, deflated": (
        FunctionMessage(content="word " * 80, name="f"),
        b"\x01f7~\x01kZ\x98|\x8bqBy~Q\x8a\xc2(1h\x88\x85y\x0b\xd3\x00",
    ),
    "FunctionMessageChunk, plain": (FunctionMessageChunk(content="a", name="f"), b"\x01F7|\x82\xa1c\xa1a\xa1n\xa1f"),
    "FunctionMessageChunk, deflated": (
        FunctionMessageChunk(content="word " * 80, name="f"),
        b"\x01F7~\x01kZ\x98|\x8bqBy~Q\x8a\xc2(1h\x88\x85y\x0b\xd3\x00",
    ),
    "ChatMessage, plain": (ChatMessage(content="a", role="r"), b"\x01c7|\x82\xa1c\xa1a\xa1o\xa1r"),
    "ChatMessage, deflated": (
        ChatMessage(content="word " * 80, role="r"),
        b"\x01c7~\x01kZ\x98|\x8bqBy~Q\x8a\xc2(1h\x88\x85\xf9\x0b\x8b\x00",
    ),
    "ChatMessageChunk, plain": (ChatMessageChunk(content="a", role="r"), b"\x01C7|\x82\xa1c\xa1a\xa1o\xa1r"),
    "ChatMessageChunk, deflated": (
        ChatMessageChunk(content="word " * 80, role="r"),
        b"\x01C7~\x01kZ\x98|\x8bqBy~Q\x8a\xc2(1h\x88\x85\xf9\x0b\x8b\x00",
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    value, golden = VALUES[name]
    assert pack(value) == golden
    found = unpack(golden, "k")
    assert type(found) is type(value)
    assert found == value


@pytest.mark.parametrize("name", MESSAGES)
def test_messages(name: str) -> None:
    message, golden = MESSAGES[name]
    assert encode_message(message, lambda _messages: 7) == golden
    assert decode_message(golden) == message


def test_every_kind_has_its_bytes() -> None:
    assert set(values._SCALARS) <= set(VALUES)
    assert {type(message) for message, _ in MESSAGES.values()} == set(messages._LETTERS)
