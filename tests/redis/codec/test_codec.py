"""Codec: what goes in comes out, of the same types; what cannot is refused; foreign bytes build nothing."""

from __future__ import annotations

import math
import sys
import zlib
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import ormsgpack
import pytest
from fakeredis import FakeRedis, FakeServer
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.load import dumps
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
    RemoveMessage,
    SystemMessage,
    SystemMessageChunk,
    ToolCall,
    ToolCallChunk,
    ToolMessage,
    ToolMessageChunk,
)
from langchain_core.messages.ai import UsageMetadata

from langchain_redis_memory.errors import CorruptDataError, NotAMessageError, UnserialisableError
from langchain_redis_memory.redis import scripts
from langchain_redis_memory.redis.codec import messages as records
from langchain_redis_memory.redis.codec import values as codec
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.messages import (
    decode_message,
    decode_messages,
    encode_message,
    identity,
)
from langchain_redis_memory.redis.codec.values import digest, pack, unpack
from tests.support import programs
from tests.support.table import table

KEY = Key("lrm:{//s}:messages")
Match = Callable[[bytes, str], "str | None"]
"""What a pattern of Lua finds in a record."""


def same(one: Any, two: Any) -> bool:
    """Equality that also asks for equal types all the way down; -0.0 is not 0.0 and NaN is NaN."""
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        pairs = zip(one.items(), two.items(), strict=False)
        return len(one) == len(two) and all(same(a, c) and same(b, d) for (a, b), (c, d) in pairs)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, set | frozenset):
        return len(one) == len(two) and sorted(map(pack, one)) == sorted(map(pack, two))
    if isinstance(one, np.ndarray | np.generic):
        return bool(one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes())
    if isinstance(one, BaseMessage):
        return same(one.__dict__, two.__dict__) and same(one.__pydantic_extra__, two.__pydantic_extra__)
    if isinstance(one, Document):
        return same(one.__dict__, two.__dict__)
    if isinstance(one, complex):
        return same(one.real, two.real) and same(one.imag, two.imag)
    if isinstance(one, datetime | time):
        return (one.replace(tzinfo=None), one.fold, repr(one.tzinfo)) == (
            two.replace(tzinfo=None),
            two.fold,
            repr(two.tzinfo),
        )
    if isinstance(one, float | Decimal):
        return repr(one) == repr(two)
    return bool(one == two)


# --- values -----------------------------------------------------------------------------------------------

any_text = st.text(st.characters(exclude_categories=[]), max_size=20)  # lone surrogates included
zones = st.one_of(
    st.none(),
    st.just(timezone.utc),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"]).map(ZoneInfo),
    st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23))),
    st.builds(timezone, st.just(timedelta(hours=1)), st.sampled_from(["CET", "x"])),
)
arrays = st.one_of(
    st.sampled_from(
        [
            np.arange(6, dtype="f4").reshape(2, 3),
            np.asfortranarray(np.arange(6).reshape(2, 3)),
            np.arange(10)[::-3],
            np.zeros((0, 3)),
            np.zeros((), "f2"),
            np.arange(3, dtype=">i4"),
            np.array([True, False]),
            np.array(["é", ""]),
            np.array([], dtype="U"),
            np.array([b"a\0b"]),
            np.array(["2020-01-01", "NaT"], dtype="M8[ns]"),
            np.array([1, 2], dtype="m8[s]"),
            np.array([1 + 2j, math.nan]),
            np.void(b"abc"),
        ]
    ),
    st.sampled_from(
        [
            np.float64(1.5),
            np.float32(-0.0),
            np.float16("nan"),
            np.int64(-5),
            np.uint8(7),
            np.bool_(True),
            np.complex128(1j),
            np.complex64(2),
            np.datetime64("2020-01-01"),
            np.timedelta64(3, "D"),
            np.bytes_(b""),
            np.bytes_(b"a"),
        ]
    ),
)
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**200), max_value=2**200),
    st.floats(),
    any_text,
    st.binary(max_size=20),
)
hashable = st.one_of(
    plain,
    st.complex_numbers(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.datetimes(timezones=zones),
    st.dates(),
    st.times(timezones=zones),
    st.timedeltas(),
)
keys = st.one_of(hashable, st.tuples(hashable, hashable), st.frozensets(hashable, max_size=3))
documents = st.builds(
    Document,
    id=st.one_of(st.none(), st.text(max_size=5)),
    page_content=st.text(max_size=30),
    metadata=st.dictionaries(st.text(max_size=5), hashable, max_size=3),
)
values = st.recursive(
    st.one_of(hashable, arrays, documents, st.builds(HumanMessage, st.text(max_size=9))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(any_text, inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(keys, max_size=4),
        st.frozensets(keys, max_size=4),
    ),
    max_leaves=12,
)


@given(values)
def test_a_value_comes_back_equal_and_of_the_same_types(value: object) -> None:
    assert same(unpack(pack(value), KEY), value)


@table(
    "value",
    [
        2**63,
        2**64 - 1,
        2**64,
        -(2**63),
        -(2**63) - 1,
        10**5000,
        -(10**5000),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-0.00"),
        Decimal("1E+400"),
        complex(math.nan, -0.0),
        -0.0,
        math.inf,
        datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=0),
        datetime(2024, 10, 27, 2, 30, fold=1),
        datetime(1, 1, 1, tzinfo=timezone(-timedelta(hours=23, minutes=59, seconds=59, microseconds=1))),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=1), "CET")),
        time(1, 2, 3, 4, tzinfo=timezone.utc, fold=1),
        time(1, 2, tzinfo=ZoneInfo("Europe/Berlin")),
        date(1, 1, 1),
        timedelta.min,
        timedelta.max,
        UUID(int=0),
        "\ud800",
        {"\udfff": {"a\ud800b": ["\ud800", ("\udc00",), {"\udc00"}]}},
        OrderedDict({"a": 1})["a"],
        {1: "int", "1": "text", 1.5: "float", None: "none", b"1": "bytes", (1, "1"): "tuple"},
        {datetime(2020, 1, 1): 1, "2020-01-01T00:00:00": 2},
        {UUID(int=5): 1, str(UUID(int=5)): 2},
        {date(2020, 1, 1): 1, time(1): 2, timedelta(1): 3, Decimal(7): 4, 2**80: 5, frozenset({1}): 6},
        [(), [], {}, set(), frozenset(), "", b"", 0, False, None],
        ((((((1,),),),),),),
        {"a": {"b": [{"c": ({"d": {1, 2}},)}]}},
    ],
)
def test_a_difficult_value_comes_back(value: object) -> None:
    assert same(unpack(pack(value), KEY), value)


