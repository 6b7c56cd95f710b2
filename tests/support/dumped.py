"""What other packages store, as the commands that make it: recorded from the packages themselves.

`python -m tests.support.dumped NAME URL` records all keys of a server, after `tests/support/peers.py NAME URL` wrote.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import redis

from langchain_redis_memory.ops import Op
from langchain_redis_memory.redis.client.client import Client
from langchain_redis_memory.redis.replies import pairs

FOLDER = Path(__file__).parent / "dumps"


def send(client: Client, *commands: tuple[Any, ...]) -> list[Any]:
    """Sends commands one by one, as another package would."""
    return [client.run(Op((command,), lambda replies: replies[0])) for command in commands]


def load(client: Client, name: str) -> None:
    """Plays a dump."""
    for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines():
        send(client, tuple(b64decode(word[4:]) if word[:4] == "b64:" else word.encode() for word in json.loads(line)))


def record(url: str, name: str) -> None:
    """Records all keys of a server."""
    client = redis.Redis.from_url(url)
    lines = []
    for key in sorted(client.scan_iter("*", 1000)):
        lines.append(_commands(client, key))
        if (ttl := client.ttl(key)) > 0:
            lines.append([b"EXPIRE", key, str(-(-ttl // 100) * 100).encode()])
    FOLDER.mkdir(exist_ok=True)
    spelled = [json.dumps([_spelled(word) for word in line], ensure_ascii=False) + "\n" for line in lines]
    (FOLDER / f"{name}.jsonl").write_text("".join(spelled), "utf-8")


def _commands(client: Any, key: bytes) -> list[bytes]:
    kind = client.type(key)
    if kind == b"ReJSON-RL":
        return [b"JSON.SET", key, b"$", client.execute_command("JSON.GET", key)]
    if kind == b"string":
        return [b"SET", key, client.get(key)]
    if kind == b"list":
        return [b"RPUSH", key, *client.lrange(key, 0, -1)]
    if kind == b"hash":
        return [b"HSET", key, *(word for pair in sorted(pairs(client.hgetall(key))) for word in pair)]
    if kind == b"zset":
        words = client.zrange(key, 0, -1, withscores=True)
        return [b"ZADD", key, *(word for member, score in words for word in (repr(score).encode(), member))]
    raise AssertionError(kind)


def _spelled(word: bytes) -> str:
    try:
        text = word.decode()
    except UnicodeDecodeError:
        return "b64:" + b64encode(word).decode()
    return text if text[:4] != "b64:" and "\n" not in text else "b64:" + b64encode(word).decode()


if __name__ == "__main__":
    record(sys.argv[2], sys.argv[1])
