"""Stored values of more elements than a small server's memory survives: neither decoded nor written."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import Generation
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langchain_redis_memory import (
    Client,
    CorruptDataError,
    InvalidInputError,
    RedisCache,
    RedisChatMessageHistory,
    RedisNodeCache,
    RedisSaver,
    RedisStore,
    RedisValueCache,
    UnserialisableError,
)
from langchain_redis_memory.cache.prompts import parse_prompt
from langchain_redis_memory.checkpoint.blobs import Blobs
from langchain_redis_memory.peers.langgraph_values import Values, strict_serde
from langchain_redis_memory.peers.stored_keys import DamagedError, parse_json
from langchain_redis_memory.redis.codec import compression
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.compression import deflate
from langchain_redis_memory.redis.codec.elements import _is_over, check_elements, check_json
from langchain_redis_memory.redis.codec.messages import decode_messages, encode_message
from langchain_redis_memory.redis.codec.values import pack, unpack
from tests.conftest import Both
from tests.support.examples import share
from tests.support.table import table

BOUND = 1024 * 1024
MOST = BOUND // 16
SERDE = JsonPlusSerializer(allowed_msgpack_modules=None)
MESSAGE = pack(AIMessage(""))
ELEMENTS = {
    "maps": (b"\x80", 1),
    "negative numbers": (b"\xe0", 1),
    "texts": (b"\xa2ab", 1),
    "maps of one": (b"\x81\xa1a\x80", 3),
    "sets": (pack(set()), 11),
    "messages": (MESSAGE, 14),
}
"""What a flood may be of: its bytes, and how many elements it counts for."""


class Own(JsonPlusSerializer):
    """A serialiser whose hook is not ours."""


def flood(count: int, one: bytes = b"\x80") -> bytes:
    return b"\xdd" + count.to_bytes(4, "big") + one * count


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "most_bytes", lambda: BOUND)


def peak_of(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@table(("one", "counts"), ELEMENTS.values())
def test_what_is_within_the_bound_takes_some_times_as_much_memory(one: bytes, counts: int, small: None) -> None:
    count = (MOST - 1) // counts
    data = flood(count, one)
    taken = peak_of(lambda: unpack(data, "k"))
    assert taken < 8 * BOUND
    if len(data) > MOST:
        with pytest.raises(CorruptDataError, match=f"more than {MOST} elements"):
            unpack(flood(count + 2, one), "k")


@pytest.mark.slow
def test_small_numbers_cost_a_reference_each_besides(small: None) -> None:
    maps, numbers = MOST - 1, BOUND - MOST
    data = b"\xdd" + (maps + numbers).to_bytes(4, "big") + b"\x80" * maps + b"\x07" * numbers
    assert 8 * BOUND < peak_of(lambda: unpack(data, "k")) < 13 * BOUND


@pytest.mark.slow
def test_every_reader_refuses_them_before_it_decodes(small: None) -> None:
    crafted = flood(MOST)  # and the list itself
    nodes: RedisNodeCache[Any] = RedisNodeCache(Client("memory://elements"))
    record = b"\x01h1|\x81\xa1c" + crafted
    json = b"[" + b"{}," * MOST + b"{}]"
    readers: dict[str, Callable[[], object]] = {
        "a value": lambda: unpack(crafted, "k"),
        "a message": lambda: decode_messages([record], Key("k")),
        "a deflated message": lambda: decode_messages([b"\x01h1~" + (deflate(record[4:]) or b"")], Key("k")),
        "a blob": lambda: Blobs(SERDE).unpack(b"M" + (deflate(crafted) or b"")),
        "an element": lambda: Blobs(SERDE).join([b"m\x80", b"m" + crafted]),
        "a blob of another hook": lambda: Blobs(Own()).unpack(b"m" + crafted),
        "an element of another hook": lambda: Blobs(Own()).join([b"m\x80", b"m" + crafted]),
        "JSON in a checkpoint": lambda: Blobs(SERDE).unpack(b"xjson\0" + json),
        "a node's": lambda: nodes._load("msgpack", crafted),
        "another package's": lambda: Values(strict_serde()).typed("msgpack", crafted),
        "another package's JSON": lambda: parse_json(json),
    }
    for name, read in readers.items():

        def refused(read: Callable[[], object] = read, name: str = name) -> None:
            with pytest.raises((CorruptDataError, DamagedError)) as error:
                read()
            assert "REDIS_MEMORY_MAX_INFLATED_MB" in str(error.value) or name == "another package's"

        assert peak_of(refused) < 2 * BOUND, name
    assert peak_of(lambda: parse_prompt('[{"lc": 1}, ' + "{}," * MOST + "{}]")) < 2 * BOUND


@pytest.mark.slow
def test_no_size_that_is_told_hides_what_follows(small: None) -> None:
    hidden = b"\x92" + ormsgpack.packb(ormsgpack.Ext(77, b"\xdb\xff\xff\xff\xff")) + flood(MOST)
    with pytest.raises(CorruptDataError, match="more than"):
        check_elements(hidden)
    inner = pack(AIMessage("x"))
    at = inner.index(b"\x01a0|")
    for record in (b"\x01a0|" + flood(MOST), b"\x01a00|" + flood(MOST), b"\x01a0~" + (deflate(flood(MOST)) or b"")):
        packed = ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb(["message", record])))
        with pytest.raises(CorruptDataError):
            unpack(b"\x91" + packed, "k")
    assert inner[at - 2 : at] == b"\xc4" + bytes([len(inner) - at])


def elements_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(elements_of(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return 1 + sum(map(elements_of, value))
    if isinstance(value, tuple):  # an extension of a list of its name and a list
        return 8 + 1 + 1 + elements_of(list(value))
    return int(type(value) is not int or not 0 <= value < 128)


LEAVES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text() | st.binary()
LEAVES |= st.sampled_from((1, 2, 300)).map(bytes(range(256)).__mul__)
LEAVES |= st.sampled_from((20, 200, 40_000)).map("\u0431".__mul__)
VALUES = st.recursive(
    LEAVES, lambda some: st.lists(some) | st.dictionaries(st.text(), some) | st.lists(some).map(tuple)
)


@share(2)
@given(VALUES)
def test_elements_are_counted_as_they_are_packed(value: Any) -> None:
    data, count = pack(value), elements_of(value)
    assert not _is_over(data, count)
    assert _is_over(data, count - 1)


@pytest.mark.slow
def test_large_values_of_few_elements_are_no_flood(small: None) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.frombuffer(bytes(range(256)) * 8_000, dtype="uint8")
    for value in ("\u0645" * BOUND, bytes(range(256)) * 8_000, "a,[" * 21_000, list(range(128)) * 8_000):
        assert unpack(pack(value), "k") == value
        blobs = Blobs(SERDE)
        assert blobs.unpack(blobs.pack([value])) == [value]
    assert (unpack(pack(array), "k") == array).all()
    check_json('["' + "a" * BOUND + '"]')


@pytest.mark.slow
def test_what_could_not_be_read_is_not_stored(small: None) -> None:
    much: list[Any] = [{}] * MOST
    with pytest.raises(UnserialisableError, match="answer cannot be stored, as it could not be read"):
        pack(much, "answer")
    with pytest.raises(UnserialisableError, match="a field of the human message"):
        encode_message(HumanMessage([{"x": much}]))
    for blobs in (Blobs(SERDE), Blobs(Own())):
        with pytest.raises(InvalidInputError, match=r"a value of type dict cannot be stored: .* elements"):
            blobs.pack({"x": much})
        with pytest.raises(InvalidInputError, match="MAX_INFLATED_MB"):
            blobs.divide([{"x": much}])


@pytest.mark.slow
@pytest.mark.pins
async def test_what_is_stored_under_a_larger_bound_is_refused_by_every_door(
    client: Client, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    much: list[Any] = [{}] * MOST
    history, store = RedisChatMessageHistory("s", client), RedisStore(client)
    saver, values, cache = RedisSaver(client), RedisValueCache(client, "v", ttl_s=60), RedisCache(client, ttl_s=60)
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    listed: Any = {"configurable": {"thread_id": "u", "checkpoint_ns": ""}}

    async def put(where: Any, value: Any) -> None:
        checkpoint = empty_checkpoint()
        checkpoint["channel_values"], checkpoint["channel_versions"] = {"x": value}, {"x": "1"}
        await both(saver.put)(where, checkpoint, {}, {"x": "1"})

    await both(history.add_messages)([HumanMessage("hello"), AIMessage([{"x": much}])])
    await both(store.put)(("a",), "k", {"x": much})
    await put(config, {"x": much})
    await put(listed, [HumanMessage("hello"), AIMessage([{"x": much}])])
    await both(values.set)("k", much)
    await both(cache.update)("prompt", "model", [Generation(text="", generation_info={"x": much})])
    item = await both(store.get)(("a",), "k")
    assert item is not None
    assert item.value == {"x": much}
    assert (await both(values.get)("k")) == much

    fresh, saver = RedisChatMessageHistory("s", client), RedisSaver(client)
    values = RedisValueCache(client, "v", ttl_s=60)
    monkeypatch.setattr(compression, "most_bytes", lambda: BOUND)
    refused: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (store.get, (("a",), "k")),
        (saver.get_tuple, (config,)),
        (saver.get_tuple, (listed,)),
    ]
    for method, args in refused:
        with pytest.raises(CorruptDataError, match="elements"):
            await both(method)(*args)
    with pytest.raises(CorruptDataError, match="elements"):
        await fresh.aget_messages() if both.asynchronous else fresh.messages
    assert await both(values.get)("k") is None
    assert await both(cache.lookup)("prompt", "model") is None
