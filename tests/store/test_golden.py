"""The stored formats of items, bytes and records, byte for byte: a change of them fails here."""

from __future__ import annotations

import pytest

from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.store.byte_store import RedisByteStore
from langchain_redis_memory.store.record_manager import RedisRecordManager
from langchain_redis_memory.store.redis_store import RedisStore
from tests.conftest import Both
from tests.support.golden import held, put
from tests.support.raw import raw

TAIL = b" 300000 0 730ddeda1d75 9323a6b843fd=1.0 a17291a0dc71|\x82\xa1x\x01\xa1y\xa1z"
FIELD = b"b\x00\x00k"


async def test_items_are_stored_as_these_bytes(client: Client, both: Both) -> None:
    await both(RedisStore(client).put)(("a", "b"), "k", {"x": 1, "y": "z"}, ttl=5)
    keys = client.keys().items("a")
    assert held(client, keys.items) == {FIELD: b"\x01T T T" + TAIL, b"": b"T T"}
    assert held(client, keys.item_names) == [b"b\x00\x00Tk"]
    assert held(client, keys.item_expiries) == [FIELD]
    roots = client.keys().roots()
    assert held(client, roots.roots) == [b"a"]
    assert list(held(client, roots.root_spans)) == [b"a"]


async def test_these_items_are_read(client: Client, both: Both) -> None:
    keys, born = client.keys().items("a"), b"1795562138143371"
    put(client, keys.items, {FIELD: b"\x01" + b" ".join([born] * 3) + TAIL, b"": born + b" 1795562588143"})
    put(client, keys.item_names, {b"b\x00\x00" + born + b"k"})
    raw(client, ("ZADD", keys.item_expiries, "9995562138143", FIELD), ("PEXPIRE", keys.item_expiries, 60_000))
    item = await both(RedisStore(client).get)(("a", "b"), "k")
    assert item.value == {"x": 1, "y": "z"}
    assert item.created_at.timestamp() == 1795562138.143371
    found = await both(RedisStore(client).search)(("a",), filter={"y": "z"})
    assert [one.key for one in found] == ["k"]


async def test_bytes_are_stored_as_they_are(client: Client, both: Both) -> None:
    store = RedisByteStore(client, namespace="n", ttl_s=60)
    await both(store.mset)([("k", b"\x00v")])
    keys = client.keys().byte_values("n")
    assert held(client, keys.value("k")) == b"\x00v"
    assert held(client, keys.names) == held(client, keys.expiries) == [b"k"]
    put(client, keys.value("other"), b"\x01w")
    assert await both(store.mget)(["k", "other"]) == [b"\x00v", b"\x01w"]


@pytest.mark.pins
async def test_records_are_stored_as_these_bytes(client: Client, both: Both) -> None:
    manager = RedisRecordManager(client, namespace="n")
    await both(manager.update)(["a", "b"], group_ids=["g/1", None])
    keys = client.keys().records("n")
    assert held(client, keys.times) == [b"a", b"b"]
    assert held(client, keys.groups) == {b"a": b"g%2F1"}
    assert held(client, keys.members) == [b"g%2F1/a"]
    assert await both(manager.list_keys)(group_ids=["g/1"]) == ["a"]
