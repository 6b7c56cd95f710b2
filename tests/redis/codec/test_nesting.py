"""Crafted bytes that are nested deeply: refused, where to decode them would overflow the stack and end the process."""

from __future__ import annotations

from typing import Any

import ormsgpack
import pytest
from langgraph.checkpoint.serde.jsonplus import EXT_CONSTRUCTOR_SINGLE_ARG, EXT_PYDANTIC_V2, JsonPlusSerializer

from langchain_redis_memory import Client, CorruptDataError, RedisNodeCache
from langchain_redis_memory.checkpoint.blobs import Blobs
from langchain_redis_memory.peers.langgraph_values import Values, strict_serde
from langchain_redis_memory.peers.stored_keys import DamagedError
from langchain_redis_memory.redis.codec.nesting import check_nesting
from langchain_redis_memory.redis.codec.values import pack, unpack
from tests.support.table import table


def nested(levels: int, lists: int, head: bytes = b"\x92\xa5tuple", code: int = 0, tail: bytes = b"") -> bytes:
    """Extensions in each other, with so many lists in each."""
    data = b"\xc0"
    for _ in range(levels):
        data = ormsgpack.packb(ormsgpack.Ext(code, head + b"\x91" * lists + data + tail))
    return data


DEEP = [(12, 1_000), (300, 1_000), (300, 40), (3_000, 1)]


@table(("levels", "lists"), DEEP)
def test_own_values(levels: int, lists: int) -> None:
    with pytest.raises(CorruptDataError):
        unpack(nested(levels, lists), "k")


@pytest.mark.slow
def test_langgraphs_values() -> None:
    head, code = b"\x93\xa8builtins\xa3set", EXT_CONSTRUCTOR_SINGLE_ARG
    serde = JsonPlusSerializer(allowed_msgpack_modules=None)
    nodes: RedisNodeCache[Any] = RedisNodeCache(Client("memory://nested"))

    class Own(JsonPlusSerializer):
        """A serialiser whose hook is not ours."""

    for levels, lists in DEEP:
        crafted = nested(levels, lists, head, code)
        for blobs in (Blobs(serde), Blobs(Own())):
            with pytest.raises(CorruptDataError):
                blobs.unpack(b"m" + crafted)
            with pytest.raises(CorruptDataError):
                blobs.join([b"m" + crafted])
        with pytest.raises(DamagedError):
            Values(strict_serde()).typed("msgpack", crafted)
        with pytest.raises(ValueError, match="ext_hook failed"):
            nodes._load("msgpack", crafted)


def test_what_looks_like_a_message_is_not_decoded_twice_at_each_level() -> None:
    crafted = nested(60, 0, b"\x94\xa1a\xa1b", EXT_PYDANTIC_V2, b"\xa1m")
    assert Blobs(JsonPlusSerializer(allowed_msgpack_modules=None)).unpack(b"m" + crafted) is None


def test_what_is_nested_lightly_comes_back() -> None:
    own: Any = ()
    theirs: Any = frozenset()
    for _ in range(150):
        own, theirs = (
            (own, "\u0431"),
            frozenset({theirs, "\u0431"}),
        )  # whose bytes are those of an extension's head as well
    assert unpack(pack(own), "k") == own
    blobs = Blobs(JsonPlusSerializer(allowed_msgpack_modules=None))
    assert blobs.unpack(blobs.pack(theirs)) == theirs
    check_nesting(b"\x91" * 1_000 + b"\xc0")
    with pytest.raises(ValueError, match="unexpected end"):
        check_nesting(b"\xd4\0")