class Colour(str, Enum):
    RED = "red"


class Level(int, Enum):
    LOW = 1


class Ratio(float, Enum):
    HALF = 0.5


class Price(Decimal, Enum):
    ONE = Decimal("1.5")


class Text(str):
    __slots__ = ()


class Real(float):
    pass


class Blob(bytes):
    pass


class Big(int):
    def __str__(self) -> str:
        return "big"


class Amount(Decimal):
    def __str__(self) -> str:
        return "an amount"


Point = namedtuple("Point", "x y")


@table(
    ("value", "stored"),
    [
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (OrderedDict({"\ud800": "\ud800"}), {"\ud800": "\ud800"}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (Point(1, 2), (1, 2)),
        (Colour.RED, "red"),
        ({Colour.RED: Colour.RED}, {"red": "red"}),
        (Level.LOW, 1),
        ({Level.LOW: 1}, {1: 1}),
        (Ratio.HALF, 0.5),
        (Price.ONE, Decimal("1.5")),
        (Text("a"), "a"),
        ({Text("a"): 1}, {"a": 1}),
        (Real(1.5), 1.5),
        (Blob(b"a"), b"a"),
        (Big(2**90), 2**90),
        (Big(5), 5),
        (Amount("1.5"), Decimal("1.5")),
        (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"),
        (np.str_("a"), "a"),
    ],
)
def test_a_subclass_is_stored_as_what_it_extends(value: object, stored: object) -> None:
    assert same(unpack(pack(value), KEY), stored)


class Plain:
    pass


class Zone(tzinfo):
    key = "Europe/Berlin"

    def utcoffset(self, _moment: datetime | None) -> timedelta:
        return timedelta(hours=1)

    dst = utcoffset

    def tzname(self, _moment: datetime | None) -> str:
        return self.key


class OwnMessage(AIMessage):
    pass


class Shade(Enum):
    DARK = 1


def test_a_document_is_written_while_another_thread_writes_the_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pack(Document("x"))
    monkeypatch.delitem(codec._BY_TYPE, Document)  # as a thread found it that looked a moment before
    assert unpack(pack([Document("y")]), "here") == [Document("y")]


@table(
    ("value", "named"),
    [
        (object(), "builtins.object"),
        (Plain(), "test_codec.Plain"),
        (Plain, "builtins.type"),
        (len, "builtins.builtin_function_or_method"),
        (ValueError("x"), "builtins.ValueError"),
        (range(3), "builtins.range"),
        (iter([]), "builtins.list_iterator"),
        (PurePosixPath("a"), "PurePosixPath"),
        (Shade.DARK, "test_codec.Shade"),
        (np.array([object()]), "numpy.ndarray"),
        (np.zeros(1, dtype=[("a", "i4")]), "numpy.ndarray"),
        (np.ma.masked_array([1], [True]), "MaskedArray"),
        (datetime(2020, 1, 1, tzinfo=Zone()), "tzinfo of type Zone"),
        (time(1, tzinfo=Zone()), "tzinfo of type Zone"),
        (OwnMessage(content="x"), "OwnMessage"),
        (RemoveMessage(id="x"), "RemoveMessage"),
        (HumanMessage("x", artifact=Plain()), "test_codec.Plain"),
        (Document("x", metadata={"a": Plain()}), "test_codec.Plain"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name_however_deep_it_is(value: object, named: str) -> None:
    holders = [value, [value], (1, (value,)), {"a": {"b": ("x", [value])}}, {"\ud800": value}, {1: value}]
    for holder in holders:
        with pytest.raises(UnserialisableError) as caught:
            pack(holder, "the state")
        assert named in str(caught.value)
        assert str(caught.value).startswith("the state cannot be stored: ")


def test_an_unhashable_kind_of_key_is_refused_by_name() -> None:
    with pytest.raises(UnserialisableError, match=r"test_codec\.Plain"):
        pack({Plain(): 1})


def test_a_value_that_holds_itself_or_is_too_deep_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    deep: object = ()
    for _ in range(3000):
        deep = (deep,)
    mixed: dict[object, object] = {}
    mixed[1] = mixed
    for value in (loop, deep, mixed):
        with pytest.raises(UnserialisableError, match="nested too deeply or holds itself"):
            pack(value)


def test_sets_in_sets_are_packed_in_no_time_and_as_ever() -> None:
    """Each level packed all below it twice, which no process lived to see at a depth of sixty."""
    value: Any = frozenset({1})
    for level in range(60):
        value = frozenset({value, level})
    assert unpack(pack(value), "key") == value
    packed = pack({frozenset({2, "a", (1, None)}), "b"})
    assert packed.hex() == "c7270092a373657492a162c71c0092a966726f7a656e7365749302a161c70a0092a57475706c659201c0"


def test_equal_sets_are_packed_alike_in_every_process() -> None:
    items = ["a", "b", "c", 1, 2.5, (1, "x")]
    code = (
        "from langchain_redis_memory.redis.codec.values import pack, digest;"
        f"s = set({items!r}); print(pack(s).hex(), digest({{'s': frozenset(s)}}))"
    )
    done = programs.run(f"{code}; print(hash('a'))")
    *told, hashed = done.stdout.split()
    assert int(hashed) != hash("a")
    assert told == [pack(set(items)).hex(), digest({"s": frozenset(items)})]


# --- messages ---------------------------------------------------------------------------------------------

USAGE: UsageMetadata = {
    "input_tokens": 12,
    "output_tokens": 5,
    "total_tokens": 17,
    "input_token_details": {"cache_read": 0, "audio": 0},
    "output_token_details": {"reasoning": 3},
}
BLOCKS: list[str | dict[Any, Any]] = [
    {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    {"type": "image", "base64": "AAAA", "mime_type": "image/png"},
    {"type": "reasoning", "reasoning": "hm", "extras": {"signature": "x" * 50}},
    {"type": "non_standard", "value": {"a": [1, None, 2.5]}},
    "loose text",
]
CALL: ToolCall = {"name": "search", "args": {"q": "é", "n": [1, {"a": None}]}, "id": "call_1", "type": "tool_call"}
BAD_CALL: Any = {
    "name": "search",
    "args": "{oops",
    "id": "call_2",
    "error": "no JSON",
    "type": "invalid_tool_call",
}
PIECE: ToolCallChunk = {"name": "search", "args": '{"q": 1}', "id": "call_3", "index": 0, "type": "tool_call_chunk"}
COMMON: dict[str, Any] = {
    "id": "run--0197",
    "name": "Ann",
    "additional_kwargs": {"refusal": None, "f": {"a": (1, 2)}},
    "response_metadata": {"model_name": "gpt-4o-mini-2024-07-18", "finish_reason": "stop", "logprobs": None},
}
ARTIFACT: dict[str, Any] = {
    "documents": [Document("text", id="d1", metadata={"page": 3, "at": datetime(2024, 5, 1)})],
    "vector": np.arange(4, dtype="f4"),
    "messages": [HumanMessage("q", id="q1"), AIMessage("a", tool_calls=[CALL])],
    "bytes": b"\0\xff",
}
MESSAGES: dict[str, BaseMessage] = {
    "human": HumanMessage("Hi"),
    "human, all": HumanMessage(BLOCKS, **COMMON, more={"extra": [1]}, other="x"),
    "human, example": HumanMessage("Hi", example=True),
    "system": SystemMessage("Be brief."),
    "system, all": SystemMessage(BLOCKS, **COMMON),
    "ai": AIMessage("Hello"),
    "ai, empty": AIMessage(""),
    "ai, empty list": AIMessage([]),
    "ai, all": AIMessage(
        BLOCKS, **COMMON, tool_calls=[CALL], invalid_tool_calls=[BAD_CALL], usage_metadata=USAGE, example=True
    ),
    "ai, call without id": AIMessage("", tool_calls=[{**CALL, "id": None}]),
    "tool": ToolMessage("42", tool_call_id="call_1"),
    "tool, all": ToolMessage(BLOCKS, **COMMON, tool_call_id="call_1", artifact=ARTIFACT, status="error"),
    "tool, list": ToolMessage(["a", {"type": "text", "text": "b"}], tool_call_id="é\n"),
    "tool, no call id": ToolMessage("x", tool_call_id=""),
    "tool, falsy artifact": ToolMessage("x", tool_call_id="1", artifact=0),
    "function": FunctionMessage(content="42", name="f"),
    "function, all": FunctionMessage(content="42", **COMMON),
    "chat": ChatMessage(content="x", role="critic"),
    "chat, all": ChatMessage(content=BLOCKS, role="critic", **COMMON),
    "human chunk": HumanMessageChunk(content=BLOCKS, **COMMON),
    "system chunk": SystemMessageChunk(content="x", **COMMON),
    "ai chunk": AIMessageChunk(content="x"),
    "ai chunk, all": AIMessageChunk(
        content="x", **COMMON, tool_call_chunks=[PIECE], usage_metadata=USAGE, chunk_position="last"
    ),
    "ai chunk, broken call": AIMessageChunk(content="", tool_call_chunks=[{**PIECE, "args": '{"q'}]),
    "tool chunk": ToolMessageChunk(content="42", **COMMON, tool_call_id="call_1", artifact=(1, {2}), status="error"),
    "function chunk": FunctionMessageChunk(content="42", **COMMON),
    "chat chunk": ChatMessageChunk(content="x", role="critic", **COMMON),
    "surrogates": AIMessage(
        ["\ud800", {"type": "text", "text": "\udfff", "\udc00": "\udc00"}],
        id="\ud800",
        name="\udfff",
        tool_calls=[{"name": "\ud800", "args": {"\ud800": ["\udfff"]}, "id": "\ud800", "type": "tool_call"}],
    ),
    "long": AIMessage("word " * 5000, **COMMON),
    "nul": HumanMessage("\0|~:a1|\n", id="\0"),
}


def without_new_ids(blocks: Sequence[Any]) -> list[Any]:
    """LangChain gives an image block a random id whenever it is asked for."""
    return [
        {name: value for name, value in block.items() if name != "id" or not str(value).startswith("lc_")}
        for block in blocks
    ]


def check_twin(message: BaseMessage, twin: BaseMessage) -> None:
    assert type(twin) is type(message)
    assert same(twin, message)
    if not (isinstance(message, ToolMessage) and message.artifact):  # arrays have no plain equality
        assert twin == message
    assert same(twin.__dict__, message.__dict__)
    assert list(twin.__dict__) == list(message.__dict__)
    assert same(twin.__pydantic_extra__, message.__pydantic_extra__)
    assert twin.__pydantic_private__ == message.__pydantic_private__
    assert repr(twin) == repr(message)
    assert same(twin.model_dump(), message.model_dump())
    assert dumps(twin) == dumps(message)
    assert twin.text == message.text
    assert without_new_ids(twin.content_blocks) == without_new_ids(message.content_blocks)


@table("name", MESSAGES)
def test_a_message_comes_back_as_it_was(name: str) -> None:
    message = MESSAGES[name]
    before = message.model_copy(deep=True)
    check_twin(message, decode_message(encode_message(message)))
    assert same(message, before)


def test_every_class_of_langchain_is_among_the_examples() -> None:
    assert {type(message) for message in MESSAGES.values()} == set(records._CLASSES.values())
    of_core = {
        kind
        for base in BaseMessage.__subclasses__()
        for kind in (base, *base.__subclasses__())
        if kind.__module__.startswith("langchain_core.messages.")
    } - {RemoveMessage}
    assert {kind for kind in of_core if kind.__name__ != "BaseMessageChunk"} <= set(records._CLASSES.values())


@table("letter", records._CLASSES)
def test_every_field_of_every_class_is_among_the_examples(letter: str) -> None:
    kind = records._CLASSES[letter]
    examples = [message for message in MESSAGES.values() if type(message) is kind]
    rarely = {"type", "example", "tool_calls", "invalid_tool_calls"}
    for name, field in kind.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if name not in rarely:
            assert any(getattr(message, name) != default for message in examples), name


@table("letter", records._CLASSES)
def test_short_names_are_distinct_and_none_is_the_one_for_extras(letter: str) -> None:
    shorts = [short for _, short, _ in records._fields(letter)]
    assert len(set(shorts)) == len(shorts)
    assert records._EXTRA not in shorts


@given(
    st.sampled_from([HumanMessage, AIMessage, SystemMessage, HumanMessageChunk, AIMessageChunk]),
    st.one_of(any_text, st.lists(st.one_of(any_text, st.dictionaries(any_text, values, max_size=3)), max_size=3)),
    st.one_of(st.none(), any_text),
    st.dictionaries(any_text, values, max_size=3),
    st.dictionaries(any_text, values, max_size=3),
)
def test_any_message_comes_back(
    kind: type[BaseMessage], content: Any, message_id: str | None, kwargs: dict[str, Any], metadata: dict[str, Any]
) -> None:
    message = kind(content, id=message_id, additional_kwargs=kwargs, response_metadata=metadata)
    twin = decode_message(encode_message(message))
    assert type(twin) is kind
    assert same(twin, message)


@table("name", MESSAGES)
def test_two_decoded_messages_share_nothing(name: str) -> None:
    record = encode_message(MESSAGES[name])
    spoiled, kept = decode_message(record), decode_message(record)
    for field, value in spoiled.__dict__.items():
        if isinstance(value, list | dict | set):
            assert value is not kept.__dict__[field]
        if isinstance(value, list):
            value.append("spoiled")
        elif isinstance(value, dict):
            value["spoiled"] = True
    assert spoiled.__pydantic_extra__ is not None
    spoiled.__pydantic_extra__["spoiled"] = True
    spoiled.content = "spoiled"
    check_twin(MESSAGES[name], kept)
    check_twin(MESSAGES[name], decode_message(record))


def test_a_decoded_message_can_be_used_like_any_other() -> None:
    chunk = decode_message(encode_message(MESSAGES["ai chunk, all"]))
    assert isinstance(chunk, AIMessageChunk)
    assert (chunk + AIMessageChunk(content="y")).content == "xy"
    message = decode_message(encode_message(MESSAGES["ai, all"]))
    message.name = "Bob"
    assert message.model_copy(update={"id": "n"}).id == "n"
    assert message.model_copy(deep=True) == message
    assert AIMessage.model_validate(message.model_dump()).name == "Bob"


def test_the_shape_of_another_version_of_langchain_is_filled_up() -> None:
    older = AIMessage("x")
    del older.__dict__["usage_metadata"]
    assert decode_message(encode_message(older)) == AIMessage("x")


@table("bad", ["text", None, {"type": "human"}, ("human", "x"), Document("x"), OwnMessage(content="x")])
def test_what_is_no_message_is_refused_by_its_type(bad: Any) -> None:
    with pytest.raises(NotAMessageError, match=type(bad).__name__):
        encode_message(bad)
    with pytest.raises(NotAMessageError, match="RemoveMessage"):
        encode_message(RemoveMessage(id="x"))


def test_a_message_that_cannot_be_stored_says_which_and_what() -> None:
    with pytest.raises(UnserialisableError, match=r"tool message 'm1' cannot be stored: .*test_codec\.Plain"):
        encode_message(ToolMessage("x", tool_call_id="1", id="m1", artifact={"a": (Plain(),)}))
    with pytest.raises(UnserialisableError, match="human message without id"):
        encode_message(HumanMessage("x", extra=Plain()))


# --- what looks like code ---------------------------------------------------------------------------------

LOOKALIKES = [
    {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {"command": "true"}},
    {"lc": 1, "type": "secret", "id": ["PATH"]},
    {"lc": 2, "type": "not_implemented", "id": ["x"], "repr": "x"},
    {"__type__": "set", "value": [1]},
    {"__pydantic_extra__": {"a": 1}},
    {"type": "human", "data": {"content": "x"}},
    ["Document", ["d1", "text", {}, None]],
    ["message", b"\x01h1|\x81\xa1c\xa1x"],
    ["tuple", [1, 2]],
]


@table("value", LOOKALIKES)
def test_data_that_looks_like_an_object_stays_data(value: object) -> None:
    assert same(unpack(pack(value), KEY), value)
    assert same(unpack(pack({"a": [value]}), KEY), {"a": [value]})
    message = AIMessage("x", response_metadata={"v": value}, additional_kwargs={"v": value})
    check_twin(message, decode_message(encode_message(message)))


def crafted(name: object, body: object, tag: int = 0) -> bytes:
    inner = ormsgpack.packb([name, body], option=ormsgpack.OPT_NON_STR_KEYS)
    return ormsgpack.packb(ormsgpack.Ext(tag, inner))


@table(
    "data",
    [
        crafted("object", []),
        crafted("os.system", ["true"]),
        crafted("__import__", "os"),
        crafted(["tuple"], [1]),
        crafted(0, [1]),
        crafted(None, None),
        crafted("tuple", 5),
        crafted("set", [[1]]),
        crafted("dict", [[[], 1]]),
        crafted("dict", [1]),
        crafted("int", "not a number"),
        crafted("int", 5),
        crafted("Decimal", "x"),
        crafted("UUID", b"short"),
        crafted("datetime", ["2020-01-01", 0, "../../etc/passwd"]),
        crafted("datetime", ["2020-01-01", 0, "/etc/passwd"]),
        crafted("datetime", ["2020-01-01", 0, "os"]),
        crafted("datetime", ["2020-01-01", 7, None]),
        crafted("date", "x"),
        crafted("time", ["x", 0, None]),
        crafted("timedelta", [10**18, 0, 0]),
        crafted("str", b"\xff"),
        crafted("ndarray", ["O", [1], b"\0" * 8, False]),
        crafted("ndarray", ["T", [1], b"\1" * 16, False]),
        crafted("ndarray", ["f4", [2**40], b"\0" * 4, False]),
        crafted("ndarray", ["no such type", [1], b"\0", False]),
        crafted("ndarray", ["V0", [1], b"", False]),
        crafted("Document", [None, 5, {}, None]),
        crafted("Document", [None, "x", {}, {"page_content": "y"}]),
        crafted("message", b""),
        crafted("message", b"r1|\x81\xa1c\xa1x"),
        crafted("message", b"\x01h1|\x81\xa1z\xa1x"),
        crafted("tuple", [1], tag=1),
        b"\xd6\xff\0\0\0\0",  # the timestamp of MessagePack
        ormsgpack.packb(ormsgpack.Ext(0, b"")),
        ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb(["tuple"]))),
        ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb(["tuple", [], 1]))),
        b"\xc1",
        b"",
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffx",
        b"\x81\x01\x01",
        b"\xa1\xff",
        b"\xd4\x00",
    ],
)
def test_crafted_bytes_build_nothing_and_are_called_corrupt(data: bytes) -> None:
    before = set(sys.modules)
    with pytest.raises(CorruptDataError, match=r"lrm:\{//s\}:messages"):
        unpack(data, KEY)
    assert not {name for name in set(sys.modules) - before if not name.startswith(("zoneinfo", "tzdata", "numpy"))}


def test_deeply_nested_bytes_are_called_corrupt() -> None:
    nested = ormsgpack.packb(1)
    for _ in range(3000):
        nested = ormsgpack.packb(ormsgpack.Ext(0, b"\x92\xa5tuple\x91" + nested))
    for data in (nested, b"\x91" * 100_000 + b"\xc0"):
        with pytest.raises(CorruptDataError):
            unpack(data, KEY)


@given(st.binary(max_size=60))
def test_random_bytes_are_plain_data_or_corrupt(data: bytes) -> None:
    try:
        value = unpack(data, KEY)
    except CorruptDataError:
        return
    assert isinstance(value, type(None) | bool | int | float | str | bytes | list | dict)


@given(values)
def test_a_cut_value_is_called_corrupt(value: object) -> None:
    data = pack(value)
    for cut in range(len(data)):
        with pytest.raises(CorruptDataError):
            unpack(data[:cut], KEY)


# --- damaged records --------------------------------------------------------------------------------------


@table("name", MESSAGES)
def test_every_prefix_of_a_record_is_called_corrupt(name: str) -> None:
    # MessagePack says in front how much follows and deflate marks its end, so with either kind of payload a
    # record that was cut anywhere is noticed.
    record = encode_message(MESSAGES[name])
    for cut in range(len(record)):
        with pytest.raises(CorruptDataError, match="entry 1 of 2 read from 'lrm:"):
            decode_messages([encode_message(HumanMessage("fine")), record[:cut]], KEY)


def test_what_follows_a_deflated_record_is_noticed() -> None:
    # After an undeflated one it is not: ormsgpack reads one value and does not say where it ended.
    record = encode_message(MESSAGES["long"])
    with pytest.raises(CorruptDataError):
        decode_messages([record + b"x"], KEY)


@table(
    "record",
    [
        b"",
        b"hello",
        b'{"type": "human", "data": {"content": "x"}}',
        b"\x80\x04\x95.",
        b"h|\x81\xa1c\xa1x",
        b"h1\x81\xa1c\xa1x",
        b"1|\x81\xa1c\xa1x",
        b"z1|\x81\xa1c\xa1x",
        b"\x01h1|\x80",
        b"\x01h1|\x81\xa1c\xc0",
        b"\x01h1|\x81\xa1c\x05",
        b"\x01h1|\x81\xa7content\xa1x",
        b"\x01h1|\x82\xa1c\xa1x\xa4type\xa2ai",
        b"\x01h1|\x82\xa1c\xa1x\xa1x\x05",
        b"\x01h1|\x82\xa1c\xa1x\xa1t\x90",
        b"\x01h1|\x91\xa1c",
        b"\x01h1|\xa1c",
        b"\x01t1|\x81\xa1c\xa1x",
        b"\x01c1|\x81\xa1c\xa1x",
        b"\x01f1|\x81\xa1c\xa1x",
        b"\x01h1~\x81\xa1c\xa1x",
        b"\x01h1~",
        b"\x01h1~" + zlib.compress(b"\x81\xa1c\xa1x"),
        b"\x01a1:zz|\x81\xa1c\xa1x",
    ],
)
def test_foreign_bytes_are_called_corrupt_with_key_and_place(record: bytes) -> None:
    fine = encode_message(HumanMessage("fine"))
    with pytest.raises(CorruptDataError, match=r"entry 2 of 3 read from 'lrm:\{//s\}:messages'.*nothing was deleted"):
        decode_messages([fine, fine, record], KEY)


def test_the_error_for_a_damaged_record_does_not_quote_it() -> None:
    with pytest.raises(CorruptDataError) as caught:
        decode_messages([b"\x01h1|\x82\xa1c\xa6secret"], KEY)
    assert "secret" not in str(caught.value)


def test_no_records_are_no_messages() -> None:
    assert decode_messages([], KEY) == []


@given(
    st.binary(max_size=60),
    st.sampled_from([b"", b"\x01h1|", b"\x01a1|", b"\x01a1~", b"\x01t1:00|", b"\x01h1|\x81\xa1c"]),
)
def test_random_records_are_messages_of_the_table_or_corrupt(data: bytes, head: bytes) -> None:
    try:
        (message,) = decode_messages([head + data], KEY)
    except CorruptDataError:
        return
    assert type(message) in records._LETTERS


# --- the format that is on disk ---------------------------------------------------------------------------


GOLDEN = {
    "human": ("0168357c81a163a24869"),
    "tool, all": (
        "01743232363a31353439626264357e01eb58983cad19516a8289b5e1a00a03581380ea0c7b48e9014e3d45f939"
        "8d60b52b530b325273538b12739a20fccc5c904da545390856e36220b10b64b115584cbf202fdd1a945acd4c74"
        "1c810062eb52b0dc3288f81290f8cadccc5c6061023715a40fa216918f11ac4519b9cb804e2e4a2c6e5c599c99"
        "9e074c2b45a9378d2a4806108facc90396adc0149797925894b2141852a5a98d0b1327331e38edc0c20006ab80"
        "f914587383c2696176d37258adb1300da8ee3817c3a4a525a5c03a60122313b0a8412a49b7a51794e89ae4ebe6"
        "02cb455d230323135d03735d430bfce564de62c7bcbc85992bc1b16d606869be306519387b182e4c6b59092f03"
        "261e77629804cfd05316a51882a3b1690928db332f4a2c39ae0894074579093068276f86586f0a3431045cec01"
        "11c38103cbca80954c7ed171658649cb41de2f4aac9cb2d826cd6422cb110188d71bec81840310391c82976693"
        "8e4b02d5437947f818330c6a9a16262f2c5c98b9a8d0f07800929c2b6322442e7161c9c41670725e569c9a5894"
        "9c01aea09b16162e3abc7261de2446604082d239d4a7909887a7eaa5499525a9c5479818fe2f2c5e9a5a54945f"
        "0400"
    ),
    "ai, all": (
        "01613232363a31353439626264352c62363735306138637e01eb5c983cad19516a8289b5e1a00a03581380ea0c7b"
        "48e9014e3d45f9398d60b52b530b325273538b12739a20fccc5c904da545390856e36220b10b64b115584cbf20"
        "2fdd1a945acd4c741c810062eb52b0dc3288f81290f8cadccc5c6061023715a40fa216918f11ac4519b9cb804e"
        "2e4a2c6e5c599c999e074c2b45a9378d2a4806108facc90396adc0149797925894b2141852a5a98d0b1327331e"
        "38edc0c20006ab80f914587383c2696176d37258adb1300da8ee3817c3a4a525a5c03a60122313b0a8412a49b7"
        "a51794e89ae4ebe602cb455d230323135d03735d430bfce564de62c7bcbc85992bc1b16d606869beb064620b38"
        "212c2b4e4d2c4ace00576d4d0b0b171d5eb9306f1223d009a014b20c9c850c2161064f0f0bcb26b68285366224"
        "15b81e230cc39756038ba5e2a5a94545f945cbf3f215bc82fdfdd0cb6f1ed4029c15a50417a4a8086f44c434f3"
        "c28ac6e5a91589a02af63000"
    ),
    "ai chunk, all": (
        "014132353a65373931613861647e01eb5c98bcb0626176d37258f1b730ad7161e2712e86494b4b4a8185d9244626"
        "609e412a12b6a51794e89ae4ebe60233b8ae91819189ae81b9aea105fe0c9fb7d8312f6f61e64ab0b30d0c2dcd"
        "17964c6c01fb6859716a62517206b88c6e5c58c808f4e032700a30067b1c518aa3171a3ca8a5062b4ab1214851"
        "b9d18828309817664c6cc570e88a6aa542252b05c35a846b9766e6a5a45630801dbd1e919e93334af3b217162c"
        "c9492c2e0100"
    ),
}


@table("name", GOLDEN)
def test_a_record_that_was_stored_long_ago_is_read(name: str) -> None:
    check_twin(MESSAGES[name], decode_message(bytes.fromhex(GOLDEN[name])))


def test_the_letters_and_short_names_are_what_they_always_were() -> None:
    letters = {letter: kind.__name__ for letter, kind in records._CLASSES.items()}
    assert letters == {
        "h": "HumanMessage",
        "a": "AIMessage",
        "s": "SystemMessage",
        "t": "ToolMessage",
        "f": "FunctionMessage",
        "c": "ChatMessage",
        "H": "HumanMessageChunk",
        "A": "AIMessageChunk",
        "S": "SystemMessageChunk",
        "T": "ToolMessageChunk",
        "F": "FunctionMessageChunk",
        "C": "ChatMessageChunk",
    }
    assert "".join(records._SHORT.values()) == "cinkrutvdhfsoep"


def test_a_short_payload_is_plain_and_a_long_one_deflated() -> None:
    assert b"|" in encode_message(HumanMessage("x"))[:5]
    assert b"~" in encode_message(HumanMessage("x" * 300))[:8]
    noise = bytes(range(256)).decode("latin-1") * 2
    message = HumanMessage([{"type": "x", "data": np.random.default_rng(7).bytes(400)}, noise[:10]])
    record = encode_message(message)
    assert b"|" in record[:8]  # what would only grow stays as it is
    check_twin(message, decode_message(record))


def test_metadata_that_every_model_repeats_is_nearly_free() -> None:
    usage = {
        "input_tokens": 9,
        "output_tokens": 100,
        "total_tokens": 109,
        "input_token_details": {"audio": 0},
    }
    metadata = {
        "token_usage": {"completion_tokens": 100, "prompt_tokens": 9, "total_tokens": 109},
        "model_provider": "openai",
        "model_name": "gpt-4o-mini-2024-07-18",
        "finish_reason": "stop",
        "logprobs": None,
    }
    bare = AIMessage("The capital of France is Paris. " * 5)
    full = AIMessage(bare.content, usage_metadata=usage, response_metadata=metadata)
    assert len(encode_message(full)) - len(encode_message(bare)) < len(dumps(full)) - len(dumps(bare)) - 250


# --- the head, as scripts read it -------------------------------------------------------------------------

COST = "^\x01%a(%d+)"
CALLS = "^\x01[aA]%d+:([%x,]+)"
ANSWER = "^\x01[tT]%d+:(%x+)"
HUMAN = "^\x01[hH]"
SYSTEM = "^\x01[sS]"


@pytest.fixture(scope="module")
def lua() -> Match:
    client = FakeRedis(server=FakeServer())

    def match(record: bytes, pattern: str) -> str | None:
        found = client.eval("return string.match(ARGV[1], ARGV[2])", 0, record, pattern)
        return found.decode() if found is not None else None

    return match


def test_the_scripts_use_the_patterns_that_are_tested_here() -> None:
    text = scripts._read("history/_trim") + scripts._read("history/history_add")
    text = text.replace("\\1", "\x01")
    for pattern in (COST, CALLS, ANSWER, HUMAN, SYSTEM):
        assert f"'{pattern}'" in text


@table("name", MESSAGES)
def test_a_script_can_read_the_head(name: str, lua: Match) -> None:
    message = MESSAGES[name]
    record = encode_message(message, lambda messages: 1234567)
    assert lua(record, COST) == "1234567"
    assert (lua(record, HUMAN) is not None) == isinstance(message, HumanMessage)
    assert (lua(record, SYSTEM) is not None) == isinstance(message, SystemMessage)
    wanted = None
    if isinstance(message, AIMessage):
        made = [call["id"] for call in [*message.tool_calls, *message.invalid_tool_calls] if call["id"]]
        wanted = ",".join(identity(call_id)[:4].hex() for call_id in made) or None
    assert lua(record, CALLS) == wanted
    answered = message.tool_call_id if isinstance(message, ToolMessage) else ""
    assert lua(record, ANSWER) == (identity(answered)[:4].hex() if answered else None)


def test_a_call_and_its_answer_bear_the_same_mark(lua: Match) -> None:
    calls: list[ToolCall] = [{**CALL, "id": f"call_{i}"} for i in range(20)]
    made = (lua(encode_message(AIMessage("", tool_calls=calls)), CALLS) or "").split(",")
    assert len(set(made)) == 20
    answered = [lua(encode_message(ToolMessage("x", tool_call_id=call["id"])), ANSWER) for call in calls]
    assert answered == made


@table(("counted", "kept"), [(0, 0), (-5, 0), (7.9, 7), (10**12, 10**12), (True, 1)])
def test_the_count_in_the_head_is_a_whole_number(counted: Any, kept: int, lua: Match) -> None:
    record = encode_message(HumanMessage("x"), lambda messages: counted)
    assert lua(record, COST) == str(kept)


def test_the_counter_is_given_the_message() -> None:
    seen: list[BaseMessage] = []

    def count(messages: Sequence[BaseMessage]) -> int:
        seen.extend(messages)
        return 1

    encode_message(MESSAGES["ai, all"], count)
    assert seen == [MESSAGES["ai, all"]]


# --- identities and digests -------------------------------------------------------------------------------


@given(st.lists(any_text, unique=True, min_size=2, max_size=5))
def test_identities_are_eight_bytes_and_differ(texts: list[str]) -> None:
    found = [identity(text) for text in texts]
    assert {len(mark) for mark in found} == {8}
    assert len(set(found)) == len(found)


TRICKY: list[dict[str, Any]] = [
    {},
    {"a": "bc"},
    {"ab": "c"},
    {"a": "b", "c": ""},
    {"a": "b", "": "c"},
    {"a": 1},
    {"a": "1"},
    {"a": True},
    {"a": 1.0},
    {"a": b"1"},
    {"a": Decimal(1)},
    {"a": [1]},
    {"a": (1,)},
    {"a": {1}},
    {"a": frozenset({1})},
    {"a": {1: 1}},
    {"a": {"1": 1}},
    {"a": None},
    {"a": ""},
    {"a": "None"},
    {"a": 0},
    {"a": False},
    {"a": 0.0},
    {"a": -0.0},
    {"a": math.nan},
    {"a": [1, [2]]},
    {"a": [[1], 2]},
    {"a": [[1, 2]]},
    {"a": [1, 2]},
    {"a": [2, 1]},
    {"a": 1, "b": 2},
    {"a": 2, "b": 1},
    {"a": {"b": 2}},
    {"a": "é"},
    {"a": "e\u0301"},
    {"a": "\ud800"},
    {"a": b"\xed\xa0\x80"},
    {"a": 2**64},
    {"a": str(2**64)},
    {"a": hex(2**64)},
    {"a": ["str", b"\xed\xa0\x80"]},
    {"a": datetime(2020, 1, 1)},
    {"a": datetime(2020, 1, 1, tzinfo=timezone.utc)},
    {"a": date(2020, 1, 1)},
    {"a": "2020-01-01"},
    {"a": np.float32(1)},
    {"a": np.float64(1)},
    {"a": np.array([1.0])},
    {"a": np.array([[1.0]])},
    {"a": HumanMessage("x")},
    {"a": AIMessage("x")},
    {"a": HumanMessage("x", id="1")},
]


def test_digests_of_different_parts_differ() -> None:
    found = [digest(parts) for parts in TRICKY]
    assert len(set(found)) == len(TRICKY)
    assert {len(name) for name in found} == {40}
    assert all(int(name, 16) >= 0 for name in found)


def test_the_order_of_the_parts_does_not_matter_and_that_inside_a_list_does() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})


@given(st.dictionaries(any_text, values, max_size=4), st.dictionaries(any_text, values, max_size=4))
def test_digests_are_equal_only_for_the_same_parts(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert digest(dict(reversed(one.items()))) == digest(one)
    first, second = dict(sorted(one.items())), dict(sorted(two.items()))
    assert (digest(one) == digest(two)) == same(first, second)


def test_a_digest_refuses_what_cannot_be_told_apart() -> None:
    with pytest.raises(UnserialisableError, match=r"the key's parts cannot be stored: .*test_codec\.Plain"):
        digest({"a": Plain()})
