"""Deflated bytes: what went in comes out, they name their dictionary, and the dictionary holds no accidents."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_redis_memory.errors import CorruptDataError
from langchain_redis_memory.redis.codec import compression
from langchain_redis_memory.redis.codec.cipher.key import Key
from langchain_redis_memory.redis.codec.compression import deflate, inflate
from langchain_redis_memory.redis.codec.envelope import unseal
from langchain_redis_memory.redis.codec.messages import decode_messages
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
