"""Damages stored bytes at random and reads them: every read gives a value or one of the package's errors.

`python -m tests.support.damage 20000` does it so many times, with a seed that it prints.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

from langchain_redis_memory import Cipher, Client, KeyRing, RedisMemoryError
from tests.conftest import Both
from tests.support.scenario import SCENARIOS, Read


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
        elif kind == b"stream":
            for _, fields in redis.xrange(key):
                for name, value in fields.items():
                    add(key, value, lambda value, key=key, name=name: redis.xadd(key, {name: value}))  # type: ignore[misc]
    return found


def damaged(random_: random.Random, value: bytes, others: list[Place]) -> bytes:
    """The bytes with some damage."""
    match random_.randrange(6):
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
        case _:
            return random_.randbytes(random_.randrange(60))


async def read_damaged(name: str, times: int, seed: int, *, cipher: bool = False) -> tuple[Counter[str], list[str]]:
    """Damages a scenario's values so many times.

    Returns:
        How often which error came, and what came that is none of the package's.
    """
    random_ = random.Random(f"{seed}/{name}/{cipher}")
    both = Both(asynchronous=False)
    keys = Cipher(KeyRing({"k": bytes(32)}), readable=["vectors"]) if cipher else None
    raised: Counter[str] = Counter()
    wrong: list[str] = []
    left, reads, redis, client = 0, list[Read](), None, None
    for n in range(times):
        if left == 0:  # what damage leaves behind is worth reading, but not for ever
            client = Client.from_url(f"memory://{uuid4().hex}", cipher=keys)
            reads, redis, left = await SCENARIOS[name].run(both, client, ""), client._topology.open().client, 40
        left -= 1
        found = places(redis, "lrm")
        place = random_.choice(found)
        bad = damaged(random_, place.value, found)
        place.put(bad)
        for at, read in enumerate(reads):
            try:
                await read()
            except RedisMemoryError as error:
                raised[type(error).__name__] += 1
            except Exception as error:  # noqa: BLE001 - what is looked for
                wrong.append(f"{name} #{n}, read {at} of {place.key!r}, {place.value!r} -> {bad!r}: {error!r}")
        place.put(place.value)
    return raised, wrong


async def _main(times: int, seed: int) -> int:
    logging.disable(logging.CRITICAL)
    print(f"seed {seed}, {times} damaged values")
    raised: Counter[str] = Counter()
    wrong: list[str] = []
    share = -(-times // (2 * len(SCENARIOS)))
    for name in SCENARIOS:
        for cipher in (False, True):
            more, worse = await read_damaged(name, share, seed, cipher=cipher)
            raised, wrong = raised + more, wrong + worse
    print(f"the package's errors: {dict(raised)}; others: {len(wrong)}", *wrong[:20], sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6))))
