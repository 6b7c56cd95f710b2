"""Damages stored bytes at random and reads them: every read gives a value or one of the package's errors.

`python -m tests.support.damage 20000` does it so many times, with a seed that it prints. Bits flip, values are cut off,
are others, are of other libraries or nested beyond all measure, are declared or deflated to a size that nobody has;
and a key is of another type.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import random
import sys
import traceback
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

from langchain_redis_memory import Cipher, Client, KeyRing, RedisMemoryError, RedisStore
from langchain_redis_memory.redis.codec import compression
from langchain_redis_memory.redis.codec.compression import deflate
from langchain_redis_memory.redis.codec.envelope import seal
from tests.conftest import Both
from tests.support.readings import readings
from tests.support.scenario import SCENARIOS, Read
from tests.support.stores import DIMS, embed

DOCUMENTS: Any = {"dims": DIMS, "embed": embed, "fields": ["x"]}
_MANY = deflate(b"\x80" * 3_000_000) or b""
"""What is inflated to more than a test allows."""
FOREIGN = [
    pickle.dumps({"x": [1, "a"]}),
    json.dumps({"type": "human", "data": {"content": "x", "type": "human"}}).encode(),
    json.dumps({"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}}).encode(),
    zlib.compress(b"x" * 999),
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x04\0\x43\xbe\xb7\xe8\x01\0\0\0",
    b"\x81\xa7content\xa1x",
    b"12345678901234567890",
    b"-1",
    b"nan",
    b"inf",
    b"1e400",
    b"",
    "\u00e4\ud7ff".encode(),
    b"\x91" * 2_000 + b"\xc0",
    b"\xc9\0\0\0\x0a\0" * 9,
    b"\x01m" + _MANY,
    b"+M" + _MANY,
    b"M" + _MANY,
    seal(b"\xdd\xff\xff\xff\xff"),
    seal(b"\x80" * 3_000_000, deflate_from=0),
]
"""Values of other libraries and other formats, and crafted ones."""
SIZES = [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\x7f\xff\xff\xff", b"\xc9\xff\xff\xff\xff\0"]
"""Heads of MessagePack that declare more than four thousand million elements or bytes."""
OTHER_TYPES: list[tuple[str, ...]] = [
    ("SET", "text"),
    ("HSET", "field", "x"),
    ("RPUSH", "x"),
    ("ZADD", "1", "x"),
    ("SADD", "x"),
    ("XADD", "*", "x", "y"),
]


class Place(NamedTuple):
    """Where bytes are stored: what is there, and how to put other bytes there."""

    key: bytes
    value: bytes
    put: Callable[[bytes], object]


def places(redis: Any, prefix: str) -> list[Place]:
    """Every stored value and every member."""
    found: list[Place] = []

    def add(key: bytes, value: bytes, put: Callable[[bytes], object]) -> None:
        found.append(Place(key, value, put))

    for key in sorted(redis.scan_iter(f"{prefix}:*", 1000)):
        kind = redis.type(key)
        if kind == b"string":
            add(key, redis.get(key), lambda value, key=key: redis.set(key, value, keepttl=True))  # type: ignore[misc]
        elif kind == b"hash":
            for field, value in redis.hgetall(key).items():
                add(key, value, lambda value, key=key, field=field: redis.hset(key, field, value))  # type: ignore[misc]
        elif kind == b"list":
            for at, value in enumerate(redis.lrange(key, 0, -1)):
                add(key, value, lambda value, key=key, at=at: redis.lset(key, at, value))  # type: ignore[misc]
        elif kind == b"zset":
            for member, score in redis.zrange(key, 0, -1, withscores=True):
                add(
                    key,
                    member,
                    lambda value, key=key, score=score: redis.zadd(key, {value: score}),  # type: ignore[misc]
                )
        elif kind == b"set":
            for member in redis.smembers(key):
                add(key, member, lambda value, key=key: redis.sadd(key, value))  # type: ignore[misc]
        elif kind == b"stream":
            for _, fields in redis.xrange(key):
                for name, value in fields.items():
                    add(key, value, lambda value, key=key, name=name: redis.xadd(key, {name: value}))  # type: ignore[misc]
    return found


def damaged(random_: random.Random, value: bytes, others: list[Place]) -> bytes:
    """The bytes with some damage."""
    match random_.randrange(9):
        case 0 if value:  # a bit flips
            at = random_.randrange(len(value))
            return value[:at] + bytes([value[at] ^ 1 << random_.randrange(8)]) + value[at + 1 :]
        case 1:  # cut off
            return value[: random_.randrange(len(value) + 1)]
        case 2:  # some bytes are others
            at = random_.randrange(len(value) + 1)
            return value[:at] + random_.randbytes(random_.randrange(1, 9)) + value[at + random_.randrange(9) :]
        case 3:  # another value
            return random_.choice(others).value
        case 4:  # a right head, and garbage
            return value[: random_.randrange(min(len(value), 24) + 1)] + random_.randbytes(random_.randrange(40))
        case 5:  # of another library, or crafted
            return random_.choice(FOREIGN)
        case 6:  # a right head, then one of another library
            return value[: random_.randrange(min(len(value), 12) + 1)] + random_.choice(FOREIGN)
        case 7:  # a size that nobody has
            return value[: random_.randrange(len(value) + 1)] + random_.choice(SIZES) + value[-9:]
        case _:
            return random_.randbytes(random_.randrange(60))


def of_another_type(redis: Any, random_: random.Random, key: bytes) -> Callable[[], object]:
    """Makes a key one of another type; gives what brings it back."""
    kind = redis.type(key)
    if kind == b"none":  # it expired meanwhile
        return lambda: None
    command, *words = random_.choice([other for other in OTHER_TYPES if TYPES[other[0]] != kind])
    redis.rename(key, b"aside")
    redis.execute_command(command, key, *words)
    redis.pexpire(key, 60_000)

    def back() -> None:
        redis.delete(key)
        if redis.exists(b"aside"):  # else it expired meanwhile
            redis.rename(b"aside", key)

    return back


TYPES = {"SET": b"string", "HSET": b"hash", "RPUSH": b"list", "ZADD": b"zset", "SADD": b"set", "XADD": b"stream"}


class Reader:
    """Calls what reads, and counts what comes."""

    def __init__(self) -> None:
        self.raised: Counter[str] = Counter()
        self.wrong: list[str] = []

    async def read(self, reads: list[Read], told: str) -> None:
        """Calls each; one that raises what is none of the package's errors is noted with the place of it."""
        for at, read in enumerate(reads):
            try:
                await read()
            except RedisMemoryError as error:
                self.raised[type(error).__name__] += 1
            except Exception as error:  # noqa: BLE001 - what is looked for
                line = traceback.extract_tb(error.__traceback__)[-1]
                self.wrong.append(f"{told}, read {at}: {error!r:.200} ({line.filename[-40:]}:{line.lineno})")


