"""Literal stored bytes: what the keys of a server hold, and how to put it there."""

from __future__ import annotations

import re
from typing import Any

from langchain_redis_memory.redis.client.client import Client
from tests.support.raw import raw
from tests.support.saves import hashed


def masked(data: bytes) -> bytes:
    """The bytes with T for each time in them."""
    return re.sub(rb"(?<![0-9])1[789]\d{11}(\d{3})?", b"T", data)


def held(client: Client, key: str) -> Any:
    """What a key holds, times masked: a dict of a hash, a list of a list or of the members of a sorted set, bytes."""
    kind = raw(client, ("TYPE", key))[0]
    kind = kind.decode() if isinstance(kind, bytes) else kind
    if kind == "hash":
        return {masked(field): masked(value) for field, value in hashed(client, key).items()}
    if kind == "none":
        return None
    command = {"list": ("LRANGE", key, 0, -1), "zset": ("ZRANGE", key, 0, -1), "string": ("GET", key)}[kind]
    found = raw(client, command)[0]
    return masked(found) if isinstance(found, bytes) else [masked(one) for one in found]


def put(client: Client, key: str, value: Any) -> None:
    """Writes literal bytes: a dict as a hash, a list as a list, a set as a sorted set with scores 0, bytes."""
    if isinstance(value, dict):
        command: tuple[Any, ...] = ("HSET", key, *[part for pair in value.items() for part in pair])
    elif isinstance(value, list):
        command = ("RPUSH", key, *value)
    elif isinstance(value, set):
        command = ("ZADD", key, *[part for member in sorted(value) for part in (0, member)])
    else:
        command = ("SET", key, value)
    raw(client, command, ("PEXPIRE", key, 60_000))
