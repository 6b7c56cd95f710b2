"""Values come back as LangGraph's own serialiser gives them: of the same types, down to pydantic's slots."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections import deque
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.types import Command, Interrupt, Send
from pydantic import BaseModel, ConfigDict

from langchain_redis_memory.checkpoint.blobs import Blobs
from langchain_redis_memory.checkpoint.saver import RedisSaver
from langchain_redis_memory.redis.client.client import Client
from tests.conftest import Both
from tests.support.saves import TTL_S, checkpoint, listed, loop, place


class Colour(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Order:
    number: int
    parts: list[Any]


class Model(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str
    number: int = 3


ALLOWED = [(__name__, kind.__name__) for kind in (Colour, Point, Order, Model)]

LONG = [HumanMessage(f"{i} " + "word " * 20, id=f"m{i}") for i in range(20)]
VALUES: dict[str, Any] = {
    "none": None,
    "truth": True,
    "int": 2**63 - 1,
    "float": 0.1,
    "inf": float("inf"),
    "nan": float("nan"),
    "minus zero": -0.0,
    "text": "ä🦊\0\n",
    "long text": "x" * 5000,
    "bytes": b"\0\xff",
    "long bytes": b"ab" * 5000,
    "bytearray": bytearray(b"ab\0"),
    "empty": [[], {}, "", b"", set(), ()],
    "empty list": [],
    "empty dict": {},
    "int keys": {1: "a", 2: {3: None}},
    "odd keys": {1.5: 1, True: 2, None: 3},
    "tuple": (1, (2, 3)),
    "set": {1, 2, 3},
    "frozenset": frozenset({"a"}),
    "deque": deque([1, 2]),
    "datetime": datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc),
    "zone": datetime(2026, 7, 2, tzinfo=ZoneInfo("Europe/Oslo")),
    "naive": datetime(2026, 1, 2),
    "date": date(2026, 1, 2),
    "time": time(1, 2, 3),
    "span": timedelta(days=1, microseconds=1),
    "uuid": UUID(int=5),
    "decimal": Decimal("1.10"),
    "path": Path("a/b"),
    "address": ip_address("::1"),
    "pattern": re.compile("a+", re.IGNORECASE),
    "enum": Colour.RED,
    "named tuple": Point(1, 2),
    "dataclass": Order(1, [Order(2, []), {"a": (1,)}]),
    "model": Model.model_validate({"name": "n", "extra": [1]}),
    "small things": list(range(1000)),
    "small texts": [str(i) for i in range(1000)],
    "mixed": [1, "x" * 200, None, HumanMessage("x"), {"a": b"b"}, [b"x" * 90] * 2],
    "starts small": [0, *LONG],
    "messages": LONG,
    "duplicates": [LONG[0], LONG[1], LONG[0], LONG[0].model_copy(), "x" * 99, "x" * 99],
    "lists in lists": [[LONG[:2], LONG[:2]], LONG[:2]],
    "dicts": [{"id": i, "text": "t" * 70, 5: i} for i in range(30)],
    "bytes in a list": [b"a" * 100, bytearray(b"a" * 100), "a" * 100],
    "documents": [Document("page " * 30, metadata={"n": i, "at": date(2026, 1, 1)}, id=str(i)) for i in range(5)],
    "document": Document("x"),
    "sends": [Send("node", {"a": LONG[0]}), Send("node", [1])],
    "command": Command(goto="x", update={"a": 1}),
    "interrupt": (Interrupt(value={"q": "?"}, id="i"),),
    "snapshot": _DeltaSnapshot(LONG[:3]),
    "like a constructor": {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "HumanMessage"], "kwargs": {}},
    "like a send": {"__send__": True, "node": "x", "arg": 1},
    "numbers that look alike": [{"a": 1, "t": "x" * 80}, {"a": 1.0, "t": "x" * 80}, {"a": True, "t": "x" * 80}],
}


def shape(value: Any) -> Any:
    """A value with all that `==` does not look at: types, order, what pydantic keeps."""
    if isinstance(value, BaseModel):
        slots = (value.__dict__, value.__pydantic_extra__, value.__pydantic_private__)
        return type(value), [shape(slot) for slot in slots], sorted(value.__pydantic_fields_set__)
    if dataclasses.is_dataclass(value):
        return type(value), [(field.name, shape(getattr(value, field.name))) for field in dataclasses.fields(value)]
    if isinstance(value, dict):
        return type(value), [(shape(key), shape(part)) for key, part in value.items()]
    if isinstance(value, list | tuple | deque):
        return type(value), [shape(part) for part in value]
    if isinstance(value, set | frozenset):
        return type(value), sorted(map(repr, value))
    return type(value), repr(value) if isinstance(value, float) else value


def strict() -> JsonPlusSerializer:
    return JsonPlusSerializer(allowed_msgpack_modules=ALLOWED)


@pytest.mark.parametrize("compress_from_bytes", [None, 1], ids=["plain", "deflated"])
async def test_values_come_back_as_in_memory(client: Client, both: Both, compress_from_bytes: int | None) -> None:
    saver = RedisSaver(client, ttl_s=TTL_S, serde=strict(), compress_from_bytes=compress_from_bytes)
    oracle = InMemorySaver(serde=strict())
    for kept, hue in ((saver, both), (oracle, Both(asynchronous=False))):
        metadata = loop(thing={1: (2, {3})}, when=VALUES["datetime"], nul="a\0b")
        new = dict.fromkeys(VALUES, 1)
        config = await hue(kept.put)(place(), checkpoint(VALUES, name="1"), metadata, new)
        await hue(kept.put_writes)(config, list(VALUES.items()), "task")
    found, expected = await both(saver.get_tuple)(place()), oracle.get_tuple(place())
    assert expected is not None
    assert found.metadata == expected.metadata
    for name, value in expected.checkpoint["channel_values"].items():
        assert shape(found.checkpoint["channel_values"][name]) == shape(value), name
    assert set(found.checkpoint["channel_values"]) == set(VALUES)
    assert shape(found.pending_writes) == shape(expected.pending_writes)
    assert shape((await listed(both, saver, place()))[0]) == shape(found)


async def test_messages_that_are_changed_in_place_are_stored_as_they_are_then(client: Client, both: Both) -> None:
    """Neither what was stored before nor what was read before stands for what is there now."""
    serde = JsonPlusSerializer()
    messages: list[BaseMessage] = [message.model_copy(deep=True) for message in LONG]
    saver = RedisSaver(client, ttl_s=TTL_S)
    changes = (
        lambda: messages.append(HumanMessage("more " * 20, id="new")),
        lambda: messages[3].additional_kwargs.update(mark={"deep": [1]}),
        lambda: messages[3].additional_kwargs["mark"]["deep"].append(1.0),
        lambda: messages.pop(0),
        lambda: messages.insert(0, AIMessage("first " * 20, id="m0")),
        lambda: messages.__setitem__(-1, HumanMessage("more " * 20, id="new", custom=1)),
        lambda: messages.__delitem__(slice(2, None)),
    )
    for version, change in enumerate(changes):
        change()
        await both(saver.put)(place(), checkpoint({"m": messages}, {"m": version}), loop(), {"m": version})
        for reader in (saver, saver, RedisSaver(client)):
            found = (await both(reader.get_tuple)(place())).checkpoint["channel_values"]["m"]
            assert shape(found) == shape(serde.loads_typed(serde.dumps_typed(messages))), version
            found[0].additional_kwargs["of the reader"] = 1


def test_the_oracle_keeps_what_the_tests_put_in() -> None:
    """Else the equality above would be one of losses."""
    serde = strict()
    lost = {name for name, value in VALUES.items() if repr(serde.loads_typed(serde.dumps_typed(value))) != repr(value)}
    assert lost == {"tuple", "empty", "interrupt", "dataclass", "zone", "bytes in a list"}, "tuples are lists, ..."


# --- messages are built without validation, and are the same --------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
LEAF = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(), TEXT, st.binary(max_size=3))
PLAIN = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.integers(0, 3), inner, max_size=3)
)
NAMED = st.dictionaries(TEXT, PLAIN, max_size=2)
KWARGS = NAMED | st.builds(
    lambda name, args: {"tool_calls": [{"id": "c", "type": "function", "function": {"name": name, "arguments": args}}]},
    TEXT,
    st.sampled_from(['{"a": 1}', "{", "", "[]"]),
)
BLOCK = st.builds(lambda text, more: {"type": "text", "text": text, **more}, TEXT, NAMED) | st.builds(
    lambda url: {"type": "image_url", "image_url": {"url": url}}, TEXT
)
CONTENT = st.one_of(TEXT, st.lists(TEXT | BLOCK, max_size=3))
CALL = st.builds(lambda name, args, mark: {"name": name, "args": args, "id": mark}, TEXT, NAMED, st.none() | TEXT)
BAD = st.builds(lambda name, args: {"name": name, "args": args, "id": None, "error": "no"}, TEXT, st.none() | TEXT)
NUMBER = st.integers(0, 10**6)
USAGE = st.fixed_dictionaries(
    {"input_tokens": NUMBER, "output_tokens": NUMBER, "total_tokens": NUMBER},
    optional={"input_token_details": st.just({"cache_read": 3}), "output_token_details": st.just({"reasoning": 1})},
)
COMMON: dict[str, Any] = {
    "content": CONTENT,
    "additional_kwargs": KWARGS,
    "response_metadata": NAMED,
    "name": st.none() | TEXT,
    "id": st.none() | TEXT | st.integers(0, 9).map(str),
}
AI = {
    **COMMON,
    "tool_calls": st.lists(CALL, max_size=2),
    "invalid_tool_calls": st.lists(BAD, max_size=2),
    "usage_metadata": st.none() | USAGE,
}
TOOL = {
    **COMMON,
    "tool_call_id": TEXT | st.integers(0, 9),
    "artifact": PLAIN,
    "status": st.sampled_from(["success", "error"]),
}
MESSAGE = st.one_of(
    st.builds(HumanMessage, **COMMON),
    st.builds(lambda content, custom: HumanMessage(content, custom=custom, example=True), CONTENT, PLAIN),
    st.builds(SystemMessage, **COMMON),
    st.builds(AIMessage, **AI),
    st.builds(lambda content, named: AIMessage(content, additional_kwargs=named), CONTENT, KWARGS),
    st.builds(ToolMessage, **TOOL),
    st.builds(FunctionMessage, **{**COMMON, "name": TEXT}),
    st.builds(lambda content, role: ChatMessage(content=content, role=role), CONTENT, TEXT),
    st.builds(lambda name: RemoveMessage(id=name), TEXT),
    st.builds(
        lambda content, last: AIMessageChunk(content=content, chunk_position=last),
        CONTENT,
        st.sampled_from([None, "last"]),
    ),
    st.builds(lambda content: HumanMessageChunk(content=content), CONTENT),
    st.builds(lambda text, named, name: Document(text, metadata=named, id=name), TEXT, NAMED, st.none() | TEXT),
)
CHANGES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "content": st.sampled_from(["x", ["y"], [1], ("a",), 5, None, {"a": 1}, [{"type": "text"}, 2]]),
        "name": st.sampled_from([None, "n", 5]),
        "id": st.sampled_from([None, "i", 7]),
        "additional_kwargs": st.sampled_from([{}, {"tool_calls": []}, {1: 2}, [("a", 1)], None]),
        "response_metadata": st.sampled_from([{}, {1: 2}, None]),
        "usage_metadata": st.sampled_from(
            [None, {"input_tokens": "3", "output_tokens": 1, "total_tokens": 4.0, "more": 1}, {"input_tokens": 1}]
        ),
        "tool_calls": st.sampled_from(
            [[], None, [{"name": "f", "args": {}, "id": "c", "more": 1}], [{"name": "f"}], ()]
        ),
        "tool_call_id": st.sampled_from(["t", 5, None]),
        "status": st.sampled_from(["success", "other"]),
        "custom": st.just(1),
    },
)


def read_twice(value: Any) -> tuple[Any, Any]:
    serde = JsonPlusSerializer(allowed_msgpack_modules=None)
    blobs = Blobs(serde)
    return blobs.unpack(blobs.pack(value)), serde.loads_typed(serde.dumps_typed(value))


def is_same(found: Any, expected: Any) -> None:
    assert shape(found) == shape(expected)
    if isinstance(found, BaseMessage | Document) and "nan" not in repr(shape(found)):
        assert found == expected
        assert found.model_dump() == expected.model_dump()
        assert found.model_fields_set == expected.model_fields_set
        assert found.model_copy(update={"id": "z"}) == expected.model_copy(update={"id": "z"})
        assert repr(found) == repr(expected)


@given(MESSAGE)
def test_a_message_is_what_the_serde_builds(message: Any) -> None:
    is_same(*read_twice(message))


@given(st.lists(MESSAGE | PLAIN, max_size=5), st.booleans())
def test_messages_inside_of_other_things(values: list[Any], nested: bool) -> None:
    value = {"a": values, "b": [values]} if nested else values
    found, expected = read_twice(value)
    assert shape(found) == shape(expected)


@given(st.lists(MESSAGE | PLAIN, max_size=8), st.sampled_from([None, 1]))
def test_a_list_put_together_is_the_list_that_was_taken_apart(values: list[Any], compress: int | None) -> None:
    serde = JsonPlusSerializer(allowed_msgpack_modules=None)
    blobs = Blobs(serde, compress)
    values = [*values, *values, "x" * 99, {"long": "y" * 1200}]
    for _ in range(2):  # the second time from memory
        parts = blobs.divide(values)
        if parts is not None:
            stored = [blobs.encode(part) for part in parts.elements]
            for reader in (blobs, Blobs(serde, compress)):  # who wrote them remembers them
                assert shape(reader.join(stored)) == shape(serde.loads_typed(serde.dumps_typed(values)))
            by_digest: dict[bytes, Any] = {}
            for part in parts.elements:
                known = by_digest.setdefault(part.digest, serde.dumps_typed(part.value))
                assert known == serde.dumps_typed(part.value), "one digest, one value"


@given(MESSAGE, CHANGES)
def test_a_message_changed_by_hand_is_what_the_serde_builds(message: Any, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        if name in type(message).model_fields:
            message.__dict__[name] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic's, of what it dumps
        found, expected = read_twice(message)
    assert shape(found) == shape(expected)
