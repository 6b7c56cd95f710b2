"""The stored formats that several rooms share, byte for byte: the expiring hash and the compare-and-set record."""

from __future__ import annotations

import re

import pytest

from langchain_redis_memory.ops import Call
from langchain_redis_memory.redis import cas_record, expiring_hash
from langchain_redis_memory.redis.cas_record import CasRecord, Version
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.expiring_hash import Item, NewItem
from tests.conftest import Both
from tests.support.golden import held, put
from tests.support.raw import raw
from tests.support.saves import hashed


async def test_an_expiring_hash_is_stored_as_these_bytes(client: Client, both: Both) -> None:
    keys = client.keys().nodes(("n",))
    items = [NewItem("a", 60_000, b"body"), NewItem(b"b", 60_000, b"\x01\x00")]
    await both(client.run)(expiring_hash.put(keys, items))
    assert held(client, keys.items) == {b"a": b"T:body", b"b": b"T:\x01\x00"}
    assert sorted(held(client, keys.expiries)) == [b"a", b"b"]
    left = raw(client, ("PTTL", keys.items), ("PTTL", keys.expiries))
    assert all(30_000 < one <= 60_000 for one in left)


@pytest.mark.pins
async def test_what_never_expires_says_so(client: Client, both: Both) -> None:
    keys = client.keys().nodes(("n",))
    await both(client.run)(expiring_hash.put(keys, [NewItem("a", 0, b"body")]))
    assert held(client, keys.items) == {b"a": b"+inf:body"}
    assert raw(client, ("ZSCORE", keys.expiries, "a"))[0] in {b"inf", float("inf")}


async def test_these_items_are_read(client: Client, both: Both) -> None:
    keys = client.keys().nodes(("n",))
    put(client, keys.items, {b"a": b"+inf:body", b"b": b"9995562138143:\x01\x00", b"c": b"1795562138:gone"})
    kept, lasting, expired = await both(client.run)(expiring_hash.get(keys, ["a", "b", "c"]))
    assert kept == Item(b"body", None)
    assert lasting is not None
    assert lasting.body == b"\x01\x00"
    assert expired is None
    page = await both(client.run)(expiring_hash.page(keys))
    assert sorted(page.items) == [(b"a", b"body"), (b"b", b"\x01\x00")]


async def test_a_record_is_stored_as_these_bytes(client: Client, both: Both) -> None:
    key = client.keys().session("s").state
    written = await both(client.run)(cas_record.swap(key, key, "f", Version(), b"body", 60_000))
    stored = hashed(client, key)[b"f"]
    assert re.fullmatch(rb"\x011-[0-9a-f]{16}:body", stored)
    assert written.head == stored[1:19].decode()
    await both(client.run)(cas_record.swap(key, key, "f", Version("9-0123456789abcdef"), b"x", 60_000, b"note"))
    assert hashed(client, key) == {b"f": stored, b"f+": b"4:note"}


async def test_this_record_is_read(client: Client, both: Both) -> None:
    key = client.keys().session("s").state
    put(client, key, {b"f": b"\x017-0123456789abcdef:body", b"f+": b"4:note2:on"})
    found = await both(client.run)(cas_record.read(key, "f"))
    assert found == CasRecord(Version("7-0123456789abcdef", 10), b"body", (b"note", b"on"))
    assert found.version.writes == 7


async def test_a_trip_is_remembered_as_these_bytes(client: Client, both: Both) -> None:
    keys = client.keys().session("s")
    await both(client.run)(cas_record.swap(keys.state, keys.state, "f", Version(), b"body", 60_000))
    drop = cas_record.drop(keys.state, "f")
    (call,) = drop.commands
    assert isinstance(call, Call)
    assert re.fullmatch(re.escape(keys.state.removesuffix("state")) + "trip:[0-9a-f]{16}", call.keys[-1])
    assert await both(client.run)(drop) is True
    assert raw(client, ("GET", call.keys[-1])) == [b"[1]"]
    assert await both(client.run)(drop) is True