async def read_damaged(name: str, times: int, seed: int, *, cipher: bool = False) -> tuple[Counter[str], list[str]]:
    """Damages a scenario's values so many times.

    Returns:
        How often which error came, and what came that is none of the package's.
    """
    random_ = random.Random(f"{seed}/{name}/{cipher}")
    both = Both(asynchronous=False)
    keys = Cipher(KeyRing({"k": bytes(32)}), readable=["vectors"]) if cipher else None
    reader, left = Reader(), 0
    reads, later, everywhere, last = (list[Read]() for _ in range(4))
    redis: Any = None
    for n in range(times):
        if left == 0:  # what damage leaves behind is worth reading, but not for ever
            client = Client.from_url(f"memory://{uuid4().hex}", cipher=keys)
            reads, redis, left = await SCENARIOS[name].run(both, client, ""), client._topology.open().client, 40
            later, everywhere, last = readings(name, both, client)
        left -= 1
        found = places(redis, "lrm")
        place = random_.choice(found)
        if random_.randrange(8):
            bad = damaged(random_, place.value, found)
            told, _ = f"{name} #{n}, {place.key!r}: {place.value!r:.80} -> {bad!r:.80}", place.put(bad)
            back: Callable[[], object] = lambda place=place: place.put(place.value)  # type: ignore[misc]  # noqa: E731
        else:
            told, back = f"{name} #{n}, {place.key!r} is of another type", of_another_type(redis, random_, place.key)
        await reader.read([*reads, *later, *(everywhere if n % 40 == 4 else [])], told)
        if left == 0 or n == times - 1:
            await reader.read(last, f"{told}, at last")
        else:
            back()
    return reader.raised, reader.wrong


async def damaged_points(url: str, prefix: str, times: int) -> tuple[set[str], list[str]]:
    """Damages what the Query Engine finds, on a server that has it; gives the kinds of keys, and what was wrong."""
    random_, both, reader = random.Random(1), Both(asynchronous=False), Reader()
    with Client.from_url(url, prefix=prefix) as client:
        items = RedisStore(client, index=DOCUMENTS, engine="query_engine", ttl={"default_ttl": 5})
        for n in range(3):
            items.put(("v",), str(n), {"x": f"word {n}", "n": n})
        redis = client._topology.open().client
        keys: set[str] = set()
        for n in range(times):
            found = places(redis, prefix)
            keys |= {place.key.decode().split("}:")[1].split(":")[0] for place in found}
            place = random_.choice([place for place in found if b"}:point" in place.key])
            place.put(bad := damaged(random_, place.value, found))

            async def search() -> Any:
                return await both(items.search)(("v",), query="word 1", filter={"n": {"$gte": 1}})

            await reader.read([search], f"point #{n}, {place.key!r}: {place.value!r:.80} -> {bad!r:.80}")
            place.put(place.value)
        redis.close()
    return keys, reader.wrong


async def _main(times: int, seed: int) -> int:
    logging.disable(logging.CRITICAL)
    vars(compression)["most_bytes"] = lambda: 1_000_000  # so that crafted values are cheap
    print(f"seed {seed}, {times} damaged values")
    raised: Counter[str] = Counter()
    wrong: list[str] = []
    share = -(-times // (2 * len(SCENARIOS)))
    for name in SCENARIOS:
        for cipher in (False, True):
            more, worse = await read_damaged(name, share, seed, cipher=cipher)
            raised, wrong = raised + more, wrong + worse
            print(
                f"{name}{', encrypted' if cipher else ''}: {sum(more.values())} errors",
                *worse[:3],
                sep="\n",
                flush=True,
            )
    print(f"the package's errors: {dict(raised)}; others: {len(wrong)}", *wrong[:20], sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6))))
