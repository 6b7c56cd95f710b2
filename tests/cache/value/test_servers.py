"""The value cache on every kind of server, its stored bytes, and with a cipher."""

from __future__ import annotations

import re

from langchain_redis_memory import Client, RedisValueCache
from tests.conftest import Both
from tests.support.golden import held, put
from tests.support.raw import raw

NAMES = [f"user:{number}:profile" for number in range(40)]


async def store_read_and_invalidate(client: Client, both: Both) -> None:
    cache = RedisValueCache(client, "n", ttl_s=60)
    for name in NAMES[:5]:
        await both(cache.set)(name, name, tags=["t"], user="ana")
    await both(cache.set_many)(dict.fromkeys(NAMES[5:], 1))
    assert len(await both(cache.get_many)(NAMES)) == 40
    await both(cache.invalidate_tag)("t")
    assert await both(cache.get_or_load)(NAMES[0], lambda: "new", tags=["t"], user="ana") == "new"
    await both(cache.clear_user)("ana")
    assert sorted(await both(cache.get_many)(NAMES)) == sorted(NAMES[5:])
    assert await both(cache.incr)("n", 2) == 2
    assert await both(cache.invalidate)("user:*:profile") == 35
    async with cache.lock("job") as lock:
        assert await both(lock.renew)()
    await both(cache.switch)(on=False)
    assert await both(cache.get)("n") is None


async def test_on_every_server(client: Client, both: Both) -> None:
    await store_read_and_invalidate(client, both)


async def test_on_a_cluster(cluster: Client, both: Both) -> None:
    await store_read_and_invalidate(cluster, both)


def test_a_value_is_stored_as_these_bytes(client: Client) -> None:
    cache = RedisValueCache(client, "n", ttl_s=60)
    cache.invalidate_tag("a b")
    cache.set("k", "v", tags=["a b", "c"])
    values, expiries, _ = cache._flows.ops.shard("k").all()
    found = held(client, values)
    assert re.fullmatch(rb"1[789]\d{14}|T", found[b"tt:a%20b"])
    assert re.fullmatch(rb"\x01T T 0 T t:a%20b=T t:c=0\n\xa1v", found[b"vk"])
    assert sorted(held(client, expiries)) == [b"tt:a%20b", b"vk"]


def test_these_bytes_are_read_and_others_are_misses(client: Client) -> None:
    cache = RedisValueCache(client, "n")
    values = cache._flows.ops.shard("k").values
    for stored, read in ((b"\x010 0 5 1700000000000000 \n\xa1v", "v"), (b"\x02new", None), (b"?", None)):
        put(client, values, {b"vk": stored})
        assert cache.get("k") == read
    put(client, values, {b"vk": b"\x010 0 5 1700000000000000 \n\xc1"})
    assert cache.get("k") is None, "damaged"
    raw(client, ("DEL", values))
