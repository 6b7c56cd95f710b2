"""A cache of values: ours, cashews', aiocache's, dogpile.cache's and redis-py's client-side cache, on one value.

python -m benchmarks.speed.values [--json FILE]
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import ormsgpack
import redis
import redis.asyncio

from benchmarks.speed.harness import ainterleaved, atrips, connected, interleaved, processor_time, server, trips
from benchmarks.speed.report import Report, command, installed
from langchain_redis_memory import RedisValueCache

OURS, NEAR, BARE = "langchain-redis-memory", "ours, near_s=60", "redis-py GET"
DECODED = "redis-py MGET and ormsgpack"
CASHEWS, AIOCACHE, DOGPILE, CLIENT_SIDE = "cashews", "aiocache", "dogpile.cache", "redis-py, client-side cache"
VALUE = {"tone": "calm", "language": "en", "prompt": "x" * 300, "tools": ["search", "mail"], "n": 3}
NOTES = [
    "One Redis 8.2.3 on the loopback, no persistence; medians after a warm-up, the contenders taking turns.",
    "A hit of a dict of about 400 bytes. A bare GET gives bytes and decodes nothing; ours checks version and tags, "
    "decodes and counts; cashews and dogpile unpickle, aiocache reads JSON.",
    "50 values: MGET gives bytes of one key each and decodes nothing, or MessagePack as ours does; ours also looks at "
    "the version, the lifetime and the tags of each, and whether the cache is switched off.",
    "Trips: calls of redis-py's send_packed_command, of which every command or pipeline makes one.",
]


def sync(port: int) -> dict[str, Callable[[], Any]]:
    """A read by contender; ours is the first."""
    url = f"redis://127.0.0.1:{port}/0"
    ours, near = RedisValueCache(connected(url), "v"), RedisValueCache(connected(url), "n", near_s=60)
    bare = redis.Redis(port=port)
    for cache in (ours, near):
        cache.set("k", VALUE)
    bare.set("bare", b"x" * 400)
    found: dict[str, Callable[[], Any]] = {
        OURS: lambda: ours.get("k"),
        NEAR: lambda: near.get("k"),
        BARE: lambda: bare.get("bare"),
    }
    if installed(DOGPILE):
        from dogpile.cache import make_region

        region = make_region().configure("dogpile.cache.redis", arguments={"port": port, "redis_expiration_time": 600})
        region.set("dogpile", VALUE)
        found[DOGPILE] = lambda: region.get("dogpile")
    from redis.cache import CacheConfig

    tracking = redis.Redis(port=port, protocol=3, cache_config=CacheConfig())
    found[CLIENT_SIDE] = lambda: tracking.get("bare")
    return found


def loading(port: int) -> dict[str, Callable[[], Any]]:
    """A read of what is loaded where it is missing; a bare GET is the last."""
    cache, bare = RedisValueCache(connected(f"redis://127.0.0.1:{port}/0"), "l"), redis.Redis(port=port)

    @cache.cached(key="user:{user}")
    def named(user: str) -> Any:
        return VALUE

    @cache.cached(user="user", tags=["all"])
    def tagged(user: str) -> Any:
        return VALUE

    found: dict[str, Callable[[], Any]] = {
        "get_or_load, a hit": lambda: cache.get_or_load("k", lambda: VALUE),
        "cached(key=...), a hit": lambda: named("ana"),
        "cached(user=..., tags=...), a hit": lambda: tagged("ana"),
        BARE: lambda: bare.get("bare"),
    }
    for work in found.values():
        work()
    return found


def fifty(port: int) -> dict[str, Callable[[], Any]]:
    """A read of fifty values; MGET gives bytes and decodes nothing, or they are decoded as ours are."""
    cache, bare = RedisValueCache(connected(f"redis://127.0.0.1:{port}/0"), "m"), redis.Redis(port=port)
    names = [f"k{number}" for number in range(50)]
    cache.set_many(dict.fromkeys(names, VALUE))
    bare.mset(dict.fromkeys(names, b"x" * 400))
    packed = [f"packed:{name}" for name in names]
    bare.mset(dict.fromkeys(packed, ormsgpack.packb(VALUE)))
    return {
        OURS: lambda: cache.get_many(names),
        BARE: lambda: bare.mget(names),
        DECODED: lambda: [ormsgpack.unpackb(data) for data in cast("list[bytes]", bare.mget(packed))],
    }


async def asynchronous(port: int, report: Report) -> None:
    """Reads with await."""
    url = f"redis://127.0.0.1:{port}/0"
    client = connected(url)
    ours, near = RedisValueCache(client, "av"), RedisValueCache(client, "an", near_s=60)
    bare = redis.asyncio.Redis(port=port)
    await bare.set("bare", b"x" * 400)
    for cache in (ours, near):
        await cache.aset("k", VALUE)
    works: dict[str, Callable[[], Any]] = {
        OURS: lambda: ours.aget("k"),
        NEAR: lambda: near.aget("k"),
        BARE: lambda: bare.get("bare"),
    }
    if installed(CASHEWS):
        from cashews import Cache

        theirs = Cache()
        theirs.setup(url, client_side=False)
        await theirs.set("cashews", VALUE, expire=600)
        works[CASHEWS] = lambda: theirs.get("cashews")
    if installed(AIOCACHE):
        from aiocache import RedisCache
        from aiocache.serializers import JsonSerializer

        other = RedisCache(endpoint="127.0.0.1", port=port, serializer=JsonSerializer())
        await other.set("aiocache", VALUE, ttl=600)
        works[AIOCACHE] = lambda: other.get("aiocache")
    report.add("async: a hit", "us", {n: ms * 1000 for n, ms in (await ainterleaved(works, 500, 30)).items()})
    report.add(
        "async: a hit: trips", "trips", {name: await atrips(work) for name, work in works.items()}, 1, "one trip"
    )
    await client.aclose()
    await bare.aclose()


def measure(port: int, report: Report) -> None:
    """All measures."""
    works = sync(port)
    times = {name: ms * 1000 for name, ms in interleaved(works, 1000, 50).items()}
    report.add("a hit", "us", times, 1.1 * times[BARE], "1.1x of a bare GET")
    used = processor_time(works, 300)
    report.add("a hit: client's processor time", "us", used, 1.1 * used[BARE], "1.1x of a bare GET")
    report.add("a near hit", "us", {NEAR: times[NEAR], CLIENT_SIDE: times[CLIENT_SIDE]}, 5, "5 us")
    report.add("a hit: trips", "trips", {name: trips(work) for name, work in works.items()}, 1, "one trip")
    loaded = loading(port)
    used = processor_time(loaded, 200)
    for name, work in loaded.items():
        if name != BARE:
            times = {OURS: used[name], BARE: used[BARE]}
            report.add(f"{name}: client's processor time", "us", times, 1.3 * used[BARE], "1.3x of a bare GET")
            report.add(f"{name}: trips", "trips", {OURS: trips(work)}, 1, "one trip")
    many = fifty(port)
    report.add("50 values, MGET: client's processor time", "us", processor_time(many, 40))
    report.add("50 values, MGET: trips", "trips", {name: trips(work) for name, work in many.items()}, 1, "one trip")
    asyncio.run(asynchronous(port, report))


def measure_all() -> Report:
    """Measures everything."""
    versions: dict[str, Any] = {name: installed(name) for name in (OURS, CASHEWS, AIOCACHE, DOGPILE)}
    versions[CLIENT_SIDE] = versions[BARE] = versions[DECODED] = installed("redis")
    versions[NEAR] = versions[OURS]
    report = Report("A cache of values", versions, NOTES, floors=(NEAR,))
    with server(query_engine=False) as port:
        measure(port, report)
    return report


if __name__ == "__main__":
    command("values", __doc__, measure_all)
