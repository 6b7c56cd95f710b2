"""Deflated bytes: what went in comes out, they name their dictionary, and the dictionary holds no accidents."""

from __future__ import annotations

import re
import tracemalloc
import zlib
from collections.abc import Iterator
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from langchain_redis_memory.checkpoint.blobs import Blobs
from langchain_redis_memory.errors import ConfigError, CorruptDataError
from langchain_redis_memory.redis.codec import compression
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.compression import deflate, inflate
from langchain_redis_memory.redis.codec.envelope import unseal
from langchain_redis_memory.redis.codec.messages import decode_messages, encode_message
from tests.support.envelopes import envelope

TEXT = b"a text that repeats: " * 20
SMALL = deflate(TEXT) or b""


@given(st.binary(max_size=300).map(lambda data: data * 3))
def test_what_went_in_comes_out_shorter_or_not_at_all(data: bytes) -> None:
    small = deflate(data)
    assert small is None or (len(small) < len(data) and inflate(small) == data)


def test_deflated_bytes_name_their_dictionary_in_front() -> None:
    assert SMALL[:1] == b"\x01"
    assert inflate(SMALL) == TEXT


@pytest.mark.parametrize("number", [0, 2, 255])
def test_an_unknown_dictionary_is_refused_by_its_number(number: int) -> None:
    unknown = bytes([number]) + SMALL[1:]
    with pytest.raises(CorruptDataError, match=f"dictionary {number}, which is not known"):
        inflate(unknown)
    with pytest.raises(CorruptDataError, match=f"'key'.*dictionary {number}, which is not known"):
        unseal(envelope(b"~" + unknown), "key")
    with pytest.raises(CorruptDataError, match=f"'key'.*dictionary {number}, which is not known"):
        decode_messages([b"\x01h1~" + unknown], Key("key"))


@pytest.mark.parametrize("data", [b"", SMALL[:1], SMALL[:-1], SMALL + b"x"])
def test_bytes_that_are_cut_off_or_followed_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="cut off"):
        inflate(data)


def test_a_dictionary_holds_no_dates_snapshots_or_ids() -> None:
    for dictionary in compression._DICTIONARIES.values():
        assert re.findall(rb"[0-9]{2,}|gpt-|claude-", dictionary.replace(b"+00:00", b"")) == []


def test_the_dictionaries_are_what_they_always_were() -> None:
    """A change makes every deflated record that exists unreadable: a new dictionary needs a new number."""
    hashes = {number: sha256(dictionary).hexdigest() for number, dictionary in compression._DICTIONARIES.items()}
    assert hashes == {1: "8e0a9a4fbf608aba52106d49e6adec3cb0256028dfd3d6dbf6fb55d703c5ab8e"}


@pytest.fixture
def small_bound(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setenv("REDIS_MEMORY_MAX_INFLATED_MB", "1")
    compression.most_bytes.cache_clear()
    yield 1024 * 1024
    monkeypatch.undo()
    compression.most_bytes.cache_clear()


def bomb(size: int) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_FIXED, compression._DICTIONARIES[1])
    return b"\x01" + deflater.compress(bytes(size)) + deflater.flush()


def test_crafted_bytes_are_inflated_to_a_bound_only(small_bound: int) -> None:
    assert len(inflate(bomb(small_bound))) == small_bound
    with pytest.raises(CorruptDataError, match="REDIS_MEMORY_MAX_INFLATED_MB"):
        inflate(bomb(small_bound + 1))
    key, large = Key("key"), bomb(10 * small_bound)
    for read in (
        lambda: unseal(envelope(b"~" + large), "key"),
        lambda: decode_messages([b"\x01h1~" + large], key),
        lambda: Blobs(JsonPlusSerializer()).unpack(b"M" + large),
        lambda: Blobs(JsonPlusSerializer()).join([b"M" + large]),
    ):
        tracemalloc.start()
        with pytest.raises(CorruptDataError, match="REDIS_MEMORY_MAX_INFLATED_MB"):
            read()
        assert tracemalloc.get_traced_memory()[1] < 4 * small_bound
        tracemalloc.stop()


def test_what_is_larger_than_the_bound_is_stored_as_it_is(small_bound: int) -> None:
    assert deflate(bytes(small_bound)) is not None
    assert deflate(bytes(small_bound + 1)) is None
    message = HumanMessage("x" * (small_bound + 1))
    assert decode_messages([encode_message(message)], Key("key")) == [message]


@pytest.mark.parametrize("given", ["0", "513", "-1", "1e3", "many"])
def test_a_bound_that_cannot_work_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_MEMORY_MAX_INFLATED_MB", given)
    compression.most_bytes.cache_clear()
    with pytest.raises(ConfigError, match="REDIS_MEMORY_MAX_INFLATED_MB"):
        deflate(b"")
    monkeypatch.undo()
    compression.most_bytes.cache_clear()
    assert compression.most_bytes() == 64 * 1024 * 1024
